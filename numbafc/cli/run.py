"""One training, from its options to what came of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ..files import datasets
from ..files.invalid import InvalidFile
from ..nn import MLP
from ..nn.mlp import REAL_LOSSES
from . import curves, settings
from .display import Display, minibatches
from .outputs import Saver, check_writable, one_interrupt
from .sources import Source, require_targets, score_name


@dataclass
class Run:
    """A network, the samples to train it on and to validate it on, the settings of fit, and the model's file."""

    source: Source
    net: MLP
    dataset: datasets.Dataset
    training: datasets.Dataset
    held_out: datasets.Dataset
    asked: dict[str, Any]
    path: Path
    again: str  # the command that resumes it

    def describe(self) -> str:
        """What is read, what is trained, and on how much of it."""
        layers = "-".join(map(str, self.net.sizes))
        words = [
            self.dataset.describe(),
            f"layers {layers}, {self.net.activation}, {self.net.loss_name}, {self.net.parameters.size} parameters",
            f"{len(self.training.X)} samples to train on, {len(self.held_out.X)} for validation",
        ]
        if self.net.training is not None:
            words.append(f"resumed after {_place(self.net)}")
        return "\n".join(words)

    def fit(self, console: Console) -> bool:
        """Train with a display, and save. Whether it came to its end: Ctrl-C before the first step is raised again."""
        before, finished = minibatches(self.net), False
        validation = self.held_out.X, self.held_out.y
        with one_interrupt(), Display(self.net, self.asked["epochs"], console) as display:
            callbacks = display, Saver(self.net, self.path)
            try:
                self.net.fit(self.training.X, self.training.y, validation=validation, callbacks=callbacks, **self.asked)
                finished = True
                self.net.save(self.path)
            except KeyboardInterrupt:
                if minibatches(self.net) == before:
                    raise
                self.net.save(self.path)
            except FloatingPointError as error:
                if display.record is None or "resume" in self.asked:  # a file to resume stays one
                    raise
                self.net.save(self.path)
                raise FloatingPointError(f"{error}; {self.path} has those parameters") from None
        return finished

    def uses(self) -> list[str]:
        """What can be done with the model."""
        model, source = str(self.path), self.source
        evaluate = shlex.join(["numbafc", "evaluate", model, *source.arguments])
        predict = shlex.join(["numbafc", "predict", model, *source._replace(labels=None).arguments])
        return [evaluate, predict, f"numbafc.load({model!r}) in Python"]

    def draw(self, path: Path) -> bool:
        """Draw the learning curve; whether there is one."""
        history = self._progress.history
        if history:
            curves.draw(path, history, score_name(self.net), self.dataset.name)
        return bool(history)

    def result(self, finished: bool) -> dict[str, Any]:
        """What came of it, for programs."""
        net, history, samples, seconds = self.net, self._progress.history, *self._work()
        validation = self.held_out.X, self.held_out.y
        return {
            "model": str(self.path),
            "data": str(self.source.data),
            "samples": len(self.dataset.X),
            "features": self.dataset.X.shape[1],
            "classes": net.classes,
            "training_samples": len(self.training.X),
            "validation_samples": len(self.held_out.X),
            "layers": net.sizes,
            "activation": net.activation,
            "loss": net.loss_name,
            "parameters": net.parameters.size,
            "epochs": len(history),
            "interrupted": not finished,
            "seconds": seconds,
            "samples_per_second": samples / seconds if seconds else None,
            "history": [record._asdict() for record in history],
            "validation_loss": net.loss(*validation) if finished else None,
            "validation_score": net.score(*validation) if finished else None,
            "score_is": score_name(net),
            "resume": self._on(),
        }

    def _on(self) -> str | None:
        """The command that goes on, after the last epoch with more of them; none where that was the end."""
        now = self._progress
        if not now.finished:
            return self.again
        more = settings.more_epochs(len(now.history))
        return None if now.stopped or not now.may_be_of(more) else f"{self.again} --epochs {more}"

    @property
    def _progress(self) -> Any:
        return self.net.training

    def _work(self) -> tuple[int, float]:
        """Samples that were trained on, and seconds it took."""
        records, now = self._progress.history, self._progress
        return sum(records.samples) + int(now.results[3]), sum(records.seconds) + now.seconds

    def verdict(self) -> list[str]:
        """What early stopping chose, if it did."""
        now = self._progress
        if now.recipe.early_stopping is None or now.last is None:
            return []
        return [f"kept the parameters of epoch {len(now.history) - now.waited}, the best of {len(now.history)}"]


def begin(source: Source, given: dict[str, Any], out: Path | None) -> Run:
    """A training of a new network. given: the options by their names."""
    dataset = source.read(settings.task(given["loss"]), given["dtype"])
    net = settings.network(dataset, given)
    require_targets(dataset, net, source.data)
    run = _run(source, net, dataset, given, {**settings.training(given), "epochs": given["epochs"]}, out)
    run.net.standardize(run.training.X, run.training.y if net.loss_name in REAL_LOSSES else None)
    return run


def go_on(source: Source, given: dict[str, Any], resume: Path, epochs: int | None, out: Path | None) -> Run:
    """The training in a model's file, to so many epochs in all, or to where it was to go."""
    net = settings.resumed(resume, epochs)
    settings.refuse_for_reals(given, net.loss_name)
    run = _run(source, net, source.read_for(net), given, {"resume": True}, out or resume)
    if not net.was_trained_on(run.training.X, run.training.y, class_weight=given["class_weight"]):
        raise ValueError(
            f"--resume {resume} needs the samples and weights its training began with, {run._progress.samples} of them; "
            f"these are others, {len(run.training.X)}; give the same data, --validation-split and --class-weight"
        )
    run.asked["epochs"] = run._progress.epochs
    return run


def _run(
    source: Source, net: MLP, dataset: datasets.Dataset, given: dict[str, Any], of_fit: dict[str, Any], out: Path | None
) -> Run:
    if len(dataset.X) < 2:
        raise InvalidFile(source.data, "training needs at least 2 samples, one of them to validate on")
    path = out or Path(f"{Path(dataset.name).stem}.safetensors")
    check_writable("--out", path, *source.files)
    repeated = {name: given[name] for name, usual in settings.OF_DATA.items() if given[name] != usual}
    words = [word for name, value in repeated.items() for word in (settings.option(name), str(value))]
    again = shlex.join(["numbafc", "train", *source.arguments, *words, "--resume", str(path)])
    parts = dataset.split(given["validation_split"], net.seed)
    return Run(source, net, dataset, *parts, {**of_fit, "class_weight": given["class_weight"]}, path, again)


def _place(net: MLP) -> str:
    """How far a training is."""
    now = net.training
    if now is None:
        return "nothing"
    batches = int(now.results[4])
    inside = f", minibatch {batches} of {now.batches} of the next" if batches else ""
    return f"epoch {len(now.history)} of {now.epochs}{inside}"

"""One training, from its options to what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._startup import INTERRUPTED
from ..files import datasets
from ..nn import MLP, realmlp
from ..nn.communication import Group
from ..nn.course import Callback
from ..nn.members import Model
from ..nn.pooled import Answering, networks
from ..nn.results import DONE, SAMPLES
from ..nn.weights import class_weights
from . import curves, decided, endings, ensemble, memory, ranks, screen, settings
from . import folds as of_folds
from .display import Display
from .ensemble import minibatches
from .interrupts import one_stop
from .outputs import Saver
from .places import Place, SavedElsewhere, save_for_good
from .sources import Source, file_word, score_name
from .waiting import of_training, told

LEAST = 1e-3  # by which a loss must have grown
SOME = 10_000  # samples, drawn by the split: enough to see that a network is worse than none


@dataclass
class Run:
    """A network, the samples to train it on and to validate it on, the settings of fit, and where the model goes."""

    source: Source
    net: Model
    dataset: datasets.Dataset
    training: datasets.Dataset
    held_out: datasets.Dataset
    asked: dict[str, Any]
    place: Place
    words: list[str]  # of the command that resumes it, but for the file
    path: Path  # of the model: where it will go, then where it is
    replaced: bool = False
    stopped: int = 0  # the exit code of a training that was asked to end before it did
    trouble: Exception | None = None  # with the model, which is saved all the same
    patient: bool = False  # it may end by itself, as realmlp has it
    force: bool = False  # replace the file whatever the model is like
    group: Group | None = None  # of processes that train it together
    poor: str | None = None  # a sentence, where a constant would be as good
    folds: of_folds.Parts | None = None  # of the members; all samples are then trained on, and held out

    def describe(self) -> list[str]:
        """Lines about what is read, what is trained, on how many samples, and where the model goes unless that is plain."""
        layers, count = "-".join(map(str, self.net.sizes)), networks(self.net)[0].parameters.size
        members = "" if isinstance(self.net, MLP) else f"{ensemble.averaged(self.net)}, each of "
        lines = [
            self.dataset.describe(),
            *self.dataset.said,
            *([] if self.net.table is None or self.net.training is not None else decided.lines(self.net.table)),
            screen.sentence(f"{members}layers {layers}, {self.net.activation}, {self.net.loss_name}, {count} parameters"),
            f"{len(self.training.X)} samples to train on, {len(self.held_out.X) or 'none'} for validation"
            if self.folds is None
            else f"{len(self.training.X)} samples to train on, each of them for the validation of one of the members",
        ]
        lines += memory.lines(self.net, self.dataset, self.held_out, bool(self.asked["class_weight"]))
        if self.net.training is not None:
            lines.append(f"resumed after {_place(self.net)}")
        if self.stays is not None:
            lines.append(f"{self.stays} is of another training and stays; this model goes to {self.path}, or say --out")
        if self.group is not None:
            batch = self.asked["batch_size"] if self.net.training is None else self.net.training.recipe.batch_size
            option = "--members" if self.folds is None else "--folds"
            lines += ranks.describe(self.group, batch, len(networks(self.net)), option)
        return lines

    @property
    def validation(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The samples held out, if there are any."""
        return (self.held_out.X, self.held_out.y) if len(self.held_out.X) else None

    @property
    def judged(self) -> Answering:
        """Who is asked for the samples held out: of members with folds, for each sample the one that has held it out."""
        return self.net if self.folds is None else of_folds.judge(self.net, self.folds, len(self.training.X))

    @property
    def stays(self) -> Path | None:
        """The file that has the name this model would have, and is not replaced."""
        return self.place.path if self.path != self.place.path and self.place.path.exists() else None

    def fit(self, lines: screen.Lines) -> None:
        """Train with a display, and save. Ctrl-C before the first step is raised again."""
        before, ended = minibatches(self.net), False
        needed = of_training(self.net, self.asked, len(self.training.X))
        show = Display(self.net, self.asked["epochs"], lines.console(), lines.say, needed)
        with one_stop(), told(show.wait_for), show as display:
            told_of: list[Callback] = [display, Saver(lambda: self.place.save(self.net, self._on_the_way()), _aside)]
            callbacks = ensemble.callbacks(self.net, told_of, self.patient)
            together: dict[str, Any] = {} if self.group is None else {"comm": self.group}
            try:
                X, y = self.training.X, self.training.y
                self.net.fit(X, y, **self._validated(), callbacks=callbacks, **self.asked, **together)
                ended = True
                self._save_whole()
            except KeyboardInterrupt as stop:
                if ended:  # it is heard once
                    self._save_whole()
                    return
                if minibatches(self.net) == before:
                    raise
                self.stopped = getattr(stop, "code", INTERRUPTED)
                self._save(self._of_a_part())
            except FloatingPointError as error:
                if display.record is None or "resume" in self.asked:  # a file to resume stays one
                    raise
                self._save(self._of_a_part())
                raise FloatingPointError(f"{error}; {self.path} has those parameters") from None
            except BaseException as error:
                if minibatches(self.net) > before and not ended:
                    self._save(self._of_a_part())
                    error.add_note(f"what was learnt until then is saved in {self.path}")
                raise

    def _validated(self) -> dict[str, Any]:
        """What fit is told of validation."""
        if self.folds is None:
            return {"validation": self.validation}
        rows, held = zip(*self.folds, strict=True)
        return {"rows": rows, "validation_rows": held}

    def _save_whole(self) -> None:
        if not ranks.is_first(self.group):
            return
        worse = self._worse()
        bad = None
        if worse is None and self.validation is not None and not self.force:
            bad = endings.worse_than_chance(self.judged, self.training.y, *self.validation)
        if bad is not None and self.place.would_replace():
            self._save(self.place.spare())
            self.trouble = self.trouble or FloatingPointError(
                f"{bad}; {self.path} has that network, and {self.place.path} stays as it was; --force replaces it"
            )
            return
        self.poor = bad
        if worse is None or self.force:
            limited = endings.ended_by(self.progress) == "time_limit"  # which is not the training of that file
            whole = self.place.part() if limited else self.place.whole()
            self._save(whole)
            if self.path == whole:
                self.place.clear(whole)
            return
        after, before = worse
        self._save(self.place.spare())
        kept = f"; {self.place.path} stays as it was" if self.stays is not None else ""
        self.trouble = self.trouble or FloatingPointError(
            f"training diverged: the loss of what it was trained on is {after:.6g}, and was {before:.6g} before the first "
            f"step; {self.path} has that network{kept}; try a smaller learning rate"
        )

    def _on_the_way(self) -> Path:
        """Where the model goes between epochs: not over another run's, which may be the better one in the end."""
        others = self.place.would_replace() and not self.force and "resume" not in self.asked
        return self.place.spare() if others else self._of_a_part()

    def _of_a_part(self) -> Path:
        return self.place.part() if self._worse() is None else self.place.spare()

    def _save(self, path: Path) -> None:
        """Save the model there, or elsewhere where that fails; of several processes the first does."""
        if not ranks.is_first(self.group):
            return
        try:
            self.path = save_for_good(self.place, self.net, path)
            self.replaced = path in self.place.replaced
        except SavedElsewhere as error:
            self.path, self.trouble, self.replaced = error.path, error, False

    def _worse(self) -> tuple[float, float] | None:
        """The loss of samples it was trained on, now and before the first step, if now it is larger by half or more."""
        X, y = self.training.X[:SOME], self.training.y[:SOME]
        weight = self.asked["class_weight"] and class_weights(self.asked["class_weight"], y, self.net.sizes[-1])
        try:
            before, after = (net.loss(X, y, sample_weight=weight) for net in (settings.untrained(self.net), self.net))
        except MemoryError:  # for another network: nobody can tell
            return None
        # a training that has hardly begun, or learns nothing, is no divergence; a loss may be 0 before it
        worse = not after <= before + max(abs(before) / 2, LEAST)
        return (after, before) if math.isfinite(before) and worse else None

    def uses(self) -> list[str]:
        """Commands that use the model."""
        model, source = file_word(self.path), self.source
        evaluate = screen.command("numbafc", "evaluate", model, *source.arguments)
        predict = screen.command("numbafc", "predict", model, *source._replace(labels=None).arguments)
        return [evaluate, predict, f"numbafc.load({str(self.path)!r}) in Python"]

    @property
    def again(self) -> str:
        """The command that resumes the training."""
        return screen.command(*self.words, "--resume", file_word(self.path))

    def draw(self, path: Path) -> bool:
        """Draw the learning curve, and tell whether there is one."""
        history = ensemble.history(self.net)
        if history:
            curves.draw(path, history, score_name(self.net), screen.printable(self.dataset.name))
        return bool(history)

    def result(self) -> dict[str, Any]:
        """The outcome, for programs."""
        net, history, samples, seconds = self.net, ensemble.history(self.net), *self._work()
        finished, held_out = not self.stopped, None if self.stopped else self.validation
        return {
            "model": str(self.path),
            "members": len(networks(net)),
            "replaced": self.replaced,
            "stays": None if self.stays is None else str(self.stays),
            "trouble": None if self.trouble is None else str(self.trouble),
            "data": self.source.name,
            "samples": len(self.dataset.X),
            "features": self.dataset.X.shape[1],
            "classes": net.classes,
            "training_samples": len(self.training.X),
            "validation_samples": len(self.held_out.X),
            "folds": None if self.folds is None else len(self.folds),
            "layers": net.sizes,
            "activation": net.activation,
            "loss": net.loss_name,
            "parameters": sum(one.parameters.size for one in networks(net)),
            "epochs": len(history),
            "interrupted": not finished,
            "seconds": seconds,
            "samples_per_second": samples / seconds if seconds else None,
            "history": [record._asdict() for record in history],
            "validation_loss": None if held_out is None else self.judged.loss(*held_out),
            "validation_score": None if held_out is None else self.judged.score(*held_out),
            "ended_by": endings.ended_by(self.progress),
            "score_is": score_name(net),
            "resume": self._on(),
        } | ({} if isinstance(net, MLP) else {"each": ensemble.each(net, held_out, self.folds)})

    def _on(self) -> str | None:
        """The command that goes on, after the last epoch with more of them; none where that was the end."""
        each = ensemble.progress(self.net)
        if not all(now.finished or realmlp.ended(now) for now in each):
            return self.again
        more = settings.more_epochs(max(now.done for now in each))
        ends = all(now.stopped or realmlp.ended(now) for now in each) or not all(now.may_be_of(more) for now in each)
        return None if ends else f"{self.again} --epochs {more}"

    @property
    def progress(self) -> Any:
        """How far the training is; of members that one which is furthest."""
        return ensemble.furthest(self.net)

    def _work(self) -> tuple[int, float]:
        """The number of samples that were trained on, and the seconds that took."""
        records, each = ensemble.history(self.net), ensemble.progress(self.net)
        samples: int = sum(record.samples for record in records) + sum(int(now.results[SAMPLES]) for now in each)
        return samples, sum(records.seconds) + max(float(now.seconds) for now in each)

    def verdict(self) -> list[str]:
        """Lines about which epoch was kept, and what limited the training."""
        said = [] if self.stopped else ensemble.verdict(self.net)
        return said if self.poor is None else [*said, f"note: {self.poor}"]


def _aside(line: str) -> None:
    screen.say(f"numbafc: {screen.sentence(line)}", err=True)


def _place(net: Model) -> str:
    """A phrase about how far a training is."""
    now = ensemble.furthest(net)
    if now is None:
        return "nothing"
    batches = int(now.results[DONE])
    inside = f", minibatch {batches} of {now.batches} of the next" if batches else ""
    return f"epoch {len(now.history)} of {now.epochs}{inside}"

"""`--report`: the page of a training, or of an evaluation; report/ makes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer

from ..files import datasets
from ..nn.mapped import taken
from ..nn.members import Model
from ..nn.pooled import Answering
from . import report, seen
from .run import Run
from .sources import Source, is_digits

SUFFIXES = ".html", ".htm"


def check(path: Path | None, find_rate: bool = False, resume: Path | None = None) -> None:
    """Refuse a report that is no page, or would be of no model, and a rate for a training that has its own."""
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--report must end in {' or '.join(SUFFIXES)}, got {str(path)!r:.200}")
    if find_rate and (path is not None or resume is not None):
        other = "--report" if path is not None else "--resume"
        raise ValueError(f"--find-rate trains no model, so {other} does not go with it; leave one out")


def of_run(path: Path, run: Run, context: typer.Context) -> str:
    """Write the report of a training, and return the line that says so."""
    whole, known = run.dataset, run.validation is None
    if run.folds is not None:
        report.write(path, _out_of_fold(run.judged, whole, run.source, context))
        return f"wrote {path}"
    part = run.training if known else run.held_out
    which = f"that it was trained on, for none of {whole.name} were held out" if known else "that were held out"
    subject = report.Subject(
        run.net,
        part.X,
        part.y,
        f"the {len(part.X)} samples {which}" if known else f"the {len(part.X)} samples of {whole.name} {which}",
        known,
        report.places(whole, len(run.held_out.X), run.net.seed),
        whole.name,
        report.command_of(context),
        _files(run.source),
        run.training.X,
        report.groups(run.net),
    )
    report.write(path, subject)
    return f"wrote {path}"


def of_evaluation(
    path: Path, net: Model, source: Source, whole: datasets.Dataset, known: seen.Seen, context: typer.Context
) -> None:
    """Write the report of a model on a data set: on those samples that it was not trained on, if it was on the others."""
    groups = report.groups(net)
    command, files, name = report.command_of(context), _files(source), whole.name
    if known.out_of_fold is not None:
        report.write(path, _out_of_fold(known.out_of_fold, whole, source, context))
        return
    if known.others is None:
        said, places = f"the {len(whole.X)} samples of {name}", np.arange(len(whole.X))
        trained = known.trained > 0
        report.write(path, report.Subject(net, whole.X, whole.y, said, trained, places, name, command, files, None, groups))
        return
    others, places = known.others
    said = f"the {len(others.X)} samples of {name} that were held out of its training"
    training = taken(whole.X, np.delete(np.arange(len(whole.X)), places))
    report.write(path, report.Subject(net, others.X, others.y, said, False, places, name, command, files, training, groups))


def _out_of_fold(net: Answering, whole: datasets.Dataset, source: Source, context: typer.Context) -> report.Subject:
    """Members on the samples of their training, each of which only those are asked for that were not trained on it."""
    said = f"the {len(whole.X)} samples of {whole.name}, out of fold: each by the member that was not trained on it"
    return report.Subject(
        net, whole.X, whole.y, said, False, np.arange(len(whole.X)), whole.name, report.command_of(context),
        _files(source), whole.X, report.groups(net),
    )  # fmt: skip


def _files(source: Source) -> list[Path]:
    return [] if is_digits(source.first) else source.files

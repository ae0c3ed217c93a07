"""`numbafc train`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import typer

from .. import _numba
from ..nn import communication
from . import curves, options, ranks, rates, recipes, reports, screen, settings, waiting
from . import folds as of_folds
from .beginning import begin, go_on
from .exit_codes import NOBODY_READS
from .options import USUAL
from .outputs import check_writable
from .run import Run
from .sources import Source, given_files, score_name

EXAMPLES = """
numbafc train
numbafc train houses.csv --target price --drop id
numbafc train iris.csv --target species --recipe plain --epochs 100
numbafc train data.npz --hidden 256,128 --early-stopping 5 --plot curves.png
numbafc train houses.csv --target price --members 8
numbafc train houses.csv --target price --folds 5
numbafc train iris.csv --find-rate
numbafc train iris.csv --report iris.html
mpiexec -n 4 numbafc train data.npy --batch-size 2048
torchrun --nproc-per-node 4 -m numbafc train data.npy --batch-size 2048
numbafc train --resume digits.safetensors --epochs 40
"""


def train(
    context: typer.Context,
    data: options.Data = None,
    target: options.Target = None,
    labels: options.Labels = None,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    header: options.Header = None,
    na: options.Missing = None,
    categorical: options.Categorical = None,
    numeric: options.Numeric = None,
    dates: options.Dates = None,
    drop: options.Drop = None,
    keep: options.Keep = None,
    task: options.Task = "auto",
    recipe: options.RecipeName = "auto",
    members: options.Members = 1,
    folds: options.Folds = None,
    validation_split: options.Split = settings.OF_DATA["validation_split"],
    hidden: options.Hidden = "128",
    activation: options.Activation = waiting.USUAL_ACTIVATION,
    init: options.Init = "auto",
    loss: options.Loss = "auto",
    label_smoothing: options.LabelSmoothing = 0.0,
    class_weight: options.ClassWeight = None,
    optimizer: options.Optimizer = USUAL["optimizer"],
    learning_rate: options.LearningRate = USUAL["learning_rate"],
    weight_decay: options.WeightDecay = None,
    schedule: options.Schedule = USUAL["schedule"],
    batch_size: options.BatchSize = USUAL["batch_size"],
    epochs: options.Epochs = 20,
    dropout: options.Dropout = USUAL["dropout"],
    clip_norm: options.ClipNorm = USUAL["clip_norm"],
    clip_sample_norm: options.ClipSampleNorm = USUAL["clip_sample_norm"],
    early_stopping: options.EarlyStopping = USUAL["early_stopping"],
    time_limit: options.TimeLimit = None,
    seed: options.Seed = 0,
    dtype: options.Dtype = "float32",
    threads: options.Threads = None,
    out: options.Out = None,
    resume: options.Resume = None,
    force: options.Force = False,
    plot: options.Plot = None,
    report: options.Report = None,
    find_rate: options.FindRate = False,
    mpi: options.Mpi = False,
    as_json: options.Json = False,
) -> None:
    """Train a network, by default on the digits.

    A table may have words, dates, gaps and columns of no use: what becomes of each is printed, and kept in the model. For a
    table the recipe is RealMLP's, with three hidden layers of 256 units, else one hidden layer of 128 units learns for 20
    epochs. Some samples are held out, to validate on. Ctrl-C keeps what was learnt until then, and --resume goes on with
    it: to the bits of a run without a break. Other settings than the file's are refused beside it. Without --out no model
    of another training is replaced: the new one is NAME-2 then. Under mpiexec or torchrun all processes train one network,
    or some of the members each, to the bits of one process; the first speaks and saves.
    """
    group = ranks.join(mpi, context.params)
    settings.check(context.params)
    of_folds.check(context)
    reports.check(report, find_rate, resume)
    choices = options.choices(categorical, numeric, dates, drop, keep)
    written = options.dialect(delimiter, decimal, encoding, header, na)
    source, show = Source(given_files(data), target, labels, written, choices), screen.Lines(as_json)
    try:
        named = recipes.named(recipe, source.is_table)
        compiling = waiting.beside(context.params, named) if resume is None else nullcontext()
        with compiling, communication.agreed(group):
            if resume is None:
                run = begin(source, context, out)
            else:
                run = go_on(source, context, resume, epochs if settings.is_given(context, "epochs") else None, out)
            if plot is not None:
                curves.check(plot)
                check_writable("--plot", plot, *source.files, resume, run.path)
            if report is not None:
                check_writable("--report", report, *source.files, resume, run.path, plot)
            if threads is not None:
                _numba.set_num_threads(threads)
            run.group = group
            show.say(*run.describe())
            if find_rate:
                rates.show(run, show, plot, as_json)
                return
            run.fit(show)
    except KeyboardInterrupt as error:
        error.args = ("interrupted before the first step; nothing is saved",)
        raise
    if group is not None:
        group.ended = True  # nothing more is to be agreed on
    try:
        _tell(run, show, plot, as_json, None if report is None else partial(reports.of_run, report, run, context))
    except (KeyboardInterrupt, OSError) as error:
        error.add_note(f"the model is saved in {run.path}")
        raise
    if run.trouble is not None:
        raise run.trouble
    if run.stopped:
        raise typer.Exit(run.stopped)


def _tell(run: Run, show: screen.Lines, plot: Path | None, as_json: bool, report: Callable[[], str] | None = None) -> None:
    """Say what came of a training, and what can be done with it."""
    if not ranks.is_first(run.group):
        return
    if run.stopped == NOBODY_READS:
        screen.say(f"numbafc: nobody reads the output any more; saved {run.path}; resume with: {run.again}", err=True)
        return
    done, troubles = not run.stopped, []
    show.say(*run.verdict())
    verb = "replaced" if run.replaced else "saved"
    show.say(f"{verb} {run.path}; use it:" if done else f"interrupted; {verb} {run.path}; resume with:")
    show.say(*(f"  {use}" for use in (run.uses() if done else [run.again])))
    if plot is not None:
        try:
            if run.draw(plot):
                show.say(f"drew {plot}")
        except Exception as error:  # when all else is told
            troubles.append(error)
    if report is not None:
        try:
            show.say(report())
        except Exception as error:  # likewise
            troubles.append(error)
    result = run.result()
    if done and result["validation_score"] is not None:
        which = "validation" if run.folds is None else "out-of-fold"
        show.say(f"{which} {score_name(run.net)} {screen.decimal(result['validation_score'])}")
    if as_json:
        screen.print_json(result)
    for trouble in troubles:
        raise trouble

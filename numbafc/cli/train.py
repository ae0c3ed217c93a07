"""`numbafc train`."""

from __future__ import annotations

import typer

from .. import _numba
from . import curves, options, screen, settings
from .endings import INTERRUPTED
from .outputs import check_writable
from .run import begin, go_on
from .sources import DIGITS, Source, score_name

EXAMPLES = """
numbafc train
numbafc train iris.csv --target species --epochs 100
numbafc train data.npz --hidden 256,128 --early-stopping 5 --plot curves.png
numbafc train --resume digits.safetensors --epochs 40
"""


def train(
    context: typer.Context,
    data: options.Data = DIGITS,
    target: options.Target = None,
    labels: options.Labels = None,
    validation_split: options.Split = settings.OF_DATA["validation_split"],
    hidden: options.Hidden = "128",
    activation: options.Activation = "relu",
    init: options.Init = "auto",
    loss: options.Loss = "auto",
    label_smoothing: options.LabelSmoothing = 0.0,
    class_weight: options.ClassWeight = None,
    optimizer: options.Optimizer = "adam",
    learning_rate: options.LearningRate = None,
    weight_decay: options.WeightDecay = None,
    schedule: options.Schedule = "constant",
    batch_size: options.BatchSize = 32,
    epochs: options.Epochs = 20,
    dropout: options.Dropout = 0.0,
    clip_norm: options.ClipNorm = None,
    clip_sample_norm: options.ClipSampleNorm = None,
    early_stopping: options.EarlyStopping = None,
    seed: options.Seed = 0,
    dtype: options.Dtype = "float32",
    threads: options.Threads = None,
    out: options.Out = None,
    resume: options.Resume = None,
    plot: options.Plot = None,
    as_json: options.Json = False,
) -> None:
    """Train a network, by default on the digits.

    Without options it has one hidden layer of 128 units and learns for 20 epochs. Some samples are held out, to validate
    on. Ctrl-C keeps what was learnt until then, and --resume goes on with it: to the bits of a run without a break.
    """
    settings.check(context.params)
    source, show = Source(data, target, labels), screen.lines(as_json)
    try:
        if resume is None:
            run = begin(source, context.params, out)
        else:
            settings.refuse_beside_resume(context)
            run = go_on(source, context.params, resume, epochs if settings.is_given(context, "epochs") else None, out)
        if plot is not None:
            curves.check(plot)
            check_writable("--plot", plot, *source.files, resume, run.path)
        if threads is not None:
            _numba.set_num_threads(threads)
        show.print(run.describe())
        verb = "replaced" if run.path.exists() and run.path != resume else "saved"
        finished = run.fit(show)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted before the first step; nothing is saved") from None
    for line in run.verdict():
        show.print(line)
    show.print(f"{verb} {run.path}; use it:" if finished else f"interrupted; saved {run.path}; resume with:")
    for use in run.uses() if finished else [run.again]:
        show.print(f"  {use}")
    if plot is not None and run.draw(plot):
        show.print(f"drew {plot}")
    result = run.result(finished)
    if finished:
        show.print(f"validation {score_name(run.net)} {screen.decimal(result['validation_score'])}")
    if as_json:
        screen.print_json(result)
    if not finished:
        raise typer.Exit(INTERRUPTED)

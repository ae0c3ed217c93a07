"""Members of an ensemble: k networks of one shape, trained at once, and their average.

Each begins with weights of its own, has an order of samples of its own, and, if asked, samples of its own, such as all but
one fold. What a member becomes is what a fit of its own would make of it, bit for bit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from .. import checks
from . import alike, communication, own_rows, ranks, recipe, samples
from .course import Course, moment_after
from .mapped import taken
from .member_runs import Parts, RunOfEpochs, runner
from .mlp import MLP
from .out_of_fold import Measured, measured
from .pooled import Pooled
from .progress import EpochRecord, History, Progress, begin, resumed
from .recipe import SETTINGS, Usual
from .samples import HeldOut, Samples
from .training import callback_functions

OF_LAYERS = "sizes", "activation", "loss_name", "dtype", "label_smoothing", "scaling"
ALIKE = *OF_LAYERS, "classes", "features", "table"  # of all members

Callback = Callable[[int, EpochRecord], Any]  # of a member's number and its EpochRecord


class Members(Pooled):
    """Networks of one shape, loss and dtype, [MLP(…, seed=0), MLP(…, seed=1), …]: trained at once, averaged in prediction.

    nets: the networks, which may also be used, saved and resumed one by one. All that can be asked of a network can be
    asked of its members (pooled.py). out_of_fold: after a fit in which every row was held out by a member, how good they
    are on what each has held out, else None. Raises TypeError or ValueError.
    """

    out_of_fold: Measured | None = None

    def __init__(self, nets: Iterable[MLP]) -> None:
        self.nets = list(nets)
        if not self.nets or not all(isinstance(net, MLP) for net in self.nets):
            raise TypeError("Members are one or more networks; pass Members([MLP(sizes, seed=n) for n in range(8)])")
        if len({id(net) for net in self.nets}) < len(self.nets):
            raise ValueError("members must be networks of their own, got one of them twice; pass copy.deepcopy(net)")
        for name in ALIKE:
            one, other = (getattr(self.nets[0], name), [getattr(net, name) for net in self.nets])
            for m, value in enumerate(other):
                if value is not one and value != one:
                    raise ValueError(f"members must be of one {name}; member 0 has {one!r:.80}, member {m} {value!r:.80}")

    @classmethod
    def like(cls, net: MLP, k: int) -> Members:
        """k untrained networks like this one, standardised as it is, with the seeds from its own on."""
        made = []
        for m in range(checks.count("k", k, 1)):
            own: dict[str, Any] = {"label_smoothing": net.label_smoothing, "init": net.init, "scaling": net.scaling}
            one = MLP(net.sizes, net.activation, net.loss_name, net.dtype, net.seed + m, **own)
            for name, value in vars(net).items():  # classes, features, standardisation
                if name not in ("_parameters", "order", "seed", "training"):
                    vars(one)[name] = value if name == "table" else copy.copy(value)  # a table does not change
            made.append(one)
        return cls(made)

    def standardize(self, X: Any, y: Any = None) -> None:
        """Standardise the inputs, the targets, or both, of all members alike, as MLP.standardize does."""
        first, *others = self.nets
        first.standardize(X, y)
        for net in others:
            net.input_mean, net.input_scale = first.input_mean, first.input_scale
            net.target_mean, net.target_scale = first.target_mean, first.target_scale

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        rows: Sequence[Any] | None = None,
        validation: Any = None,
        validation_rows: Sequence[Any] | None = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        callbacks: Iterable[Callback] = (),
        time_limit: float | None = None,
        resume: bool = False,
        comm: Any = None,
        **settings: Any,
    ) -> list[History]:
        """Train all members, side by side on as many threads as there are. A history for each.

        rows                for each member the indices of the rows of X that it is trained on; if left out all
        validation          as in MLP.fit, the same for all members
        validation_rows     instead: for each member the indices of the rows of X that it is measured on, which may be those
                            that it is not trained on
        callbacks           called with a member's number and its EpochRecord; a true result ends its training
        comm                train together with the other processes of a communicator, as in MLP.fit: all of them call fit
                            alike, with all rows, and end with the bits of one process. Each trains some of the members; all
                            train one member after the other where minibatches have more blocks than there are members
        settings            those of MLP.fit, the same for all members

        The result is that of net.fit(X[rows[m]], y[rows[m]], validation=…, …) for each of them, bit for bit. A member that
        has ended early waits for the others; where resume goes on with those, one that a callback has ended stays so. An
        optimizer of somebody's own is run in Python, one member after the other.

        Raises TypeError or ValueError for bad data, FloatingPointError with the number of a member whose loss stops being
        finite: its parameters are those from before that epoch; the others can be resumed by themselves.
        """
        group = communication.several(comm)
        with communication.agreed(group):
            until, functions = moment_after(time_limit), callback_functions(callbacks)
            asked = self._asked(settings)
            everything = samples.of(self.nets[0], X, y, sample_weight)
            samples.require("fit", everything.X)
            own_units = samples.targets(self.nets[0], y, len(everything.X))
            everything = everything._replace(targets=own_units)
            chosen = self._indices("rows", rows, len(everything.X))
            held = self._indices("validation_rows", validation_rows, len(everything.X))
            held_out = self._held_out(everything, validation, held)
            parts = Parts(self.nets, everything, chosen, class_weight)
            progress = [
                _progress(net, dict(asked), parts.of(m), held_out[m], checks.flag("resume", resume))
                for m, net in enumerate(self.nets)
            ]
            if resume:
                _leave_ended(self.nets, progress)
        _require_same(group, self.nets, progress)
        with ranks.hearing(group):
            with communication.agreed(group):
                run = runner(parts, progress, group)
            courses = []
            for m, net in enumerate(self.nets):
                told = tuple(_of_member(function, m) for function in functions)
                keep = partial(setattr, net, "training")
                courses.append(_course(group, net, progress[m], keep, held_out[m], told, until))
            self.out_of_fold = None
            _train(courses, run, group)
            with communication.agreed(group):
                if rows is not None and validation_rows is not None:
                    self.out_of_fold = measured(self.nets, everything.X, own_units, chosen, held)  # type: ignore[arg-type]
        return [course.progress.history for course in courses]

    def _asked(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings that fit is given, checked. Raises TypeError or ValueError."""
        if not all(net.parameters.flags.writeable for net in self.nets):
            raise ValueError("a member's parameters are read-only and cannot be trained; train a copy.deepcopy of it")
        unknown = [name for name in settings if name not in SETTINGS]
        if unknown:
            raise TypeError(f"fit has no setting {unknown[0]!r:.40}; those of MLP.fit are {', '.join(SETTINGS)}")
        return recipe.given({name: Usual(setting.default) for name, setting in SETTINGS.items()} | settings)

    def save(self, path: str | PathLike[str], *, training: bool = True) -> None:
        """Write all to one safetensors file, whole or not at all; numbafc.load reads it.

        training: with all that fit(resume=True) needs, if the optimizer and the schedule are numbafc's own.
        """
        from ..files import save  # late, as in mlp.py

        save(self, path, training)

    def export_onnx(self, path: str | PathLike[str], opset: int = 17) -> None:
        """Write the mean of the members, as predict has it, as an ONNX model, whole or not at all: for any runtime.

        With a table the model takes a column for each input, else samples (samples, N) in the network's dtype. It gives
        label and probabilities, or prediction. opset: the version of ONNX's operators, 13 to 24.
        """
        from ..files import export_onnx  # likewise

        export_onnx(self, path, opset)

    def _indices(self, name: str, rows: Sequence[Any] | None, count: int) -> list[np.ndarray] | list[None]:
        """The indices of rows, for each member. Raises TypeError or ValueError."""
        if rows is None:
            return [None] * len(self)
        if not hasattr(rows, "__len__") or len(rows) != len(self):
            raise ValueError(f"{name} must be {len(self)} arrays of indices, one for each member, got {rows!r:.80}")
        chosen = []
        for m, one in enumerate(rows):
            array = np.asarray(one)
            if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
                got = f"{array.dtype!s:.40} of shape {array.shape}"
                raise ValueError(f"{name}[{m}] must be indices of rows, (n,) integers, at least one, got {got}")
            if array.min() < 0 or array.max() >= count:
                raise ValueError(f"{name}[{m}] must be from 0 to {count - 1}, got {array.min()} to {array.max()}")
            chosen.append(array.astype(np.intp))
        return chosen

    def _held_out(self, everything: Samples, validation: Any, rows: list[np.ndarray] | list[None]) -> list[HeldOut | None]:
        """What each member is measured on. Raises TypeError or ValueError."""
        if validation is not None and rows[0] is not None:
            raise ValueError("validation and validation_rows are two ways to say one thing; leave out one of them")
        if rows[0] is None:
            return [samples.held_out(self.nets[0], validation)] * len(self)
        return [HeldOut(taken(everything.X, one), everything.targets[one], None) for one in rows]


Model = MLP | Members


def _progress(net: MLP, settings: dict[str, Any], given: Samples, held_out: HeldOut | None, resume: bool) -> Progress:
    """The progress that a member goes on from. Raises TypeError or ValueError."""
    wanted = settings.pop("epochs", None)
    asked = recipe.make(**settings, label_smoothing=net.label_smoothing, seed=net.seed)
    if resume:
        return resumed(net.training, asked, settings, wanted, given, held_out)
    return begin(net, asked, SETTINGS["epochs"].default if wanted is None else wanted, given, held_out)


def _leave_ended(nets: list[MLP], progress: list[Progress]) -> None:
    """Let a member that a callback has ended stay so, where others were interrupted: as in a run without a break."""
    before = [net.training.ended for net in nets if net.training is not None]
    if any(ended in ("", "time_limit") for ended in before):
        for ended, now in zip(before, progress, strict=True):
            now.ended = ended if ended == "callback" else ""


def _require_same(group: communication.Group | None, nets: list[MLP], progress: list[Progress]) -> None:
    """Require of all ranks that they begin alike. Raises ValueError on all of them."""
    if group is None:
        return
    own_rows.require_alike(group, "shared")
    own_rows.same(group, {"the number of members": len(nets)})
    for net, now in zip(nets, progress, strict=True):
        alike.require_same(group, net, now)


def _course(group: communication.Group | None, net: MLP, progress: Progress, *told: Any) -> Course:
    """The course of a member's training."""
    if group is None:
        return Course(net, progress, *told)
    course = ranks.RankCourse(group, net, progress, *told)
    course.above = Course.above + 1
    return course


def _of_member(function: Any, m: int) -> Callable[[EpochRecord], Any]:
    """A callback of a member's number and its record, as one of the record."""
    return lambda record: function(m, record)


def _train(courses: list[Course], run: RunOfEpochs, group: communication.Group | None) -> None:
    """An epoch of each member that goes on, until none does."""
    while active := {m: course for m, course in enumerate(courses) if course.goes_on}:
        begun, failures = {m: course.begin() for m, course in active.items()}, []
        try:
            run(begun)
        finally:
            for course in active.values():
                course.pause()
        for m, course in active.items():
            try:
                course.require_finite()  # all ranks find it alike
            except FloatingPointError as error:
                failures.append(f"member {m}: {error}")
                continue
            course.end()
        if failures:
            with communication.agreed(group):
                raise FloatingPointError(failures[0])
    for course in courses:
        course.bring_back()

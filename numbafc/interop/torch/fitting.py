"""fit_module: an nn.Sequential trained by numbafc's engine, in the memory of its own parameters."""

from __future__ import annotations

import contextlib
import weakref
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ... import checks
from ...nn import MLP, History, communication, own_rows
from ...nn.communication import Group
from ...nn.names import RowsOfRanks
from ...nn.progress import Progress
from ...nn.results import DONE
from . import data, losses, memory, optimizers
from .conversion import network
from .structure import Structure, structure_of


class _Trained(NamedTuple):
    """What is kept of a module's training, to go on with."""

    net: MLP
    of: tuple[Any, ...]  # sizes, activation, loss
    steps_before: int  # those that PyTorch's optimizer had made


_trained: weakref.WeakKeyDictionary[nn.Module, _Trained] = weakref.WeakKeyDictionary()


def fit_module(
    module: nn.Module,
    X: Any,
    y: Any = None,
    *,
    loss: Any,
    optimizer: Any = None,
    seed: int | None = None,
    validation: Any = None,
    sample_weight: Any = None,
    resume: bool = False,
    comm: Any = None,
    rows: RowsOfRanks = "shared",
    **settings: Any,
) -> History:
    """Train a module on X: (samples, N) and y: the targets, as MLP.fit does, and return its History.

    module      an nn.Sequential, nested or not, of Linear, one kind of activation (ReLU, Tanh, Sigmoid, LeakyReLU, ELU,
                SELU, Softplus, GELU, SiLU, Mish), Dropout behind activations, Flatten, Identity; LogSoftmax or Sigmoid
                at its end where the loss is NLLLoss or BCELoss. Its parameters become views of one flat array, with
                their values; they stay the same nn.Parameters. It must be in training mode where it has dropout
    X, y        tensors or arrays; or a Dataset or DataLoader as X, without y: its samples, and batch_size, shuffle and
                drop_last of a loader, unless they are given
    loss        CrossEntropyLoss, NLLLoss, BCEWithLogitsLoss, BCELoss, MSELoss, L1Loss, HuberLoss, SmoothL1Loss,
                PoissonNLLLoss, as modules or functions, or a name of numbafc's
    optimizer   a name ("adam" if left out) or an optimizer of numbafc's; or SGD, Adam, AdamW, RMSprop, Adagrad of
                torch.optim with all of the module's parameters: its state is gone on with, and is the new one afterwards
    seed        of the order of samples and of dropout; None: drawn from torch's generator, which torch.manual_seed sets
    validation  (X, y), a Dataset or a DataLoader, to measure after each epoch
    resume      go on with the last fit_module of this module, as MLP.fit(resume=True) does
    comm, rows  train together with the other processes of a communicator, as MLP.fit does: under torchrun it is
                numbafc.interop.distributed.gloo(). Each process has a module of the same parameters, as it is before
                DistributedDataParallel, and an optimizer of the same state, and ends with the bits of one process. Rows are
                divided without a DistributedSampler. A seed that is left out is drawn on each, and rank 0's is taken
    settings    all others of MLP.fit: epochs, batch_size, learning_rate, schedule, early_stopping, clip_norm, callbacks, …

    Threads are numbafc's: numbafc.set_num_threads. What the module or the data have that nothing would respect (hooks,
    frozen or tied parameters, other devices) is refused by name. Raises TypeError, ValueError, or FloatingPointError
    where the loss stops being finite: the parameters are then those from before that epoch.
    """
    group = communication.group(comm)
    if group is not None:
        settings |= {"comm": group}
    with communication.agreed(group):
        asked = _asked(module, X, y, loss, optimizer, settings | {"rows": rows})
        options = asked.options | {"sample_weight": data.array("sample_weight", sample_weight)}
        if validation is not None:
            options["validation"] = _validation(validation, asked.structure.flattens)
        trained = _to_resume(module, asked, seed) if checks.flag("resume", resume) else None
    if group is not None:
        _require_same(group, asked, seed, trained)
    if trained is None:
        drawn = _drawn(group) if seed is None else seed
        with communication.agreed(group):
            before = 0 if asked.theirs is None else optimizers.steps(asked.theirs)
            trained = _Trained(_network(asked.structure, asked.loss, drawn), _kind(asked), before)
    with _kept(module, asked.structure, trained, asked.theirs):
        if asked.state and not resume:
            trained.net.fit(asked.X, asked.y, **options | {"epochs": 0})  # of no steps, whose state becomes PyTorch's
            for name, values in asked.state.items():
                _progress(trained.net).state[name][:] = values
            options |= {"epochs": options.get("epochs", 1), "resume": True}
        return trained.net.fit(asked.X, asked.y, **options | ({"resume": True} if resume else {}))


class _Asked(NamedTuple):
    """What fit_module is asked to do, checked and in numbafc's words."""

    structure: Structure
    X: Any
    y: Any
    loss: tuple[str, float]
    theirs: torch.optim.Optimizer | None
    state: dict[str, np.ndarray] | None  # of PyTorch's optimizer
    options: dict[str, Any]  # of MLP.fit


def _asked(module: nn.Module, X: Any, y: Any, loss: Any, optimizer: Any, settings: dict[str, Any]) -> _Asked:
    structure = structure_of(module)
    memory.require_trainable(structure)
    _require_as_it_is(module, structure, settings)
    X, y, options = data.arrays(X, y)
    X = data.rows(X, structure.flattens)
    options |= {"dropout": structure.dropout} | settings
    theirs = optimizer if isinstance(optimizer, torch.optim.Optimizer) else None
    parameters, state = list(memory.parameters_of(structure).values()), None
    if theirs is not None:
        optimizer = optimizers.ours(theirs, parameters)
        state = optimizers.state_of(theirs, parameters, optimizer) if theirs.state else None
    if optimizer is not None:
        options["optimizer"] = optimizer
    return _Asked(structure, X, y, losses.loss_of(loss, structure.ending), theirs, state, options)


def _require_same(group: Group, asked: _Asked, seed: int | None, trained: _Trained | None) -> None:
    """Require of all ranks what decides on how they begin; MLP.fit looks at all else. Raises ValueError on all of them."""
    values = [parameter.detach().numpy() for parameter in memory.parameters_of(asked.structure).values()]
    own_rows.same(
        group,
        {
            "the layers": (asked.structure.sizes, asked.structure.activation),
            "the checksum of the module's parameters": _crc(values),
            "loss": asked.loss,
            "seed": seed,
            "resume": trained is not None,
            "optimizer": type(asked.options.get("optimizer")).__name__,
            "the checksum of the optimizer's state": None if asked.state is None else _crc(asked.state.values()),
        },
        "call torch.manual_seed on all of them before the module is made, and give them the same data and settings",
    )


def _crc(arrays: Iterable[np.ndarray]) -> int:
    value = 0
    for array in arrays:
        value = zlib.crc32(np.ascontiguousarray(array).data, value)
    return value


def _drawn(group: Group | None) -> int:
    """A seed drawn from torch's generator, of rank 0's where there are several."""
    own = int(torch.randint(2**31, (), device="cpu"))
    return own if group is None else int(group.first_of(own))


@contextlib.contextmanager
def _kept(
    module: nn.Module, structure: Structure, trained: _Trained, theirs: torch.optim.Optimizer | None
) -> Iterator[None]:
    """A context of a training, behind which autograd, who resumes, and PyTorch's optimizer know of it, if it began."""
    before, diverged = trained.net.training, False
    try:
        yield
    except FloatingPointError:
        diverged = True
        raise
    finally:
        now = trained.net.training
        if now is not before or diverged:
            memory.mark_changed(structure)
            _trained.pop(module, None)
        if now is not None and now is not before:
            _trained[module] = trained
            if theirs is not None:
                steps = trained.steps_before + now.done * now.batches + int(now.results[DONE])
                optimizers.write(theirs, list(memory.parameters_of(structure).values()), now.state, steps)


def _require_state(theirs: torch.optim.Optimizer | None, state: dict[str, np.ndarray] | None, net: MLP) -> None:
    """Require of PyTorch's optimizer that its state is the one a training left. Raises ValueError."""
    if theirs is None:
        return
    left = _progress(net).state
    if state is None or any(not np.array_equal(values, left[name]) for name, values in state.items() if name != "powers"):
        raise ValueError(
            "the optimizer's state is another than the training to resume left, as after steps of its own; call fit_module "
            "without resume, which goes on with it"
        )


def _require_as_it_is(module: nn.Module, structure: Structure, settings: dict[str, Any]) -> None:
    """Refuse what would train another network than the module is. Raises TypeError or ValueError."""
    for child in module.modules():
        if type(child) is nn.Dropout and child.p and not child.training:
            raise ValueError(
                "the module is in evaluation mode, in which its Dropout drops nothing; call module.train() first"
            )
    if structure.outputs is not None:
        raise ValueError(
            "the module ends with Unstandardise, behind which a loss is another one; train the layers before it"
        )
    if "dropout" in settings:
        raise TypeError("dropout is the module's own; add nn.Dropout behind its activations, or change their p")


def _kind(asked: _Asked) -> tuple[Any, ...]:
    return asked.structure.sizes, asked.structure.activation, asked.loss


def _network(structure: Structure, loss: tuple[str, float], seed: int) -> MLP:
    """A network whose parameters are the module's."""
    return network(structure, loss, seed, memory.made_flat(structure))


def _to_resume(module: nn.Module, asked: _Asked, seed: int | None) -> _Trained:
    """The training that goes on. Raises ValueError where there is none, or of another network."""
    trained = _trained.get(module)
    if trained is None:
        raise ValueError("there is no training of this module to resume; call fit_module without resume")
    if trained.of != _kind(asked) or seed not in (None, trained.net.seed):
        raise ValueError("the module, the loss or the seed is another than in the training to resume; give the same")
    now = memory.flat(asked.structure)
    if now is None or now.ctypes.data != trained.net.parameters.ctypes.data or now.dtype != trained.net.dtype:
        raise ValueError(
            "the module's parameters are no longer those that were trained, as after module.double() or a new tensor in "
            "param.data; call fit_module without resume"
        )
    _require_state(asked.theirs, asked.state, trained.net)
    return trained


def _progress(net: MLP) -> Progress:
    """The progress of a network that was trained."""
    assert net.training is not None
    return net.training


def _validation(validation: Any, flattens: bool) -> Any:
    """The samples to measure, as arrays; what is no pair is for MLP.fit to refuse."""
    if isinstance(validation, Dataset | DataLoader):
        X, y, _ = data.arrays(validation, None)
        return data.rows(X, flattens), y
    if not isinstance(validation, tuple | list):
        return validation
    X, *others = (data.array("validation", values) for values in validation)
    return data.rows(X, flattens), *others

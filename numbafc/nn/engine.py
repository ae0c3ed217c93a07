"""One training run: what its minibatches need, checked and laid out once. minibatch.py has the loops."""

from __future__ import annotations

import itertools

import numpy as np

from .. import checks
from .._numba import DTYPES, Kernel, get_num_threads, kernel
from ..kernels import border
from ..kernels.epilogue import LENGTH_OF_SETTINGS, Epilogue
from ..kernels.level2 import level2_kernel
from ..kernels.packing import aligned, whole_lines
from ..kernels.product import address, on_one_thread
from ..kernels.target import CALL, PARALLEL
from ..kernels.vector import bring_tiles
from . import clipping
from .activations import Activation
from .compiled import Compiled
from .losses import Loss
from .memory import places, workspace_for_run
from .minibatch import minibatches
from .network import count_parameters
from .rates import NONE
from .recipe import Regularization
from .results import COUNT, DONE, REFUSED
from .run import Choices, Data, Run, Scratch, minibatch_types

_serial, _parallel = kernel(minibatch_types, parallel=False)(minibatches), kernel(minibatch_types)(minibatches)


def one_thread() -> Kernel:
    """The kernel of minibatches on one thread, which side_by_side.py calls by address."""
    return _serial


def _in_order(data: Data) -> Data:
    """The data as compiled code reads them, copied where their memory is not in order or not aligned."""
    return Data(*map(border.in_order, data))


def _refuse_unfit(
    sizes: tuple[int, ...], parameters: np.ndarray, states: list[np.ndarray], loss: Loss, data: Data, needed: int
) -> None:
    """Every length and class that the loops rely on. Raises TypeError or ValueError."""
    if parameters.dtype not in DTYPES:
        raise TypeError(f"parameters must be float32 or float64, got {parameters.dtype!s:.40}; a network's own are")
    samples, classifies = len(data.rows), loss.classifies
    lengths = {
        "parameters": (parameters, [needed]),
        **{f"a state of the optimizer ({n})": (state, [needed]) for n, state in enumerate(states)},
        "classes": (data.classes, [samples if classifies else 0]),
        "targets": (data.targets, [0 if classifies else samples * sizes[-1]]),
        "weight": (data.weight, [0, samples]),
        "mean": (data.mean, [0, sizes[0]]),
        "scale": (data.scale, [len(data.mean)]),
    }
    for name, (array, allowed) in lengths.items():
        if array.ndim != 1 or len(array) not in allowed:
            raise ValueError(f"{name} must have shape ({allowed[-1]},), got {array.shape}; sizes are {sizes!r:.80}")
    checks.axes("rows", data.rows, f"(samples, {sizes[0]})", 2)
    checks.same_size(
        ("rows have {} columns", data.rows.shape[1]), ("the network has {} inputs", sizes[0]), "give one for each"
    )
    border.indices("classes", data.classes, sizes[-1], "outputs")


def kernels_of(activation: Activation, loss: Loss, optimizer: Compiled, parts: int) -> list[Kernel]:
    """The kernels of a training, by how long they take to compile."""
    loops = _parallel if parts > 1 else _serial
    return [on_one_thread, loops, loss.run, level2_kernel(), optimizer.update, activation.run]


def update_in_tiles(optimizer: Compiled, regularization: Regularization) -> Epilogue:
    """The epilogue that does a step in the tiles of a gradient, or NONE: that of SGD alone takes no penalty."""
    penalised = regularization.l2 > 0 and optimizer.epilogue == Epilogue.SGD
    return Epilogue.NONE if penalised else optimizer.epilogue


def parts_of(sizes: tuple[int, ...], B: int) -> int:
    """The parts of a layer's rows that threads compute side by side in minibatches of B."""
    largest = max(N * T for N, T in itertools.pairwise(sizes)) * B
    return get_num_threads() if largest >= PARALLEL else 1


class Engine:
    """One training run: the arrays that its minibatches need, made once.

    Data of any strides are taken. Raises TypeError or ValueError where something does not fit the sizes.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        parameters: np.ndarray,
        activation: Activation,
        loss: Loss,
        optimizer: Compiled,
        state: dict[str, np.ndarray],
        data: Data,
        batch_size: int,
        regularization: Regularization,
        scaling: bool = False,
        factors: np.ndarray = NONE,
    ) -> None:
        data, held = _in_order(data), [state[name] for name in optimizer.states]
        _refuse_unfit(sizes, parameters, held, loss, data, count_parameters(sizes, scaling))
        self._sizes, self._loss = sizes, loss
        dtype, B = parameters.dtype, min(checks.int64("batch_size", batch_size, 1), len(data.rows))
        layers, length = places(sizes, B, not activation.in_h, regularization, scaling)
        parts = parts_of(sizes, B)
        self.batch_size, self.data, self.optimizer = B, data, optimizer.numbers
        self.steps_a_call = max(1, int(CALL // (6 * parameters.size * B)))
        self.powers = state.get("powers", np.ones(2))
        called, none = (activation.run, loss.run, optimizer.update), np.empty(0, dtype)
        pointers = np.concatenate([address(dtype), *(one.address(dtype) for one in called)])
        first, second = [*held, none, none][:2]
        memory, packing = aligned(length, dtype), aligned(workspace_for_run(sizes, B) * parts, dtype)
        memory[:] = 0
        self.run = Run(pointers, layers, parameters, first, second, memory, packing)
        of_samples, losses, of_loss = (aligned(whole_lines(size), dtype) for size in (B, B, 2 * B))
        sums, answers = np.empty(max(3 * B + clipping.LANES, sizes[0])), np.zeros(parts, np.int64)
        settings = np.zeros(len(factors) * LENGTH_OF_SETTINGS, dtype)
        self.scratch = Scratch(settings, factors, of_samples, losses, of_loss, sums, answers)
        update = update_in_tiles(optimizer, regularization)
        epilogues = int(activation.forward), int(activation.backward), int(update)
        self.choices = Choices(B, parts, *epilogues, regularization.seed, *regularization.numbers)
        self._minibatches = _parallel if parts > 1 else _serial
        self._minibatches.compile(dtype)

    def replace(self, data: Data) -> None:
        """Go on with other samples of the same network. Raises TypeError or ValueError for what does not fit."""
        _refuse_unfit(self._sizes, self.run.parameters, [], self._loss, data, len(self.run.parameters))
        self.data = _in_order(data)

    def epoch(self, order: np.ndarray, rates: np.ndarray, step: int, results: np.ndarray) -> None:
        """Train on minibatches in this order, with a learning rate for each; those that results counts are done already.

        step: the number of minibatches before the epoch. Ctrl-C is seen between calls of a moment; results are then those
        of the minibatches that were finished. Raises ValueError for an order or rates of other lengths, or places that
        there are not.
        """
        order, rates = np.ascontiguousarray(order, np.int64), np.ascontiguousarray(rates, np.float64)
        minibatches, samples = -(-len(order) // self.batch_size), len(self.data.rows)
        if len(rates) != minibatches or results.shape != (COUNT,) or not 0 <= results[DONE] <= minibatches:
            raise ValueError(
                f"{len(order)} samples are {minibatches} minibatches; rates must be one number for each, got {len(rates)}, "
                f"and results {COUNT} numbers, number {DONE} of them how many are done, got shape {results.shape}"
            )
        if order.view(np.uint64).max(initial=0) >= max(samples, 1):  # what is negative is large so
            raise ValueError(f"order must be from 0 to {samples - 1}, places of the {samples} samples; it has others in it")
        for first in range(int(results[DONE]), len(rates), self.steps_a_call):
            last = min(first + self.steps_a_call, len(rates))
            chosen = order[first * self.batch_size : last * self.batch_size]
            arrays, told = (self.data, self.run, self.scratch), (self.choices, self.optimizer, self.powers)
            self._minibatches.unchecked(self.run.memory, *arrays, chosen, rates[first:last], *told, step + first, results)
            bring_tiles(self.run.memory.dtype)
            if results[REFUSED]:
                raise RuntimeError(f"a product refused arrays of the engine ({results[REFUSED]}): a defect of numbafc")
            if results[DONE] < last:
                break

"""Epochs of several networks of one shape in one compiled call: a parallel loop over them, each on one thread.

All arrays are (k, …), a row for each network, laid out as in memory.py; the samples are there once. A network's minibatches
are the kernel of minibatch.py, called by address: nothing of it is compiled again, and no bit is another than in a fit of a
network's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import prange, types
from numba.types import int64

from .._numba import Kernel, borrowed, flat_in, get_num_threads, inner, kernel, noinline
from ..kernels.epilogue import LENGTH_OF_SETTINGS
from ..kernels.packing import aligned, whole_lines
from ..kernels.product import address
from ..kernels.target import CALL
from ..kernels.vector import bring_tiles, call_pointer, span
from . import clipping, interrupts
from .activations import ACTIVATIONS
from .course import Epoch
from .engine import one_thread, update_in_tiles
from .losses import LOSSES
from .memory import places, workspace_for_run
from .network import Network
from .recipe import Recipe
from .results import COUNT, DONE, REFUSED
from .run import Choices, Data, Run, Scratch, minibatch_types
from .training import rate_factors

MINIBATCHES = 4  # in the order of Run.pointers, behind those of layer_steps.py
FIRST, LAST, SAMPLES, STEPS = range(4)  # of a row of `plan`: minibatches of the epoch, its samples, and those before it
PLAN = 4


def _shared(kind: Any, *names: str) -> Any:
    """The type of a named tuple in which arrays of these names are those of epochs(), and the others are parts of them."""
    each = [borrowed(one) if name in names else one for name, one in zip(kind.fields, kind.types, strict=True)]
    return types.BaseTuple.from_types(each, kind.instance_class)


def _called_types(real: Any) -> tuple[Any, ...]:
    """The types of what minibatches() is called with: in memory they are its own."""
    memory, data, run, scratch, *others = minibatch_types(real)
    shared = _shared(data, "rows", "classes"), _shared(run, "pointers", "layers"), _shared(scratch, "rates")
    return memory, *shared, *others


_minibatches = call_pointer(_called_types)


@inner
def _one(m, k, data, run, scratch, order, rates, choices, seeds, optimizer, powers, plan, results):
    """The minibatches of network m of k that are to be done."""
    noinline()
    n = len(data.targets) // k
    targets = span(data.targets, m * n, (m + 1) * n)
    n = len(data.weight) // k
    weight = span(data.weight, m * n, (m + 1) * n)
    n = len(data.mean) // k
    mean, scale = span(data.mean, m * n, (m + 1) * n), span(data.scale, m * n, (m + 1) * n)
    n = len(run.parameters) // k
    parameters = span(run.parameters, m * n, (m + 1) * n)
    n = len(run.first) // k
    first = span(run.first, m * n, (m + 1) * n)
    n = len(run.second) // k
    second = span(run.second, m * n, (m + 1) * n)
    n = len(run.memory) // k
    memory = span(run.memory, m * n, (m + 1) * n)
    n = len(run.workspace) // k
    workspace = span(run.workspace, m * n, (m + 1) * n)
    n = len(scratch.settings) // k
    settings = span(scratch.settings, m * n, (m + 1) * n)
    n = len(scratch.factors) // k
    factors, losses = span(scratch.factors, m * n, (m + 1) * n), span(scratch.losses, m * n, (m + 1) * n)
    of_loss = span(scratch.of_loss, 2 * m * n, 2 * (m + 1) * n)
    n = len(scratch.sums) // k
    sums, answers = span(scratch.sums, m * n, (m + 1) * n), span(scratch.answers, m, m + 1)
    B, n, r = choices.batch_size, m * (len(order) // k), m * (len(rates) // k)
    begin, end, samples = plan[m * PLAN + FIRST], plan[m * PLAN + LAST], plan[m * PLAN + SAMPLES]
    own_data = Data(data.rows, data.classes, targets, weight, mean, scale)
    own_run = Run(run.pointers, run.layers, parameters, first, second, memory, workspace)
    own_scratch = Scratch(settings, scratch.rates, factors, losses, of_loss, sums, answers)
    own_choices = Choices(
        B, choices.parts, choices.forward, choices.backward, choices.update, seeds[m],
        choices.dropout, choices.clip_norm, choices.clip_sample_norm, choices.label_smoothing,
        choices.l2, choices.batch_mean,
    )  # fmt: skip
    chosen, own_rates = span(order, n + begin * B, n + min(end * B, samples)), span(rates, r + begin, r + end)
    own_powers, own_results = span(powers, 2 * m, 2 * m + 2), span(results, m * COUNT, (m + 1) * COUNT)
    told = own_choices, optimizer, own_powers, plan[m * PLAN + STEPS] + begin, own_results
    _minibatches(run.pointers, MINIBATCHES, (memory, own_data, own_run, own_scratch, chosen, own_rates, *told))


def _types(real: Any) -> tuple[Any, ...]:
    memory, data, run, scratch, order, rates, choices, optimizer, powers, _, results = minibatch_types(real)
    return memory, data, run, scratch, order, rates, choices, flat_in(int64), optimizer, powers, flat_in(int64), results


def epochs(memory, data, run, scratch, order, rates, choices, seeds, optimizer, powers, plan, results):
    """As minibatches(), for each of several networks. Every array but the samples and the classes is of k equal parts.

    memory: run.memory again. seeds: of dropout. plan: (k·4,), what each network has to do.
    """
    k = len(seeds)
    for m in prange(k):
        if plan[m * PLAN + LAST] > plan[m * PLAN + FIRST]:
            _one(m, k, data, run, scratch, order, rates, choices, seeds, optimizer, powers, plan, results)


_serial, _parallel = kernel(_types, parallel=False)(epochs), kernel(_types)(epochs)


def kernels_of(k: int) -> list[Kernel]:
    """The kernel of a training of k networks, besides those of each (engine.py)."""
    return [_parallel if min(get_num_threads(), k) > 1 else _serial]


class Group:
    """The arrays of several trainings of one recipe, of networks of one shape, made once.

    rows, classes: of all samples, of which the orders of an epoch are places. targets (k, samples·T), weight (k, samples),
    mean and scale (k, N): or empty. states: of the optimizer; their arrays become rows of this group's.
    largest: samples of the training with most of them.
    """

    def __init__(
        self, nets: Sequence[Network], recipe: Recipe, states: list[dict[str, Any]], data: Data, largest: int
    ) -> None:
        net, k, optimizer = nets[0], len(nets), recipe.optimizer.compiled()  # type: ignore[attr-defined]
        activation, loss, regularization = ACTIVATIONS[net.activation], LOSSES[net.loss_name], recipe.regularization
        B, dtype, P = min(recipe.batch_size, largest), net.dtype, net.parameters.size
        layers, length = places(net.sizes, B, not activation.in_h, regularization, net.scaling)
        called = activation.run, loss.run, optimizer.update, one_thread()
        pointers = np.concatenate([address(dtype), *(one.address(dtype) for one in called)])
        factors = rate_factors(net, recipe)
        self.nets, self.numbers, self.data, self.batch_size = nets, optimizer.numbers, data, B
        held = [np.empty((k, P), dtype) for _ in optimizer.states]
        for m, state in enumerate(states):
            for name, array in zip(optimizer.states, held, strict=True):
                array[m] = state[name]
                state[name] = array[m]
        self.powers = np.ones((k, 2))
        for powers, state in zip(self.powers, states, strict=True):
            if "powers" in state:
                powers[:] = state["powers"]
                state["powers"] = powers
        none, self.parameters = np.empty(0, dtype), np.empty((k, P), dtype)
        first, second = [*(array.reshape(-1) for array in held), none, none][:2]
        memory, workspace = aligned(k * length, dtype), aligned(k * workspace_for_run(net.sizes, B), dtype)
        memory[:] = 0
        self.run = Run(pointers, layers, self.parameters.reshape(-1), first, second, memory, workspace)
        of_samples, losses, of_loss = (aligned(k * whole_lines(B) * n, dtype) for n in (1, 1, 2))
        sums = np.empty(k * max(3 * B + clipping.LANES, net.sizes[0]))
        settings, answers = np.zeros(k * len(factors) * LENGTH_OF_SETTINGS, dtype), np.zeros(k, np.int64)
        self.scratch = Scratch(settings, factors, of_samples, losses, of_loss, sums, answers)
        epilogues = int(activation.forward), int(activation.backward), int(update_in_tiles(optimizer, regularization))
        self.choices = Choices(B, 1, *epilogues, 0, *regularization.numbers)
        threads = min(get_num_threads(), k)
        (self.kernel,) = kernels_of(k)
        self.kernel.compile(dtype)
        self.steps_a_call = max(1, int(CALL // (6 * P * B * -(-k // threads))))

    def epochs(self, begun: dict[int, Epoch], seeds: Sequence[int], hear: Callable[[], None] = lambda: None) -> None:
        """Train an epoch of each of some networks, by their number; seeds: of dropout, of all.

        Ctrl-C is seen between calls of a moment; results and parameters are then those of the minibatches that were done.
        hear: called then, by who has put signals off.
        """
        k, left = len(self.nets), dict(begun)
        order = np.zeros((k, max(len(epoch.samples) for epoch in begun.values())), np.int64)
        rates = np.zeros((k, max(len(epoch.rates) for epoch in begun.values())))
        for m, epoch in begun.items():
            order[m, : len(epoch.samples)], rates[m, : len(epoch.rates)] = epoch.samples, epoch.rates
        told = self.choices, np.array(seeds, np.int64), self.numbers, self.powers.reshape(-1)
        while left:
            hear()
            plan, results = np.zeros((k, PLAN), np.int64), np.zeros((k, COUNT))
            for m, epoch in left.items():
                first = int(epoch.results[DONE])
                plan[m] = first, min(first + self.steps_a_call, len(epoch.rates)), len(epoch.samples), epoch.steps
                results[m], self.parameters[m] = epoch.results, self.nets[m].parameters
            with interrupts.deferred():
                arrays = self.run.memory, self.data, self.run, self.scratch, order.reshape(-1), rates.reshape(-1)
                self.kernel.unchecked(*arrays, *told, plan.reshape(-1), results.reshape(-1))
                for m, epoch in left.items():
                    epoch.results[:], self.nets[m].parameters[:] = results[m], self.parameters[m]
            bring_tiles(self.run.memory.dtype)
            if results[:, REFUSED].any():
                raise RuntimeError("a product refused arrays of the engine: a defect of numbafc")
            left = {m: e for m, e in left.items() if plan[m, LAST] == results[m, DONE] < len(e.rates)}

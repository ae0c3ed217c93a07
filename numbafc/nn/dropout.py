"""Dropout (N. Srivastava et al., JMLR 15, 2014): h becomes k·h, with k = 0 with probability p, else 1/(1 − p).

k is a function of the network's seed, the number of the step, the layer, the unit and the place in the minibatch: whoever
computes an element, in whatever order, finds the same. The function is SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA
2014), whose n-th number is a mixture of n alone.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.types import intp

from .. import checks
from .._numba import flat, inner, kernel, noinline
from ..kernels import border

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFTS = tuple(np.uint64(n) for n in (30, 27, 31))
ROW, BITS = np.uint64(32), np.uint64(11)  # a row's numbers begin at row·2³²; 53 of the 64 bits are compared


@inner
def mixed(z):
    """The bits of a uint64, mixed: neighbours have nothing in common."""
    z = (z ^ (z >> SHIFTS[0])) * FIRST
    z = (z ^ (z >> SHIFTS[1])) * SECOND
    return z ^ (z >> SHIFTS[2])


@inner
def stream(seed, step, layer):
    """Where the numbers of one layer in one step begin."""
    return mixed(mixed(mixed(np.uint64(seed) + GOLDEN) + np.uint64(step)) + np.uint64(layer))


@inner
def drop_part(key, first, threshold, scale, B, H, S):
    """H and S become k ⊙ H and k ⊙ S: rows `first` and on of B samples each, flat. threshold: p·2⁵³; scale: 1/(1 − p)."""
    noinline()
    zero = H.dtype.type(0)
    for row in range(len(H) // B):
        begin = key + ((np.uint64(first) + np.uint64(row)) << ROW) * GOLDEN
        for s in range(B):
            number = mixed(begin + np.uint64(s + 1) * GOLDEN) >> BITS
            k = zero if np.int64(number) < threshold else scale
            H[row * B + s] *= k
            S[row * B + s] *= k


def _check(H, S, B, seed, step, layer, place, p):
    if B < 1 or len(H) % B != 0:
        raise ValueError(f"H has {len(H)} elements, which are no whole number of rows of {B} samples")
    border.same_length("S", S, "H", H)
    border.no_shared_memory({"H": H, "S": S}, {})
    for name, value in (("seed", seed), ("step", step), ("layer", layer), ("place", place)):
        checks.int64(name, value)
    if not 0 <= p < 1:
        raise ValueError(f"p must be from 0 to below 1, got {p!r}")


@kernel(lambda real: (flat(real), flat(real), intp, intp, intp, intp, intp, types.float64), parallel=False, check=_check)
def _drop(H, S, B, seed, step, layer, place, p):
    key = stream(seed, step, layer) + np.uint64(place) * GOLDEN
    drop_part(key, 0, limit(p), H.dtype.type(1 / (1 - p)), B, H, S)


@inner
def limit(p):
    """p·2⁵³: of as many numbers, those below it are dropped."""
    return np.int64(p * 9007199254740992.0)


def drop(H: np.ndarray, slopes: np.ndarray, p: float, seed: int, step: int, layer: int, place: int = 0) -> None:
    """H and slopes, (T, B), become k ⊙ H and k ⊙ slopes. Raises TypeError or ValueError.

    place: of the first of these samples in the minibatch.
    """
    numbers, others = border.in_place("H", H), border.in_place("slopes", slopes)
    checks.axes("H", H, "(T, B), one sample per column", 2)
    border.to_read("slopes", slopes, H)  # they go together
    border.no_shared_memory({"H": H, "slopes": slopes}, {})
    p, seed = checks.number("p", p, 0, below=1), checks.count("seed", seed)
    step, layer, place = checks.int64("step", step), checks.int64("layer", layer), checks.int64("place", place)
    if H.size:
        _drop.unchecked(numbers, others, H.shape[1], folded(seed), step, layer, place, p)
    border.put_back(numbers, H)
    border.put_back(others, slopes)


def folded(seed: int) -> int:
    """A seed of any size as 63 bits."""
    return seed % (2**63 - 1)

"""Estimators in several processes at once, fit(comm=): what all ranks must have alike, and what rank 0 tells the others.

comm is an argument of fit alone. No estimator keeps it: it could neither be pickled nor cloned.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import numbers
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ..._version import __version__
from ...nn import communication, own_rows
from ...nn.communication import Group
from ...nn.samples import Samples
from . import base

OWN = "verbose", "n_threads", "time_limit"  # settings that a rank may have of its own: what is heard is rank 0's


def require_same_settings(group: Group | None, of: Any) -> None:
    """Require of all ranks that they have one estimator with the same settings. Raises ValueError on all of them."""
    if group is None:
        return
    own_rows.same(group, {"the estimator": type(of).__name__, "the version of numbafc": __version__})
    settings = of.get_params(deep=False)
    own_rows.same(group, {name: _shown(value) for name, value in settings.items() if name not in OWN})


def _shown(value: Any) -> str:
    """A setting as all ranks show it: objects may show where they are in memory."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if value is None or isinstance(value, numbers.Number | str | dict) or dataclasses.is_dataclass(value):
        return repr(value)
    return type(value).__name__


def told_seed(group: Group | None, seed: int) -> int:
    """The seed of rank 0, which it may have drawn."""
    return seed if group is None else int(group.first_of(seed))


def told_generator(group: Group | None, rs: np.random.RandomState) -> np.random.RandomState:
    """A generator that draws what rank 0's does: there it is its own."""
    if group is None:
        return rs
    with group.agreed():
        state: Any = rs.get_state(legacy=False)
        own = json.dumps(state, default=_listed) if group.rank == 0 else ""
    (text, *_) = group.texts(own)
    if group.rank == 0:
        return rs
    state = json.loads(text)
    other = np.random.RandomState(getattr(np.random, state["bit_generator"])())
    other.set_state(state)
    return other


def _listed(array: Any) -> Any:
    """What JSON has no word for: an array of a generator's state, or a number of NumPy's."""
    return array.tolist()


def require_same_data(group: Group | None, facts: dict[str, Any]) -> None:
    """Require of all ranks that arrays and such have the same bits, by their names. Raises ValueError on all of them."""
    if group is not None:
        with group.agreed():
            told = {f"the checksum of {name}": _checksum(value) for name, value in facts.items()}
        own_rows.same(group, told)


def _checksum(value: Any) -> int | None:
    """A number that changes with any bit of an array, dense or sparse, of several of them, or of a text."""
    if value is None:
        return None
    if isinstance(value, str):
        return zlib.crc32(value.encode(errors="backslashreplace"))
    if issparse(value):
        value = value.tocsr()
        return _checksum([value.data, value.indices, value.indptr])
    if isinstance(value, tuple | list):
        return zlib.crc32(repr([_checksum(one) for one in value]).encode())
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind not in "biuf":  # words, dates
        return _checksum(repr(array.tolist()))
    kind = f"{array.dtype.str} {array.shape}".encode()
    return zlib.crc32(kind, Samples(array, array[:0], None).digest)


def agreeing(fit: Callable[..., Any]) -> Callable[..., Any]:
    """A method that trains, with comm: a group, where it was a communicator; and no rank ends alone, or half trained.

    It goes outside of scikit-learn's own decorator, which checks the settings: here that is agreed on before.
    """

    @functools.wraps(fit)
    def agreed(self: Any, *arguments: Any, comm: Any = None, **named: Any) -> Any:
        group = communication.several(comm)
        if group is None:
            return fit(self, *arguments, **named)
        with base.kept_where_it_fails(self):
            with group.agreed():
                self._validate_params()
            return fit(self, *arguments, comm=group, **named)

    return agreed

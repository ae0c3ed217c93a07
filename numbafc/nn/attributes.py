"""Attributes that may be set on a network: checked and converted then, for fit, predict and save alike."""

from __future__ import annotations

from itertools import islice
from typing import Any, overload

import numpy as np

from .. import checks

REAL_LOSSES = "mse", "mae", "huber"  # whose targets are real numbers of any size
SEED_BITS = 10_000  # Python writes no number of 4300 digits


class Attribute:
    """A settable attribute; its value is in the network's __dict__, under its own name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name


class Standardisation(Attribute):
    """A mean or a scale of the inputs or the targets: in the network's dtype, one number for each. Goes with the other one.

    Of targets in a table it is in float64, in which they are read: a time in seconds is no number of float32.

    Where the other is not set yet, it becomes 0 for a mean and 1 for a scale; None takes away both.
    """

    def __init__(self, of: str, kind: str) -> None:
        self.of, self.kind = of, kind
        self.other = f"{of}_{'scale' if kind == 'mean' else 'mean'}"

    @overload
    def __get__(self, net: None, owner: type) -> Standardisation: ...
    @overload
    def __get__(self, net: Any, owner: type) -> np.ndarray | None: ...
    def __get__(self, net: Any, owner: type) -> Any:
        return self if net is None else net.__dict__.get(self.name)

    def __set__(self, net: Any, value: Any) -> None:
        if value is None:
            net.__dict__[self.name] = net.__dict__[self.other] = None
            return
        if self.of == "target" and net.loss_name not in REAL_LOSSES:
            losses = ", ".join(REAL_LOSSES)
            raise ValueError(f"{self.name} goes with the losses {losses}, not with {net.loss_name!r}; leave it None")
        length = net.sizes[0] if self.of == "input" else net.sizes[-1]
        given = checks.real_values(self.name, value, np.dtype(np.float64))
        dtype = given.dtype if self.of == "target" and net.table is not None else net.dtype
        with np.errstate(over="ignore"):
            numbers = given.astype(dtype)
        if not np.isfinite(numbers).all():
            raise ValueError(f"{self.name} must be finite in {dtype}, got {given[~np.isfinite(numbers)][0]}")
        if (numbers.size != 1 and numbers.shape != (length,)) or numbers.ndim > 1:
            raise ValueError(
                f"{self.name} must have shape ({length},), one number for each {self.of}, or be one number for all, got "
                f"shape {numbers.shape}"
            )
        if self.kind == "scale" and not numbers.all():
            raise ValueError(f"{self.name} must not be 0 anywhere, for {self.of}s are divided by it; use 1 for no scale")
        net.__dict__[self.name] = np.array(np.broadcast_to(numbers, (length,)))
        if net.__dict__.get(self.other) is None:
            net.__dict__[self.other] = np.full(length, 0 if self.kind == "scale" else 1, dtype)


class Names(Attribute):
    """The names of the outputs or of the inputs, a tuple of str, or None."""

    def __init__(self, of: str) -> None:
        self.of = of

    @overload
    def __get__(self, net: None, owner: type) -> Names: ...
    @overload
    def __get__(self, net: Any, owner: type) -> tuple[str, ...] | None: ...
    def __get__(self, net: Any, owner: type) -> Any:
        return self if net is None else net.__dict__[self.name]

    def __set__(self, net: Any, value: Any) -> None:
        count = net.sizes[0] if self.of == "input" else net.sizes[-1]
        net.__dict__[self.name] = None if value is None else self._names(value, count)

    def _names(self, value: Any, count: int) -> tuple[str, ...]:
        expected = f"{self.name} must be {count} words, one for each {self.of}"
        if isinstance(value, str | bytes | dict) or not hasattr(value, "__iter__"):
            raise TypeError(f"{expected}, got {type(value).__name__}; pass a tuple of str")
        names = tuple(self._word(name) for name in islice(value, count + 1))
        if len(names) != count:
            raise ValueError(f"{expected}, got {len(names) if len(names) < count else 'more'}")
        return names

    def _word(self, name: Any) -> str:
        if isinstance(name, int | np.integer) and not isinstance(name, bool):
            return str(int(name))
        if not isinstance(name, str):
            raise TypeError(f"{self.name} must be words, got {type(name).__name__} ({name!r:.40}); convert it with str")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{self.name} must be text that can be written, got half a character in {name!r:.40}"
            ) from None
        return str(name)


class TableOf(Attribute):
    """What a network's inputs and targets are in a table (a Table of the room tables/), or None.

    Its inputs and its classes, or its targets, must be as many as the network has; classes go with the loss
    "cross_entropy" alone. The network's features and classes become the table's where they are None.
    """

    NEEDED = "encode", "as_targets", "features", "classes", "target_names", "to_dict"

    @overload
    def __get__(self, net: None, owner: type) -> TableOf: ...
    @overload
    def __get__(self, net: Any, owner: type) -> Any: ...
    def __get__(self, net: Any, owner: type) -> Any:
        return self if net is None else net.__dict__.get(self.name)

    def __set__(self, net: Any, value: Any) -> None:
        if value is not None:
            self._require(net, value)
            if net.features is None:
                net.features = value.features
            if net.classes is None:
                net.classes = value.classes
        net.__dict__[self.name] = value
        if net.target_mean is not None:  # whose dtype goes with a table
            net.target_mean, net.target_scale = net.target_mean, net.target_scale

    def _require(self, net: Any, table: Any) -> None:
        if not all(hasattr(table, name) for name in self.NEEDED):
            raise TypeError(f"table must be a Table, as Table.fit(frame) makes it, or None, got {_kind(table)}")
        inputs, outputs = len(table.features), len(table.target_names if table.classes is None else table.classes)
        if (inputs, outputs) != (net.sizes[0], net.sizes[-1]):
            raise ValueError(
                f"table must have {net.sizes[0]} inputs and {net.sizes[-1]} outputs, as the network has, got {inputs} and "
                f"{outputs}; make the network for its table, MLP([len(table.features), …, outputs])"
            )
        if table.classes is not None and net.loss_name != "cross_entropy":
            raise ValueError(f"a table of classes goes with the loss 'cross_entropy', got {net.loss_name!r}")
        if table.classes is None and net.loss_name == "cross_entropy":
            raise ValueError("a table of real targets goes with a loss such as 'mse', got 'cross_entropy'")


class Order(Attribute):
    """The generator of the order of samples."""

    @overload
    def __get__(self, net: None, owner: type) -> Order: ...
    @overload
    def __get__(self, net: Any, owner: type) -> np.random.Generator: ...
    def __get__(self, net: Any, owner: type) -> Any:
        return self if net is None else net.__dict__[self.name]

    def __set__(self, net: Any, value: Any) -> None:
        if not isinstance(value, np.random.Generator) or type(value.bit_generator) is not np.random.PCG64:
            kind = _kind(value.bit_generator if isinstance(value, np.random.Generator) else value)
            raise TypeError(f"order must be a generator that np.random.default_rng(seed) made, got {kind}")
        net.__dict__[self.name] = value


class Seed(Attribute):
    """An integer ≥ 0, of any size that can be written."""

    @overload
    def __get__(self, net: None, owner: type) -> Seed: ...
    @overload
    def __get__(self, net: Any, owner: type) -> int: ...
    def __get__(self, net: Any, owner: type) -> Any:
        return self if net is None else net.__dict__[self.name]

    def __set__(self, net: Any, value: Any) -> None:
        seed = checks.count("seed", value)
        if seed.bit_length() > SEED_BITS:
            raise ValueError(f"seed must have at most {SEED_BITS} bits, got {seed.bit_length()}")
        net.__dict__[self.name] = seed


def shuffles(seed: int) -> np.random.Generator:
    """The generator of the order of samples that a new network has: its own stream, whatever the sizes."""
    return np.random.default_rng([seed, 1])


def _kind(value: Any) -> str:
    return type(value).__name__

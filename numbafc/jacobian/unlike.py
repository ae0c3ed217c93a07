"""What an array can do and an operator cannot: each says so, and how it is done instead.

Without these, Python would compare by identity, call every operator true, or say in its own words what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

DENSE = "np.asarray(J), if it fits in memory"
SCALED = f"scale or add vectors, such as J @ (2 * v), or take {DENSE}"
ELEMENTS = f"a column is J @ e with a unit vector e, a row is e @ J; or take {DENSE}"
BINARY = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "divmod": "divmod", "pow": "**",
    "lshift": "<<", "rshift": ">>", "and": "&", "or": "|", "xor": "^",
}  # fmt: skip
# For each method: what it is called in a sentence, and what to do instead.
REFUSED = {
    **{f"__{side}{name}__": (sign, SCALED) for name, sign in BINARY.items() for side in ("", "r")},
    **{f"__{name}__": (name, SCALED) for name in ("neg", "pos", "abs", "invert")},
    **{f"__{name}__": (sign, f"take {DENSE}") for name, sign in {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items()},
    "__bool__": ("truth", "ask whether J is None, or for J.size or J.nnz"),
    "__len__": ("length", "J.shape has its numbers of outputs and inputs"),
    "__getitem__": ("[]", ELEMENTS),
    "__iter__": ("rows to go through", ELEMENTS),
    "__contains__": ("elements in memory", f"take {DENSE}"),
}


class Unlike:
    """An operator, which is applied: what only arrays do raises TypeError."""

    __hash__ = object.__hash__

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, np.ndarray):
            raise TypeError(f"a {type(self).__name__} is an operator, whose elements are not compared; take {DENSE}")
        return self is other


def _refuse(what: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: Unlike, *others: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is an operator, which has no {what}; {instead}")

    return refuse


for _name, _words in REFUSED.items():
    setattr(Unlike, _name, _refuse(*_words))

"""The encoders of columns by their kinds: fitted to a column, or read from what a file says of them."""

from __future__ import annotations

from typing import Any

from . import kinds, stored
from .categories import Categories, YesNo
from .column import Column
from .encoder import Encoder, Fitting
from .moments import Moments
from .numbers import Numbers

ENCODERS: dict[str, Any] = {one.kind: one for one in (Numbers, Categories, YesNo, Moments)}


def fitted(column: Column, kind: kinds.Kind, how: Fitting) -> Encoder:
    """The encoder of a column of that kind."""
    made: Encoder = ENCODERS[kind.name].fit(column, how._replace(order=kind.order))
    return made


def encoder_of(given: Any) -> Encoder:
    """The encoder that a file describes. Raises ValueError."""
    stored.require_keys(given, "name", "kind", "missing", "is")
    name, missing = stored.text(given["name"], "name"), stored.count(given["missing"], "missing")
    kind = stored.one_of(given["kind"], tuple(ENCODERS), "kind")
    made: Encoder = ENCODERS[kind].from_dict(name, missing, given["is"])
    return made

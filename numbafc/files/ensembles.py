"""The members of an ensemble in one file: the first as a network alone, so that who reads one network finds it.

Member m, from 1 on, has its tensors behind the prefix members.m., members.1.layers.0.weight, and a description in the list
`members` of the first one's, with what is another than there. They have one table, which is written once. How good they
are on what each has held out is beside them, if it is known: `out_of_fold`, which older versions do not read.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from .. import checks
from ..nn import MLP, Members
from ..nn.out_of_fold import Measured
from ..nn.pooled import networks
from . import description as one_network
from .description import FORMAT

MEMBERS, OUT_OF_FOLD = "members", "out_of_fold"
ITS_OWN = "training", "order", "table", MEMBERS, OUT_OF_FOLD  # what no member has from the first


def contents(model: MLP | Members, training: bool) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and the description of a network, or of members. Raises ValueError where these are not alike."""
    first, *others = networks(Members(model) if isinstance(model, Members) else model)
    tensors, description = one_network.contents(first, training)
    if not isinstance(model, Members):
        return tensors, description
    found = []
    for m, net in enumerate(others, 1):
        own, described = one_network.contents(net, training)
        tensors |= {f"{MEMBERS}.{m}.{name}": tensor for name, tensor in own.items()}
        found.append({name: value for name, value in described.items() if _is_own(name, value, description)})
    known = {} if model.out_of_fold is None else {OUT_OF_FOLD: model.out_of_fold._asdict()}
    return tensors, description | {"format": FORMAT, MEMBERS: found, **known}


def _is_own(name: str, value: Any, first: dict[str, Any]) -> bool:
    """Tell whether something is in a member's own description."""
    if name in ("format", "table"):
        return False
    return name in ITS_OWN or type(value) is not type(first[name]) or value != first[name]


def restore(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> MLP | Members:
    """The network or the members. Raises one of container.CONTRADICTIONS where description and tensors disagree."""
    if MEMBERS not in description:
        return one_network.restore(description, tensors)
    described = description[MEMBERS]
    if not isinstance(described, list) or not all(isinstance(one, dict) for one in described):
        raise ValueError(f"members must be a list of descriptions, got {described!r:.80}")
    parts = _by_member(tensors)
    if len(parts) > len(described) + 1 or max(parts) > len(described):
        raise ValueError(f"there are tensors of member {max(parts)}, and descriptions of {len(described) + 1} members")
    first = one_network.restore(description, parts[0])
    common = {name: value for name, value in description.items() if name not in ITS_OWN}
    nets = [first]
    for m, own in enumerate(described, 1):
        if "table" in own:
            raise ValueError(f"member {m} has a table of its own")
        nets.append(one_network.restore(common | own, parts.get(m, {}), first.table))
    members = Members(nets)
    if OUT_OF_FOLD in description:
        members.out_of_fold = _measured(description[OUT_OF_FOLD])
    return members


def _measured(described: Any) -> Measured:
    """What was measured out of fold. Raises one of container.CONTRADICTIONS."""
    measured = Measured(**described)
    checks.int64(f"{OUT_OF_FOLD}'s samples", measured.samples, 1)
    for number in measured[1:]:
        if not isinstance(number, float):
            raise TypeError(f"{OUT_OF_FOLD}'s loss and score must be numbers, got {number!r:.80}")
    return measured


def _by_member(tensors: dict[str, np.ndarray]) -> dict[int, dict[str, np.ndarray]]:
    """The tensors of each member, by its number, without their prefix."""
    parts: dict[int, dict[str, np.ndarray]] = defaultdict(dict)
    parts[0] = {}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        number, _, own = rest.partition(".")
        if prefix != MEMBERS:
            parts[0][name] = tensor
            continue
        if not (number.isascii() and number.isdigit() and number == str(int(number[:9])) and int(number)):
            raise ValueError(f"the tensor {name!r:.80} is of no member; members are numbered 1, 2, 3, …")
        parts[int(number)][own] = tensor
    return dict(parts)

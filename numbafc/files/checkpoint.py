"""Networks in files: safetensors, with the names PyTorch gives (layers.0.weight), so that nn.Linear can load them.

What is no tensor is a description in the metadata, in JSON (description.py; of several networks ensembles.py). A file is
written beside its place, flushed to the disk, and renamed: at every moment the old or the new one is there, whole. Save
looks at what it is about to write as load will.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from ..nn import MLP, Members
from ..nn.pooled import networks
from . import container
from .container import CONTRADICTIONS, ENTRY, words
from .description import READABLE, standardisations
from .ensembles import contents, restore
from .invalid import InvalidFile
from .opening import enough_memory
from .replacing import require_writable, write_whole
from .shown import shortened
from .suffixes import require_suffix

OF_THE_CONSTRUCTOR = "sizes", "activation", "loss_name", "dtype", "seed", "label_smoothing", "init", "scaling"


def save(net: MLP | Members, path: str | PathLike[str], training: bool = True) -> None:
    """Write the network, or the members of an ensemble, whole or not at all.

    Raises OSError where the file cannot be written, ValueError for a name of another format or a network that load would
    refuse: the file that was there stays. ImportError where safetensors is missing. TypeError for what is no network.
    """
    if not isinstance(net, MLP | Members):
        raise TypeError(f"save takes a network and a path, save(net, path), got {type(net).__name__} for the network")
    require_suffix(path)
    write_whole(path, content(net, training))


def require_savable(path: str | PathLike[str]) -> None:
    """Require that a network could be saved there now, before long computations. Raises OSError or ValueError."""
    require_suffix(path)
    require_writable(path)


def content(net: MLP | Members, training: bool = True) -> bytes:
    """The bytes of a model's file. Raises ValueError for one that load would refuse; ImportError without safetensors."""
    container.library()
    try:
        tensors, description = contents(net, training)
        text = json.dumps(description)
        back = restore(json.loads(text), tensors)
        for one, other in zip(networks(back), networks(net), strict=True):
            _require_same(one, other)
        return container.packed(tensors, text)
    except CONTRADICTIONS as error:
        raise ValueError(
            f"this network cannot be saved, for no file of it could be loaded: {shortened(words(error), 200)}"
        ) from error


def _require_same(back: MLP, net: MLP) -> None:
    """Require that what is no array comes back as it was. Raises ValueError."""
    for name in (*OF_THE_CONSTRUCTOR, "classes", "features", "table"):
        was, would_be = getattr(net, name), getattr(back, name)
        if was != would_be:
            raise ValueError(f"{name} is {was!r:.80}, and would be {would_be!r:.80}")
    if net.parameters.size != back.parameters.size:
        raise ValueError(f"sizes {net.sizes!r:.80} have {back.parameters.size} parameters, not {net.parameters.size}")
    for (name, *pair), (_, *other) in zip(standardisations(net), standardisations(back), strict=True):
        if [one is None for one in pair] != [one is None for one in other]:
            raise ValueError(f"{name}_mean and {name}_scale go together")


def load(path: str | PathLike[str]) -> MLP | Any:
    """The network in a file that save wrote, or the Members.

    Raises InvalidFile for anything else, OSError where it cannot be read.
    The file is read, not mapped: one that another program cuts short meanwhile is refused, not a crash.
    """
    with enough_memory(path):
        metadata, tensors = container.read(Path(path))
    if ENTRY not in metadata:
        raise InvalidFile(
            path,
            "a safetensors file, but not of a numbafc network: its metadata say nothing of one; "
            "numbafc.from_weights reads weights of others",
        )
    try:
        description = json.loads(metadata[ENTRY])  # RecursionError: brackets without end
        if description["format"] not in READABLE:
            raise ValueError(f"format {description['format']!r}; this version reads {', '.join(map(str, READABLE))}")
        return restore(description, tensors)
    except CONTRADICTIONS as error:
        raise InvalidFile(path, f"the model's description and its contents disagree ({words(error)})") from None

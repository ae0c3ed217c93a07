"""What a report is about: a network, the samples it is measured on, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import typer

from ...files import datasets
from ...nn import splits
from ...nn.pooled import Answering
from .. import screen, settings


class Subject(NamedTuple):
    """A network, and samples that tell how good it is."""

    net: Answering
    X: Any  # as the network takes it, (samples, features)
    y: np.ndarray
    said: str  # which samples these are, for people
    seen: bool  # whether it was trained on them
    places: np.ndarray  # of the samples in the data
    data: str  # the name of the data
    command: str  # that made the report
    files: Sequence[Path] = ()  # that were read
    training: np.ndarray | None = None  # X of the samples that it was trained on, where they are known
    groups: Mapping[str, Sequence[int]] | None = None  # the columns of X by their source; None: each feature by itself
    unknown: Sequence[str] = ()  # lines about what was in the data and the model does not know


def places(dataset: datasets.Dataset, held_out: int, seed: int) -> np.ndarray:
    """The places in a data set of so many samples that were held out of it, as its split has them; of none, of all."""
    first, second = splits.held_out(len(dataset.X), held_out / len(dataset.X), seed)
    return second if held_out else first


def groups(net: Answering) -> Mapping[str, Sequence[int]] | None:
    """The inputs of a network by the columns of its table; None where it has none."""
    return None if net.table is None else net.table.groups


def command_of(context: typer.Context) -> str:
    """The command as it was given: what stands for itself, then options by their names."""
    words = ["numbafc", context.info_name or ""]
    for parameter in context.command.params:
        name, value = parameter.name or "", context.params.get(parameter.name or "")
        if not settings.is_given(context, name):
            continue
        given = [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
        if isinstance(value, bool):
            words.append(parameter.opts[0] if value else parameter.secondary_opts[0])
        else:
            words += given if parameter.param_type_name == "argument" else [parameter.opts[0], *given]
    return screen.command(*words)

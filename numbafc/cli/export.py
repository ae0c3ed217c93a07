"""`numbafc export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files import onnx
from ..files.checkpoint import load
from ..files.replacing import write_whole
from ..nn import Members
from . import options
from .outputs import check_writable
from .screen import label, say

EXAMPLES = """
numbafc export digits.safetensors --onnx digits.onnx
numbafc export houses.safetensors --onnx houses.onnx --opset 21
"""
SHOWN = 20  # inputs


def export(
    model: options.Model,
    onnx_: Annotated[Path, typer.Option("--onnx", help="Where to write the ONNX model.", show_default=False)],
    opset: Annotated[int, typer.Option(help=f"The version of ONNX's operators, {onnx.FIRST} to {onnx.LAST}.")] = onnx.USUAL,
) -> None:
    """Write a model in ONNX, for other programs.

    Any runtime of ONNX runs it, without numbafc. A model of a table takes a column for each input, by its name: numbers as
    they are, NaN for a gap; words as they are spelt, the empty word for a gap; dates in microseconds since 1970. It gives
    labels with their probabilities, or predictions in the target's units. The members of an ensemble are averaged.
    """
    net = load(model)
    check_writable("--onnx", onnx_, model)
    onnx.require_name(onnx_)
    write_whole(onnx_, onnx.content(net, opset))
    of = f", the mean of {len(net)} networks" if isinstance(net, Members) else ""
    say(f"wrote {onnx_}: opset {opset}{of}")
    for heading, described in (("takes", onnx.inputs(net)), ("gives", onnx.outputs(net))):
        lines = [f"{label(name)}  {what}" for name, what in described]
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        say(*(f"{heading if n == 0 else '':7}{line}" for n, line in enumerate([*lines[:SHOWN], *more])))

"""Networks as ONNX models: what becomes of a table's columns or of rows of numbers, the layers, and the answers.

inputs      a table's columns, (samples, 1) each (columns.py); without a table X, (samples, N), in the network's dtype
outputs     of classes and of independent labels: label and probabilities; of reals: prediction, (samples, T)

All operators are of ONNX's main domain, so that any runtime has them. The same network gives the same bytes.
"""

from __future__ import annotations

import json
from os import PathLike
from typing import Any

import numpy as np

from ..._version import __version__
from ...nn import MLP, Members
from ...nn.pooled import networks
from ...tables import Table
from ..replacing import write_whole
from ..suffixes import ONNX, require_suffix
from . import answers, columns, layers, opsets
from .graph import Graph

INPUT = "X"  # the name of the input, without a table
MOST = 2**31 - 1  # bytes of a protobuf message


def export_onnx(net: MLP | Members, path: str | PathLike[str], opset: int = opsets.USUAL) -> None:
    """Write a network, or the mean of the members of an ensemble, as an ONNX model, whole or not at all.

    opset: the version of ONNX's operators, 13 to 24. Raises ImportError without the library onnx, OSError where the file
    cannot be written, ValueError for a name of another format, or a network that no model can hold; TypeError for none.
    """
    if not isinstance(net, MLP | Members):
        raise TypeError(f"export_onnx takes a network and a path, got {type(net).__name__} for the network")
    require_name(path)
    write_whole(path, content(net, opset))


def require_name(path: str | PathLike[str]) -> None:
    """Refuse a name of another format. Raises ValueError."""
    require_suffix(path, ONNX)


def content(net: MLP | Members, opset: int = opsets.USUAL) -> bytes:
    """The bytes of a network's model. Raises ValueError or ImportError."""
    nets = networks(Members(net) if isinstance(net, Members) else net)  # which are looked at once more
    opsets.library(opsets.require(opset))
    _require_exportable(nets)
    made = model(nets, opset)
    written: bytes = made.SerializeToString(deterministic=True)
    return written


def model(nets: list[MLP], opset: int) -> Any:
    """The model, checked."""
    first, graph = nets[0], Graph(opset, nets[0].dtype)
    graph.reserve(*answers.OUTPUTS)
    X = graph.input(INPUT, first.dtype, first.sizes[0]) if first.table is None else columns.add(graph, first.table)
    prefixes = [""] if len(nets) == 1 else [f"members.{m}." for m in range(len(nets))]
    answers.add(graph, nets, [layers.outputs(graph, net, X, prefix) for net, prefix in zip(nets, prefixes, strict=True)])
    helper, opset_id = graph.onnx.helper, graph.onnx.helper.make_opsetid("", opset)
    whole = helper.make_graph(graph.nodes, "numbafc", graph.inputs, graph.outputs, graph.initializers)
    named = {"producer_name": "numbafc", "producer_version": __version__}
    made = helper.make_model(
        whole, opset_imports=[opset_id], ir_version=helper.find_min_ir_version_for([opset_id]), **named
    )  # fmt: skip
    helper.set_model_props(made, {name: json.dumps(value, ensure_ascii=False) for name, value in described(first).items()})
    graph.onnx.checker.check_model(made, full_check=True)
    return made


def described(net: MLP) -> dict[str, Any]:
    """What a model's metadata say, each in JSON: names, and a table's columns with what they are passed as."""
    said: dict[str, Any] = {"activation": net.activation, "loss": net.loss_name}
    if net.classes is not None:
        said["classes"] = list(net.classes)
    if net.features is not None:
        said["features"] = list(net.features)
    if net.table is not None:
        said["columns"] = [
            {"name": encoder.name, "input": name, "kind": encoder.kind, "type": columns.WORDS[columns.TYPES[encoder.kind]]}
            for name, encoder in zip(columns.input_names(net.table), net.table.encoders, strict=True)
            if encoder.features
        ]
        said["targets"] = list(net.table.target_names)
    return dict(sorted(said.items()))


def _require_exportable(nets: list[MLP]) -> None:
    """Refuse a network that no model can hold, or that answers nothing. Raises ValueError."""
    table = nets[0].table
    if table is not None and not isinstance(table, Table):
        raise ValueError(f"table must be a numbafc.Table to be exported, got {type(table).__name__}; leave it None")
    for m, net in enumerate(nets):
        if not np.isfinite(net.parameters).all():
            which = f" of member {m}" if len(nets) > 1 else ""
            raise ValueError(
                f"the parameters{which} must be finite to be exported, and some are not: the training diverged"
            )
    nbytes = sum(net.parameters.nbytes for net in nets)
    if nbytes > MOST - 2**20:
        raise ValueError(f"the parameters take {nbytes} bytes, and an ONNX model has at most {MOST}")


def inputs(net: MLP | Members) -> list[tuple[str, str]]:
    """The name of each input of a network's model, and what it takes, for people."""
    if net.table is None:
        return [(INPUT, f"{net.dtype.name}, (samples, {net.sizes[0]})")]
    return [(one["input"], f"{one['type']}, (samples, 1), {one['kind']}") for one in described(networks(net)[0])["columns"]]


def outputs(net: MLP | Members) -> list[tuple[str, str]]:
    """The name of each output of a network's model, and what it gives, for people."""
    first = networks(net)[0]
    T = first.sizes[-1]
    if not answers.has_labels(first):
        return [(answers.PREDICTION, f"{answers.dtype_of(first).name}, (samples, {T})")]
    one = "(samples,)" if first.loss_name == "cross_entropy" else f"(samples, {T})"
    words = answers.integers_of(first.classes) is None
    return [
        (answers.LABEL, f"{'words' if words else 'int64'}, {one}"),
        (answers.PROBABILITIES, f"{first.dtype.name}, (samples, {T})"),
    ]

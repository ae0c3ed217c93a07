"""Layers: Gemm and MatMul, with samples in rows or in columns."""

from __future__ import annotations

from .given import REALS, Walk, constant, refused, rows_of, settings, terms
from .messages import Node
from .values import Layer, Rows, Value


def gemm(walk: Walk, node: Node, given: list[Value]) -> Value:
    """Y = α·A'·B' + β·C: samples in the rows of A', or in the columns of B'."""
    alpha, beta = settings(node, alpha=1.0, beta=1.0)
    turned = [bool(node.attributes.get(name, 0)) for name in ("transA", "transB")]
    return _product(walk, node, given, turned, (alpha, beta))


def plain(walk: Walk, node: Node, given: list[Value]) -> Value:
    return _product(walk, node, given[:2], [False, False], (1.0, 1.0))


def _product(walk: Walk, node: Node, given: list[Value], turned: list[bool], factors: tuple[float, float]) -> Value:
    first = isinstance(given[0], Rows)
    rows, W = (given[0], given[1]) if first else (given[1], given[0])
    rows, W = rows_of(node, rows), constant(node, W, "one of its two matrices")
    if rows.turned != (turned[0] if first else not turned[1]):
        raise refused(node, "it adds over the samples, not over the features")
    if W.ndim != 2 or W.dtype.str not in REALS:
        raise refused(node, f"its matrix has shape {W.shape}, {W.dtype}; expected two axes of float32 or float64")
    W = W.T if (first and not turned[1]) or (not first and turned[0]) else W  # (T, N)
    width = walk.layers[rows.layer].width
    if (width is not None and W.shape[1] != width) or 0 in W.shape:
        raise refused(node, f"its matrix is for {W.shape[1]} inputs, and there are {width}")
    if width is None:
        walk.layers[rows.layer] = walk.layers[rows.layer]._replace(width=W.shape[1])
    W = W if factors[0] == 1 else walk.keep(W * W.dtype.type(factors[0]))
    b = None
    if len(given) > 2:
        b = walk.keep(terms(node, given[2], W.shape[0], not first).astype(W.dtype) * W.dtype.type(factors[1]))
    walk.layers.append(Layer(W.shape[0], rows, walk.keep(W), b, node))
    return Rows(len(walk.layers) - 1, turned=not first)

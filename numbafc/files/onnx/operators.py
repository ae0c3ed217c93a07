"""What each operator makes of what it takes; one that is not here is refused by its name and the node's."""

from __future__ import annotations

from collections.abc import Callable

from . import behind, pointwise, products, unchanging
from .given import Walk
from .messages import Node
from .values import COMPARISONS, Value

ML = "ai.onnx.ml"

OPERATORS: dict[tuple[str, str], Callable[[Walk, Node, list[Value]], Value]] = {
    ("", "Gemm"): products.gemm,
    ("", "MatMul"): products.plain,
    **dict.fromkeys(
        [("", name) for name in ("Add", "Sub", "Mul", "Div", "Neg", "Exp", "Log", "Abs", "Erf")], pointwise.elementwise
    ),
    **dict.fromkeys([("", name) for name in ("Relu", "Tanh", "Sigmoid", "Softplus", "Mish")], pointwise.elementwise),
    **dict.fromkeys([("", name) for name in ("Max", "Min", "Where", *COMPARISONS)], pointwise.elementwise),
    ("", "LeakyRelu"): pointwise.with_settings(alpha=0.01),
    ("", "Elu"): pointwise.with_settings(alpha=1.0),
    ("", "Selu"): pointwise.with_settings(alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    ("", "Swish"): pointwise.with_settings(alpha=1.0),
    ("", "Gelu"): pointwise.gelu,
    ("", "Identity"): unchanging.through,
    ("", "Dropout"): unchanging.dropout,
    ("", "Cast"): unchanging.cast,
    ("", "Flatten"): unchanging.flatten,
    ("", "Reshape"): unchanging.reshape,
    ("", "Transpose"): unchanging.transpose,
    ("", "Constant"): unchanging.value,
    ("", "Softmax"): behind.softmax,
    ("", "LogSoftmax"): behind.softmax,
    ("", "Concat"): behind.concat,
    ("", "ArgMax"): behind.argmax,
    ("", "Gather"): behind.gather,
    (ML, "Scaler"): pointwise.scaler,
    (ML, "ArrayFeatureExtractor"): behind.gather,
    (ML, "ZipMap"): behind.zipmap,
    (ML, "Binarizer"): behind.binarizer,
}

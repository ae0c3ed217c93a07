"""skl2onnx knows numbafc's estimators, so that a pipeline of scikit-learn with one of them becomes an ONNX model.

    from numbafc.interop.onnx import register
    register()
    model = skl2onnx.to_onnx(make_pipeline(StandardScaler(), MLPClassifier()).fit(X, y), X[:1])

An estimator of a table takes one matrix where all its columns are numbers, else a column for each input, by its name:
initial_types=[("size", DoubleTensorType([None, 1])), ("colour", StringTensorType([None, 1]))]. What stands for a gap,
and for a date, is in numbafc/files/onnx/columns.py. A network by itself is exported by its own export_onnx.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..files.onnx import answers, columns, layers
from ..files.onnx.graph import DOUBLE, Graph
from ..files.weights import of_layers
from ..tables.numbers import Numbers

ACTIVATIONS = {"logistic": "sigmoid"}  # of scikit-learn's names those that are others than ours
ZIPMAP = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [True, False]}


def register(*estimators: type) -> None:
    """Let skl2onnx convert numbafc's estimators: those of numbafc.interop.sklearn, and others of their kind.

    estimators: classes with coefs_, intercepts_, activation and out_activation_ as scikit-learn's MLPs have them, or with
    table_ and nets_ as tabular estimators have them. Raises ImportError.
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError:
        raise ImportError(
            "pipelines become ONNX models by skl2onnx, which is not installed: pip install skl2onnx"
        ) from None
    from . import sklearn

    own = ("MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor")
    for estimator in (*(getattr(sklearn, name) for name in own if hasattr(sklearn, name)), *estimators):
        options = ZIPMAP if _classifies(estimator) else None
        update_registered_converter(estimator, f"Numbafc{estimator.__name__}", _shapes, _convert, options=options)


def _classifies(estimator: Any) -> bool:
    from sklearn.base import ClassifierMixin

    kind = estimator if isinstance(estimator, type) else type(estimator)
    return issubclass(kind, ClassifierMixin)


def _shapes(operator: Any) -> None:
    """Tell skl2onnx what the outputs are."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType

    of = operator.raw_operator
    real = DoubleTensorType if _dtype(operator) == DOUBLE else FloatTensorType
    if not _classifies(of):
        operator.outputs[0].type = real([None, None])
        return
    words = _labels(of).dtype.kind == "O"
    shape = [None, of.n_outputs_] if _is_multilabel(of) else [None]
    operator.outputs[0].type = (StringTensorType if words else Int64TensorType)(shape)
    operator.outputs[1].type = real([None, len(of.classes_)])


def _dtype(operator: Any) -> np.dtype:
    """The dtype of probabilities or predictions: the input's, as skl2onnx has it; of tables that of the networks."""
    from skl2onnx.common.data_types import DoubleTensorType

    of = operator.raw_operator
    if hasattr(of, "nets_"):
        return np.dtype(of.nets_[0].dtype) if _classifies(of) else DOUBLE
    return DOUBLE if isinstance(operator.inputs[0].type, DoubleTensorType) else np.dtype(np.float32)


def _is_multilabel(of: Any) -> bool:
    return getattr(of, "out_activation_", "") == "logistic" and of.n_outputs_ > 1


def _labels(of: Any) -> np.ndarray:
    """The labels of classes as a model has them: integers of 64 bits, or words."""
    classes = np.asarray(of.classes_)
    whole = classes.dtype.kind in "iub" or (classes.dtype.kind == "f" and (classes == np.rint(classes)).all())
    return classes.astype(np.int64) if whole else np.array([str(label) for label in classes.tolist()], object)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the estimator's nodes to a model."""
    of = operator.raw_operator
    tabular = hasattr(of, "nets_")
    graph = Graph(container.target_opset_onnx, np.dtype(of.nets_[0].dtype) if tabular else _dtype(operator))
    given = [variable.full_name for variable in operator.inputs]
    graph.reserve(*given)
    results = _of_table(graph, of, operator.inputs) if tabular else _of_layers(graph, of, operator.inputs)
    names = dict(zip(given, given, strict=True))
    names |= dict(zip(results, [variable.full_name for variable in operator.outputs], strict=True))
    _hand_over(graph, scope, container, names)


def _hand_over(graph: Graph, scope: Any, container: Any, names: dict[str, str]) -> None:
    """Put a graph's constants and nodes into skl2onnx' container, by names that nothing has there."""
    helper = graph.onnx.helper

    def name(own: str) -> str:
        if own not in names:
            names[own] = scope.get_unique_variable_name(own)
        return names[own]

    for tensor in graph.initializers:
        values = list(tensor.string_data) if tensor.data_type == graph.onnx.TensorProto.STRING else tensor
        container.add_initializer(name(tensor.name), tensor.data_type, list(tensor.dims), values)
    for node in graph.nodes:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        inputs, outputs = [name(one) for one in node.input], [name(one) for one in node.output]
        own = scope.get_unique_operator_name(node.op_type)
        container.add_node(node.op_type, inputs, outputs, name=own, **attributes)


# ---- multi-layer perceptrons ------------------------------------------------------------------------------------------


def _of_layers(graph: Graph, of: Any, inputs: Any) -> list[str]:
    pairs = [(np.asarray(W).T, np.asarray(b)) for W, b in zip(of.coefs_, of.intercepts_, strict=True)]
    net = of_layers(pairs, ACTIVATIONS.get(of.activation, of.activation), "mse", graph.dtype)
    (given,) = inputs
    outputs = layers.outputs(graph, net, graph.cast(given.full_name, graph.dtype))
    if not _classifies(of):
        return [graph.node("Exp" if of.out_activation_ == "exp" else "Identity", outputs)]
    if of.out_activation_ == "softmax":
        return _classes(graph, of, graph.node("Softmax", outputs, axis=1))
    if len(of.classes_) < 2:
        raise ValueError(f"a model of classes needs two or more, and all samples were of {of.classes_[0]!r:.60}")
    shares = graph.node("Sigmoid", outputs)
    if _is_multilabel(of):
        positive = graph.node("Greater", shares, graph.constant(0.5))
        return [graph.cast(positive, np.int64), graph.node("Identity", shares)]
    both = graph.node("Concat", graph.node("Sub", graph.constant(1.0), shares), shares, axis=1)
    return _classes(graph, of, both)


def _classes(graph: Graph, of: Any, shares: str) -> list[str]:
    """The labels and the probabilities of classes."""
    labels, first = _labels(of), graph.node("ArgMax", shares, axis=1, keepdims=0)
    known = graph.words(labels.tolist(), "classes") if labels.dtype.kind == "O" else graph.parameter(labels, "classes")
    return [graph.node("Gather", known, first, axis=0), graph.node("Identity", shares)]


# ---- tables -----------------------------------------------------------------------------------------------------------


def _of_table(graph: Graph, of: Any, inputs: Any) -> list[str]:
    """Of a table's columns the answers: the mean of the networks'."""
    column = _columns(graph, of, inputs)
    X = columns.encoded(graph, of.table_, column)
    each = [layers.outputs(graph, net, X, f"members.{m}.") for m, net in enumerate(of.nets_)]
    if not _classifies(of):
        predicted = [answers.in_own_units(graph, net, Y) for net, Y in zip(of.nets_, each, strict=True)]
        return [graph.node("Identity", answers.mean(graph, predicted, DOUBLE))]
    shares = answers.mean(graph, [graph.node("Softmax", Y, axis=1) for Y in each], graph.dtype)
    place = {label: n for n, label in enumerate(of.table_.classes)}
    order = [place[str(label).strip()] for label in np.asarray(of.classes_).tolist()]
    return _classes(graph, of, graph.node("Gather", shares, graph.constant(order, np.int64), axis=1))


def _columns(graph: Graph, of: Any, inputs: Any) -> Callable[[Any], str]:
    """The value of an encoder's column: of the input with its name, or of its place in one matrix. Raises ValueError."""
    by_name = {variable.raw_name: variable.full_name for variable in inputs}

    def column(encoder: Any) -> str:
        wanted = columns.TYPES[encoder.kind]
        if len(inputs) > 1 or (encoder.name in by_name and of.n_features_in_ == 1):
            if encoder.name not in by_name:
                raise ValueError(
                    f"expected an input {encoder.name!r:.60}, as the table's column, got {list(by_name)!s:.120}"
                )
            value = by_name[encoder.name]
        elif encoder.kind == Numbers.kind:
            place = graph.constant([of.table_.columns.index(encoder.name)], np.int64)
            value = graph.node("Gather", inputs[0].full_name, place, axis=1)
        else:
            raise ValueError(
                f"the column {encoder.name!r:.60} is {encoder.kind}, which one matrix has not beside numbers; pass "
                "initial_types with an input for each column"
            )
        return value if wanted is str else graph.cast(value, wanted)

    return column

"""Pipelines of scikit-learn with numbafc's estimators as ONNX models: registered with skl2onnx, run by ONNX Runtime."""

import warnings

import numpy as np
import pytest

skl2onnx = pytest.importorskip("skl2onnx", reason="converts with skl2onnx; pip install skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="runs models with ONNX Runtime; pip install onnxruntime")
pd = pytest.importorskip("pandas")

from skl2onnx import convert_sklearn, to_onnx  # noqa: E402
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from numbafc.interop.onnx import register  # noqa: E402
from numbafc.interop.sklearn import TabularClassifier, TabularRegressor  # noqa: E402


class Classifier(MLPClassifier):
    """An estimator with scikit-learn's attributes, which skl2onnx does not know."""


class Regressor(MLPRegressor):
    """Likewise."""


register(Classifier, Regressor)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
MOST = 2e-6
SMALL = {"max_iter": 2, "random_state": 0, "hidden_layer_sizes": (5, 3)}
TABULAR = {"epochs": 2, "random_state": 0, "hidden_layer_sizes": (6,), "members": 2}
WORDS, PLACES = np.where(X[:, 0] > 0, "yes", "no"), np.arange(60) % 3 + 7
CASES = {
    "two classes": (Classifier(activation="tanh", **SMALL), WORDS),
    "three classes": (Classifier(activation="logistic", **SMALL), PLACES),
    "labels": (Classifier(**SMALL), np.stack([X[:, 0] > 0, X[:, 1] > 0], 1).astype(int)),
    "a target": (Regressor(**SMALL), X[:, 0]),
    "targets": (Regressor(activation="identity", **SMALL), X[:, :2]),
    "counts": (Regressor(loss="poisson", **SMALL), np.abs(X[:, 0])),
    "a table's two classes": (TabularClassifier(**TABULAR), WORDS),
    "a table's three classes": (TabularClassifier(**TABULAR), PLACES),
    "a table's labels in another order": (TabularClassifier(**TABULAR), PLACES + np.where(PLACES == 8, 95, 0)),
    "a table's target": (TabularRegressor(**TABULAR), X[:, 0] + 100),
    "a table's targets": (TabularRegressor(**TABULAR), X[:, :2]),
}


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(
        None, feeds
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_pipelines_answer_as_they_do_in_python(case, dtype):
    estimator, y = CASES[case]
    x = X.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that two epochs are few
        pipeline = make_pipeline(StandardScaler(), estimator).fit(X, y)
        labelled = hasattr(pipeline, "predict_proba")
        options = {"zipmap": False} if labelled else None
        for opset in (13, 17, 21):
            model = to_onnx(pipeline, x[:1], target_opset={"": opset, "ai.onnx.ml": 3}, options=options)
            found = run(model, {"X": x})
            expected = pipeline.predict_proba(x) if labelled else pipeline.predict(x)
            limit = MOST * np.maximum(1, np.abs(expected))  # counts may be large
            assert np.all(np.abs(found[-1].reshape(expected.shape) - expected) <= limit), opset
            if labelled:
                assert found[0].tolist() == pipeline.predict(x).tolist()


def test_a_table_of_words_gaps_and_dates_takes_a_column_for_each_input():
    when = pd.date_range("2024-01-01", periods=80, freq="31h")
    frame = pd.DataFrame({"size": [1.2, 0.7, None, 1.1] * 20, "colour": ["red", "blue", "blue", None] * 20, "when": when})
    y = ["ripe", "green", "green", "ripe"] * 20
    model = TabularClassifier(**TABULAR).fit(frame, y)
    types = [
        ("colour", StringTensorType([None, 1])),
        ("when", Int64TensorType([None, 1])),
        ("size", DoubleTensorType([None, 1])),
    ]
    made = convert_sklearn(model, initial_types=types, target_opset=17, options={"zipmap": False})
    feeds = {
        "size": frame[["size"]].to_numpy(),
        "colour": frame[["colour"]].fillna("").to_numpy(object),
        "when": when.to_numpy("datetime64[us]").astype(np.int64).reshape(-1, 1),
    }
    labels, shares = run(made, feeds)
    assert np.abs(shares - model.predict_proba(frame)).max() <= MOST
    assert labels.tolist() == model.predict(frame).tolist()
    zipped = run(convert_sklearn(model, initial_types=types, target_opset=17), feeds)[1]
    assert zipped[0].keys() == {"green", "ripe"}
    with pytest.raises(ValueError, match="expected an input 'size', as the table's column"):
        convert_sklearn(model, initial_types=types[:2], target_opset=17)
    with pytest.raises(ValueError, match="the column 'colour' is category, which one matrix has not beside numbers"):
        to_onnx(model, X[:1, :3].astype(np.float32))


def test_without_skl2onnx_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="which is not installed: pip install skl2onnx"):
        register()

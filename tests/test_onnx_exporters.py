"""What PyTorch's two exporters and skl2onnx write is read as the network it was, and what onnx itself writes again."""

import warnings

import numpy as np
import pytest

import numbafc as fc

onnx = pytest.importorskip("onnx", reason="models are made with onnx; pip install 'numbafc[onnx]'")

from onnx_models import MOST, RNG, X, answers  # noqa: E402


@pytest.mark.parametrize("dynamo", [False, True], ids=["legacy", "dynamo"])
def test_what_pytorch_exports(tmp_path, dynamo):
    torch = pytest.importorskip("torch", reason="exports with PyTorch; pip install torch onnxscript")
    if dynamo:
        pytest.importorskip("onnxscript", reason="PyTorch's exporter needs it; pip install onnxscript")
    nn = torch.nn
    torch.manual_seed(0)
    x = torch.from_numpy(X)
    for activation, phi in (("relu", nn.ReLU()), ("gelu", nn.GELU()), ("softplus", nn.Softplus()), ("mish", nn.Mish())):
        module = nn.Sequential(
            nn.Flatten(), nn.Linear(3, 5), phi, nn.Dropout(0.1), nn.Linear(5, 4, bias=False), phi, nn.Linear(4, 2)
        )
        module = nn.Sequential(module, nn.Softmax(1)).eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecations, inside it
            torch.onnx.export(module, (x,), tmp_path / "m.onnx", dynamo=dynamo, verbose=False)
        net = fc.from_onnx(tmp_path / "m.onnx")
        assert (net.sizes, net.activation, net.loss_name) == ((3, 5, 4, 2), activation, "cross_entropy")
        assert np.abs(net.predict_proba(X) - module(x).detach().numpy()).max() <= MOST


def test_what_skl2onnx_exports(tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx", reason="exports with skl2onnx; pip install skl2onnx")
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    few = {"max_iter": 2, "random_state": 0, "hidden_layer_sizes": (5, 4)}
    data = RNG.standard_normal((60, 3))
    for y, estimator in (
        (np.where(data[:, 0] > 0, "yes", "no"), MLPClassifier(activation="tanh", **few)),
        (np.arange(60) % 3, MLPClassifier(activation="logistic", **few)),
        (np.stack([data[:, 0] > 0, data[:, 1] > 0], 1).astype(int), MLPClassifier(**few)),
        (data[:, 0], MLPRegressor(activation="identity", **few)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that two epochs are few
            pipeline = make_pipeline(StandardScaler(), estimator).fit(data, y)
        for x in (data, data.astype(np.float32)):
            (tmp_path / "m.onnx").write_bytes(skl2onnx.to_onnx(pipeline, x[:1]).SerializeToString())
            net = fc.from_onnx(tmp_path / "m.onnx")
            labelled = hasattr(pipeline, "predict_proba")
            expected = pipeline.predict_proba(x) if labelled else pipeline.predict(x)
            assert np.abs((net.predict_proba(x) if labelled else net.predict(x)) - expected).max() <= MOST
            if labelled and y.ndim == 1:
                assert net.classes == tuple(map(str, pipeline.classes_))


def test_a_round_trip_through_another_s_hands(tmp_path):
    """What onnx itself has read and written again is the same network."""
    net = fc.MLP([3, 4, 2], "selu", "cross_entropy", seed=1)
    net.standardize(X)
    net.export_onnx(tmp_path / "m.onnx")
    onnx.save(
        onnx.load(tmp_path / "m.onnx"), tmp_path / "n.onnx", save_as_external_data=True, location="n.data", size_threshold=0
    )
    back = fc.from_onnx(tmp_path / "n.onnx")
    assert back.parameters.tobytes() == net.parameters.tobytes()
    assert np.array_equal(back.predict_proba(X), net.predict_proba(X))
    assert answers(fc.files.onnx.content(back), {"X": X}).keys() <= {"reference", "onnxruntime"}

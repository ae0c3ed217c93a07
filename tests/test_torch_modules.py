"""Modules and networks, each made of the other, and what no network is made of."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numbafc as fc
from numbafc.nn import ACTIVATIONS, LOSSES

torch = pytest.importorskip("torch", reason="needs PyTorch; pip install 'numbafc[torch]'")
from numbafc.interop.torch import Linear, fit_module, from_torch, to_torch  # noqa: E402

nn = torch.nn
RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 5)).astype(np.float32)


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([1, 3, 16]), max_size=2),
    st.sampled_from(list(ACTIVATIONS)),
    st.sampled_from(list(LOSSES)),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
    st.booleans(),
)
def test_a_network_and_its_module_have_equal_outputs(hidden, activation, loss, dtype, scaling, standardised):
    """Within a few roundings of numbers of size 10, in either direction."""
    net = fc.MLP([5, *hidden, 3], activation, loss, dtype, scaling=scaling)
    net.parameters[:] += RNG.standard_normal(net.parameters.size) / 10
    if standardised:
        net.standardize(3 + 2 * X, RNG.standard_normal((20, 3)) if loss in ("mse", "mae", "huber") else None)
    module = to_torch(net)
    rows = X.astype(dtype)
    with torch.no_grad():
        outputs = module(torch.from_numpy(rows)).numpy()
    expected = net.predict(rows) if net.target_mean is not None else net.outputs(rows)
    assert outputs.dtype == dtype
    bound = 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(outputs, expected, rtol=bound, atol=bound)
    back = from_torch(module, loss=loss)
    np.testing.assert_array_equal(back.parameters, net.parameters)
    np.testing.assert_array_equal(back.predict(rows), net.predict(rows))
    module[-1 if net.target_mean is None else -2].weight.data.zero_()
    assert net.weights[-1].any()  # a copy
    assert back.weights[-1].any()


@pytest.mark.parametrize("prefix", ["", "layers.", "encoder.mlp."])
def test_state_dicts_of_any_names_are_networks(tmp_path, prefix):
    safetensors = pytest.importorskip("safetensors.torch")
    module = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    state = {prefix + name: tensor for name, tensor in module.state_dict().items()}
    safetensors.save_file(state, tmp_path / "state.safetensors")
    net = from_torch(safetensors.load_file(tmp_path / "state.safetensors"), activation="tanh", loss="cross_entropy")
    np.testing.assert_allclose(net.outputs(X), module(torch.from_numpy(X)).detach(), atol=1e-6)
    net.save(tmp_path / "net.safetensors")
    again = to_torch(fc.load(tmp_path / "net.safetensors"))
    module.load_state_dict(again.state_dict())
    fit_module(module, X, np.zeros(20, int), loss="cross_entropy")
    safetensors.save_file(module.state_dict(), tmp_path / "trained.safetensors")  # views of one array
    trained = safetensors.load_file(tmp_path / "trained.safetensors")
    assert all(torch.equal(trained[name], tensor) for name, tensor in module.state_dict().items())


def test_what_a_module_ends_with_is_in_the_loss():
    net = from_torch(nn.Sequential(nn.Linear(5, 3), nn.Softmax(dim=-1)))
    assert net.loss_name == "cross_entropy"
    assert from_torch(nn.Sequential(nn.Linear(5, 3), nn.Sigmoid())).loss_name == "binary_cross_entropy"
    assert from_torch(nn.Linear(5, 3)).loss_name == "mse"
    nested = nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Dropout(0.5)), nn.Identity(), nn.Linear(4, 3))
    assert from_torch(nested).sizes == (5, 4, 3)


def test_a_module_may_be_there_more_than_once():
    layer, act = nn.Linear(5, 5), nn.ReLU()
    for module in (
        nn.Sequential(layer, act, layer, act, nn.Linear(5, 3)),
        nn.Sequential(*[nn.Sequential(layer, act)] * 2, nn.Linear(5, 3)),
    ):
        net = from_torch(module)
        assert net.sizes == (5, 5, 5, 3)
        np.testing.assert_allclose(net.outputs(X), module(torch.from_numpy(X)).detach(), atol=1e-5)
        with pytest.raises(ValueError, match="the weight of layer 1 is tied to the weight of layer 0"):
            fit_module(module, X, np.zeros(20, int), loss="cross_entropy")
    once = nn.Sequential(nn.Linear(5, 5), act, nn.Linear(5, 5), act, Linear(5, 3))
    assert len(fit_module(once, X, np.zeros(20, int), loss="cross_entropy")) == 1


class Other(nn.Module):
    def forward(self, x):
        return x


class Doubled(nn.Sequential):
    def forward(self, x):
        return 2 * super().forward(x)


def linears(*sizes, between=nn.ReLU):
    return [m for N, T in itertools.pairwise(sizes) for m in (nn.Linear(N, T), between())][:-1]


def hooked():
    module = nn.Sequential(*linears(5, 4, 3))
    module[0].register_forward_hook(lambda *_: None)
    return module


def frozen():
    module = nn.Sequential(*linears(5, 4, 3))
    module[0].bias.requires_grad_(False)
    return module


def tied():
    module = nn.Sequential(*linears(5, 5, 5))
    module[2].weight = module[0].weight
    return module


def shared():
    module = nn.Sequential(*linears(5, 4, 3))
    module.share_memory()
    return module


def bent():
    module = nn.Sequential(*linears(5, 4, 3))
    module[1].forward = torch.tanh
    return module


def in_evaluation():
    return nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 3)).eval()


def mixed():
    return nn.Sequential(nn.Linear(5, 4).double(), nn.ReLU(), nn.Linear(4, 3))


REFUSED = {
    "no Sequential": (lambda: Other(), "expected an nn.Sequential .* got Other"),
    "a forward of its own": (lambda: Doubled(*linears(5, 3)), "got Doubled"),
    "a module inside": (lambda: nn.Sequential(nn.Linear(5, 4), Other(), nn.Linear(4, 3)), r"Other \(1\) is no layer"),
    "a deeper module": (
        lambda: nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)), nn.Linear(4, 3)),
        r"BatchNorm1d \(0.1\) is no layer",
    ),
    "no layer": (lambda: nn.Sequential(nn.ReLU()), "must have a Linear layer"),
    "no bias": (lambda: nn.Sequential(nn.Linear(5, 3, bias=False)), "has no bias"),
    "another slope": (
        lambda: nn.Sequential(*linears(5, 4, 3, between=lambda: nn.LeakyReLU(0.2))),
        r"LeakyReLU \(1\) must have negative_slope=0.01",
    ),
    "two activations": (
        lambda: nn.Sequential(*linears(5, 4, 4), nn.Tanh(), nn.Linear(4, 3)),
        "one activation and one dropout",
    ),
    "an activation at the end": (lambda: nn.Sequential(nn.Linear(5, 3), nn.ReLU()), "stands behind the last"),
    "sizes that do not fit": (lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(3, 3)), "has 4 outputs"),
    "dropout before": (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 3)), "stands before the first"),
    "hooks": (hooked, r"Linear \(0\) has hooks"),
    "a parametrisation": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))),
        r"ParametrizedLinear \(0\) is no layer",
    ),
    "frozen": (frozen, "the bias of layer 0 is frozen"),
    "tied": (tied, "the weight of layer 1 is tied to the weight of layer 0"),
    "shared": (shared, "shared with other processes"),
    "a forward of an instance": (bent, r"ReLU \(1\) has a forward of its own"),
    "on another device": (lambda: nn.Sequential(*linears(5, 4, 3)).to("meta"), "CPU's memory, got meta"),
    "in half precision": (lambda: nn.Sequential(*linears(5, 4, 3)).half(), "float32 or all float64, got torch.float16"),
    "of two dtypes": (mixed, "float32 or all float64"),
    "in evaluation mode": (in_evaluation, "evaluation mode"),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(3)), "LazyLinear"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_network_is_named(name):
    make, words = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=words) as error:
        fit_module(make(), X, np.zeros(20, int), loss="cross_entropy")
    assert len(str(error.value)) <= 420


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (nn.CrossEntropyLoss(reduction="sum"), "reduction='mean'"),
        (nn.CrossEntropyLoss(weight=torch.ones(3)), "class_weight"),
        (nn.HuberLoss(delta=2.0), "delta=1.0"),
        (nn.NLLLoss(), "goes with LogSoftmax"),
        (nn.BCELoss(), "goes with Sigmoid"),
        (nn.KLDivLoss(), "got KLDivLoss"),
        ("hinge", "must be one of cross_entropy"),
        (None, "got NoneType"),
        ([1], "got list"),
    ],
)
def test_other_losses_are_refused(loss, words):
    with pytest.raises((TypeError, ValueError), match=words):
        fit_module(nn.Sequential(*linears(5, 4, 3)), X, np.zeros(20, int), loss=loss)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda of: torch.optim.Adam(of, amsgrad=True), "amsgrad=False"),
        (lambda of: torch.optim.SGD(of, momentum=0.9, dampening=0.1), "dampening=0"),
        (lambda of: torch.optim.Adamax(of), "Adam"),
        (lambda of: torch.optim.SGD(list(of)[:2]), "all of them and no others"),
        (lambda of: torch.optim.SGD([{"params": [p]} for p in of]), "one group of parameters, got 4"),
    ],
)
def test_other_optimizers_are_refused(make, words):
    module = nn.Sequential(*linears(5, 4, 3))
    with pytest.raises((TypeError, ValueError), match=words):
        fit_module(module, X, np.zeros(20, int), loss="cross_entropy", optimizer=make(module.parameters()))


def test_state_dicts_of_other_layers_are_refused():
    layer = {"0.weight": torch.ones(3, 5), "0.bias": torch.ones(3)}
    for state, words in (
        ({}, "a weight of each layer"),
        (layer | {"0.weight": torch.ones(3)}, r"W of layer 0 must be \(T, N\)"),
        (layer | {"1.running_mean": torch.ones(3)}, "'1.running_mean' is no weight"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            from_torch(state, activation="relu")
    with pytest.raises((TypeError, ValueError), match="activation must be one of"):
        from_torch(layer)
    with pytest.raises(ValueError, match="activation goes with a state dict"):
        from_torch(nn.Linear(5, 3), activation="relu")

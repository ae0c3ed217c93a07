"""PyTorch on the same weights: its gradients, and ten steps of its optimizers, in float64."""

import itertools
from dataclasses import asdict

import numpy as np
import pytest

import numbafc as fc
from numbafc.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, dropout

torch = pytest.importorskip("torch", reason="compares with PyTorch; pip install 'numbafc[torch]'")
F = torch.nn.functional

TORCH_ACTIVATIONS = {
    "identity": lambda Y: Y,
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
}
TORCH_LOSSES = {  # of each output, of each sample for "cross_entropy"
    "cross_entropy": F.cross_entropy,
    "binary_cross_entropy": F.binary_cross_entropy_with_logits,
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": F.huber_loss,
    "poisson": F.poisson_nll_loss,
}


def problem(loss, sizes, samples=9):
    """Inputs, targets and weights of samples."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((samples, sizes[0])), rng.standard_normal((samples, sizes[-1]))
    targets = {
        "cross_entropy": rng.integers(0, sizes[-1], samples),
        "binary_cross_entropy": 1 / (1 + np.exp(-y)),
        "poisson": np.floor(3 * np.abs(y)),
    }
    return X, targets.get(loss, y), rng.uniform(0.1, 2, samples)


class Twin:
    """A network's weights in PyTorch."""

    def __init__(self, net):
        self.activation, self.loss_name = TORCH_ACTIVATIONS[net.activation], net.loss_name
        copies = [torch.tensor(a) for pair in zip(net.weights, net.biases, strict=True) for a in pair]
        self.parameters = [a.requires_grad_() for a in copies]

    def loss(self, X, y, weight=None, kept=(), **options):
        """kept: what dropout makes of 1, for each hidden layer, (T, samples); if not given, 1."""
        H = torch.tensor(X)
        for n in range(0, len(self.parameters), 2):
            H = F.linear(H, *self.parameters[n : n + 2])
            if n < len(self.parameters) - 2:
                H = self.activation(H)
            if n // 2 < len(kept):
                H = H * torch.tensor(kept[n // 2].T)
        losses = TORCH_LOSSES[self.loss_name](H, torch.tensor(y), reduction="none", **options)
        losses = losses.reshape(len(X), -1).mean(dim=1)
        return losses.mean() if weight is None else (losses * torch.tensor(weight)).sum() / weight.sum()

    def gradients(self, *data, **options):
        """The loss and its gradient, flat."""
        loss = self.loss(*data, **options)
        return loss.item(), flat(torch.autograd.grad(loss, self.parameters))


def flat(tensors):
    return np.concatenate([a.detach().numpy().reshape(-1) for a in tensors])


def assert_close(got, expected):
    """Of float64 within 10⁻¹³, 450 ulp, of the largest number.

    A gradient here comes from some 45 operations in a row on either side, in sums of at most 9 terms, each off by half an
    ulp or two. What their roundings grow by on the way, weights and sums that cancel, is not more than 5.
    """
    largest = np.abs(expected).max()
    assert largest > 1e-3  # zeros would pass too easily
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13 * largest)


@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(ACTIVATIONS, LOSSES)))
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_pytorch_s(activation, loss, weighted):
    sizes = [4, 6, 5, 3]
    net = fc.MLP(sizes, activation, loss, "float64", seed=1)
    for b in net.biases:
        b[:] = np.random.default_rng(1).standard_normal(len(b))
    X, y, weight = problem(loss, sizes)
    data = (X, y, weight) if weighted else (X, y)
    result, (expected_loss, expected) = net.gradients(*data), Twin(net).gradients(*data)
    assert_close(result.parameters, expected)
    assert_close(np.array([result.loss, net.loss(*data)]), np.full(2, expected_loss))


def dropped(sizes, samples, p, seed):
    """What dropout makes of a 1 in the hidden layers of the first step."""
    kept = [np.ones((T, samples)) for T in sizes[1:-1]]
    for layer, k in enumerate(kept):
        dropout.drop(k, np.ones_like(k), p, seed, 0, layer)
    return kept


def shortened(g, longest):
    return g * min(1, longest / np.linalg.norm(g))


def l2(twin, X, y):
    """λ‖θ‖²/2 is part of the loss."""
    loss = twin.loss(X, y) + sum(a.square().sum() for a in twin.parameters) * 0.3 / 2
    return flat(torch.autograd.grad(loss, twin.parameters))


def each_shortened(twin, X, y):
    return np.mean([shortened(twin.gradients(X[n : n + 1], y[n : n + 1])[1], 0.2) for n in range(len(X))], axis=0)


WIDTHS = [4, 6, 5, 3]
REGULARISERS = {  # the settings of fit, and PyTorch's gradient
    "L2": ({"optimizer": fc.SGD(1.0, weight_decay=0.3)}, l2),
    "dropout": ({"dropout": 0.4}, lambda twin, X, y: twin.gradients(X, y, kept=dropped(WIDTHS, len(X), 0.4, 1))[1]),
    "clipping": ({"clip_norm": 0.02}, lambda twin, X, y: shortened(twin.gradients(X, y)[1], 0.02)),
    "clipping of samples": ({"clip_sample_norm": 0.2}, each_shortened),
}


@pytest.mark.parametrize("name", REGULARISERS)
@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(ACTIVATIONS, LOSSES)))
def test_regularised_gradients_are_pytorch_s(activation, loss, name):
    """Of one step of SGD with the rate 1, so that the parameters lose the gradient."""
    options, of_pytorch = REGULARISERS[name]
    net = fc.MLP(WIDTHS, activation, loss, "float64", seed=1)
    for b in net.biases:
        b[:] = np.random.default_rng(1).standard_normal(len(b))
    X, y, _ = problem(loss, WIDTHS)
    before, plain, expected = net.parameters.copy(), Twin(net).gradients(X, y)[1], of_pytorch(Twin(net), X, y)
    net.fit(X, y, **{"optimizer": fc.SGD(1.0), "batch_size": len(X), "shuffle": False, **options})
    assert_close(before - net.parameters, expected)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):  # the regulariser does something
        assert_close(plain, expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_smoothed_labels_are_pytorch_s(weighted):
    sizes, smoothing = [4, 6, 5], {"label_smoothing": 0.1}
    net = fc.MLP(sizes, "tanh", "cross_entropy", "float64", seed=1, **smoothing)
    X, y, weight = problem("cross_entropy", sizes)
    data = (X, y, weight) if weighted else (X, y)
    result, (expected_loss, expected) = net.gradients(*data), Twin(net).gradients(*data, **smoothing)
    assert_close(result.parameters, expected)
    assert_close(np.array([result.loss, net.loss(*data)]), np.full(2, expected_loss))


def test_a_planted_mistake_is_seen():
    net = fc.MLP([4, 6, 3], "tanh", "mse", "float64")
    X, y, weight = problem("mse", [4, 3])
    expected = Twin(net).gradients(X, y, weight)[1]
    for wrong in (
        net.gradients(X, y),
        net.gradients(X, -y, weight),
        net.gradients(X, y, weight * np.linspace(1, 1 + 1e-11, 9)),
    ):
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            assert_close(wrong.parameters, expected)


# ---- optimizers ----

STEPS = [
    fc.SGD(0.1),
    fc.SGD(0.1, weight_decay=0.1),
    fc.SGD(0.1, momentum=0.9),
    fc.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    fc.Adam(),
    fc.Adam(0.1, beta1=0.8, beta2=0.95, epsilon=1e-3, weight_decay=0.1),
    fc.AdamW(),
    fc.AdamW(0.1, beta1=0.8, beta2=0.95, epsilon=1e-3, weight_decay=0.1),
    fc.RMSprop(),
    fc.RMSprop(0.1, alpha=0.9, epsilon=1e-3, weight_decay=0.1),
    fc.RMSprop(0.1, momentum=0.9),
    fc.Adagrad(),
    fc.Adagrad(0.1, epsilon=1e-3, weight_decay=0.1),
]


def torch_optimizer(kind, parameters, **settings):
    """PyTorch's class of the same name."""
    return getattr(torch.optim, kind.__name__)(parameters, **settings)


def torch_settings(ours):
    """All settings, as PyTorch calls them."""
    settings = {{"learning_rate": "lr", "epsilon": "eps"}.get(name, name): a for name, a in asdict(ours).items()}
    if "beta1" in settings:
        settings["betas"] = settings.pop("beta1"), settings.pop("beta2")
    return settings


@pytest.mark.parametrize("ours", STEPS, ids=repr)
def test_ten_steps_are_pytorch_s(ours):
    """A step has some 20 roundings, of numbers no larger than the largest parameter or, where 1 − β₂ⁿ cancels, a thousand
    times as many of a step that is a thousandth of it: less than 500 ulp in all."""
    rng = np.random.default_rng(0)
    theta, *gradients = rng.standard_normal((11, 50))
    other = torch.tensor(theta, requires_grad=True)
    theirs, state = torch_optimizer(type(ours), [other], **torch_settings(ours)), ours.init(theta)
    for g in gradients:
        other.grad = torch.tensor(g)
        theirs.step()
        ours.update(theta, g.copy(), state)
        assert_close(theta, flat([other]))


def test_every_optimizer_takes_them_and_has_pytorch_s_defaults():
    assert {type(ours) for ours in STEPS} == set(OPTIMIZERS.values())
    for kind in OPTIMIZERS.values():
        settings = torch_settings(kind())
        theirs = torch_optimizer(kind, [torch.zeros(1)], lr=settings["lr"]).defaults  # rates are a matter of taste
        assert {name: theirs[name] for name in settings} == settings

"""Linear beside nn.Linear: the same layer for autograd and the compiler, and numbafc's bits; check_module finds faults."""

import pytest
from helpers import assert_same_bits, raised

import numbafc as fc

torch = pytest.importorskip("torch", reason="needs PyTorch; pip install 'numbafc[torch]'")
from numbafc.interop.torch import Linear, check_module  # noqa: E402

nn = torch.nn


def arguments(dtype=torch.float64, shape=(4, 5)):
    torch.manual_seed(0)
    return Linear(5, 3, dtype=dtype), torch.randn(*shape, dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("shape", [(4, 5), (5,), (2, 3, 5), (0, 5)])
def test_gradients_are_those_of_finite_differences(shape):
    linear, x = arguments(shape=shape)
    assert torch.autograd.gradcheck(linear, (x,))
    assert torch.autograd.gradgradcheck(linear, (x,))
    assert torch.autograd.gradcheck(lambda W, b: torch.func.functional_call(linear, {"weight": W, "bias": b}, (x,)),
                                    (linear.weight, linear.bias))  # fmt: skip


def test_its_operators_are_registered_as_pytorch_wants_them():
    linear, x = arguments()
    torch.library.opcheck(torch.ops.numbafc.linear, (x, linear.weight, linear.bias))
    dy = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.numbafc.linear_backward, (dy, x, linear.weight))


def test_it_compiles_as_one_graph():
    linear, x = arguments()
    whole = nn.Sequential(linear, nn.ReLU(), Linear(3, 2, dtype=torch.float64))
    compiled = torch.compile(whole, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), whole(x))
    (expected,) = torch.autograd.grad(whole(x).sum(), x)
    (gradient,) = torch.autograd.grad(compiled(x).sum(), x)
    assert torch.equal(gradient, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("transposed", [False, True])
def test_it_has_numbafc_s_bits(dtype, transposed):
    linear, x = arguments(dtype, (300, 5))
    if transposed:
        linear.weight.data = linear.weight.data.T.contiguous().T
        x = x.detach().T.contiguous().T.requires_grad_()
    dy = torch.randn(300, 3, dtype=dtype)
    y = linear(x)
    y.backward(dy)
    W, X, b = linear.weight.detach().numpy(), x.detach().numpy().T, linear.bias.detach().numpy()
    assert_same_bits(y.detach().numpy().T, fc.forward(W, X, b), "Y")
    expected = fc.backward(dy.numpy().T, X, W)
    for name, got in (("dW", linear.weight.grad.numpy()), ("db", linear.bias.grad.numpy()), ("dX", x.grad.numpy().T)):
        assert_same_bits(got, getattr(expected, name), name)


def test_it_takes_the_place_of_linear():
    theirs, ours = nn.Linear(5, 3), Linear(5, 3)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(7, 5)
    torch.testing.assert_close(ours(x), theirs(x))
    no_bias = Linear(5, 3, bias=False)
    torch.testing.assert_close(no_bias(x), x @ no_bias.weight.T)
    for wrong, words in ((x.double(), "input must be torch.float32"), (x[:, :4], r"shape \(…, 5\)"), (x.half(), "float16")):
        with pytest.raises((TypeError, ValueError), match=words):
            ours(wrong)


# ---- check_module -----------------------------------------------------------------------------------------------------


class Wrong(nn.Linear):
    """A layer with a fault, which `how` names."""

    how = ""

    def forward(self, x):
        W, b = self.weight, self.bias
        if self.how == "reads memory without strides":
            W = torch.as_strided(W, W.shape, (W.shape[1], 1))
        if self.how == "forgets the bias' gradient":
            b = b.detach()
        if self.how == "drops the last output's bias":
            b = torch.cat([b[:-1], 0 * b[-1:]])
        if self.how == "computes in float32":
            return nn.functional.linear(x.float(), W.float(), b.float()).to(x.dtype)
        if self.how == "has means for gradients":
            return Mean.apply(x, W, b)
        return nn.functional.linear(x, W, b)


class Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, W, b):
        ctx.save_for_backward(x, W)
        return nn.functional.linear(x, W, b)

    @staticmethod
    def backward(ctx, dy):
        x, W = ctx.saved_tensors
        return dy @ W, dy.T @ x / max(len(x), 1), dy.mean(0)


FAULTS = {
    "reads memory without strides": "is wrong at",
    "forgets the bias' gradient": "backward is wrong at db",
    "drops the last output's bias": "forward is wrong at Y",
    "computes in float32": "is wrong at",
    "has means for gradients": "backward is wrong at dW",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_a_module_are_found(fault):
    module = Wrong(3, 2)
    module.how = fault
    assert FAULTS[fault] in raised(lambda: check_module(module, max_examples=60))


@pytest.mark.parametrize("make", [nn.Linear, Linear, Wrong])
def test_right_modules_pass(make):
    check_module(make(3, 2), max_examples=60)
    check_module(nn.Sequential(make(3, 2)), weight="0.weight", bias="0.bias", max_examples=10)


def test_what_cannot_be_checked_is_named():
    with pytest.raises(ValueError, match=r"must have the parameters weight, bias and no others, got 0\.weight"):
        check_module(nn.Sequential(nn.Linear(3, 2)))
    with pytest.raises(TypeError, match="got function"):
        check_module(lambda x: x)

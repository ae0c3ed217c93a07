"""fit_module: a module trained in its own memory is the module that PyTorch's own loop would have made."""

import copy
import gc
import itertools
import pickle
import weakref

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import numbafc as fc

torch = pytest.importorskip("torch", reason="needs PyTorch; pip install 'numbafc[torch]'")
from numbafc.interop.torch import fit_module, from_torch  # noqa: E402

nn, optim = torch.nn, torch.optim
ACTIVATIONS = nn.ReLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.SELU, nn.Softplus, nn.GELU, nn.SiLU, nn.Mish
LOSSES = {
    nn.CrossEntropyLoss(): ("classes", None),
    nn.CrossEntropyLoss(label_smoothing=0.1): ("classes", None),
    nn.NLLLoss(): ("classes", nn.LogSoftmax(dim=1)),
    nn.BCEWithLogitsLoss(): ("labels", None),
    nn.BCELoss(): ("labels", nn.Sigmoid()),
    nn.MSELoss(): ("reals", None),
    nn.L1Loss(): ("reals", None),
    nn.HuberLoss(): ("reals", None),
    nn.SmoothL1Loss(): ("reals", None),
    nn.PoissonNLLLoss(): ("counts", None),
}
OPTIMIZERS = {
    "sgd": lambda of: optim.SGD(of, 0.05),
    "momentum": lambda of: optim.SGD(of, 0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda of: optim.Adam(of, 0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.01),
    "adamw": lambda of: optim.AdamW(of, 0.01, weight_decay=0.1),
    "rmsprop": lambda of: optim.RMSprop(of, 0.005, alpha=0.9),
    "rmsprop with momentum": lambda of: optim.RMSprop(of, 0.002, momentum=0.5, weight_decay=0.01),
    "adagrad": lambda of: optim.Adagrad(of, 0.05, initial_accumulator_value=0.1),
}


def targets(kind, samples, outputs, dtype):
    generator = torch.Generator().manual_seed(1)
    if kind == "classes":
        return torch.randint(outputs, (samples,), generator=generator)
    y = torch.randn(samples, outputs, generator=generator).to(dtype)
    return {"labels": (y > 0).to(dtype), "reals": y, "counts": (3 * y.abs()).floor()}[kind]


def module_of(sizes, activation=nn.ReLU, ending=None, dtype=torch.float64):
    torch.manual_seed(0)
    modules = []
    for N, T in itertools.pairwise(sizes):
        modules += [*([activation()] if modules else []), nn.Linear(N, T)]
    return nn.Sequential(*modules, *([] if ending is None else [ending])).to(dtype)


def samples(count, N, dtype=torch.float64):
    return torch.randn(count, N, generator=torch.Generator().manual_seed(2)).to(dtype)


def usual_loop(module, X, y, loss, optimizer, epochs, batch_size):
    for _ in range(epochs):
        for first in range(0, len(X), batch_size):
            optimizer.zero_grad()
            loss(module(X[first : first + batch_size]), y[first : first + batch_size]).backward()
            optimizer.step()


def largest_difference(module, other):
    pairs = zip(module.parameters(), other.parameters(), strict=True)
    return max(float((p - q).detach().abs().max()) for p, q in pairs)


# ---- the same numbers -------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from([1, 2, 7, 17]), max_size=2),
    st.sampled_from(ACTIVATIONS),
    st.sampled_from(list(LOSSES)),
    st.sampled_from(list(OPTIMIZERS)),
    st.sampled_from([1, 8, 50]),
)
def test_parameters_and_state_are_those_of_the_usual_loop(hidden, activation, loss, name, batch):
    """In float64 some dozen steps amplify roundings of 1e-16 by less than a million."""
    kind, ending = LOSSES[loss]
    assume(not (kind == "counts" and name == "momentum" and batch == 1))  # PyTorch's own loop diverges
    module = module_of((5, *hidden, 3), activation, ending)
    other, X, y = copy.deepcopy(module), samples(21, 5), targets(kind, 21, 3, torch.float64)
    optimizers = [OPTIMIZERS[name](m.parameters()) for m in (module, other)]
    for epochs in (1, 2):  # the second goes on with the state of the first
        usual_loop(other, X, y, loss, optimizers[1], epochs, batch)
        fit_module(module, X, y, loss=loss, optimizer=optimizers[0], epochs=epochs, batch_size=batch, shuffle=False)
    assert largest_difference(module, other) < 1e-9
    usual_loop(other, X, y, loss, optimizers[1], 1, batch)
    usual_loop(module, X, y, loss, optimizers[0], 1, batch)  # and PyTorch goes on with ours
    assert largest_difference(module, other) < 1e-9
    for p, q in zip(module.parameters(), other.parameters(), strict=True):
        ours, theirs = optimizers[0].state[p], optimizers[1].state[q]
        assert {key for key, value in theirs.items() if value is not None} == set(ours)
        assert all(torch.allclose(ours[key].double(), theirs[key].double(), rtol=1e-6, atol=1e-9) for key in ours)


def test_a_state_from_elsewhere_matters():
    """The test above can fail: with a new state the parameters are others."""
    X, y, modules = samples(21, 5), targets("classes", 21, 3, torch.float64), []
    for begins_anew in (False, True):
        module = module_of((5, 7, 3))
        optimizer = optim.Adam(module.parameters(), 0.01)
        usual_loop(module, X, y, nn.CrossEntropyLoss(), optimizer, 2, 8)
        if begins_anew:
            optimizer = optim.Adam(module.parameters(), 0.01)
        fit_module(module, X, y, loss=nn.CrossEntropyLoss(), optimizer=optimizer, batch_size=8, shuffle=False)
        modules.append(module)
    assert largest_difference(*modules) > 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_step_of_float32_is_pytorch_s_within_rounding(dtype):
    """One step of SGD with rate 1 is the gradient: sums of 300 products of size 1 in float32 are within 1e-5."""
    module = module_of((300, 200, 10), dtype=dtype)
    other, X, y = copy.deepcopy(module), samples(32, 300, dtype), targets("classes", 32, 10, dtype)
    usual_loop(other, X, y, nn.CrossEntropyLoss(), optim.SGD(other.parameters(), 1.0), 1, 32)
    fit_module(module, X, y, loss=nn.functional.cross_entropy, optimizer=fc.SGD(1.0), shuffle=False)
    assert largest_difference(module, other) < (1e-5 if dtype == torch.float32 else 1e-13)


# ---- the memory of the module -----------------------------------------------------------------------------------------


def test_the_module_is_trained_where_it_is():
    module = module_of((5, 7, 3))
    before = list(module.parameters())
    elsewhere = optim.Adam(before)
    X, y = samples(21, 5), targets("classes", 21, 3, torch.float64)
    history = fit_module(module, X, y, loss="cross_entropy", epochs=3)
    assert len(history) == 3
    assert all(p is q for p, q in zip(before, module.parameters(), strict=True))
    assert len({p.untyped_storage().data_ptr() for p in before}) == 1
    at = before[0].data_ptr()
    fit_module(module, X, y, loss="cross_entropy")
    assert before[0].data_ptr() == at  # the memory is taken as it is
    nn.CrossEntropyLoss()(module(X), y).backward()
    elsewhere.step()  # and is PyTorch's as before
    assert all(p.grad is not None and p.grad.shape == p.shape for p in before)
    again = copy.deepcopy(module)
    again.load_state_dict(pickle.loads(pickle.dumps(module.state_dict())))
    assert largest_difference(module, again) == 0


def test_a_graph_from_before_says_that_the_parameters_changed():
    module = module_of((5, 7, 3))
    X, y = samples(21, 5), targets("classes", 21, 3, torch.float64)
    fit_module(module, X, y, loss="cross_entropy")
    loss = nn.CrossEntropyLoss()(module(X), y)
    fit_module(module, X, y, loss="cross_entropy")
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_training_goes_on_to_the_bits_of_one_run():
    X, y = samples(50, 5, torch.float32), targets("classes", 50, 3, torch.float32)
    given_ = {"loss": "cross_entropy", "batch_size": 8, "seed": 3}
    one, two = (module_of((5, 7, 3), dtype=torch.float32) for _ in range(2))
    fit_module(one, X, y, epochs=5, **given_)
    fit_module(two, X, y, epochs=2, **given_)
    history = fit_module(two, X, y, epochs=5, resume=True, **given_)
    assert len(history) == 5
    assert largest_difference(one, two) == 0
    with pytest.raises(ValueError, match="the loss or the seed is another"):
        fit_module(two, X, y, loss="mse", resume=True)
    two.double().float()
    with pytest.raises(ValueError, match="no longer those that were trained"):
        fit_module(two, X, y, loss="cross_entropy", resume=True)
    with pytest.raises(ValueError, match="no training of this module"):
        fit_module(module_of((5, 7, 3)), X, y, loss="cross_entropy", resume=True)


def test_a_module_is_not_kept_alive():
    module = module_of((5, 7, 3))
    fit_module(module, samples(21, 5), targets("classes", 21, 3, torch.float64), loss="cross_entropy")
    seen = weakref.ref(module)
    del module
    gc.collect()
    assert seen() is None


def test_what_diverges_has_the_parameters_from_before():
    module = module_of((5, 7, 3))
    before = copy.deepcopy(module)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        fit_module(
            module,
            samples(21, 5),
            1e200 * torch.ones(21, 3, dtype=torch.float64),
            loss=nn.MSELoss(),
            optimizer=fc.SGD(1e10),
        )
    assert largest_difference(module, before) == 0


def test_what_is_refused_changes_nothing():
    """Not the parameters, nor a graph, nor the training to resume, nor the optimizer's state."""
    module, X, y = module_of((5, 7, 3)), samples(21, 5), targets("classes", 21, 3, torch.float64)
    optimizer = optim.Adam(module.parameters())
    fit_module(module, X, y, loss="cross_entropy", optimizer=optimizer, seed=0)
    loss = nn.CrossEntropyLoss()(module(X), y)
    state = copy.deepcopy(optimizer.state_dict())
    for wrong in ((X[:, :4], y), (X, y[:3])):
        with pytest.raises(ValueError, match="X"):
            fit_module(module, *wrong, loss="cross_entropy", optimizer=optimizer)
    loss.backward()
    assert str(optimizer.state_dict()) == str(state)
    assert len(fit_module(module, X, y, loss="cross_entropy", epochs=2, resume=True)) == 2
    del optimizer.state[module[0].bias]["exp_avg"]
    with pytest.raises(ValueError, match="no exp_avg for some parameters"):
        fit_module(module, X, y, loss="cross_entropy", optimizer=optimizer)
    assert optimizer.state[module[0].weight]["exp_avg"].any()
    assert set(optimizer.state[module[0].bias]) == {"step", "exp_avg_sq"}


def test_who_resumes_with_an_optimizer_that_went_on_is_told():
    module, X, y = module_of((5, 7, 3)), samples(21, 5), targets("classes", 21, 3, torch.float64)
    optimizer = optim.Adam(module.parameters())
    fit_module(module, X, y, loss="cross_entropy", optimizer=optimizer)
    fit_module(module, X, y, loss="cross_entropy", optimizer=optimizer, epochs=2, resume=True)
    assert {int(state["step"]) for state in optimizer.state.values()} == {2}
    usual_loop(module, X, y, nn.CrossEntropyLoss(), optimizer, 1, 32)
    with pytest.raises(ValueError, match="the optimizer's state is another"):
        fit_module(module, X, y, loss="cross_entropy", optimizer=optimizer, epochs=3, resume=True)
    assert {int(state["step"]) for state in optimizer.state.values()} == {3}


def test_it_works_wherever_it_is_called():
    module, X, y = module_of((5, 7, 3)), samples(21, 5), targets("classes", 21, 3, torch.float64)
    with torch.no_grad():
        fit_module(module, X, y, loss="cross_entropy")
    other, X_float = module_of((5, 7, 3)), X.clone().requires_grad_()
    with torch.inference_mode():
        fit_module(other, X_float, y, loss="cross_entropy")
    nn.CrossEntropyLoss()(other(X), y).backward()


def test_torch_s_seed_is_the_order_s():
    X, y, modules = samples(50, 5), targets("classes", 50, 3, torch.float64), []
    for seed in (0, 0, 1):
        modules.append(module_of((5, 7, 3)))
        torch.manual_seed(seed)
        fit_module(modules[-1], X, y, loss="cross_entropy", batch_size=8)
    assert largest_difference(*modules[:2]) == 0
    assert largest_difference(*modules[1:]) > 0


# ---- data -------------------------------------------------------------------------------------------------------------


def test_tensors_arrays_datasets_and_loaders_are_the_same():
    X, y = samples(50, 5), targets("classes", 50, 3, torch.float64)
    pairs = torch.utils.data.TensorDataset(X, y)
    mapped = torch.utils.data.Subset(pairs, range(50))
    loader = torch.utils.data.DataLoader(pairs, batch_size=8, shuffle=True, drop_last=True)
    options = {"loss": "cross_entropy", "seed": 0, "epochs": 2}
    said = {"batch_size": 8, "drop_last": True}
    modules = []
    for given_, more in (
        ((X, y), said),
        ((X.numpy(), y.numpy()), said),
        ((pairs,), said),
        ((mapped,), said),
        ((loader,), {}),
        ((loader,), {"validation": loader}),
        ((X.reshape(50, 5, 1)[:, :, 0], y), said | {"validation": (X, y)}),
    ):
        modules.append(module_of((5, 7, 3)))
        fit_module(modules[-1], *given_, **options, **more)
    assert {largest_difference(modules[0], other) for other in modules[1:]} == {0}
    flat = nn.Sequential(nn.Flatten(), *module_of((6, 7, 3)))
    fit_module(flat, torch.randn(9, 2, 3).double(), y[:9], loss="cross_entropy")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda X, y: (X, None), "y must be given"),
        (lambda X, y: (X.to("meta"), y), "CPU's memory"),
        (lambda X, y: (X.to_sparse(), y), "dense"),
        (lambda X, y: (torch.utils.data.TensorDataset(X, y), y), "y must be None"),
        (lambda X, y: (torch.utils.data.TensorDataset(X), None), r"pairs \(x, y\)"),
        (lambda X, y: (torch.utils.data.DataLoader(list(zip(X, y, strict=True)), collate_fn=list), None), "collate_fn"),
        (
            lambda X, y: (
                torch.utils.data.DataLoader(
                    torch.utils.data.TensorDataset(X, y), sampler=torch.utils.data.WeightedRandomSampler([1.0] * 21, 21)
                ),
                None,
            ),
            "WeightedRandomSampler",
        ),
        (
            lambda X, y: (
                torch.utils.data.DataLoader(
                    torch.utils.data.TensorDataset(X, y), shuffle=True, generator=torch.Generator().manual_seed(0)
                ),
                None,
            ),
            "generator of its own",
        ),
        (
            lambda X, y: (torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, y), batch_size=None), None),
            "in a way of its own",
        ),
        (lambda X, y: (X[:, :4], y), r"X must have shape \(samples, 5\)"),
        (lambda X, y: (X, y[:-1]), "20 samples but X has 21"),
    ],
)
def test_other_data_are_refused(data, words):
    module = module_of((5, 7, 3))
    before = copy.deepcopy(module)
    with pytest.raises((TypeError, ValueError), match=words):
        fit_module(module, *data(samples(21, 5), targets("classes", 21, 3, torch.float64)), loss="cross_entropy")
    assert largest_difference(module, before) == 0


def test_settings_are_those_of_fit():
    module, X, y = module_of((5, 7, 3)), samples(50, 5), targets("classes", 50, 3, torch.float64)
    seen = []
    history = fit_module(
        module, X, y, loss="cross_entropy", epochs=9, schedule="cosine", clip_norm=1.0, class_weight="balanced",
        sample_weight=torch.ones(50), validation=(X, y), early_stopping=3, callbacks=[lambda record: seen.append(record)],
    )  # fmt: skip
    assert len(seen) == len(history) > 0
    assert not np.isnan(history.validation_loss).any()
    with pytest.raises(TypeError, match="unexpected keyword argument 'momentum'"):
        fit_module(module, X, y, loss="cross_entropy", momentum=0.9)
    net = from_torch(module, loss="cross_entropy")
    assert net.score(X.numpy(), y.numpy()) == history.validation_score[-1] or history.ended == "early_stopping"

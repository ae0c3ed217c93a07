"""fit_module in several ranks: the bits of one process, PyTorch's optimizers with their state on each, and nobody left."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_module import OPTIMIZERS, bits, data_of, module_of, trained
from threads_as_ranks import together

from numbafc.nn.communication import RankFailed

torch = pytest.importorskip("torch", reason="needs PyTorch; pip install 'numbafc[torch]'")
from numbafc.interop.torch import fit_module  # noqa: E402

nn, optim = torch.nn, torch.optim
SECONDS = 100  # for processes to end in, compilation and all
CASES = st.fixed_dictionaries(
    {
        "optimizer": st.sampled_from(list(OPTIMIZERS)),
        "dropout": st.sampled_from([0.0, 0.3]),
        "batch_size": st.sampled_from([100, 513, 1024, 1300]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "given": st.sampled_from(["tensors", "dataset", "loader"]),
        "seed": st.integers(0, 3),
        "before": st.sampled_from([0, 2]),  # steps that PyTorch made
    }
)
PLAIN = {
    "optimizer": "adam",
    "dropout": 0.3,
    "batch_size": 1024,
    "dtype": "float32",
    "given": "tensors",
    "seed": 0,
    "before": 2,
}


@settings(max_examples=15)
@given(CASES, st.integers(1, 4), st.sampled_from(["shared", "own"]))
def test_any_number_of_ranks_has_the_bits_of_one_process(case, size, rows):
    """Of the parameters, of PyTorch's optimizer, and of a resume."""
    assert together(size, lambda comm: trained(case, comm, rows)) == [trained(case)] * size


def test_a_training_goes_on_with_all_ranks_or_with_none():
    X, y = data_of(PLAIN)
    options = {"loss": "cross_entropy", "batch_size": 300, "seed": 1}
    whole = module_of(PLAIN)
    fit_module(whole, X, y, epochs=4, **options)

    def work(comm):
        module = module_of(PLAIN)
        fit_module(module, X, y, epochs=2, comm=comm, **options)
        fit_module(module, X, y, epochs=3, comm=comm, resume=True, **options)
        fit_module(module, X, y, epochs=4, resume=True, **options)  # each by itself
        return bits(module)

    assert together(2, work) == [bits(whole)] * 2


def test_a_seed_that_is_left_out_is_rank_0_s(monkeypatch):
    """Each rank draws one, as it would alone; PyTorch's generator is one for the threads that are ranks here."""
    X, y = data_of(PLAIN)
    alone = module_of(PLAIN)
    fit_module(alone, X, y, loss="cross_entropy", batch_size=300, seed=10)
    ranks, randint = {}, torch.randint

    def work(comm):
        import threading

        ranks[threading.get_ident()] = comm.rank
        module = module_of(PLAIN)
        comm.broadcast(np.zeros(1), 0)  # all are known
        fit_module(module, X, y, loss="cross_entropy", batch_size=300, comm=comm)
        return bits(module)

    def drawn(*arguments, **options):
        import threading

        rank = ranks.get(threading.get_ident())
        return randint(*arguments, **options) if rank is None else torch.tensor(10 + rank)

    monkeypatch.setattr("numbafc.interop.torch.fitting.torch.randint", drawn)
    assert together(3, work) == [bits(alone)] * 3


OTHERS = {
    "the layers": lambda module, given: (nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 4)), given),
    "the checksum of the module's parameters": lambda module, given: (module_of(PLAIN | {"seed": 5}), given),
    "loss": lambda module, given: (module, given | {"loss": nn.CrossEntropyLoss(label_smoothing=0.1)}),
    "seed": lambda module, given: (module, given | {"seed": None}),
    "optimizer": lambda module, given: (module, given | {"optimizer": optim.SGD(module.parameters(), 0.1)}),
    "batch_size": lambda module, given: (module, given | {"batch_size": 5}),
    "rows": lambda module, given: (module, given | {"rows": "own"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_differs_is_refused_on_all_ranks_by_name(name):
    X, y = data_of(PLAIN)

    def work(comm):
        module, given_ = module_of(PLAIN), {"loss": "cross_entropy", "seed": 0, "comm": comm}
        if comm.rank == 1:
            module, given_ = OTHERS[name](module, given_)
        before = bits(module)
        try:
            return fit_module(module, X, y, **given_)
        finally:
            assert bits(module) == before

    for error in together(3, work):
        assert isinstance(error, ValueError), error
        assert "rank 1 has" in str(error)
        assert f"for {name}, and rank 0 has" in str(error)
        assert len(str(error)) <= 300


def test_an_optimizer_of_another_state_is_refused_and_keeps_it():
    X, y = data_of(PLAIN)

    def work(comm):
        module = module_of(PLAIN)
        optimizer = optim.Adam(module.parameters())
        fit_module(module, X, y, loss="cross_entropy", optimizer=optimizer, seed=0)
        if comm.rank == 1:
            optimizer.state[module[0].bias]["exp_avg"][0] = 9.0
        before = copy.deepcopy(optimizer.state_dict())
        try:
            return fit_module(module, X, y, loss="cross_entropy", optimizer=optimizer, seed=0, comm=comm)
        finally:
            assert str(optimizer.state_dict()) == str(before)

    for error in together(2, work):
        assert isinstance(error, ValueError)
        assert "rank 1 has" in str(error)
        assert "the checksum of the optimizer's state" in str(error)


FAULTS = {
    "module": lambda module, X, y, more: (nn.Sequential(nn.Linear(7, 4), nn.BatchNorm1d(4)), X, y, more),
    "frozen": lambda module, X, y, more: (module.requires_grad_(False), X, y, more),
    "evaluation": lambda module, X, y, more: (module.eval(), X, y, more),
    "X": lambda module, X, y, more: (module, X[:, :3], y, more),
    "y": lambda module, X, y, more: (module, X, y + 10, more),
    "dataset": lambda module, X, y, more: (module, torch.utils.data.TensorDataset(X), None, more),
    "weight": lambda module, X, y, more: (module, X, y, more | {"sample_weight": -torch.ones(len(X))}),
    "validation": lambda module, X, y, more: (module, X, y, more | {"validation": (X.to("meta"), y)}),
    "optimizer": lambda module, X, y, more: (module, X, y, more | {"optimizer": optim.Adam([torch.ones(1)])}),
    "loss": lambda module, X, y, more: (module, X, y, more | {"loss": nn.CTCLoss()}),
    "seed": lambda module, X, y, more: (module, X, y, more | {"seed": -1}),
    "resume": lambda module, X, y, more: (module, X, y, more | {"resume": True}),
    "setting": lambda module, X, y, more: (module, X, y, more | {"epochs": -1}),
    "rows": lambda module, X, y, more: (module, X, y, more | {"rows": "mine"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_refused_on_one_rank_ends_all(name):
    X, y = data_of(PLAIN)

    def work(comm):
        given_ = module_of(PLAIN), X, y, {"loss": "cross_entropy", "seed": 0}
        module, *samples, more = FAULTS[name](*given_) if comm.rank == 1 else given_
        return fit_module(module, *samples, **more, comm=comm)

    first, second, third = together(3, work)
    assert isinstance(second, ValueError | TypeError), second
    for error in (first, third):
        assert (isinstance(error, RankFailed) and "rank 1 failed" in str(error)) or "rank 1 has" in str(error), error


def test_torchrun_has_the_bits_of_one_process(tmp_path):
    """Each process draws by the same torch.manual_seed, and trains a loader's samples; a wrapped module is refused."""
    script = Path(__file__).with_name("rank_module.py")
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script), json.dumps(PLAIN)]
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    found = [one for one in said if isinstance(one, list)]
    assert len(found) == said.count("left") == 2
    assert found[0] == found[1]
    torch.manual_seed(0)
    assert found[0][:2] == [trained(PLAIN | {"seed": None}), trained(PLAIN | {"seed": None, "given": "loader"})]
    assert "DistributedDataParallel" in found[0][2]

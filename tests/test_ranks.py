"""Several ranks train one network: the bits of one process, and no rank ends alone. Ranks are threads here."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_cases import FIELDS, data_of, digest, fit, network_of, trained
from threads_as_ranks import together

import numbafc as fc
from numbafc.nn import evaluation, passes, ranks
from numbafc.nn.communication import Group, RankFailed
from numbafc.nn.mapped import MappedRows
from numbafc.nn.results import DONE

CASES = st.fixed_dictionaries({name: st.sampled_from(choices) for name, choices in FIELDS.items()})
PLAIN = {name: choices[0] for name, choices in FIELDS.items()} | {"samples": 1300, "batch_size": 1300, "hidden": [17, 5]}


@given(CASES, st.sampled_from([2, 3, 4]), st.sampled_from(["shared", "own"]))
def test_any_number_of_ranks_has_the_bits_of_one_process(case, size, rows):
    assert together(size, lambda comm: trained(case, comm, rows)) == [trained(case)] * size


def plain_allreduce(self, B):
    """What other libraries do: each rank adds what it has, then the ranks' sums are added."""
    count = np.diff(self.blocks(B))[self.group.rank]
    own = self.sums[:count].sum(axis=0) if count else np.zeros_like(self.gradients)
    everyone = np.empty((self.group.size, len(own)), own.dtype)
    self.comm.allgather(own, everyone.reshape(-1))
    self.gradients[:] = everyone.sum(axis=0)


def without_place(passing):
    """Dropout counted from the first sample of a rank, not of the minibatch."""
    return lambda net, X, targets, factors, regularization, step, place=0, *others: passing(
        net, X, targets, factors, regularization, step, 0, *others
    )


def test_a_plain_allreduce_has_other_bits(monkeypatch):
    monkeypatch.setattr(ranks.RankEpochs, "exchange", plain_allreduce)
    assert together(2, lambda comm: trained(PLAIN, comm)) != [trained(PLAIN)] * 2


def test_dropout_counted_by_rank_has_other_bits(monkeypatch):
    case = PLAIN | {"dropout": 0.3}
    expected = trained(case)
    monkeypatch.setattr(passes, "pass_samples", without_place(passes.pass_samples))
    assert together(2, lambda comm: trained(case, comm)) != [expected] * 2


def failing(rank, calls, error):
    """A pass that raises in one rank, after so many of its calls."""
    passing, mine, local = passes.pass_samples, [0], threading.local()

    def fails(*arguments):
        if getattr(local, "rank", None) == rank:
            mine[0] += 1
            if mine[0] > calls:
                raise error
        return passing(*arguments)

    return fails, local


@settings(max_examples=15)
@given(CASES, st.sampled_from([1, 2, 3, 4]), st.sampled_from([2, 3]), st.integers(0, 3), st.sampled_from(["shared", "own"]))
def test_a_training_goes_on_with_another_number_of_ranks(case, first, second, stop, rows):
    case = case | {"samples": 700, "batch_size": 300, "more": {}}
    nets = [network_of(case) for _ in range(first)]
    with pytest.MonkeyPatch.context() as patch:
        fails, local = failing(first - 1, stop, KeyboardInterrupt())
        patch.setattr(passes, "pass_samples", fails)

        def interrupted(comm):
            local.rank = comm.rank
            fit(case, nets[comm.rank], comm)

        found = together(first, interrupted) if first > 1 else []
    assert all(isinstance(error, KeyboardInterrupt) for error in found)
    if found:
        assert len({(net.training.done, net.training.results[DONE]) for net in nets}) == 1
    else:
        fit(case, nets[0], epochs=1)

    def goes_on(comm):
        net = network_of(case)
        net.parameters[:] = nets[0].parameters
        net.training = nets[0].training.__class__(**vars(nets[0].training))
        net.training.state = {name: array.copy() for name, array in nets[0].training.state.items()}
        net.training.results = nets[0].training.results.copy()
        fit(case, net, comm, rows, resume=True)
        return digest(net)

    assert together(second, goes_on) == [trained(case)] * second


OTHERS = {
    "seed": lambda case: case | {"seed": 1},
    "batch_size": lambda case: case | {"batch_size": 512},
    "optimizer": lambda case: case | {"optimizer": "adamw"},
    "other settings": lambda case: case | {"dropout": 0.3},
    "sizes": lambda case: case | {"hidden": [17, 6]},
    "dtype": lambda case: case | {"dtype": "float64"},
    "the number of samples": lambda case: case | {"samples": 1299},
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_rank_with_other_settings_is_refused_by_name(name):
    def work(comm):
        case = OTHERS[name](PLAIN) if comm.rank == 2 else PLAIN
        net = network_of(case)
        before = net.parameters.copy()
        try:
            return fit(case, net, comm)
        finally:
            assert net.parameters.tobytes() == before.tobytes()

    for error in together(3, work):
        assert isinstance(error, ValueError), error
        assert "rank 2 has" in str(error)
        assert f"for {name}, and rank 0" in str(error)
        assert len(str(error)) <= 300


def of_other_versions(same):
    """What ranks compare, where each is of another version."""

    def compared(group, facts, *fix):
        own = {name: "0.1" if group.rank else "0.2" for name in facts if name == "the version of numbafc"}
        return same(group, facts | own, *fix)

    return compared


def test_a_rank_with_other_data_or_another_version_is_refused(monkeypatch):
    X, y, _ = data_of(PLAIN)
    other = X.copy()
    other[-1, -1] += 1

    def work(comm):
        network_of(PLAIN).fit(other if comm.rank == 1 else X, y, comm=comm)

    assert all("rank 1 has" in str(error) and "checksum of the samples" in str(error) for error in together(2, work))
    monkeypatch.setattr(ranks.own_rows, "same", of_other_versions(ranks.own_rows.same))
    for error in together(2, lambda comm: fit(PLAIN, network_of(PLAIN), comm)):
        assert "rank 1 has 0.1 for the version of numbafc, and rank 0 has 0.2" in str(error)


@settings(max_examples=20)
@given(st.integers(0, 2), st.integers(0, 5), st.sampled_from([ValueError("bad"), MemoryError(), KeyboardInterrupt()]))
def test_a_rank_that_fails_ends_all(rank, calls, error):
    """All end with as many steps, and with the same parameters."""
    case = PLAIN | {"batch_size": 700}
    with pytest.MonkeyPatch.context() as patch:
        fails, local = failing(rank, calls, error)
        patch.setattr(passes, "pass_samples", fails)
        nets = [network_of(case) for _ in range(3)]

        def work(comm):
            local.rank = comm.rank
            fit(case, nets[comm.rank], comm, epochs=9)

        found = together(3, work)
    assert found[rank] is error
    for other in [found[other] for other in range(3) if other != rank]:
        if isinstance(error, KeyboardInterrupt):
            assert isinstance(other, KeyboardInterrupt)
        else:
            assert isinstance(other, RankFailed)
            assert f"rank {rank} failed, which ends all: {type(error).__name__}" in str(other)
    assert len({net.parameters.tobytes() for net in nets}) == 1
    assert len({(net.training.done, *net.training.results) for net in nets}) == 1


@pytest.mark.parametrize("bad", ["X", "y", "weight", "setting"])
@pytest.mark.parametrize("rows", ["shared", "own"])
def test_bad_data_of_one_rank_end_all(bad, rows):
    X, y, _ = data_of(PLAIN)

    def work(comm):
        mine, targets, weight, more = X, y, np.ones(len(X)), {}
        if comm.rank == 1:
            mine = X * np.nan if bad == "X" else X
            targets = y + 10 if bad == "y" else y
            weight = weight[1:] if bad == "weight" else weight
            more = {"batch_size": 0} if bad == "setting" else {}
        network_of(PLAIN).fit(mine, targets, sample_weight=weight, comm=comm, rows=rows, **more)

    found = together(3, work)
    assert isinstance(found[1], ValueError)
    assert all(isinstance(found[rank], RankFailed) and "rank 1 failed" in str(found[rank]) for rank in (0, 2))


def test_callbacks_and_the_clock_are_rank_0_s():
    seen, nets = [], [network_of(PLAIN) for _ in range(3)]

    def work(comm):
        def stop(record):
            seen.append(comm.rank)
            return record.epoch == 3

        return fit(PLAIN, nets[comm.rank], comm, epochs=9, callbacks=[stop])

    histories = together(3, work)
    assert seen == [0, 0, 0]
    assert [(len(history), history.ended) for history in histories] == [(3, "callback")] * 3
    assert len({tuple(history.seconds) for history in histories}) == 1
    limited = together(3, lambda comm: fit(PLAIN, network_of(PLAIN), comm, epochs=10**6, time_limit=1e-3 + comm.rank))
    assert [(len(history), history.ended) for history in limited] == [(1, "time_limit")] * 3


def test_an_error_of_a_callback_ends_all():
    def fails(record):
        raise ZeroDivisionError("no")

    found = together(2, lambda comm: fit(PLAIN, network_of(PLAIN), comm, callbacks=[fails]))
    assert isinstance(found[0], ZeroDivisionError)
    assert "ZeroDivisionError: no" in str(found[1])


class Halved:
    """An optimizer of somebody's own, which fails at its third step in one rank."""

    def __init__(self, fails):
        self.fails = fails

    def init(self, parameters):
        return {"steps": 0}

    def update(self, parameters, gradients, state):
        state["steps"] += 1
        if self.fails and state["steps"] == 3:
            raise ArithmeticError("third")
        parameters -= 0.5 * gradients


def test_optimizers_of_somebody_s_own_train_and_fail_in_all_ranks():
    X, y, _ = data_of(PLAIN)

    def work(comm, failing=None):
        net = network_of(PLAIN)
        net.fit(X, y, optimizer=Halved(comm is not None and comm.rank == failing), batch_size=600, comm=comm, epochs=2)
        return net.parameters.tobytes()

    assert together(2, work) == [work(None)] * 2
    found = together(2, lambda comm: work(comm, failing=1))
    assert "ArithmeticError" in str(found[0])
    assert isinstance(found[1], ArithmeticError)


def test_what_is_no_communicator_is_refused():
    X, y, _ = data_of(PLAIN)
    for comm, words in ((3, "without rank"), (object(), "got object")):
        with pytest.raises(TypeError, match=words):
            network_of(PLAIN).fit(X, y, comm=comm)
    with pytest.raises(ValueError, match="rows='own' goes with comm"):
        network_of(PLAIN).fit(X, y, rows="own")
    with pytest.raises(ValueError, match="rows must be one of 'shared', 'own'"):
        network_of(PLAIN).fit(X, y, rows="mine")


def test_a_rank_that_is_gone_is_a_connection_error():
    def work(comm):
        if comm.rank == 1:
            comm.leave()
            return None
        return fit(PLAIN, network_of(PLAIN), comm)

    found = together(3, work)
    assert all(isinstance(found[rank], ConnectionError) for rank in (0, 2))


def test_a_memory_map_is_read_in_place(tmp_path):
    X, y, _ = data_of(PLAIN)
    np.save(tmp_path / "x.npy", X)
    one = network_of(PLAIN)
    one.fit(X, y, batch_size=600)

    def work(comm):
        net = network_of(PLAIN)
        net.fit(np.load(tmp_path / "x.npy", mmap_mode="r"), y, batch_size=600, comm=comm)
        return net.parameters.tobytes()

    assert together(2, work) == [one.parameters.tobytes()] * 2
    assert fc.MLP([7, 4]).fit(np.load(tmp_path / "x.npy", mmap_mode="r"), y)


def test_one_ctrl_c_is_heard_once():
    """Of a rank that another one's interruption reaches before its own does."""

    def work(comm):
        group = Group(comm)
        pending = [KeyboardInterrupt("own")]

        def hear():
            if pending:
                raise pending.pop()

        group.hear = hear
        with pytest.raises(KeyboardInterrupt, match="own" if comm.rank == 0 else "rank 0 was interrupted"):
            group.tell(pending.pop() if comm.rank == 0 else None)
        group.hear()
        return "heard"

    assert together(2, work) == ["heard"] * 2


def test_rows_that_are_held_out_on_the_disk_are_read_in_parts(monkeypatch):
    """Ranks, as one process, answer for some of them at a time."""
    X, read = np.random.default_rng(0).standard_normal((5000, 5)).astype(np.float32), []
    rows_of = MappedRows.__getitem__

    def reading(self, places):
        part = rows_of(self, places)
        read.append(len(part))
        return part

    monkeypatch.setattr(MappedRows, "__getitem__", reading)

    def work(comm):
        held_out = MappedRows(X, slice(None), np.float32)
        net, own = fc.MLP([5, 3]), fc.MLP([5, 3])
        course = ranks.RankCourse.__new__(ranks.RankCourse)
        course.group, course.net = Group(comm), net
        return np.array_equal(course.outputs(held_out), evaluation.outputs(own, held_out))

    assert together(2, work) == [True] * 2
    assert max(read) < 2500

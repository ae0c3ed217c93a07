"""Members in several ranks: the bits of one process, whoever trains which, and no rank ends alone. Ranks are threads."""

import copy
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_cases import digest
from test_ranks import of_other_versions
from threads_as_ranks import together

import numbafc as fc
from numbafc.nn import Members, member_runs, own_rows, ranks, side_by_side
from numbafc.nn.communication import RankFailed

SAMPLES = 700
RNG = np.random.default_rng(0)
X, Y, REALS = RNG.standard_normal((SAMPLES, 5)), RNG.integers(0, 3, SAMPLES), RNG.standard_normal((SAMPLES, 3))
HELD = [np.sort(one) for one in np.array_split(RNG.permutation(SAMPLES), 4)]
ROWS = [np.setdiff1d(np.arange(SAMPLES), one) for one in HELD]


class Halving:
    """An optimizer of somebody's own."""

    def init(self, parameters):
        return {}

    def update(self, parameters, gradients, state):
        parameters -= 0.01 * gradients


CASES = st.fixed_dictionaries(
    {
        "k": st.sampled_from([1, 2, 3, 4]),
        "loss": st.sampled_from(["cross_entropy", "mse"]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "optimizer": st.sampled_from([fc.SGD(0.01, momentum=0.9), fc.Adam(), fc.RMSprop(), Halving()]),
        "batch_size": st.sampled_from([100, 256, 300, 525, 700]),  # of 1 to 3 blocks
        "chosen": st.booleans(),
        "weighted": st.booleans(),
        "ends": st.sampled_from([None, 0, 2]),  # the member that a callback ends
        "more": st.sampled_from([{}, {"dropout": 0.3}, {"clip_norm": 0.1}, {"best_epoch": "loss"}, {"early_stopping": 1}]),
    }
)
PLAIN = {
    "k": 3, "loss": "cross_entropy", "dtype": "float32", "optimizer": fc.Adam(), "batch_size": 100, "chosen": True,
    "weighted": False, "ends": None, "more": {},
}  # fmt: skip


def members_of(case, first=0):
    sizes = [5, 9, 3]
    return Members([fc.MLP(sizes, loss=case["loss"], dtype=case["dtype"], seed=first + m) for m in range(case["k"])])


def fit(case, members, comm=None, **others):
    heard = []
    told = {"validation": (X[:50], (Y if case["loss"] == "cross_entropy" else REALS)[:50])}
    if case["chosen"]:
        told = {"rows": ROWS[: case["k"]], "validation_rows": HELD[: case["k"]]}

    def stop(m, record):
        heard.append((m, record.epoch))
        return m == case["ends"] and record.epoch == 2

    own = {} if others.get("resume") else {"optimizer": case["optimizer"], "batch_size": case["batch_size"], **case["more"]}
    weight = np.arange(SAMPLES) % 3.0 if case["weighted"] else None
    y = Y if case["loss"] == "cross_entropy" else REALS
    everything = {"sample_weight": weight, "epochs": 3, "callbacks": [stop], "comm": comm, **told, **own, **others}
    members.fit(X, y, **everything)
    return heard


def bits(members):
    return [digest(net) for net in members], repr(members.out_of_fold)


def trained(case, comm=None):
    members = members_of(case)
    heard = fit(case, members, comm)
    return bits(members), heard if comm is None or comm.rank == 0 else []


@given(CASES, st.sampled_from([1, 2, 3, 4]))
def test_any_number_of_ranks_has_the_bits_of_one_process(case, size):
    alone, heard = trained(case)
    assert together(size, lambda comm: trained(case, comm)) == [(alone, heard if rank == 0 else []) for rank in range(size)]


def test_what_is_not_sent_has_other_bits(monkeypatch):
    """Without the optimizer's state a member that goes from rank to rank is another one."""
    begin = member_runs.Shared.__init__
    monkeypatch.setattr(
        member_runs.Shared, "__init__", lambda self, group, run, arrays: begin(self, group, run, [a[:1] for a in arrays])
    )
    case = PLAIN | {"ends": 0}  # then the others go on with another rank
    assert together(2, lambda comm: trained(case, comm)[0]) != [trained(case)[0]] * 2


def interrupted_after(calls, rank):
    """ranks.hearing, with a signal that one rank hears after so many times that it listens."""
    left = [calls]

    @contextmanager
    def hearing(group):
        def hear():
            left[0] -= group.rank == rank
            if left[0] == -1 and group.rank == rank:
                raise KeyboardInterrupt

        if group is not None:
            group.hear = hear
        yield

    return hearing


def places(members):
    """What of each member has to be the same in all ranks, wherever they were stopped."""
    each = [(net.parameters.tobytes(), net.training) for net in members]
    return [(flat, now and (now.done, *now.results, digest(net))) for (flat, now), net in zip(each, members, strict=True)]


@settings(max_examples=25)
@given(CASES, st.sampled_from([2, 3]), st.sampled_from([1, 2, 3]), st.integers(0, 1), st.integers(0, 60))
def test_an_interrupted_training_goes_on_with_any_number_of_ranks(case, first, second, rank, calls):
    case = case | {"optimizer": fc.Adam() if isinstance(case["optimizer"], Halving) else case["optimizer"]}
    each = [members_of(case) for _ in range(first)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "hearing", interrupted_after(calls, rank))
        patch.setattr(side_by_side, "CALL", 1)  # a minibatch in each call
        found = together(first, lambda comm: fit(case, each[comm.rank], comm))
    stopped = isinstance(found[0], KeyboardInterrupt)
    assert all(isinstance(one, KeyboardInterrupt) == stopped for one in found), found
    assert len({repr(places(members)) for members in each}) == 1
    begun = [net.training for net in each[0]]
    ended = None not in begun and all(now.ended for now in begun)

    def goes_on(comm):
        members = copy.deepcopy(each[0])
        if not ended:
            fit(case, members, comm, resume=None not in begun)
        return bits(members)[0]

    assert together(second, goes_on) == [trained(case)[0][0]] * second


@given(st.integers(0, 2), st.integers(0, 4), st.sampled_from([ValueError("bad"), MemoryError(), KeyboardInterrupt()]))
@settings(max_examples=10)
def test_a_rank_that_fails_ends_all(rank, calls, error):
    """All end with the same members, trained equally far."""
    each, local, left = [members_of(PLAIN) for _ in range(3)], threading.local(), [calls]
    training = side_by_side.Group.epochs

    def fails(*arguments):
        if local.rank == rank:
            left[0] -= 1
            if left[0] < 0:
                raise error
        training(*arguments)

    def work(comm):
        local.rank = comm.rank
        return fit(PLAIN, each[comm.rank], comm, epochs=9)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(side_by_side.Group, "epochs", fails)
        found = together(3, work)
    assert found[rank] is error
    for other in set(range(3)) - {rank}:
        assert isinstance(found[other], KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else RankFailed)
    assert len({repr(places(members)) for members in each}) == 1


def test_a_member_that_diverges_ends_all_alike_and_the_others_can_go_on():
    case = PLAIN | {"loss": "mse", "chosen": False, "optimizer": fc.SGD(0.01)}

    def work(comm):
        members = members_of(case)
        members[1].parameters[:] = 1e30
        try:
            fit(case, members, comm)
        except FloatingPointError as error:
            return str(error), [net.training is None for net in members], [net.parameters.tobytes() for net in members]

    alone = work(None)
    assert alone[0].startswith("member 1: training diverged in epoch 1")
    assert alone[1] == [False, True, False]
    assert together(3, work) == [alone] * 3


@pytest.mark.parametrize("name", ["the number of members", "seed", "batch_size", "the checksum of the samples"])
def test_a_rank_that_trains_otherwise_is_refused_by_name(name):
    def work(comm):
        case, odd = PLAIN, comm.rank == 1
        if name == "the number of members" and odd:
            case = case | {"k": 2}
        if name == "batch_size" and odd:
            case = case | {"batch_size": 99}
        members = members_of(case, first=5 if name == "seed" and odd else 0)
        more = {"sample_weight": np.ones(SAMPLES)} if name == "the checksum of the samples" and odd else {}
        return fit(case, members, comm, **more)

    for error in together(3, work):
        assert isinstance(error, ValueError), error
        assert "rank 1 has" in str(error)
        assert f"for {name}, and rank 0" in str(error)


@pytest.mark.parametrize("bad", ["X", "rows", "setting", "resume"])
def test_bad_arguments_of_one_rank_end_all(bad):
    def work(comm):
        more = {"X": {"sample_weight": -np.ones(SAMPLES)}, "rows": {"rows": [[SAMPLES]] * 3}}.get(bad, {bad: True})
        return fit(PLAIN, members_of(PLAIN), comm, **(more if comm.rank == 1 else {}))

    found = together(3, work)
    assert isinstance(found[1], ValueError | TypeError), found
    assert all(isinstance(found[rank], RankFailed) and "rank 1 failed" in str(found[rank]) for rank in (0, 2))


def test_time_is_rank_0_s():
    found = together(2, lambda comm: fit(PLAIN, members_of(PLAIN), comm, epochs=10**6, time_limit=1e-3 + 1e6 * comm.rank))
    assert found == [[(m, 1) for m in range(3)], []]


def test_a_rank_of_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(own_rows, "same", of_other_versions(own_rows.same))
    for error in together(2, lambda comm: fit(PLAIN, members_of(PLAIN), comm)):
        assert "rank 1 has 0.1 for the version of numbafc" in str(error)


def test_all_rows_may_be_said_or_left_out():
    """One rank may say all rows, and the others nothing of them, which is the same."""

    def work(comm):
        members = members_of(PLAIN)
        rows = [np.arange(SAMPLES)] * len(members) if comm.rank == 0 else None
        members.fit(X, Y, rows=rows, validation_rows=[np.arange(9)] * len(members), epochs=2, comm=comm)
        return digest(members.nets[0])

    one, other = together(2, work)
    assert one == other
    assert isinstance(one, str)

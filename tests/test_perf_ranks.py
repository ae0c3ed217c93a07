"""The study of ranks: its model of what communication costs, and what is said where nothing can be measured."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent))  # perf is not installed

from perf import ranks, storage
from perf.progress import Plain
from perf.session import Options, Session

LINK = ranks.Link(1e-5, 1e9)


def rows_of(fixed, block, alone, batches=(512, 2048)):
    """Rows of a training whose two ranks compute fixed + block for each block of their samples."""
    case = {"op": "784-128-10", "parameters": 101770, "dtype": "float32"}
    two = [
        case | {"ranks": 2, "threads": 1, "B": B, "communication": 1e-3, "best": fixed + block * B / 512 + 1e-3}
        for B in batches
    ]
    return [case | {"ranks": 1, "threads": 1, "B": 512, "communication": 0.0, "best": alone}, *two]


def test_the_costs_that_rows_were_made_of_are_found():
    cost = ranks.costs(rows_of(2e-4, 3e-4, 7e-4))["784-128-10"]
    assert cost.fixed == pytest.approx(2e-4)
    assert cost.block == pytest.approx(3e-4)
    assert (cost.parameters, cost.alone) == (101770, 7e-4)


def test_a_step_is_computation_rounds_and_messages():
    """Two ranks of two blocks: two rounds of all to all, an all gather of parameters, and one of losses."""
    cost = ranks.Cost(2e-4, 3e-4, 1000, 7e-4)
    sums, losses = 3 * (1e-5 + 2000 / 1e9), 1e-5 + 512 * 8 / 1e9
    assert cost.step(2, 2, LINK) == pytest.approx(2e-4 + 6e-4 + sums + losses)
    assert ranks.gain(cost, 1, LINK) == 1
    assert ranks.gain(cost, 2, LINK) == pytest.approx(2 * 7e-4 / cost.step(2, 2, LINK))


def test_one_length_of_minibatches_fits_nothing():
    found = rows_of(2e-4, 3e-4, 7e-4, batches=(512,))
    assert ranks.costs(found) == {}
    assert not any(sentence.startswith("Computed") for sentence in ranks.findings(found))


def test_latency_and_bandwidth_are_those_of_exchanges():
    found = [{"op": "exchange", "bytes": n, "best": 1e-5 + n / 2 / 1e9, "B": None} for n in (16, 1 << 20, 1 << 24)]
    link = ranks.memory(found)
    assert link.latency == pytest.approx(1e-5, rel=1e-2)
    assert link.bandwidth == pytest.approx(1e9, rel=1e-2)


def test_without_mpi_nothing_is_measured_and_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(ranks, "starting", list)
    session = Session(Options(True, tmp_path), Plain(1))
    session.begin("ranks", 1)
    ranks.run(session)
    (note,) = storage.load(tmp_path, "ranks")
    assert note["note"] == "mpi4py or mpiexec is not installed: nothing of several processes"

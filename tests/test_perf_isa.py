"""Instruction sets in perf/: who is held to one, that a setting without effect is seen, and the peers written in C."""

import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # perf is not installed; at the end, so that the package is the installed one

from perf import (  # noqa: E402
    c,
    drawing,
    held,
    isa,
    peers,
    predictors,
    progress,
    readme,
    reference,
    report,
    rounds,
    rows,
    session,
    steps,
    storage,
    trainers,
    worker,
)  # fmt: skip
from perf.trainers.in_c import c_trainer  # noqa: E402

HAS = isa.native()
SIZES = (7, 6, 5, 3)
JOB = {"op": "grad_w", "T": 24, "N": 40, "B": 64, "dtype": "float32", "check": True, "kernel": None}


@pytest.fixture
def run(tmp_path):
    """A session that writes to a folder of its own."""
    made = session.Session(session.Options(True, tmp_path, rounds=1), progress.Plain(1))
    made.begin("layer", 1)
    return made


@pytest.mark.parametrize(
    ("asked", "has", "said"),
    [
        ("avx2", "neon", "--isa avx2: expected an x86-64 processor with AVX2, this one has NEON: leave --isa out"),
        ("avx512", "sse", "--isa avx512: expected an x86-64 processor with AVX-512, this one has SSE: leave --isa out"),
        ("avx512", "avx2", "--isa avx512: expected a processor with AVX-512, this one has AVX2: --isa avx2, or none"),
        ("avx2", "avx2", None),
        ("avx2", "avx512", None),
        ("avx512", "avx512", None),
    ],
)
def test_a_machine_without_the_instruction_set_is_one_sentence(asked, has, said):
    assert isa.refusal(asked, has) == said


def test_what_is_refused_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.setattr(isa, "native", lambda: "neon")
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("the program went on"))
    with pytest.raises(SystemExit, match="expected an x86-64 processor with AVX2"):
        isa.hold("avx2", ["steps", "--isa", "avx2"])


def test_the_program_goes_on_once_with_all_settings(monkeypatch):
    started = []
    monkeypatch.setattr(isa, "native", lambda: "avx512")
    monkeypatch.setattr(os, "execve", lambda *given: started.append(given))
    monkeypatch.setenv("XLA_FLAGS", "--xla_of_mine=1")
    isa.hold("avx2", ["steps", "--isa", "avx2"])
    ((program, command, environment),) = started
    assert (program, command[1:]) == (sys.executable, ["-m", "perf", "steps", "--isa", "avx2"])
    assert set(isa.AVX2) | {isa.ASKED, "NPY_DISABLE_CPU_FEATURES"} <= set(environment)
    assert environment["XLA_FLAGS"] == f"{isa.AVX2['XLA_FLAGS']} --xla_of_mine=1"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    isa.hold("avx2", ["steps", "--isa", "avx2"])
    assert len(started) == 1
    assert isa.current() == "avx2"


def test_a_machine_with_nothing_wider_needs_no_settings():
    assert isa.environment("avx2", "avx2", {}) == {isa.ASKED: "avx2"}
    assert isa.environment("avx512", "avx512", {}) == {isa.ASKED: "avx512"}


def answers(module, environment, **job):
    """What a worker process says as it starts, and of a job."""
    done = subprocess.run(
        [sys.executable, "-m", "perf.worker", module, "1"],
        input=json.dumps(JOB | job) + "\n", capture_output=True, text=True, cwd=ROOT, check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | environment,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def wide(test):
    return pytest.mark.skipif(HAS != "avx512", reason="nobody has to be held on a machine without AVX-512")(test)


@wide
@pytest.mark.parametrize("module", ["numpy", "numbafc"])
def test_who_is_held_says_so_and_leaves_the_wide_registers_alone(module):
    environment = isa.environment("avx2", HAS, {})
    for answer in answers(module, environment, kernel="auto" if module == "numbafc" else None):
        assert "unable" not in answer


@wide
@pytest.mark.parametrize(
    ("module", "left_out", "said"),
    [
        ("numpy", "OPENBLAS_CORETYPE", "says that it uses "),
        ("numpy", "NPY_DISABLE_CPU_FEATURES", "says that it uses loops for X86_V4"),
        ("numbafc", "NUMBA_CPU_FEATURES", "says that it uses avx512f"),
    ],
)
def test_a_setting_without_effect_is_seen(module, left_out, said):
    environment = isa.environment("avx2", HAS, {})
    if left_out == "NPY_DISABLE_CPU_FEATURES" and "X86_V4" not in environment[left_out]:
        pytest.skip("NumPy before 2.4 calls it otherwise")
    del environment[left_out]
    if module == "numbafc":
        del environment["NUMBA_CPU_NAME"]
    for answer in answers(module, environment, kernel="auto" if module == "numbafc" else None):
        assert answer["unable"].startswith(f"is to be held to AVX2, and {said}")


TOUCH = """
import threading
from perf import held, isa, limits
import numpy as np
print(held.touched())
limits.CHAINS = 24  # registers, as in products: the first sixteen are cleared by whoever returns to other code
limits.fma_peak(np.dtype(np.float32), int({bits}), 1)
print(held.touched())
"""


@wide
def test_registers_tell_who_used_them():
    """A library whose own word is wrong, or that has none: what it left in the registers."""
    environment = os.environ | isa.environment("avx2", HAS, {})
    for bits, cpu, expected in ((256, {}, "False"), (512, {"NUMBA_CPU_NAME": "skylake-avx512"}, "True")):
        given = environment | cpu | ({"NUMBA_CPU_FEATURES": "+avx512f,+avx512vl,+avx2,+fma"} if cpu else {})
        code = [sys.executable, "-c", TOUCH.format(bits=bits)]
        done = subprocess.run(code, capture_output=True, text=True, cwd=ROOT, env=given, check=True)
        before, after = done.stdout.split()
        if before != "False":
            pytest.skip("the registers tell nothing here: the processor is silent, or the C library used them before")
        assert after == expected


class Loose:
    """A peer that is not held."""

    kernel, version = None, "0"

    def __init__(self, label):
        self.label = self.module = label

    def ask(self, **job):
        raise peers.Unable(f"{self.label} has used AVX-512 registers")


def test_a_peer_that_is_not_held_is_a_line_and_we_are_the_end(run):
    assert rounds.right_ones([Loose("torch")], lambda one: one.ask(), "a product", run.note) == []
    (note,) = rows.notes(storage.load(run.options.out, "layer"))
    assert note == "torch has used AVX-512 registers: a product not timed"
    with pytest.raises(SystemExit, match=r"numbafc has used AVX-512 registers: nothing is timed"):
        rounds.right_ones([Loose("numbafc")], lambda one: one.ask(), "a product", run.note)


def test_rows_tell_the_instruction_set(run):
    (row,) = run.write([{"peer": "numbafc"}])
    assert (row["isa"], row["held"]) == (isa.current(), isa.current() != HAS)
    machine = {"register_bits": 256, "system": "Linux 6 x86_64"}
    assert rows.isa({"machine": machine}) == "avx2"  # an older row
    assert rows.isa({"machine": machine, "isa": "avx512"}) == "avx512"


@pytest.fixture
def both(tmp_path):
    """The committed rows, and a few of them once more as if everybody had been held to AVX2."""
    for name in readme.STUDIES:
        found = storage.load(readme.RESULTS, name)
        storage.append(tmp_path, name, [row | {"seconds": [row["best"]]} for row in found if "note" not in row])
        if name in ("layer", "steps"):
            (tmp_path / "avx2").mkdir(exist_ok=True)
            held_rows = [row | {"seconds": [1.0], "isa": "avx2", "held": True} for row in rows.measured(found)]
            storage.append(tmp_path / "avx2", name, held_rows)
    return tmp_path


def test_readme_has_a_table_for_each_instruction_set(both):
    found = readme.loaded(both)
    section = readme.section(found)
    wide_title = isa.TITLES[rows.isa(found[0]["steps"][0])]
    assert re.findall(r"^\*\*(.*?)\*\*: ", section, re.M) == [wide_title, "AVX2"]
    assert section.count("(everybody held to it: `--isa avx2`)") == 1
    assert section.count("| three products, (512, 512, 128) |") == section.count("| step, 64-32-10, batch 32 |") == 2
    assert section.count("- Training steps: ") == 2


def test_the_picture_of_readme_has_a_line_for_each_instruction_set(both):
    pytest.importorskip("matplotlib", reason="the pictures need matplotlib")
    found = readme.loaded(both)
    with drawing.settings():
        titles = [axes.get_title(loc="left") for axes in readme.picture(found).axes]
    assert sum(title.startswith("AVX2: ") for title in titles) >= 1
    assert len(titles) == 4


def test_the_report_of_a_folder_writes_one_for_each_instruction_set(both, monkeypatch):
    monkeypatch.setattr(report, "draw", lambda *_: {})
    report.write(both)
    assert "<th>instruction set</th><td>AVX2</td>" in (both / "avx2" / "report.html").read_text(encoding="utf-8")
    assert "--isa avx2 --out DIR" in (both / "avx2" / "report.html").read_text(encoding="utf-8")
    assert (both / "report.html").exists()


# ---- one row ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(predictors.PREDICTORS))
def test_a_prediction_of_one_row_is_right_and_a_wrong_one_is_refused(name, monkeypatch):
    if name in ("torch", "onnxruntime"):
        pytest.importorskip(name)
        pytest.importorskip("onnx")
    monkeypatch.setattr(predictors.sys, "argv", ["", name, "1"])
    row, parameters = predictors.network(SIZES)
    predict_one, proba = predictors.PREDICTORS[name](SIZES, row, parameters)
    right = proba()
    assert np.ravel(predict_one()) == right.argmax()
    assert predictors.largest_error(SIZES, right) <= 1
    wrong = parameters.copy()
    wrong[-1] += 0.01
    assert predictors.largest_error(SIZES, predictors.PREDICTORS[name](SIZES, row, wrong)[1]()) > 1
    answer = predictors.Predictor()(name, {"sizes": SIZES, "check": False, "calls": 5})
    assert len(answer["seconds"]) == 5


# ---- peers written in C ---------------------------------------------------------------------------------------------


@pytest.fixture(params=list(c.SOURCES))
def library(request):
    """The name of a peer that there is."""
    if reason := c.missing(request.param):
        pytest.skip(reason)
    return request.param


def forget():
    c.missing.cache_clear()


def test_without_a_compiler_or_a_library_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(c.shutil, "which", lambda _: None)
    forget()
    assert c.missing("libxsmm") == "libxsmm: expected a compiler (cc or gcc or clang), found none: no line of it"
    assert peers.missing("libxsmm") == c.missing("libxsmm")
    fails = tmp_path / "cc"
    fails.write_text("#!/bin/sh\necho 'libxsmm.c:14:10: fatal error: libxsmm.h: No such file' >&2\nexit 1\n")
    fails.chmod(0o755)
    monkeypatch.setattr(c.shutil, "which", lambda _: str(fails))
    monkeypatch.setattr(c, "BUILT", tmp_path / "built")
    forget()
    said = c.missing("libxsmm")
    assert said.startswith("libxsmm: expected libxsmm.h, as Debian's libxsmm-dev brings it; cc said ")
    assert said.endswith(": no line of it")
    assert "\n" not in said
    forget()


def test_a_library_is_compiled_once_for_its_source(library, monkeypatch):
    first = c.built(library)
    monkeypatch.setattr(c.subprocess, "run", lambda *_, **__: pytest.fail("compiled once more"))
    assert c.built(library) == first


SHAPES = [
    (5, 6, 7),
    (10, 64, 1),
    (1, 1, 1),
    (1, 5, 3),
    (5, 1, 3),
    (3, 4, 1),
    (4, 1, 1),
    (1, 1, 4),
    (64, 64, 64),
    (65, 257, 97),
]


@pytest.mark.parametrize("shape", [*SHAPES, (17, 1031, 33), (300, 1, 200), (130, 300, 70)])
def test_products_in_c_are_right_and_a_wrong_one_is_refused(library, shape):
    arrays = worker.data(*shape, "float32")
    for op, call in c.products(library, *arrays).items():
        assert worker.errors(op, call(), *arrays)["error_over_bound"] <= 1, op
        assert worker.errors(op, call(), *arrays)["error_over_bound"] <= 1, op  # nothing is left of the first
        assert worker.errors(op, call() * np.float32(1.001), *arrays)["error_over_bound"] > 1, op


@pytest.mark.parametrize(("said", "raised"), [(c.REFERENCE, NotImplementedError), ("no memory", RuntimeError)])
def test_what_a_library_did_not_make_is_not_called_and_not_freed(said, raised):
    """Reference code is a line of the report; anything else ends the run with what was said."""
    freed = []
    library = SimpleNamespace(
        product_new=lambda *_: None,
        product_run=None,
        product_free=freed.append,
        peer_error=said.encode,
        peer_version=lambda: b"1.0",
    )
    with pytest.raises(raised, match="reference code" if said == c.REFERENCE else said):
        c.Product(library, "forward", *worker.data(2, 3, 4, "float32"))
    gc.collect()
    assert freed == []


@pytest.mark.parametrize(
    ("sizes", "batch"), [((7, 6, 5, 3), 16), ((64, 32, 10), 32), ((100, 130, 70), 12), ((20, 47, 47, 2), 128)]
)
def test_training_in_c_is_right_and_a_wrong_one_is_refused(library, sizes, batch):
    given = trainers.problem(sizes, batch, steps.CHECKED, "float32", "sgd", 0.01)
    expected = reference.reference(given)

    def error(of):
        trained = c_trainer(library, of)(1, False)
        return reference.error_over_bound(expected, sizes, trained.loss, trained.parameters)

    assert error(given) <= 1
    assert error(given._replace(rate=1.02 * given.rate)) > 1
    assert error(given._replace(y=np.roll(given.y, 1))) > 1


def test_what_is_not_written_in_c_is_a_line(library, run):
    double = trainers.problem((7, 6, 3), 16, 2, "float64", "sgd", 0.01)
    with pytest.raises(NotImplementedError, match="has float32 and SGD only here"):
        c_trainer(library, double)
    (_, answer) = answers(library, {}, dtype="float64", form="out")
    assert answer == {"unable": "has float32 and SGD only here"}


def test_held_says_nothing_where_nothing_was_asked(monkeypatch):
    monkeypatch.delenv(isa.ASKED, raising=False)
    assert held.problem("numpy") is None
    assert peers.still_held("numpy") == {}

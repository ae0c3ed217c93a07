"""No good model is lost: which file a training's model goes to, what happens where it cannot be saved, and signals."""

import errno
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from commands import IRIS, interrupting, ok, plainly
from helpers import assert_same_bits, run_python

import numbafc as fc
from numbafc.cli import outputs, screen


@pytest.fixture(name="here")
def _plainly(here):
    return plainly(here)


MODEL = "iris.safetensors"
OTHER = IRIS.replace("a\n", "c\n")


@pytest.fixture
def iris(here):
    """A folder with a data set and its model, and the bytes of that."""
    (here.folder / "iris.csv").write_text(IRIS)
    assert f"saved {MODEL}" in ok(here("train", "iris.csv", "--epochs", "4"))
    here.model = (here.folder / MODEL).read_bytes()
    return here


def models(here):
    return sorted(path.name for path in here.folder.glob("*.safetensors"))


def test_the_same_training_twice_replaces_its_model_with_the_same_bits(iris):
    before = fc.load(MODEL)
    printed = ok(iris("train", "iris.csv", "--epochs", "4"))
    assert f"replaced {MODEL}; use it:" in printed
    assert "stays" not in printed
    assert_same_bits(fc.load(MODEL).parameters, before.parameters, "parameters")
    assert models(iris) == [MODEL]


@pytest.mark.parametrize(
    "change",
    [
        ("--seed", "1"),
        ("--hidden", "3"),
        ("--learning-rate", "0.002"),
        ("--batch-size", "31"),
        ("--validation-split", "0.3"),
        ("--class-weight", "balanced"),
        ("--label-smoothing", "0.2"),
        ("--init", "he_uniform"),
        ("--dropout", "0.1"),
        ("--schedule", "cosine"),
        ("--epochs", "3"),
        ("--epochs", "5"),
        ("--dtype", "float64"),
    ],
)
def test_other_settings_are_another_model(iris, change):
    for verb in ("saved", "replaced"):  # the second time it is the same training
        printed = ok(iris("train", "iris.csv", *(() if change[0] == "--epochs" else ("--epochs", "4")), *change))
        assert f"{MODEL} is of another training and stays; this model goes to iris-2.safetensors, or say --out" in printed
        assert f"{verb} iris-2.safetensors; use it:" in printed
        assert "numbafc evaluate iris-2.safetensors iris.csv" in printed
    assert (iris.folder / MODEL).read_bytes() == iris.model
    assert models(iris) == ["iris-2.safetensors", MODEL]


@pytest.mark.parametrize("content", [OTHER, IRIS.replace("b\n", "d\n"), IRIS.replace("width", "breadth")])
def test_another_data_set_of_the_same_name_is_another_model(iris, content):
    """Other samples, other names of the classes, other names of the columns."""
    (iris.folder / "iris.csv").write_text(content)
    result = json.loads(ok(iris("train", "iris.csv", "--epochs", "4", "--json")))
    assert (result["model"], result["stays"], result["replaced"]) == ("iris-2.safetensors", MODEL, False)
    assert (iris.folder / MODEL).read_bytes() == iris.model


def test_what_is_no_model_is_not_replaced(here):
    (here.folder / "iris.csv").write_text(IRIS)
    (here.folder / MODEL).write_text("my notes")
    (here.folder / "iris-2.safetensors").symlink_to("nowhere")
    (here.folder / "iris-3.safetensors").mkdir()
    assert "saved iris-4.safetensors; use it:" in ok(here("train", "iris.csv", "--epochs", "1"))
    assert (here.folder / MODEL).read_text() == "my notes"


def test_out_is_the_users_word(iris):
    assert f"replaced {MODEL}; use it:" in ok(iris("train", "iris.csv", "--epochs", "1", "--out", MODEL))
    assert len(fc.load(MODEL).training.history) == 1
    assert models(iris) == [MODEL]


DIVERGING = ("--hidden", "", "--optimizer", "sgd", "--learning-rate", "1.5", "--loss", "mse")


@pytest.mark.parametrize("out", [(), ("--out", "r.safetensors")])
def test_a_run_that_is_worse_than_no_training_leaves_a_good_model_alone(here, out):
    X = np.random.default_rng(0).standard_normal((200, 3))
    np.savez("r.npz", X=X, y=X[:, 0] + 0.5)
    ok(here("train", "r.npz", "--epochs", "2"))
    good = (here.folder / "r.safetensors").read_bytes()
    done = here("train", "r.npz", *DIVERGING, "--epochs", "12", *out)
    assert done.returncode == 1
    assert "training diverged: the loss of what it was trained on is " in done.stderr
    assert "; r-2.safetensors has that network; r.safetensors stays as it was; try a smaller learning rate\n" in done.stderr
    assert (here.folder / "r.safetensors").read_bytes() == good
    assert len(fc.load("r-2.safetensors").training.history) == 12
    result = json.loads(here("train", "r.npz", *DIVERGING, "--epochs", "12", *out, "--json").stdout)
    assert (result["model"], result["stays"], result["interrupted"]) == ("r-3.safetensors", "r.safetensors", False)
    assert result["trouble"].startswith("training diverged")
    later = here("train", "r.npz", *DIVERGING, "--epochs", "1000", *out)  # to infinity: as it was before that epoch
    assert later.returncode == 1
    assert "r-4.safetensors has those parameters\n" in later.stderr
    assert (here.folder / "r.safetensors").read_bytes() == good


def test_nothing_is_written_over_on_the_way(iris, monkeypatch):
    """Not by what is saved between epochs, which is removed in the end, nor by Ctrl-C."""
    saved, save = [], fc.MLP.save

    def spy(net, path):
        saved.append(str(path))
        save(net, path)
        assert (iris.folder / MODEL).read_bytes() == iris.model or len(net.training.history) == 4

    monkeypatch.setattr(fc.MLP, "save", spy)
    monkeypatch.setattr(outputs, "SECONDS", 0)
    assert f"replaced {MODEL}" in ok(iris("train", "iris.csv", "--epochs", "4"))
    assert saved == ["iris-2.safetensors"] * 4 + [MODEL]
    assert models(iris) == [MODEL]
    iris.model = (iris.folder / MODEL).read_bytes()
    monkeypatch.setattr(outputs.Saver, "__call__", interrupting(1, lambda saver, record: None))
    done = iris("train", "iris.csv", "--epochs", "4")
    again = "numbafc train iris.csv --resume iris-2.safetensors"
    assert (done.returncode, f"interrupted; saved iris-2.safetensors; resume with:\n  {again}\n" in done.stdout) == (
        130,
        True,
    )
    assert (iris.folder / MODEL).read_bytes() == iris.model
    ok(iris(*again.split()[1:]))
    assert_same_bits(fc.load("iris-2.safetensors").parameters, fc.load(MODEL).parameters, "parameters")


# ---- where it cannot be saved --------------------------------------------------------------------------------------


def failing(times, save):
    """fc.MLP.save with a full disk, so many times."""
    left = [None] * times

    def fails(net, path):
        if left:
            left.pop()
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(net, path)

    return fails


def test_a_save_on_the_way_that_fails_is_a_warning_once(here, monkeypatch):
    (here.folder / "iris.csv").write_text(IRIS)
    monkeypatch.setattr(outputs, "SECONDS", 0)
    monkeypatch.setattr(fc.MLP, "save", failing(2, fc.MLP.save))
    done = here("train", "iris.csv", "--epochs", "4")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"numbafc: warning: cannot save on the way, {MODEL}: No space left on device; the training goes on",
        f"numbafc: saved {MODEL} on the way; it works again",
    ]
    assert len(fc.load(MODEL).training.history) == 4


def test_the_last_save_that_fails_keeps_the_model_elsewhere(here, monkeypatch):
    (here.folder / "iris.csv").write_text(IRIS)
    (here.folder / "out").mkdir()
    monkeypatch.setattr(fc.MLP, "save", failing(1, fc.MLP.save))
    done = here("train", "iris.csv", "--epochs", "2", "--out", "out/m.safetensors", "--json")
    elsewhere = here.folder / "m-elsewhere.safetensors"
    assert done.returncode == 2
    sentence = f"out/m.safetensors: No space left on device; the model is saved in {elsewhere} instead"
    assert done.stderr == f"numbafc: {sentence}\n"
    result = json.loads(done.stdout)
    assert (result["model"], result["trouble"], result["stays"]) == (str(elsewhere), sentence, None)
    assert len(fc.load(elsewhere).training.history) == 2


@pytest.mark.parametrize(
    "out", ["m.onnx", "x" * 300 + ".safetensors", "/proc/m.safetensors", "/dev/null", "no/m.safetensors", "dir"]
)
def test_where_no_model_can_be_is_refused_before_the_training(here, monkeypatch, out):
    (here.folder / "iris.csv").write_text(IRIS)
    (here.folder / "dir").mkdir()
    monkeypatch.setattr(fc.MLP, "fit", None)
    done = here("train", "iris.csv", "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr) < 460
    assert sorted(path.name for path in here.folder.iterdir()) == ["dir", "iris.csv"]


def test_a_fault_in_the_middle_keeps_what_was_learnt(here, monkeypatch):
    (here.folder / "iris.csv").write_text(IRIS)

    def fault(saver, record):
        if record.epoch == 3:
            raise LookupError("a fault")

    monkeypatch.setattr(outputs.Saver, "__call__", fault)
    done = here("train", "iris.csv")
    assert done.returncode == 70
    assert f"LookupError: a fault; what was learnt until then is saved in {MODEL}\n" in done.stderr
    assert len(fc.load(MODEL).training.history) == 3


# ---- signals, and who reads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_saves_what_was_learnt(here, monkeypatch, name, code):
    (here.folder / "iris.csv").write_text(IRIS)
    number = getattr(signal, name)
    before = signal.getsignal(number)
    raised = []

    def raises(saver, record):
        if not raised:
            raised.append(record)
            signal.raise_signal(number)

    monkeypatch.setattr(outputs.Saver, "__call__", raises)
    done = here("train", "iris.csv")
    assert (done.returncode, done.stderr) == (code, "")
    assert f"interrupted; saved {MODEL}; resume with:" in done.stdout
    assert len(fc.load(MODEL).training.history) == 1
    assert signal.getsignal(number) == before


def test_a_signal_that_the_process_ignores_it_ignores(here, monkeypatch):
    (here.folder / "iris.csv").write_text(IRIS)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        monkeypatch.setattr(outputs.Saver, "__call__", lambda saver, record: signal.raise_signal(signal.SIGHUP))
        ok(here("train", "iris.csv", "--epochs", "2"))
    finally:
        signal.signal(signal.SIGHUP, before)


def failing_lines(monkeypatch, error, after):
    """Lines for people fail, after those of so many epochs; those on the standard error do not."""
    say, epochs = screen.say, []

    def fails(*lines, err=False):
        epochs.extend(line for line in lines if line.startswith("epoch "))
        if len(epochs) > after and not err:
            raise error
        say(*lines, err=err)

    monkeypatch.setattr(screen, "say", fails)


def test_where_nobody_reads_any_more_the_model_is_saved(here, monkeypatch):
    (here.folder / "iris.csv").write_text(IRIS)
    failing_lines(monkeypatch, BrokenPipeError(), 2)
    done = here("train", "iris.csv", "--epochs", "9")
    again = f"numbafc train iris.csv --resume {MODEL}"
    said = f"numbafc: nobody reads the output any more; saved {MODEL}; resume with: {again}\n"
    assert (done.returncode, done.stderr) == (141, said)
    assert len(fc.load(MODEL).training.history) == 3


def test_a_full_disk_under_the_output_costs_the_training_nothing(here, monkeypatch):
    (here.folder / "iris.csv").write_text(IRIS)
    failing_lines(monkeypatch, OSError(errno.ENOSPC, "No space left on device", "the output"), 2)
    done = here("train", "iris.csv", "--epochs", "5")
    assert done.returncode == 2
    assert "warning: the output cannot be written, No space left on device; the training goes on\n" in done.stderr
    assert f"the output: No space left on device; the model is saved in {MODEL}\n" in done.stderr
    assert len(fc.load(MODEL).training.history) == 5


def test_head_ends_a_command_in_silence():
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-P", "-m", "numbafc", "info"]
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")


# Ctrl-C at the n-th import after numbafc's first module: a signal, as the terminal sends it, or what something raises.
INTERRUPTED_IMPORT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
at, raised = int(sys.argv[1]), sys.argv[2]
class Interrupt:
    seen = None
    @classmethod
    def find_spec(cls, name, *_):
        if name == "numbafc._startup":
            cls.seen = 0
        elif cls.seen is not None:
            cls.seen += 1
            if cls.seen == at:
                if raised == "exception":
                    raise KeyboardInterrupt
                signal.raise_signal(signal.SIGINT)
sys.argv = ["numbafc", "info"]
sys.meta_path.insert(0, Interrupt)
from numbafc.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("at", "raised"), [*((n, "signal") for n in (1, 10, 60, 300, 700)), (1, "exception"), (700, "exception")]
)
def test_ctrl_c_while_the_command_is_imported_is_one_line(at, raised):
    done = run_python(INTERRUPTED_IMPORT, str(at), raised)
    assert (done.returncode, done.stderr) == (130, "numbafc: interrupted\n")


def test_ctrl_c_in_typers_own_start_is_one_line(here, monkeypatch):
    from typer.core import TyperGroup

    def interrupted(*_, **__):
        signal.raise_signal(signal.SIGINT)

    for name in ("make_context", "invoke"):
        with monkeypatch.context() as patched:
            patched.setattr(TyperGroup, name, interrupted)
            done = here("info")
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "numbafc: interrupted\n")


def test_ctrl_c_at_exit_is_one_line():
    code = """
import atexit, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["numbafc", "--version"]
from numbafc.__main__ import main
atexit.register(signal.raise_signal, signal.SIGINT)
main()
"""
    done = run_python(code)
    assert (done.returncode, done.stderr, done.stdout) == (130, "numbafc: interrupted\n", f"numbafc {fc.__version__}\n")


def test_an_import_that_fails_is_one_sentence():
    code = """
import sys
sys.argv = ["numbafc", "info"]
sys.modules[{!r}] = None
from numbafc.__main__ import main
main()
"""
    for module in ("numba", "numpy.random"):
        done = run_python(code.format(module))
        assert done.returncode == 2
        assert done.stderr.startswith("numbafc: numbafc cannot start: ")
        assert module in done.stderr
        assert done.stderr.count("\n") == 1

"""The command line, as its users run it: a process, its output and its exit code."""

import errno
import functools
import io
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
from commands import IRIS, interrupting, numbafc, ok, plainly
from helpers import assert_same_bits, run_python
from rich.console import Console

import numbafc as fc
from numbafc.cli import outputs
from numbafc.cli.display import Display


@pytest.fixture(name="here")
def _plainly(here):
    return plainly(here)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which `numbafc train` ran, without arguments, and what it printed."""
    folder = tmp_path_factory.mktemp("train")
    return folder, numbafc("train", cwd=folder)


def test_train_is_the_main_job(trained):
    folder, done = trained
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "digits: 1797 samples, 64 features, 10 classes (0 … 9), float32"
    first = lines[3 + lines[3].startswith("numbafc compiles ")]  # kernels that are not in the cache
    assert re.fullmatch(r"epoch 1/20: loss [\d.]+, accuracy train [\d.]+ validation [\d.]+, \d+ samples/s", first)
    assert "numbafc evaluate digits.safetensors digits" in done.stdout
    accuracy = re.fullmatch(r"validation accuracy (0\.\d{4})", lines[-1])
    assert accuracy
    assert float(accuracy[1]) >= 0.97
    assert (folder / "digits.safetensors").stat().st_size > 9610 * 4


def test_the_printed_commands_work(trained):
    folder, done = trained
    evaluated = numbafc("evaluate", "digits.safetensors", "digits", cwd=folder)
    assert re.search(r"^accuracy 0\.9\d{3}$", evaluated.stdout, re.M), evaluated.stderr
    predicted = numbafc("predict", "digits.safetensors", "digits", cwd=folder)
    digits = fc.files.digits()
    assert np.mean(np.array(predicted.stdout.split(), int) == digits.y) > 0.95
    net = fc.load(folder / "digits.safetensors")
    accuracy = net.score(*digits.split(0.2, 0)[1][1:3])
    assert done.stdout.splitlines()[-1] == f"validation accuracy {accuracy:.4f}"
    assert re.search(
        rf"^trained on 1438 of these 1797 samples; on the 359 others: loss 0\.\d+, accuracy {accuracy:.4f}$",
        evaluated.stdout,
        re.M,
    )


def test_a_table_from_training_to_predictions(here):
    (here.folder / "iris.csv").write_text(IRIS)
    options = ["--target", "kind", "--hidden", "16,8", "--epochs", "60", "--activation", "tanh", "--out", "m.safetensors"]
    printed = ok(here("train", "iris.csv", *options, "--dtype", "float64", "--seed", "3", "--threads", "1"))
    assert "numbafc evaluate m.safetensors iris.csv --target kind" in printed
    assert printed.splitlines()[-1] == "validation accuracy 1.0000"
    lines = ok(here("evaluate", "m.safetensors", "iris.csv", "--target", "kind")).splitlines()
    assert re.fullmatch(r"trained on 48 of these 60 samples; on the 12 others: loss 0\.\d{4}, accuracy 1\.0000", lines[3])
    assert lines[2] == "accuracy 1.0000"
    table = ["class  precision  recall      F1  samples", *(f"{k}         1.0000  1.0000  1.0000       20" for k in "abc")]
    assert lines[4:8] == table
    assert ok(here("predict", "m.safetensors", "iris.csv", "--out", "out.csv")) == "wrote 60 predictions to out.csv\n"
    assert (here.folder / "out.csv").read_text().split() == ["kind", *"abc" * 20]


def test_columns_in_another_order_are_those_of_the_model(here):
    """The same samples with their columns reordered: the same answers, and the same training to go on with."""
    rows = [line.split(",") for line in IRIS.split()]
    (here.folder / "iris.csv").write_text(IRIS)
    (here.folder / "reordered.csv").write_text("".join(f"{kind},{y},{x}\n" for x, y, kind in rows))
    (here.folder / "other.csv").write_text("".join(f"{y},{x}\n" for x, y, _ in rows).replace("width", "breadth"))
    ok(here("train", "iris.csv", "--recipe", "plain", "--epochs", "2", "--out", "m.safetensors"))
    assert fc.load("m.safetensors").features == ("width", "length")
    reordered, target = ("m.safetensors", "reordered.csv"), ("--target", "kind")
    assert ok(here("predict", *reordered, *target)) == ok(here("predict", "m.safetensors", "iris.csv"))
    expected = ok(here("evaluate", "m.safetensors", "iris.csv")).splitlines()[1:]
    assert ok(here("evaluate", *reordered, *target)).splitlines()[1:] == expected
    ok(here("train", "reordered.csv", *target, "--resume", "m.safetensors", "--epochs", "3"))
    assert fc.load("m.safetensors").features == ("width", "length")
    done = here("predict", "m.safetensors", "other.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("numbafc: other.csv: expected the columns 'width', which is missing")


def test_real_targets_in_their_own_units(here):
    X = np.random.default_rng(0).standard_normal((200, 3))
    y = 5000 + 1000 * X @ [[1.0, 2.0], [2.0, -1.0], [3.0, 0.0]]
    np.savez("r.npz", X=X, y=y)
    options = "--hidden", "", "--optimizer", "sgd", "--learning-rate", "0.05", "--epochs", "100"
    printed = ok(here("train", "r.npz", *options))
    assert "R² validation" in printed
    assert printed.splitlines()[-1] == "validation R² 1.0000"
    predicted = ok(here("predict", "r.safetensors", "r.npz"))
    numbers = np.array([line.split(",") for line in predicted.splitlines()], float)
    # float32, standardised: a few roundings of numbers below 16, then of thousands
    np.testing.assert_allclose(numbers, y, rtol=0, atol=0.1)
    lines = ok(here("evaluate", "r.safetensors", "r.npz")).splitlines()
    assert lines[2] == "R² 1.0000"
    assert re.fullmatch(r"output +R² +RMSE +MAE", lines[4])
    assert re.fullmatch(r"1 +1\.0000 +0\.0\d\d\d +0\.0\d\d\d", lines[6])
    found = json.loads(ok(here("evaluate", "r.safetensors", "r.npz", "--json")))
    assert [output["output"] for output in found["outputs"]] == ["0", "1"]
    errors = np.abs(numbers - y).mean(axis=0)
    np.testing.assert_allclose([output["mae"] for output in found["outputs"]], errors, rtol=0, atol=1e-3)  # float32's y


def test_predictions_have_the_shortest_digits_of_their_dtype(here):
    net = fc.MLP([1, 1], "identity", "mse")
    net.weights[0][:] = 0.1
    net.save("m.safetensors")
    np.savez("x.npz", X=np.array([[1.0], [3.0]]))
    assert ok(here("predict", "m.safetensors", "x.npz")) == "0.1\n0.3\n"


def test_probabilities_are_a_column_for_each_class(here):
    net = fc.MLP([1, 2])
    net.classes = ("no", "a, b")
    net.parameters[:] = 0
    net.save("m.safetensors")
    np.savez("x.npz", X=np.ones((2, 1)))
    assert ok(here("predict", "m.safetensors", "x.npz", "--probabilities")) == 'no,"a, b"\n0.5,0.5\n0.5,0.5\n'
    fc.MLP([1, 1], loss="mse").save("r.safetensors")
    done = here("predict", "r.safetensors", "x.npz", "--probabilities")
    assert (done.returncode, "trained with the loss 'mse'" in done.stderr) == (2, True)


def test_a_class_that_is_never_said_has_no_precision(here):
    net = fc.MLP([1, 3])
    net.parameters[:] = [0, 0, 0, 2, 1, 0]
    net.classes = ("x", "y", "z")
    net.save("m.safetensors")
    (here.folder / "d.csv").write_text("1,x\n2,y\n3,y\n4,x\n")
    lines = ok(here("evaluate", "m.safetensors", "d.csv")).splitlines()
    assert lines[2:7] == [
        "accuracy 0.5000",
        "class  precision  recall      F1  samples",
        "x         0.5000  1.0000  0.6667        2",
        "y              –  0.0000  0.0000        2",
        "z              –       –       –        0",
    ]
    found = json.loads(ok(here("evaluate", "m.safetensors", "d.csv", "--json")))
    assert (found["score"], found["score_is"], found["others"]) == (0.5, "accuracy", None)
    assert found["classes"][1] == {"class": "y", "precision": None, "recall": 0, "f1": 0, "samples": 2}


def test_labels_that_are_independent(here):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 2))
    np.savez("l.npz", X=X, y=(X > 0).astype(float))
    printed = ok(here("train", "l.npz", "--loss", "binary_cross_entropy", "--epochs", "30", "--learning-rate", "0.01"))
    assert "validation accuracy" in printed
    assert re.search(
        r"^label  precision  recall      F1  samples .*\n0 .*\n1 ", ok(here("evaluate", "l.safetensors", "l.npz")), re.M
    )
    assert re.fullmatch(r"([01],[01]\n){100}", ok(here("predict", "l.safetensors", "l.npz")))


def test_idx_files_and_their_labels(here):
    digits = fc.files.digits()
    for name, array in (("x.idx", digits.X[:300].reshape(-1, 8, 8)), ("y.idx", digits.y[:300])):
        sizes = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        (here.folder / name).write_bytes(sizes + array.astype(np.uint8).tobytes())
    printed = ok(here("train", "x.idx", "--labels", "y.idx", "--epochs", "2"))
    assert "numbafc evaluate x.safetensors x.idx --labels y.idx\n" in printed
    assert "numbafc predict x.safetensors x.idx\n" in printed
    assert "trained on 240 of these 300 samples" in ok(here("evaluate", "x.safetensors", "x.idx", "--labels", "y.idx"))
    assert len(ok(here("predict", "x.safetensors", "x.idx")).split()) == 300


def test_settings_reach_the_training(here):
    (here.folder / "iris.csv").write_text(IRIS)
    options = (
        *("--optimizer", "rmsprop", "--learning-rate", "0.002", "--weight-decay", "0.001", "--schedule", "cosine"),
        *(
            "--batch-size",
            "7",
            "--dropout",
            "0.25",
            "--clip-norm",
            "2",
            "--clip-sample-norm",
            "9",
            "--early-stopping",
            "3",
            "--label-smoothing",
            "0.1",
        ),
        *("--class-weight", "balanced", "--init", "he_uniform", "--activation", "silu", "--epochs", "2", "--seed", "5"),
    )
    printed = ok(here("train", "iris.csv", *options, "--validation-split", "0.5"))
    assert "30 samples to train on, 30 for validation" in printed
    net = fc.load("iris.safetensors")
    recipe = net.training.recipe
    assert recipe.optimizer == fc.RMSprop(0.002, weight_decay=0.001)
    assert (type(recipe.schedule).__name__, recipe.batch_size, recipe.early_stopping) == ("Cosine", 7, 3)
    assert recipe.regularization[:4] == (0.25, 2.0, 9.0, 0.1)
    assert (net.init, net.activation, net.seed, net.label_smoothing) == ("he_uniform", "silu", 5, 0.1)


def test_early_stopping_says_what_was_kept(here):
    (here.folder / "iris.csv").write_text(IRIS)
    printed = ok(here("train", "iris.csv", "--early-stopping", "2", "--learning-rate", "0.5", "--epochs", "200"))
    kept, done = map(int, re.search(r"^kept the parameters of epoch (\d+), the best of (\d+)$", printed, re.M).groups())
    history = fc.load("iris.safetensors").training.history
    assert (len(history), int(np.argmin(history.validation_loss)) + 1) == (done, kept)


def test_the_same_command_twice_saves_the_same_bits(tmp_path):
    for name, threads in (("a", "1"), ("b", str(fc.get_num_threads()))):
        options = ("--epochs", "2", "--out", f"{name}.safetensors", "--threads", threads)
        assert numbafc("train", *options, cwd=tmp_path).returncode == 0
    a, b = (fc.load(tmp_path / f"{name}.safetensors") for name in "ab")
    assert_same_bits(a.parameters, b.parameters, "parameters")  # the files tell how long it took, too


def test_info_says_what_decides_the_speed(tmp_path):
    done = numbafc("info", cwd=tmp_path)
    assert done.returncode == 0
    for name in ("numbafc", "numba", "numpy", "threads", "threading layer", "cpu", "cpu features", "cache folder"):
        assert re.search(rf"^{name} +\S", done.stdout, re.M), name


BAD = [
    (["train", "missing.csv"], "missing.csv: No such file or directory"),
    (["train", "."], r"Is a directory"),
    (["train", "words.csv"], r"words.csv: expected a number, got 'x' at row 1, column 0"),
    (["train", "one.csv"], "training needs at least 2 samples"),
    (["train", "--hidden", "a,b"], "--hidden must be sizes separated by commas, such as 128,64, got 'a,b'"),
    (["train", "--target", "5"], "neither --target, nor --labels, nor a loss of real targets applies"),
    (["train", "--labels", "one.csv"], "neither --target, nor --labels, nor a loss of real targets applies"),
    (["train", "one.csv", "--labels", "x"], "the target of a table is one of its columns; --labels is for IDX files"),
    (["train", "--out", "loop/m.safetensors"], "cannot be written"),
    (["train", "--hidden", "0"], "--hidden must be at least 1, got 0"),
    (["train", "--epochs", "0"], "--epochs must be at least 1, got 0"),
    (["train", "--activation", "swish"], "--activation must be one of 'identity', 'relu', .*, got 'swish'"),
    (["train", "--optimizer", "x"], "--optimizer must be one of 'sgd', 'adam', .*, got 'x'"),
    (["train", "--schedule", "x"], "--schedule must be one of 'constant', 'step', .*, got 'x'"),
    (["train", "--init", "x"], "--init must be one of 'auto', 'he_normal', .*, got 'x'"),
    (["train", "--loss", "x"], "--loss must be one of 'auto', 'cross_entropy', .*, got 'x'"),
    (["train", "--class-weight", "x"], "--class-weight must be one of 'balanced', got 'x'"),
    (["train", "--learning-rate", "-1"], "--learning-rate must be a finite number above 0, got -1.0"),
    (["train", "--weight-decay", "-1"], "--weight-decay must be a finite number at least 0, got -1.0"),
    (["train", "--dropout", "1"], "--dropout must be a finite number at least 0 and below 1, got 1.0"),
    (["train", "--early-stopping", "0"], "--early-stopping must be at least 1, got 0"),
    (["train", "--batch-size", "0"], "--batch-size must be at least 1, got 0"),
    (["train", "--validation-split", "1"], "--validation-split must be a finite number at least 0 and below 1, got 1.0"),
    (["train", "--seed", "-1"], "--seed must be at least 0, got -1"),
    (["train", "--dtype", "float16"], "--dtype must be one of 'float32', 'float64', got 'float16'"),
    (["train", "--threads", "9999"], "--threads must be at most .*, got 9999; for more, set NUMBA_NUM_THREADS"),
    (["train", "--threads", "0"], "--threads must be at least 1, got 0"),
    (["train", "--clip-sample-norm", "0"], "--clip-sample-norm must be a finite number above 0, got 0"),
    (
        ["train", "real.csv", "--class-weight", "balanced"],
        "--class-weight goes with the loss cross_entropy, and this is mse",
    ),
    (
        ["train", "real.csv", "--label-smoothing", "0.1"],
        "--label-smoothing goes with the loss cross_entropy, and this is mse",
    ),
    (
        ["train", "real.csv", "--loss", "binary_cross_entropy"],
        "real.csv: with the loss binary_cross_entropy, y must be probab",
    ),
    (["evaluate", "m.safetensors", "digits"], "digits: expected 2 features, as the model has, got 64"),
    (["evaluate", "r.safetensors", "real.csv"], r"real.csv: with the loss mse, y must have shape \(samples, 2\)"),
    (["train", "--out", "no/such/folder/m.safetensors"], "cannot be written: expected a file in a folder that exists"),
    (["train", "--plot", "curves.gif"], "--plot must end in .png, .svg, .pdf, got 'curves.gif'"),
    (["train", "--plot", "no/such/folder/a.png"], "cannot be written"),
    (["train", "missing.csv", "--json"], "missing.csv: No such file or directory"),
    (["train", "--resume", "missing.safetensors"], "missing.safetensors: No such file or directory"),
    (["train", "--resume", "m.safetensors"], "m.safetensors: there is no training in it to resume; it was saved without"),
    (["evaluate", "words.csv", "digits"], "words.csv: not a readable safetensors file"),
    (["evaluate", "missing.safetensors", "digits", "--json"], "missing.safetensors: No such file or directory"),
    (["evaluate", "m.safetensors", "words.csv"], "words.csv: expected a number at row 1, column 0"),
    (["evaluate", "m.safetensors", "other.csv"], "label '7' is not one of the model's classes, 0, 1"),
    (["evaluate", "m.safetensors", "wide.csv"], "wide.csv: expected 2 features, as the model has, got 3"),
    (["predict", "m.safetensors", "digits"], "digits: expected 2 features, as the model has, got 64"),
    (["predict", "m.safetensors", "wide.csv"], "wide.csv: expected 2 features, as the model has, got 4 columns"),
    (["predict", "m.safetensors", "other.csv", "--out", "."], "cannot be written"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(here, arguments, message):
    (here.folder / "words.csv").write_text("1,2,0\nx,3,1\n")
    (here.folder / "one.csv").write_text("1,2,0\n")
    (here.folder / "other.csv").write_text("1,2,7\n3,4,7\n")
    (here.folder / "wide.csv").write_text("1,2,3,0\n3,4,5,1\n")
    (here.folder / "loop").symlink_to("loop")
    net = fc.MLP([2, 2])
    net.classes = ("0", "1")
    net.save("m.safetensors")
    (here.folder / "real.csv").write_text("1,2,0.5\n3,4,1.5\n5,6,2.5\n")
    fc.MLP([2, 2], loss="mse").save("r.safetensors")
    before = sorted(path.name for path in here.folder.iterdir())
    done = here(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"numbafc: .*{message}.*\n", done.stderr), done.stderr
    assert sorted(path.name for path in here.folder.iterdir()) == before


def test_a_process_says_it_too(tmp_path):
    done = numbafc("train", "missing.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "numbafc: missing.csv: No such file or directory\n")


def test_no_input_is_written_over(here):
    (here.folder / "a.csv").write_text(IRIS)
    ok(here("train", "a.csv", "--epochs", "1"))
    model = (here.folder / "a.safetensors").read_bytes()
    for arguments in (
        ("train", "a.csv", "--out", "a.csv"),
        ("predict", "a.safetensors", "a.csv", "--out", "a.csv"),
        ("predict", "a.safetensors", "a.csv", "--out", "./a.safetensors"),
    ):
        done = here(*arguments)
        assert done.returncode == 2
        assert "is the file that is read; give the output a name of its own" in done.stderr
    assert (here.folder / "a.csv").read_text() == IRIS
    assert (here.folder / "a.safetensors").read_bytes() == model
    assert "replaced a.safetensors" in ok(here("train", "a.csv", "--epochs", "1"))


def test_a_full_disk_is_said_of_the_file_that_was_asked_for(here, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    fc.MLP([64, 10]).save("m.safetensors")
    monkeypatch.setattr(os, "fsync", full)
    for arguments, path in (
        (("train", "--epochs", "1"), "digits.safetensors"),
        (("predict", "m.safetensors", "digits", "--out", "p.csv"), "p.csv"),
    ):
        done = here(*arguments)
        last = done.stderr.splitlines()[-1]  # a slow machine may have tried before
        assert (done.returncode, last) == (2, f"numbafc: {path}: No space left on device")
    assert [path.name for path in here.folder.iterdir()] == ["m.safetensors"]


def test_labels_with_commas_are_quoted(here):
    (here.folder / "q.csv").write_text('1,"a, b"\n2,c\n' * 5)
    ok(here("train", "q.csv", "--epochs", "1"))
    assert set(ok(here("predict", "q.safetensors", "q.csv")).splitlines()[1:]) <= {'"a, b"', "c"}


def test_a_terminal_without_the_sign_for_squares_still_trains(tmp_path):
    X = np.random.default_rng(0).standard_normal((20, 3))
    np.savez(tmp_path / "r.npz", X=X, y=X[:, 0] + 0.5)
    done = numbafc("train", "r.npz", "--epochs", "1", cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert "validation R? " in done.stdout


def test_divergence_is_exit_code_1(here):
    done = here("train", "--optimizer", "sgd", "--learning-rate", "1e30")
    assert done.returncode == 1
    assert re.fullmatch(r"numbafc: training diverged in epoch 1, batch \d+; .*\n", done.stderr)


def test_a_later_divergence_keeps_the_last_good_parameters(here):
    """Of least squares with a rate just above what is stable: errors grow for some epochs before they are no numbers."""
    X = np.random.default_rng(0).standard_normal((200, 3))
    np.savez("r.npz", X=X, y=X[:, 0] + 0.5)
    options = "--hidden", "", "--optimizer", "sgd", "--learning-rate", "1.5", "--epochs", "1000"
    done = here("train", "r.npz", *options)
    said = (
        r"numbafc: training diverged in epoch (\d+), batch .* before that epoch; .*; r.safetensors has those parameters\n"
    )
    epoch = int(re.fullmatch(said, done.stderr)[1])
    assert (done.returncode, epoch > 2) == (1, True)
    net = fc.load("r.safetensors")
    assert np.isfinite(net.parameters).all()
    before = here("train", "r.npz", *options[:-1], str(epoch - 1), "--out", "before.safetensors")
    assert (before.returncode, "before.safetensors has that network" in before.stderr) == (1, True)  # it is worse than none
    assert_same_bits(net.parameters, fc.load("before.safetensors").parameters, "parameters")


def test_standardisation_is_of_the_samples_to_train_on(here):
    (here.folder / "iris.csv").write_text(IRIS)
    ok(here("train", "iris.csv", "--recipe", "plain", "--epochs", "1", "--validation-split", "0.5", "--seed", "3"))
    training, held_out = fc.files.load("iris.csv").split(0.5, 3)
    raw, _ = fc.files.datasets.load("iris.csv").split(0.5, 3)
    table = fc.load("iris.safetensors").table
    for name, column in zip(("width", "length"), raw.X.T, strict=True):
        scale = next(encoder.scale for encoder in table.encoders if encoder.name == name)
        np.testing.assert_allclose(scale, [column.mean(), column.std()], rtol=1e-6)  # float32
    assert len(held_out.X) == 30
    assert len(training.X) == 30


def test_help_has_examples_and_is_not_cut_off(here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("train", "evaluate", "predict", "export", "compile"):
        assert re.search(rf"^  Examples:\n\n  numbafc {command}\b", ok(here(command, "--help")), re.M)
    commands, _, codes = ok(here("--help")).partition("Commands:")[2].partition("\n  Exit codes:\n")
    assert "\n  130  Ctrl-C" in codes
    assert len(commands.split("\n")) == 8
    assert "..." not in commands
    monkeypatch.setenv("COLUMNS", "200")
    text = ok(here("train", "--help"))
    for part in (
        "  Train a network, by default on the digits.\n",
        "  numbafc train iris.csv --target species --recipe plain --epochs 100\n",
        "[default: last]",
        "[default: all cores]",
        "[default: NAME.safetensors",
    ):
        assert part in text


def test_the_version(here):
    assert ok(here("--version")) == f"numbafc {fc.__version__}\n"


def test_a_terminal_shows_one_line_that_changes(here, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    printed = re.sub(r"\x1b\[[\d;?]*\w", "", ok(here("train", "--epochs", "2")))
    left, line = r"(\d:)?(\d\d:\d\d|--:--)", r"loss [\d.]+, accuracy [\d.]+, validation [\d.]+"
    assert re.search(rf"2/2 ━+ +{left} +\d+ samples/s +{line}", printed)
    monkeypatch.setenv("COLUMNS", "70")
    printed = re.sub(r"\x1b\[[\d;?]*\w", "", ok(here("train", "--epochs", "2")))
    assert re.search(rf"2/2 +{left} +{line}", printed)  # the line is whole, and no place is left for the speed
    assert "epoch 2/2:" not in printed


def test_the_bar_moves_within_an_epoch():
    net = fc.MLP([64, 10])
    net.fit(*fc.files.digits()[1:3], epochs=1)
    display = Display(net, 3, Console(force_terminal=True, file=io.StringIO()))
    net.training.results[4] += 5
    display.get_renderables()
    assert (display.tasks[0].completed, display.tasks[0].total) == (57 + 5, 3 * 57)


# ---- JSON and pictures ---------------------------------------------------------------------------------------------


def test_json_is_one_object_and_nothing_else(here):
    np.savez("r.npz", X=np.arange(40.0).reshape(20, 2), y=np.arange(20.0) / 3)
    result = json.loads(ok(here("train", "r.npz", "--epochs", "2", "--json")))
    net = fc.load(result["model"])
    assert (result["model"], result["data"], result["resume"]) == (
        "r.safetensors",
        "r.npz",
        "numbafc train r.npz --resume r.safetensors --epochs 4",
    )
    assert (result["samples"], result["features"], result["classes"], result["layers"]) == (20, 2, None, [2, 128, 1])
    assert (result["parameters"], result["epochs"], result["interrupted"]) == (net.parameters.size, 2, False)
    assert result["seconds"] > 0
    assert result["samples_per_second"] == pytest.approx(32 / result["seconds"])
    assert [record["epoch"] for record in result["history"]] == [1, 2]
    assert result["history"][0]["score"] is None  # NaN
    assert result["validation_loss"] == result["history"][1]["validation_loss"]
    assert (result["validation_score"], result["score_is"]) == (result["history"][1]["validation_score"], "R²")


def test_the_plot_is_a_picture(here, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)  # which another test may have imported
    (here.folder / "i$r$s.csv").write_text(IRIS)
    assert "drew a.png\n" in ok(here("train", "i$r$s.csv", "--epochs", "2", "--plot", "a.png"))
    assert (here.folder / "a.png").read_bytes().startswith(b"\x89PNG")
    np.savez("r.npz", X=np.arange(40.0).reshape(20, 2), y=np.arange(20.0) / 3)
    ok(here("train", "r.npz", "--epochs", "1", "--plot", "a.SVG"))
    assert "<svg" in (here.folder / "a.SVG").read_text()
    assert "matplotlib.pyplot" not in sys.modules


def test_a_plot_without_matplotlib_is_refused_before_the_training(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = here("train", "--plot", "a.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "numbafc: --plot needs matplotlib, which is not installed: pip install 'numbafc[plot]'\n"


# ---- interrupted and resumed ---------------------------------------------------------------------------------------


def test_ctrl_c_saves_what_was_learnt_and_resuming_gives_the_bits_of_one_run(here):
    command = [sys.executable, "-u", "-m", "numbafc", "train", "--epochs", "1000000", "--dropout", "0.1"]
    # a background job of a shell inherits that Ctrl-C is ignored, and hands it on
    hear = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=hear) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("epoch 3/"):
                break
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
    assert running.returncode == 130
    again = "numbafc train digits --resume digits.safetensors"
    assert f"interrupted; saved digits.safetensors; resume with:\n  {again}\n" in rest
    net = fc.load("digits.safetensors")
    assert net.score(*fc.files.digits()[1:3]) > 0.5
    epochs = str(len(net.training.history) + 2)
    printed = ok(here(*shlex.split(again)[1:], "--epochs", epochs))
    assert f"resumed after epoch {len(net.training.history)} of {epochs}" in printed
    ok(here("train", "--epochs", epochs, "--dropout", "0.1", "--out", "whole.safetensors"))
    assert_same_bits(fc.load("digits.safetensors").parameters, fc.load("whole.safetensors").parameters, "parameters")


RESUMED = ("train", "iris.csv", "--target", "kind", "--validation-split", "0.3", "--class-weight", "balanced")


def test_every_option_that_resuming_needs_is_printed(here, monkeypatch):
    (here.folder / "iris.csv").write_text(IRIS)
    settings = "--early-stopping", "9", "--optimizer", "adamw", "--schedule", "step", "--epochs", "8"
    ok(here(*RESUMED, *settings, "--out", "whole.safetensors"))
    monkeypatch.setattr(outputs.Saver, "__call__", interrupting(1, lambda saver, record: None))
    done = here(*RESUMED, *settings, "--json")
    assert (done.returncode, done.stderr) == (130, "")
    result = json.loads(done.stdout)
    assert (result["interrupted"], result["epochs"], result["validation_loss"]) == (True, 1, None)
    assert result["resume"] == f"numbafc {' '.join(RESUMED)} --resume iris.safetensors"
    ok(here(*shlex.split(result["resume"])[1:]))
    whole, again = fc.load("whole.safetensors"), fc.load("iris.safetensors")
    assert_same_bits(again.parameters, whole.parameters, "parameters")
    assert again.training.history.validation_loss == whole.training.history.validation_loss
    other = here("train", "iris.csv", "--target", "kind", "--resume", "iris.safetensors", "--epochs", "9")
    assert (other.returncode, "--resume iris.safetensors needs the samples and weights" in other.stderr) == (2, True)
    fewer = here(*RESUMED, "--resume", "iris.safetensors", "--epochs", "7")
    assert "--epochs is the number in all, of which iris.safetensors has done 8: ask for more, got 7" in fewer.stderr
    for epochs in ((), ("--epochs", "8")):
        done = here(*RESUMED, "--resume", "iris.safetensors", *epochs)
        assert (done.returncode, done.stdout) == (2, "")
        assert "iris.safetensors has done all of its 8 epochs; give --epochs more, such as 16\n" in done.stderr


def test_the_best_epoch_is_brought_back_by_resuming_and_then_nothing_is_left(here, monkeypatch):
    """An interrupt after the last epoch, before the best parameters are there."""
    (here.folder / "iris.csv").write_text(IRIS)
    settings = "--recipe", "plain", "--early-stopping", "1", "--learning-rate", "0.5", "--epochs", "200"
    result = json.loads(ok(here("train", "iris.csv", *settings, "--out", "whole.safetensors", "--json")))
    assert result["resume"] is None
    last, raised = result["epochs"], []

    def interrupted(saver, record):
        if record.epoch == last and not raised:
            raised.append(record)
            raise KeyboardInterrupt

    monkeypatch.setattr(outputs.Saver, "__call__", interrupted)
    assert here("train", "iris.csv", *settings).returncode == 130
    assert "kept the parameters" in ok(here("train", "iris.csv", "--resume", "iris.safetensors"))
    whole = fc.load("whole.safetensors").parameters
    assert_same_bits(fc.load("iris.safetensors").parameters, whole, "parameters")
    done = here("train", "iris.csv", "--resume", "iris.safetensors", "--epochs", "300")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"early stopping ended iris.safetensors after {last} epochs, 1 of them no better" in done.stderr


def test_ctrl_c_before_the_first_step_saves_nothing(here, monkeypatch):
    monkeypatch.setattr(fc.MLP, "fit", interrupting(1, fc.MLP.fit))
    done = here("train", "--epochs", "1")
    assert (done.returncode, done.stderr) == (130, "numbafc: interrupted before the first step; nothing is saved\n")
    assert not list(here.folder.iterdir())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_saving_loses_nothing(here, monkeypatch):
    monkeypatch.setattr(fc.MLP, "save", interrupting(3, fc.MLP.save))
    assert "saved digits.safetensors; use it" in ok(here("train", "--epochs", "1"))
    assert fc.load("digits.safetensors").training.history.epoch == [1]
    assert [path.name for path in here.folder.iterdir()] == ["digits.safetensors"]


def test_a_long_training_is_saved_on_the_way(here, monkeypatch):
    saved = []
    save = fc.MLP.save
    monkeypatch.setattr(fc.MLP, "save", lambda net, path: (saved.append(len(net.training.history)), save(net, path)))
    ok(here("train", "--epochs", "2"))
    assert saved == [2]
    monkeypatch.setattr(outputs, "SECONDS", 0)
    ok(here("train", "--epochs", "2"))
    assert saved == [2, 1, 2, 2]


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_its_extra_the_command_is_one_sentence(module):
    code = f"import sys; sys.modules[{module!r}] = None; from numbafc.__main__ import main; main()"
    done = run_python(code)
    assert done.returncode == 2
    assert done.stderr == f"numbafc: the command line needs {module}: pip install 'numbafc[cli]'\n"

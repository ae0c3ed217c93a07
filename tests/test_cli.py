"""The command line, as its users run it: a process, its output and its exit code."""

import functools
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import run_python

import numbafc as fc

IRIS = "width,length,kind\n" + "".join(f"{k + n / 50},{k * 2 - n / 40},{'abc'[k]}\n" for n in range(20) for k in range(3))


def numbafc(*arguments, cwd, timeout=300, **environment):
    return subprocess.run(
        [sys.executable, "-m", "numbafc", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


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
    assert re.fullmatch(r"epoch 1/20: loss [\d.]+, accuracy train [\d.]+ test [\d.]+, \d+ samples/s", lines[3])
    assert "numbafc evaluate digits.safetensors digits" in done.stdout
    accuracy = re.fullmatch(r"test accuracy (0\.\d{4})", lines[-1])
    assert accuracy
    assert float(accuracy[1]) >= 0.95
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
    assert done.stdout.splitlines()[-1] == f"test accuracy {accuracy:.4f}"


def test_a_table_from_training_to_predictions(tmp_path):
    (tmp_path / "iris.csv").write_text(IRIS)
    options = ["--target", "kind", "--hidden", "16,8", "--epochs", "60", "--activation", "tanh", "--out", "m.safetensors"]
    trained = numbafc("train", "iris.csv", *options, "--dtype", "float64", "--seed", "3", "--threads", "1", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "numbafc evaluate m.safetensors iris.csv --target kind" in trained.stdout
    assert trained.stdout.splitlines()[-1] == "test accuracy 1.0000"
    evaluated = numbafc("evaluate", "m.safetensors", "iris.csv", "--target", "kind", cwd=tmp_path)
    assert evaluated.stdout.splitlines()[-1] == "accuracy 1.0000"
    predicted = numbafc("predict", "m.safetensors", "iris.csv", "--out", "out.csv", cwd=tmp_path)
    assert predicted.stdout == "wrote 60 predictions to out.csv\n"
    assert (tmp_path / "out.csv").read_text().split() == list("abc") * 20


def test_real_targets(tmp_path):
    X = np.random.default_rng(0).standard_normal((200, 3))
    np.savez(tmp_path / "r.npz", X=X, y=X @ [1.0, 2.0, 3.0] + 0.25)
    trained = numbafc(
        "train", "r.npz", "--hidden", "", "--optimizer", "sgd", "--learning-rate", "0.05", "--epochs", "100", cwd=tmp_path
    )
    assert trained.returncode == 0, trained.stderr
    assert "R² test" in trained.stdout
    assert trained.stdout.splitlines()[-1] == "test R² 1.0000"
    predicted = numbafc("predict", "r.safetensors", "r.npz", cwd=tmp_path)
    # float32, standardised: a few roundings of numbers below 16
    np.testing.assert_allclose(np.array(predicted.stdout.split(), float), X @ [1, 2, 3] + 0.25, rtol=0, atol=1e-4)


def test_the_same_command_twice_saves_the_same_bytes(tmp_path):
    for name, threads in (("a", "1"), ("b", str(fc.get_num_threads()))):
        options = ("--epochs", "2", "--out", f"{name}.safetensors", "--threads", threads)
        assert numbafc("train", *options, cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_info_says_what_decides_the_speed(tmp_path):
    done = numbafc("info", cwd=tmp_path)
    assert done.returncode == 0
    for name in ("numbafc", "numba", "numpy", "threads", "threading layer", "cpu", "cpu features", "cache folder"):
        assert re.search(rf"^{name} +\S", done.stdout, re.M), name


BAD = [
    (["train", "missing.csv"], "missing.csv: No such file or directory"),
    (["train", "."], r"expected a file that ends in .npz, .npy, .csv"),
    (["train", "words.csv"], r"words.csv: expected a number at row 1, column 0 \(from 0\), got 'x'"),
    (["train", "one.csv"], "training needs at least 2 samples"),
    (["train", "--hidden", "a,b"], "--hidden must be sizes separated by commas, such as 128,64, got 'a,b'"),
    (["train", "--target", "5"], "neither --target nor a loss of real targets applies"),
    (["train", "--out", "loop/m.safetensors"], "cannot be written"),
    (["train", "--hidden", "0"], "--hidden must be at least 1, got 0"),
    (["train", "--activation", "swish"], "activation must be one of 'identity', 'relu', .*, got 'swish'"),
    (["train", "--optimizer", "x"], "optimizer must be one of 'sgd', 'adam', .*, got 'x'"),
    (["train", "--loss", "x"], "--loss must be one of 'auto', 'cross_entropy', .*, got 'x'"),
    (["train", "--learning-rate", "-1"], "--learning-rate must be a finite number above 0, got -1.0"),
    (["train", "--batch-size", "0"], "--batch-size must be at least 1, got 0"),
    (["train", "--test-share", "1"], "--test-share must be a finite number above 0 and below 1, got 1.0"),
    (["train", "--seed", "-1"], "--seed must be at least 0, got -1"),
    (["train", "--dtype", "float16"], "dtype must be float32 or float64, got 'float16'"),
    (["train", "--threads", "9999"], "the number of threads must be from 1 to"),
    (["train", "--out", "no/such/folder/m.safetensors"], "cannot be written: expected a file in a folder that exists"),
    (["evaluate", "words.csv", "digits"], "words.csv: not a readable safetensors file"),
    (["evaluate", "missing.safetensors", "digits"], "missing.safetensors: No such file or directory"),
    (["evaluate", "m.safetensors", "words.csv"], "words.csv: expected a number at row 1, column 0"),
    (["evaluate", "m.safetensors", "other.csv"], "label '7' is not one of the model's classes, 0, 1"),
    (["evaluate", "m.safetensors", "wide.csv"], r"X must have shape \(samples, 2\)"),
    (["predict", "m.safetensors", "digits"], r"X must have shape \(samples, 2\)"),
    (["predict", "m.safetensors", "wide.csv"], "wide.csv: expected 2 features, as the model has, got 4 columns"),
    (["predict", "m.safetensors", "other.csv", "--out", "."], "cannot be written"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, arguments, message):
    (tmp_path / "words.csv").write_text("1,2,0\nx,3,1\n")
    (tmp_path / "one.csv").write_text("1,2,0\n")
    (tmp_path / "other.csv").write_text("1,2,7\n3,4,7\n")
    (tmp_path / "wide.csv").write_text("1,2,3,0\n3,4,5,1\n")
    (tmp_path / "loop").symlink_to("loop")
    net = fc.MLP([2, 2])
    net.classes = ("0", "1")
    net.save(tmp_path / "m.safetensors")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = numbafc(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(rf"numbafc: .*{message}.*\n", done.stderr), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_no_input_is_written_over(tmp_path):
    (tmp_path / "a.csv").write_text(IRIS)
    assert numbafc("train", "a.csv", "--epochs", "1", cwd=tmp_path).returncode == 0
    model = (tmp_path / "a.safetensors").read_bytes()
    for arguments in (
        ("train", "a.csv", "--out", "a.csv"),
        ("predict", "a.safetensors", "a.csv", "--out", "a.csv"),
        ("predict", "a.safetensors", "a.csv", "--out", "./a.safetensors"),
    ):
        done = numbafc(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert "is the file that is read; give the output a name of its own" in done.stderr
    assert (tmp_path / "a.csv").read_text() == IRIS
    assert (tmp_path / "a.safetensors").read_bytes() == model
    again = numbafc("train", "a.csv", "--epochs", "1", cwd=tmp_path)
    assert "replaced a.safetensors" in again.stdout


def test_labels_with_commas_are_quoted(tmp_path):
    (tmp_path / "q.csv").write_text('1,"a, b"\n2,c\n' * 5)
    assert numbafc("train", "q.csv", "--epochs", "1", cwd=tmp_path).returncode == 0
    lines = set(numbafc("predict", "q.safetensors", "q.csv", cwd=tmp_path).stdout.splitlines())
    assert lines <= {'"a, b"', "c"}


def test_a_terminal_without_the_sign_for_squares_still_trains(tmp_path):
    X = np.random.default_rng(0).standard_normal((20, 3))
    np.savez(tmp_path / "r.npz", X=X, y=X[:, 0] + 0.5)
    done = numbafc("train", "r.npz", "--epochs", "1", cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert "test R? " in done.stdout


def test_divergence_is_exit_code_1(tmp_path):
    done = numbafc("train", "--optimizer", "sgd", "--learning-rate", "1e30", cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"numbafc: training diverged in epoch 1, batch \d+; .*\n", done.stderr)


def test_help_has_examples(tmp_path):
    for command in ("train", "evaluate", "predict"):
        done = numbafc(command, "--help", cwd=tmp_path)
        assert done.returncode == 0
        assert f"numbafc {command}" in done.stdout
    text = numbafc("train", "--help", cwd=tmp_path).stdout
    for part in (
        "numbafc train iris.csv --target species",
        "[default: last]",
        "[default: all cores]",
        "[default: NAME.safetensors",
    ):
        assert part in text


def test_ctrl_c_saves_what_was_learnt(tmp_path):
    command = [sys.executable, "-u", "-m", "numbafc", "train", "--epochs", "1000000"]
    # a background job of a shell inherits that Ctrl-C is ignored, and hands it on
    hear = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, preexec_fn=hear) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("epoch 3/"):
                break
        running.send_signal(signal.SIGINT)
        start = time.monotonic()
        rest = running.stdout.read()
    assert running.returncode == 130
    assert time.monotonic() - start < 10
    assert "interrupted; saved digits.safetensors" in rest
    assert fc.load(tmp_path / "digits.safetensors").score(*fc.files.digits()[1:3]) > 0.5


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_its_extra_the_command_is_one_sentence(module):
    code = f"import sys; sys.modules[{module!r}] = None; from numbafc.__main__ import main; main()"
    done = run_python(code)
    assert done.returncode == 2
    assert done.stderr == f"numbafc: the command line needs {module}: pip install 'numbafc[cli]'\n"

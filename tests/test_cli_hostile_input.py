"""The command with hostile input: impossible numbers, control characters, odd terminals, errors, settings given again.

Each command ends with one printable sentence and its exit code, whatever it is given.
"""

import builtins
import csv
import errno
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import typer
from commands import IRIS, interrupting, ok, plainly, run
from helpers import assert_same_bits, run_python
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import numbafc as fc
from numbafc import _numba
from numbafc.cli import app, outputs, screen
from numbafc.cli.display import Display
from numbafc.cli.exit_codes import BAD_INPUT, DIVERGED, FAULT, INTERRUPTED, NOBODY_READS
from numbafc.cli.settings import OF_NETWORK, OF_TRAINING


@pytest.fixture(name="here")
def _plainly(here):
    return plainly(here)


LONGEST = 460  # characters of a sentence: those about a file have 150 for its name
TINY = "".join(f"{n},{n * n % 7},{'ab'[n % 2]}\n" for n in range(20))


def options_of(command):
    """Every option of a command that takes a value, from the parser itself."""
    params = typer.main.get_command(app).commands[command].params
    return sorted(p.opts[0] for p in params if p.opts[0].startswith("--") and not getattr(p, "is_flag", False))


def one_sentence(done):
    """A refusal as it must be."""
    assert done.stdout == "", done
    assert done.stderr.startswith("numbafc: "), done
    assert done.stderr.endswith("\n")
    sentence = done.stderr[9:-1]
    assert sentence.isprintable(), ascii(sentence)
    assert 5 < len(sentence) <= LONGEST, sentence
    return sentence


# ---- numbers that no machine can have ------------------------------------------------------------------------------

EXTREMES = (
    *("1" + "0" * 30, str(2**63), str(2**63 - 1), str(2**64), "-1", "-" + str(2**63), "0", "-0", "9" * 5000, "1_0"),
    *("1e400", "-1e400", "nan", "inf", "-inf", "1e-400", "5e-324", "1e38", "1e308", "0.9999999999999999999", "0x10"),
    *("", " ", "x", "x" * 3000, "\x1b[31m", "\u202e", "1,,2", "1,2,", ",", "٣", "½", "😀", "a\nb", "--", "../..", "1 2"),
)


@pytest.mark.filterwarnings("default")  # of a loss that is no number, say: a line
@pytest.mark.parametrize("option", options_of("train"))
def test_every_option_works_or_is_refused_in_a_sentence(here, monkeypatch, option):
    """Also where it is one that nobody has thought of yet."""
    fit = fc.MLP.fit

    def short(net, *arguments, epochs, **options):
        return fit(net, *arguments, epochs=min(epochs, 1), **options)

    monkeypatch.setattr(fc.MLP, "fit", short)
    (here.folder / "t.csv").write_text(TINY)
    for value in EXTREMES:
        done = here("train", "t.csv", "--hidden", "2", "--epochs", "1", option, value)
        if done.returncode == BAD_INPUT:
            one_sentence(done)
        else:
            assert done.returncode in (0, DIVERGED), (value, done)
            assert all(line.isprintable() for line in (done.stdout + done.stderr).split("\n")), (value, done)


def test_a_batch_size_above_the_number_of_samples_is_one_batch(here):
    (here.folder / "t.csv").write_text(TINY)
    expected = None
    for size in (16, 20, 2**63, 10**30):  # 16 samples are trained on
        ok(here("train", "t.csv", "--epochs", "3", "--batch-size", size, "--out", "m.safetensors"))
        parameters = fc.load("m.safetensors").parameters
        expected = parameters if expected is None else expected
        assert_same_bits(parameters, expected, f"batch size {size}")


def test_what_is_accepted_for_a_training_can_be_resumed(here):
    (here.folder / "t.csv").write_text(TINY)
    most = ("--batch-size", 10**30, "--seed", 10**30, "--early-stopping", 2**63 - 1)
    ok(here("train", "t.csv", "--epochs", "1", *most))
    ok(here("train", "t.csv", "--epochs", "2", *most, "--resume", "t.safetensors"))


def test_layers_that_fit_no_memory_are_refused_before_it_is_taken(here):
    for hidden in ("1" + "0" * 30, str(10**12), "1000000,1000000"):
        assert "--hidden makes " in one_sentence(here("train", "--hidden", hidden))


# ---- text of other people's ----------------------------------------------------------------------------------------

HOSTILE = (
    "[bold]b[/bold]",
    "[/]",
    ":smile:",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "a\nb",
    "a\rb",
    "\u202eevil",
    "\x9b2J",
)
TEXT = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
)
LABEL = TEXT.map(str.strip)


def table(labels, header):
    """A csv file of 12 samples."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow([*header, "the label"])
    writer.writerows((n, n * n % 7, labels[n % len(labels)]) for n in range(12))
    return file.getvalue()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(LABEL.map("w {}".format), min_size=2, max_size=3, unique=True),
    st.lists(TEXT.map("h {}".format), min_size=2, max_size=2, unique=True),
    TEXT,
)
def test_control_characters_in_data_reach_no_terminal_and_no_text_is_lost(here, capfd, labels, header, name):
    name = "n" + "".join(c for c in name if c not in "/\0")[:20].encode()[:40].decode(errors="ignore") + ".csv"
    model = f"{name}.safetensors"
    with open(name, "w", newline="", encoding="utf-8") as file:  # noqa: PTH123
        file.write(table(labels, header))
    options = ("--recipe", "plain", "--epochs", "1", "--hidden", "2", "--out", model)
    names = tuple(sorted(label.strip() for label in labels))
    commands = [
        ("train", name, *options),
        ("evaluate", model, name),
        ("train", "nowhere/" + name),
        ("evaluate", name, name),
    ]
    for command in commands:
        done = run(capfd, *command)
        for line in (done.stdout + done.stderr).split("\n"):
            assert line.isprintable(), ascii(line)
        if command[0] == "evaluate" and command[1] == model:
            first, *rest = (line.split(" ")[0] for line in done.stdout.splitlines()[4:])  # a line for each, and no more
            assert (first, [first, *rest].index("confusion:")) == ("class", 1 + len(names)), done.stdout
            for label in names:
                assert screen.label(label) in done.stdout
        assert done.returncode in (0, DIVERGED, BAD_INPUT), done
    assert fc.load(model).classes == names
    told = run(capfd, "train", name, *options, "--json")
    assert json.loads(told.stdout)["classes"] == list(names)
    assert told.stdout.isascii()
    measured = json.loads(run(capfd, "evaluate", model, name, "--json").stdout)
    assert [one["class"] for one in measured["classes"]] == list(names)
    assert (measured["model"], measured["data"]) == (model, name)
    predicted = run(capfd, "predict", model, name).stdout  # a pipe: exact
    _, *rows = csv.reader(io.StringIO(predicted, newline=""))  # below the target's name
    assert len(rows) == 12
    assert {row[0] for row in rows} <= set(names)


def test_data_on_a_terminal_are_printable(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    screen.print_data(['"a\x1b[31m\nb"\n', "c\n"])
    assert sys.stdout.getvalue() == '"a\\x1b[31m\\nb"\nc\n'


def test_a_printed_command_means_the_same_to_a_shell():
    words = ["plain", "a b", "it's", "", *HOSTILE, "back\\slash\x1b'", "\udcff\x80é"]
    command = screen.command("printf", r"%s\0", *words)
    assert command.isprintable()
    told = subprocess.run(["bash", "-c", command], capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"})
    assert told.stdout.split(b"\0")[:-1] == [os.fsencode(word) for word in words]


def test_a_file_that_looks_like_an_option_is_printed_as_a_file(here):
    (here.folder / "-x.csv").write_text(TINY)
    printed = ok(here("train", "./-x.csv", "--epochs", "1"))
    evaluate = next(line for line in printed.splitlines() if "evaluate" in line)
    assert evaluate == "  numbafc evaluate ./-x.safetensors ./-x.csv"
    ok(here(*evaluate.split()[1:]))


@pytest.mark.parametrize("length", [1000, 100_000])
def test_messages_are_short_however_long_the_input(here, length):
    (here.folder / "t.csv").write_text(TINY)
    (here.folder / "long.csv").write_text(TINY.replace("a", "a" * 900))
    ok(here("train", "long.csv", "--epochs", "1"))
    long = "x\n" * length
    cases = [
        ("train", long),
        ("train", "t.csv", "--out", long),
        ("train", "t.csv", "--target", long),
        ("evaluate", long, long),
    ]
    cases += [
        ("train", "t.csv", f"--{long}"),
        ("train", "t.csv", *[long] * 3),
        (long,),
        ("train", "t.csv", "--resume", long),
    ]
    cases += [("evaluate", "long.safetensors", "t.csv")]
    for case in cases:
        done = here(*case)
        assert done.returncode == BAD_INPUT, case
        one_sentence(done)
    for name in ("", ".", "..", "/", here.folder):
        assert here("train", name).returncode == here("predict", name, name).returncode == BAD_INPUT
        one_sentence(here("train", name))


# ---- the terminal --------------------------------------------------------------------------------------------------


def test_output_is_whole_on_a_terminal_of_any_size(here, monkeypatch):
    """Also in a process of its own, where nothing has looked at the size before."""
    for name in ("COLUMNS", "LINES"):
        for value in ("0", "-1", "²", "9" * 30, "5"):
            with monkeypatch.context() as patched:
                patched.setenv(name, value)
                printed = ok(here("info"))
            assert f"numbafc         {fc.__version__}\n" in printed
            assert "cache folder" in printed
    code = "import sys; sys.argv = ['numbafc', '--version']; from numbafc.__main__ import main; main()"
    assert run_python(code.replace("--version", "info"), COLUMNS="0").stdout.startswith("numbafc  ")
    assert run_python(code, COLUMNS="²").stdout == f"numbafc {fc.__version__}\n"


@pytest.mark.parametrize("width", [1, 5, 20, 33, 50, 79, 200])
def test_a_progress_bar_is_one_line_on_any_terminal(width):
    net = fc.MLP([64, 10])
    history = net.fit(*fc.files.digits()[1:3], epochs=1)
    file = io.StringIO()
    display = Display(net, 100, screen.Console(force_terminal=True, file=file, width=width, legacy_windows=False))
    display(history[0])
    display.console.print(display.get_renderable())
    (line,) = file.getvalue().strip("\n").split("\n")
    told = re.sub(r"\x1b\[[\d;?]*\w", "", line)
    assert told.startswith("1/100"[:width]) or width < 6, told  # how far it is, first of all
    assert len(told) <= width


def test_a_terminal_without_cursor_movement_gets_plain_lines(here, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    (here.folder / "t.csv").write_text(TINY)
    printed = ok(here("train", "t.csv", "--epochs", "2"))
    assert "\nepoch 1/2: loss" in printed
    assert "\nepoch 2/2: loss" in printed
    assert "\x1b" not in printed


# ---- every ending has words ----------------------------------------------------------------------------------------


def exceptions():
    """All of Python's own, without a text and with an empty one, and as a system call raises them."""
    for kind in vars(builtins).values():
        if isinstance(kind, type) and issubclass(kind, BaseException) and not issubclass(kind, Warning):
            for arguments in ((), ("",)):
                try:
                    yield kind(*arguments)
                except TypeError:  # it needs more
                    continue
    yield from (OSError(5, None, "f"), OSError(None, None, "f"), OSError(errno.EIO, "words"), OSError(99999, ""))
    yield UnicodeDecodeError("utf-8", b"\xff", 0, 1, "")
    yield type("PanicException", (BaseException,), {})("a panic of Rust")


def test_every_exception_ends_a_command_with_a_message_and_no_traceback(here, monkeypatch):
    for error in exceptions():

        def fails(error=error):
            raise error

        monkeypatch.setattr(_numba, "environment", fails)
        done = here("info")
        if isinstance(error, SystemExit):
            continue
        if isinstance(error, BrokenPipeError):
            assert (done.returncode, done.stderr) == (NOBODY_READS, "")
            continue
        sentence = one_sentence(done)
        kinds = {KeyboardInterrupt: INTERRUPTED, FloatingPointError: DIVERGED}
        expected = next((code for kind, code in kinds.items() if isinstance(error, kind)), None)
        expected = expected or (
            BAD_INPUT if isinstance(error, (ValueError, TypeError, OSError, ImportError, MemoryError)) else FAULT
        )
        assert done.returncode == expected, (error, sentence)
        assert ("fault of numbafc's own" in sentence) == (expected == FAULT)


def test_a_traceback_is_there_for_whoever_asks(here, monkeypatch):
    monkeypatch.setenv("NUMBAFC_TRACEBACK", "1")
    done = here("train", "missing.csv")
    assert done.returncode == BAD_INPUT
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1] == "numbafc: missing.csv: No such file or directory"


def test_a_warning_is_a_line(here, monkeypatch):
    import warnings

    def environment():
        warnings.warn("two\nlines", RuntimeWarning, stacklevel=1)
        return {}

    monkeypatch.setattr(_numba, "environment", environment)
    warnings.simplefilter("always")
    assert here("info").stderr == "numbafc: warning: two lines\n"


def test_a_usage_error_is_a_sentence_too(here):
    for words, said in (
        (("--nope",), "No such option: --nope"),
        (("train", "--batch-size"), "requires an argument"),
        (("nope",), "No such command 'nope'; see numbafc --help"),
        (("predict", "a", "b", "--keep"), "requires an argument"),
        (("evaluate",), "Missing argument"),
    ):
        done = here(*words)
        assert done.returncode == BAD_INPUT
        assert said in one_sentence(done)


# ---- Numba's variables ---------------------------------------------------------------------------------------------

VARIABLES = (
    *(
        "NUMBA_NUM_THREADS=0",
        "NUMBA_NUM_THREADS=-3",
        "NUMBA_NUM_THREADS=x",
        "NUMBA_NUM_THREADS=",
        "NUMBA_NUM_THREADS=1000000",
    ),
    *("NUMBA_THREADING_LAYER=nonsense", "NUMBA_THREADING_LAYER_PRIORITY=omp", "NUMBA_CPU_NAME=nonsense", "NUMBA_OPT=9"),
    *("NUMBA_CPU_FEATURES=nonsense", "NUMBA_CPU_FEATURES=+nonsense", "NUMBA_DISABLE_JIT=x"),
)


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_that_numba_cannot_use_is_named(variable):
    name, _, value = variable.partition("=")
    code = "import sys; sys.argv = ['numbafc', 'info']; from numbafc.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env={**os.environ, name: value}, capture_output=True, text=True, check=False
    )
    assert done.returncode == BAD_INPUT, done
    sentence = one_sentence(done)
    assert f"environment variable {name} " in sentence
    assert repr(value) in sentence


def test_an_environment_variable_is_checked_by_the_command_alone():
    code = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
hook = sys.excepthook
import numbafc
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, sys.excepthook is hook)
"""
    assert run_python(code, NUMBA_THREADING_LAYER="nonsense").stdout == "True True\n"


# ---- --resume beside the settings of the file ----------------------------------------------------------------------

# Of each option of a training: the value it had, as a person writes it, another one.
SETTINGS = {
    "hidden": ("5,4", "05, 4", "4,5"),
    "activation": ("tanh", "tanh", "relu"),
    "init": ("xavier_normal", "xavier_normal", "auto"),
    "loss": ("cross_entropy", "auto", "mse"),
    "label_smoothing": ("0.1", "1e-1", "0"),
    "dtype": ("float64", "float64", "float32"),
    "seed": ("7", "07", "0"),
    "optimizer": ("adamw", "adamw", "adam"),
    "learning_rate": ("0.01", "1e-2", "0.011"),
    "weight_decay": ("0.02", ".02", "0"),
    "schedule": ("cosine", "cosine", "constant"),
    "batch_size": ("7", "7", "8"),
    "dropout": ("0.25", ".25", "0"),
    "clip_norm": ("2", "2.0", "3"),
    "clip_sample_norm": ("3", "3.0", "2"),
    "early_stopping": ("9", "9", "8"),
}
OTHERS = {
    *("target", "labels", "validation_split", "class_weight", "epochs", "threads", "out", "resume", "plot"),
    *("delimiter", "decimal", "encoding", "na", "categorical", "numeric", "dates", "drop", "keep", "task"),
    *("recipe", "members", "folds", "time_limit", "report"),
}


def words(which=0, names=SETTINGS):
    return [word for name in names for word in (f"--{name.replace('_', '-')}", SETTINGS[name][which])]


def test_each_option_of_train_is_a_setting_that_resuming_compares_or_one_that_it_takes():
    found = {option[2:].replace("-", "_") for option in options_of("train")}
    assert set(SETTINGS) == {*OF_NETWORK, *OF_TRAINING}
    assert found == set(SETTINGS) | OTHERS


def test_a_job_is_run_again_as_it_was_with_resume_added(here, monkeypatch):
    (here.folder / "iris.csv").write_text(IRIS)
    job = [
        "train",
        "iris.csv",
        "--target",
        "kind",
        "--epochs",
        "6",
        "--validation-split",
        "0.3",
        "--class-weight",
        "balanced",
    ]
    job += [*words(), "--out"]
    ok(here(*job, "whole.safetensors"))
    with monkeypatch.context() as patched:
        patched.setattr(outputs.Saver, "__call__", interrupting(1, lambda saver, record: None))
        assert here(*job, "m.safetensors").returncode == INTERRUPTED
    ok(here(*job, "m.safetensors", "--resume", "m.safetensors"))
    whole, again = fc.load("whole.safetensors"), fc.load("m.safetensors")
    assert_same_bits(again.parameters, whole.parameters, "parameters")
    assert again.training.recipe == whole.training.recipe


def test_a_setting_that_is_the_files_is_taken_and_another_refused(here, monkeypatch):
    (here.folder / "iris.csv").write_text(IRIS)
    with monkeypatch.context() as patched:
        patched.setattr(outputs.Saver, "__call__", interrupting(1, lambda saver, record: None))
        assert here("train", "iris.csv", "--epochs", "9", *words(), "--out", "m.safetensors").returncode == INTERRUPTED

    def began(net, *arguments, **options):
        raise FloatingPointError("it began")

    monkeypatch.setattr(fc.MLP, "fit", began)
    for name, (then, _, other) in SETTINGS.items():
        resume = ["train", "iris.csv", "--resume", "m.safetensors"]
        done = here(*resume, *words(1, [name]))
        assert (done.returncode, done.stderr) == (DIVERGED, "numbafc: it began\n"), name
        option = f"--{name.replace('_', '-')}"
        refused = here(*resume, *words(2, [name]))
        sentence = one_sentence(refused)
        assert refused.returncode == BAD_INPUT
        assert f"its training has {option} " in sentence, sentence
        assert f"got {float(other) if name in NUMBERS_OF_REALS else other};" in sentence, sentence
        if name not in ("optimizer", "schedule"):
            assert str(float(then) if name in NUMBERS_OF_REALS else then) in sentence


NUMBERS_OF_REALS = "label_smoothing", "learning_rate", "weight_decay", "dropout", "clip_norm", "clip_sample_norm"


def test_loss_auto_beside_resume_is_what_it_is_for_the_data(here):
    (here.folder / "t.csv").write_text("".join(f"{n},{n * n % 7},{n % 3}\n" for n in range(20)))
    ok(here("train", "t.csv", "--epochs", "1", "--loss", "mse"))
    done = here("train", "t.csv", "--epochs", "2", "--loss", "auto", "--resume", "t.safetensors")
    assert done.returncode == BAD_INPUT
    assert "its training has --loss mse, got auto, which is cross_entropy for these data" in done.stderr
    ok(here("train", "t.csv", "--epochs", "2", "--loss", "mse", "--resume", "t.safetensors"))


def test_evaluate_knows_the_samples_of_a_training_with_weights(here):
    (here.folder / "t.csv").write_text(TINY + "3,4,b\n" * 7)
    for weight in ((), ("--class-weight", "balanced")):
        ok(here("train", "t.csv", "--epochs", "1", *weight))
        model = sorted(here.folder.glob("*.safetensors"))[0 if not weight else -1].name
        assert "trained on " in ok(here("evaluate", model, "t.csv")), weight
    assert len(list(here.folder.glob("*.safetensors"))) == 2


def test_plots_and_lines_that_fail_do_not_hide_the_model(here, monkeypatch):
    pytest.importorskip("matplotlib")
    (here.folder / "t.csv").write_text(TINY)
    monkeypatch.setattr("numbafc.cli.curves.draw", lambda *_: np.ones(1)[5])
    done = here("train", "t.csv", "--epochs", "1", "--plot", "a.png", "--json")
    assert done.returncode == FAULT
    assert json.loads(done.stdout)["model"] == "t.safetensors"

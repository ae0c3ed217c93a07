"""The first second of the command `numbafc`, in which NumPy and Numba are imported, and its last: each ends with one line.

`python -m numbafc` imports the package before any line of the command runs. So this module comes first of all, and imports
nothing but what Python has loaded, until it hears Ctrl-C. It does nothing where numbafc is a library of another program.
"""

import _signal  # signal imports enum
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType, TracebackType
    from typing import NoReturn

BAD_INPUT, FAULT, INTERRUPTED = 2, 70, 130
TRACEBACK = "NUMBAFC_TRACEBACK"  # this variable, set to anything, shows the traceback of whatever went wrong
MOST_THREADS = max(1024, os.cpu_count() or 1)  # OpenMP ends in a crash where it can make no more
LAYERS = ("default", "safe", "forksafe", "threadsafe", "tbb", "omp", "workqueue")

# What Numba finds out too late or tells in many lines: the variable, what it may be, and in which words.
RULES: "dict[str, tuple[Callable[[str], bool], str]]" = {
    "NUMBA_NUM_THREADS": (
        lambda value: value.isascii() and len(value) < 99 and value.strip().isdigit() and 1 <= int(value) <= MOST_THREADS,
        f"a whole number from 1 to {MOST_THREADS}",
    ),
    "NUMBA_THREADING_LAYER": (lambda value: value.lower() in LAYERS, f"one of {', '.join(LAYERS)}"),
    "NUMBA_THREADING_LAYER_PRIORITY": (
        lambda value: sorted(value.split()) == ["omp", "tbb", "workqueue"],
        "the words tbb omp workqueue in any order",
    ),
    "NUMBA_CPU_FEATURES": (
        lambda value: all(word[:1] in ("+", "-") for word in value.split(",")) or not value,
        "names with + or - before each, separated by commas, such as -avx512f",
    ),
}


def is_command() -> bool:
    """Tell whether this process is the command, and numbafc no library of another program."""
    first = sys.argv[0] if getattr(sys, "argv", None) else ""
    if first == "-m":  # while the package of `python -m numbafc` is imported
        words = sys.orig_argv
        return "-m" in words and words[words.index("-m") + 1 :][:1] == ["numbafc"]
    return first.replace("\\", "/").rpartition("/")[2].removesuffix(".exe") == "numbafc"


def begin() -> None:
    """From now on, end with one line on Ctrl-C and on what fails; now, where a variable is one that Numba cannot use."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # a background job of a shell ignores Ctrl-C
        _signal.signal(_signal.SIGINT, on_interrupt)
    sys.excepthook = on_failure
    if not sys.warnoptions:
        import warnings

        warnings.filterwarnings("error", r"Environment variable 'NUMBA_", RuntimeWarning)  # on_failure has its words
    wrong = wrong_variable(os.environ)
    if wrong is not None:
        end(wrong, BAD_INPUT)


def wrong_variable(environment: "Mapping[str, str]") -> str | None:
    """A sentence about the first variable of Numba's that is wrong, or None."""
    for name, (fits, words) in RULES.items():
        value = environment.get(name)
        if value is not None and not fits(value):
            return f"the environment variable {name} must be {words}, got {value!r:.80}; set it to that, or unset it"
    return None


def on_interrupt(number: int, frame: "FrameType | None") -> "NoReturn":
    """End at once: nothing is begun yet, or all is done. An exception could be lost inside an import, or become another."""
    os.write(2, b"numbafc: interrupted\n")
    os._exit(INTERRUPTED)


def on_failure(kind: type[BaseException], error: BaseException, trace: "TracebackType | None") -> "NoReturn":
    """End the process with one sentence about what failed."""
    import re

    if os.environ.get(TRACEBACK):
        sys.__excepthook__(kind, error, trace)
    words = " ".join(str(error).split())
    variable = re.search(r"variable '(\w+)' is defined but its associated value '(.*)' could not be parsed", words)
    if issubclass(kind, KeyboardInterrupt):
        end("interrupted", INTERRUPTED)
    if variable:
        name, value = variable.groups()
        end(f"the environment variable {name} is {value!r:.80}, which Numba cannot use; mend it, or unset it", BAD_INPUT)
    told = f"numbafc cannot start: {kind.__name__}: {words:.200}"
    if issubclass(kind, ImportError | MemoryError | OSError):
        end(told, BAD_INPUT)
    end(f"{told}; {TRACEBACK}=1 shows where", FAULT)


def end(sentence: str, code: int) -> "NoReturn":
    """End the process with one sentence."""
    os.write(2, f"numbafc: {printable(sentence)}\n".encode(errors="backslashreplace"))
    os._exit(code)


def printable(text: str) -> str:
    """The text with what cannot be printed, a line's end and an escape sequence among them, written as Python would."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def finish() -> None:
    """Write what is left of the output. Where nobody reads it any more, or a disk is full, that was said, or no matter."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)  # or Python tries again, and says so


if is_command():
    begin()

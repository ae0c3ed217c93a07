"""How to repeat a training and its report: the command, the versions, the seed, and what the data were."""

from __future__ import annotations

import hashlib
import html
import platform
from pathlib import Path

import numpy as np

from ... import __version__, _numba
from ...files.shown import printable
from .pieces import paragraph, table
from .subject import Subject


def section(subject: Subject) -> str:
    """Everything of it."""
    net = subject.net
    rows = [("seed", str(net.seed)), ("numbafc", __version__), ("Python", platform.python_version())]
    rows += [("NumPy", np.__version__)]
    environment = _numba.environment()
    rows += [(name.replace("_", " "), _plain(value)) for name, value in environment.items() if "folder" not in name]
    if net.training is not None and net.training.digest is not None:
        rows.append(("fingerprint of the samples that it was trained on", f"{net.training.digest:08x}"))
    for path in subject.files:
        rows.append((f"SHA-256 of {path.name}", digest(path)))
    said = "The same seed, data and settings give the same bits, on any number of threads and any instruction set."
    return f"<pre>{html.escape(printable(subject.command))}</pre>" + paragraph(said) + table(("", ""), rows, "words")


def digest(path: Path) -> str:
    """The SHA-256 of a file as it is now, or why there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        return f"cannot be read again: {type(error).__name__}"


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)

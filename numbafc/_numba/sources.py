"""The sources of the package as one number: what is compiled from others is never taken for theirs."""

from __future__ import annotations

import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parent.parent


def digest() -> str | None:
    """A hash of every source as it is now; None where they are no files that can be read, as in an archive.

    Of all, for a kernel has constants and functions of many files in it, and Python does not tell which.
    """
    try:
        paths = sorted(PACKAGE.rglob("*.py"))
        parts = [str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes() for path in paths]
    except OSError:
        return None
    return hashlib.sha256(b"\0".join(parts)).hexdigest() if parts else None


# Taken as the package is imported: the code in this process is that of these sources, whatever becomes of the files.
AT_IMPORT = digest()

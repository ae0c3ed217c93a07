"""`numbafc` and `python -m numbafc`: the command line, or one sentence where its extra is not installed."""

from __future__ import annotations

import sys

from . import _startup


def main() -> None:
    """Run the command line."""
    try:
        from .cli import app
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in ("typer", "rich"):
            raise
        sys.stderr.write(f"numbafc: the command line needs {missing}: pip install 'numbafc[cli]'\n")
        raise SystemExit(_startup.BAD_INPUT) from None
    try:
        app()
    finally:
        _startup.finish()


if __name__ == "__main__":
    main()

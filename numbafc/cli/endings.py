"""How a command ends: 0 done, 1 training diverged, 2 bad input (with one sentence), 130 interrupted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import typer

DIVERGED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def in_one_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Whatever goes wrong ends a command with one sentence and its exit code; never with a traceback."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt as error:
            _end(str(error) or "interrupted", INTERRUPTED)
        except FloatingPointError as error:
            _end(str(error), DIVERGED)
        except BrokenPipeError:  # nobody reads on, as in `numbafc predict … | head`
            raise
        except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
            _end(_sentence(error), BAD_INPUT)

    return wrapped


def _end(sentence: str, code: int) -> None:
    typer.echo(f"numbafc: {' '.join(sentence.split())}", err=True)
    raise typer.Exit(code) from None


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)

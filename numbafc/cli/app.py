"""The commands, put together."""

from __future__ import annotations

import functools
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from . import compile as compile_
from . import evaluate, exit_codes, export, info, predict, train


class Commands(TyperGroup):
    """The commands, each of which ends with a code of exit_codes.py."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        run = functools.partial(super().main, *arguments, **options | {"standalone_mode": False})
        if not options.get("standalone_mode", True):
            return run()
        sys.exit(exit_codes.exit_code(run))

    def invoke(self, context: Any) -> Any:
        try:
            return super().invoke(context)
        except exit_codes.UsageError:
            raise
        except BaseException as error:  # typer.Exit, too: Ctrl-C anywhere else comes back as its code alone
            raise exit_codes.Ended(error) from error


app = typer.Typer(
    cls=Commands,
    epilog=f"Exit codes:\n\n\b\n{exit_codes.CODES.strip()}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take [default: …] for markup, and hide it
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"numbafc {__version__}")
        raise typer.Exit


@app.callback()
def numbafc(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Fully-connected networks on the CPU: fast, and the same bits every time."""


def _epilog(examples: str) -> str | None:
    """Examples as they stand: a paragraph after \\b is not wrapped."""
    return f"Examples:\n\n\b\n{examples.strip()}" if examples else None


for module in (train, evaluate, predict, export, info, compile_):
    name = module.__name__.rpartition(".")[2]
    app.command(name, epilog=_epilog(module.EXAMPLES))(getattr(module, name))

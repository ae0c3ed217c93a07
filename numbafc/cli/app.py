"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from . import evaluate, info, predict, train
from .endings import in_one_sentence

app = typer.Typer(
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


for module in (train, evaluate, predict, info):
    name = module.__name__.rpartition(".")[2]
    app.command(name, epilog=_epilog(module.EXAMPLES))(in_one_sentence(getattr(module, name)))

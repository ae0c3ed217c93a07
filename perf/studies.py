"""The studies, in the order in which they are listed, run and reported.

A study is a module with a docstring whose first line says what it measures, and
    SECONDS                 about how long it takes on two cores: (all of it, --quick)
    run(session)            measures: session says what was asked for, and keeps the rows
    findings(found)         what the rows say, in sentences; found: rows of one run, without notes
    picture(found)          a matplotlib Figure of them
findings and picture are given rows and time nothing, so that anyone can draw anyone's rows.
"""

from __future__ import annotations

from types import ModuleType

from . import (
    accuracy,
    batch,
    calls,
    epoch,
    jacobian,
    layer,
    modules,
    predict,
    ranks,
    search,
    size,
    sklearn,
    start,
    steps,
    tables,
    threads,
)

STUDIES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        jacobian,
        layer,
        calls,
        size,
        batch,
        threads,
        steps,
        epoch,
        modules,
        predict,
        sklearn,
        search,
        tables,
        ranks,
        start,
        accuracy,
    )
}


def topic(name: str) -> str:
    """What a study measures, in a sentence."""
    return (STUDIES[name].__doc__ or "").split("\n")[0].rstrip(".")

"""Pieces of a page: text, tables, figures. All text that is somebody's is escaped here, and only here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from ...files.shown import printable
from ..aligned import cell

LONGEST = 120  # characters of a name


def text(value: Any) -> str:
    """Text as it may stand in a page: short, printable, escaped."""
    shown = printable(str(value)[: 4 * LONGEST])
    return html.escape(shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…")


def number(value: Any) -> str:
    """A number, a dash for NaN, or a name, escaped."""
    return text(value) if isinstance(value, str) else html.escape(cell(value))


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of ours, with whatever text of other people's in it."""
    return f'<p class="{kind}">{html.escape(printable(words))}</p>' if kind else f"<p>{html.escape(printable(words))}</p>"


def listed(lines: Iterable[str]) -> str:
    """A list of lines."""
    items = "".join(f"<li>{html.escape(printable(line))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def table(headings: Sequence[Any], rows: Iterable[Sequence[Any]], kind: str = "") -> str:
    """A table: the first column is a name, the others are numbers, or text."""
    head = "".join(f"<th>{text(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{number(value)}</td>' for value in row)}</tr>" for row in rows)
    return f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def folded(summary: str, inside: str) -> str:
    """A piece that is shown when it is asked for."""
    return f"<details><summary>{html.escape(summary)}</summary>{inside}</details>" if inside else ""


def figures(*charts: str) -> str:
    """Charts side by side."""
    shown = "".join(f"<figure>{one}</figure>" for one in charts if one)
    return f'<div class="figures">{shown}</div>' if shown else ""


def bars(rows: Sequence[tuple[str, float, str]]) -> str:
    """A table of names, each with a bar as long as its number, and what is said of it."""
    most = max((value for _, value, _ in rows), default=0.0)
    lines = "".join(
        f'<tr><td>{text(name)}</td><td>{html.escape(said)}</td><td class="bar"><div style="width:'
        f'{100 * max(value, 0) / most if most > 0 else 0:.1f}%"></div></td></tr>'
        for name, value, said in rows
    )
    return f'<div class="wide"><table class="bars"><tbody>{lines}</tbody></table></div>'


def matrix(names: Sequence[str], numbers: Any) -> str:
    """A square table whose cells are the darker, the larger their share of the row."""
    head = "".join(f"<th>{text(name)}</th>" for name in ("", *names))
    rows = "".join(
        f"<tr><th>{text(name)}</th>{''.join(_shaded(int(one), int(row.sum()), n == at) for at, one in enumerate(row))}</tr>"
        for n, (name, row) in enumerate(zip(names, numbers, strict=True))
    )
    return f'<div class="wide"><table class="matrix"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _shaded(count: int, whole: int, right: bool) -> str:
    share = count / whole if whole else 0.0
    colour = "40,110,60" if right else "190,50,40"
    return f'<td style="background:rgba({colour},{0.75 * share:.2f})">{count}</td>'

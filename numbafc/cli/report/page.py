"""The page, put together: one file, whose style and pictures are in it, and which asks no network for anything."""

from __future__ import annotations

from pathlib import Path

from ...files.replacing import write_whole
from .. import measures, screen
from ..sources import class_names, score_name
from . import columns, doubts, repeat, scores
from .pieces import figures, listed, paragraph, text
from .subject import Subject

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; color: #222 }
h2 { margin-top: 2em } .figures { display: flex; flex-wrap: wrap; gap: 12px } figure { margin: 0; flex: 1 1 360px }
svg { width: 100%; max-width: 430px } svg text { font: 11px system-ui, sans-serif; fill: #444 } .grid { stroke: #eee }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: .5em 0 }
td, th { padding: 2px 8px; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap }
td:first-child, th:first-child { text-align: left } div.wide { overflow-x: auto } table.matrix td { min-width: 2em }
table.words td { text-align: left; white-space: normal } .bar { width: 50%; min-width: 140px; padding: 2px }
.bar div { background: #2b6cb0; height: 11px } pre { background: #f5f5f5; padding: .7em; overflow-x: auto }
.note { color: #a33 } summary { cursor: pointer }
"""
HEAD = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">'
SAFE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # whatever is in a name, nothing is run or fetched


def write(path: Path, subject: Subject) -> None:
    """Write the report of a model, whole or not at all."""
    write_whole(path, page(subject).encode(errors="backslashreplace"))


def page(subject: Subject) -> str:
    """The page about a model."""
    net, names = subject.net, class_names(subject.net)
    found = measures.of(net, subject.X, subject.y, names)
    loss, score = net.loss(subject.X, subject.y), net.score(subject.X, subject.y)
    title = f"numbafc: a model of {subject.data}"
    head = f"{score_name(net)} {screen.decimal(score)}, loss {screen.decimal(loss)}, on {subject.said}."
    warning = "It was trained on these samples: on new ones it is worse." if subject.seen else ""
    parts = {
        "The model": listed(str(net).splitlines()[:1]) + columns.of_network(net),
        "Columns": columns.of_data(subject),
        "Learning curves": figures(*scores.curves(net)),
        "How good it is": scores.measured(net, subject, found),
        "Calibration": scores.calibration(found, subject),
        "What it looks at": columns.importance_section(subject),
        "What it does not know": doubts.section(subject, found, names),
        "How to repeat it": repeat.section(subject),
    }
    body = "".join(f"<h2>{name}</h2>{part}\n" for name, part in parts.items() if part)
    return (
        f'{HEAD}<meta http-equiv="Content-Security-Policy" content="{SAFE}"><title>{text(title)}</title>'
        f"<style>{STYLE}</style></head><body>\n<h1>{text(title)}</h1>\n{paragraph(head)}"
        f"{paragraph(warning, 'note') if warning else ''}\n{body}</body></html>\n"
    )

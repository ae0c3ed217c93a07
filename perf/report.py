"""Rows in, pictures and report.html out: self-contained, to be opened without a network. Nothing is timed."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

from . import drawing, isa, rows, storage
from .studies import STUDIES, topic

COLUMNS = {  # of the tables: field, heading, factor, format
    "op": ("what", 1, "{}"), "form": ("form", 1, "{}"),
    "T": ("T", 1, "{}"), "N": ("N", 1, "{}"), "B": ("B", 1, "{}"), "dtype": ("dtype", 1, "{}"),
    "metric": ("score is", 1, "{}"), "score": ("score", 1, "{:.4g}"),
    "threads": ("threads", 1, "{}"), "peer": ("who", 1, "{}"), "kernel": ("kernel", 1, "{}"),
    "best": ("best, µs", 1e6, "{:.4g}"), "median": ("median, µs", 1e6, "{:.4g}"), "gflops": ("GFLOP/s", 1, "{:.4g}"),
    "share_of_peak": ("share of the FMA peak", 100, "{:.1f} %"), "error_over_bound": ("error / bound", 1, "{:.2g}"),
    "compile_seconds": ("compile, s", 1, "{:.3g}"),
}  # fmt: skip
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 860px; margin: 2em auto; padding: 0 1em; color: #222 }
img { width: 100%; max-width: 830px; display: block; margin: 1em 0 } h2 { margin-top: 2.5em }
table { border-collapse: collapse; font-size: 12px; font-variant-numeric: tabular-nums }
td, th { padding: 1px 7px; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap }
th { position: sticky; top: 0; background: #fff } div.wide { overflow-x: auto } pre { background: #f5f5f5; padding: 0.7em }
.note { color: #a33 }
"""
METHOD = (
    "Options of the run, such as --quick, are in no row, nor in this command. Subjects are timed in rounds, each in a "
    "process of its own, with the same number of threads; each result was checked against float64 in the same run before "
    "it was timed; best is the fastest sample, median the middle one; compile time is in no sample. A subject that was "
    "wrong or missing is named under its study. Method and fields: perf/README.md."
)


def write(folder: Path) -> None:
    """Write the reports of a folder's rows, and of those in it for instruction sets. Raises SystemExit for none."""
    inside = [folder / name for name in isa.NAMES if any((folder / name).glob("*.jsonl"))]
    if not inside or any(folder.glob("*.jsonl")):
        write_one(folder)
    for one in inside:
        write_one(one)


def write_one(folder: Path) -> None:
    """Draw the pictures of a folder's rows and write its report. Raises SystemExit if there are none."""
    studies = {name: storage.load(folder, name) for name in STUDIES}
    studies = {name: found for name, found in studies.items() if rows.measured(found)}
    if not studies:
        raise SystemExit(
            f"expected rows of studies in {folder}, found none: python -m perf all --out {folder} measures them"
        )
    pictures = draw(folder, {name: rows.measured(found) for name, found in studies.items()})
    path = folder / "report.html"
    path.write_text(page(studies, pictures), encoding="utf-8")
    verified = sum(row["verified"] for found in studies.values() for row in rows.measured(found))
    of = drawing.counted(len(studies), "study", "studies")
    drawn = drawing.counted(len(pictures), "picture", "pictures")
    print(f"{drawing.counted(verified, 'verified row', 'verified rows')} of {of}, {drawn}: {path}")


def draw(folder: Path, studies: dict[str, list[rows.Row]]) -> dict[str, Path]:
    """Draw a picture for each study; none without matplotlib, which is said."""
    drawn = {}
    try:
        with drawing.settings():
            for name, found in studies.items():
                drawing.save(STUDIES[name].picture(found), folder / f"{name}.png")
                drawn[name] = folder / f"{name}.png"
    except ImportError:
        print('no pictures: matplotlib is not installed: pip install ".[plot]"')
    return drawn


def page(studies: dict[str, list[rows.Row]], pictures: dict[str, Path]) -> str:
    """The whole report. studies: rows and notes by study; pictures: the files that there are."""
    parts = [section(name, found, pictures.get(name)) for name, found in studies.items()]
    index = "".join(f'<li><a href="#{name}">{name}</a>: {_text(topic(name))}</li>' for name in studies)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>numbafc: measured</title>'
        f'<link rel="icon" href="data:,"><style>{STYLE}</style></head><body>\n<h1>numbafc: measured</h1>\n'
        f"<ul>{index}</ul>\n{machines(studies)}\n{''.join(parts)}\n</body></html>\n"
    )


def machines(studies: dict[str, list[rows.Row]]) -> str:
    """Where the rows come from, and how to repeat them."""
    runs: dict[str, list[str]] = {}
    peers: dict[str, None] = {}
    commits: dict[tuple[str | None, str], list[str]] = {}
    for name, found in studies.items():
        row = rows.measured(found)[0]
        facts = row["machine"] | row["versions"] | {"instruction set": isa.TITLES[rows.isa(row)], "commit": row["commit"]}
        lines = "".join(f"<tr><th>{_text(key)}</th><td>{_text(_plain(value))}</td></tr>" for key, value in facts.items())
        runs.setdefault(f"<table>{lines}</table>", []).append(f"{name} ({row['time']})")
        peers |= dict.fromkeys(subject(one) for one in rows.measured(found))
        commits.setdefault((row["commit"], rows.isa(row)), []).append(name)
    said = "".join(f"<p>{_text(', '.join(names))}</p>{table}" for table, names in runs.items())
    return (
        f"<h2>The machine</h2>{said}<p>Subjects: {_text('; '.join(sorted(peers)))}.</p><h2>To repeat</h2>"
        f"{''.join(repeating(commit, names, of) for (commit, of), names in commits.items())}<p>{METHOD}</p>"
    )


def repeating(commit: str | None, names: list[str], of: str) -> str:
    """The commands that measure these studies once more, and what they do not tell.

    commit: as rows have it; of: the instruction set.
    """
    revision = (commit or "").rstrip("+")
    doubt = ""
    if not revision:
        doubt = "<p>The revision is not known: this was measured outside of a git checkout.</p>"
    elif revision != commit:
        doubt = f"<p>No revision has what was measured: the sources had changes since {_text(revision)}, the nearest.</p>"
    checkout = f"git checkout {_text(revision)}\n" if revision else ""
    held = f" --isa {of}" if of in isa.NAMES else ""
    asked = "all" if set(names) == set(STUDIES) else " ".join(names)
    return f"{doubt}<pre>{checkout}pip install -e '.[perf]' torch jax\npython -m perf {_text(asked)}{held} --out DIR</pre>"


def subject(row: rows.Row) -> str:
    """Who was timed, by the name it has in the pictures, with its version and what it was set to."""
    setting = row["peer"].partition(", ")[2]
    return f"{drawing.name(row['peer'])} {row['version']}" + (f" ({setting})" if setting else "")


def section(name: str, found: list[rows.Row], picture: Path | None) -> str:
    """The section of a study: method, what was found, picture, table."""
    measured = rows.measured(found)
    method = (STUDIES[name].__doc__ or "").partition("\n")[2].strip()
    warnings = "".join(f'<p class="note">{_text(text)}</p>' for text in [*rows.busy(measured), *rows.notes(found)])
    findings = "".join(f"<li>{_text(text)}</li>" for text in STUDIES[name].findings(measured))
    image = ""
    if picture is not None:
        data = base64.b64encode(picture.read_bytes()).decode()
        image = f'<img alt="{_text(topic(name))}" src="data:image/png;base64,{data}">'
    return (
        f'\n<h2 id="{name}">{name}: {_text(topic(name))}</h2>\n<p>{_text(method)}</p>{warnings}<ul>{findings}</ul>{image}'
        f'<details><summary>{len(measured)} rows</summary><div class="wide">{table(measured)}</div></details>'
    )


def table(found: list[rows.Row]) -> str:
    """The table of all rows, with the columns that have something."""
    used = {field: how for field, how in COLUMNS.items() if any(row.get(field) is not None for row in found)}
    head = "".join(f"<th>{_text(heading)}</th>" for heading, _, _ in used.values())
    named = [row | {"peer": drawing.name(row["peer"])} for row in found]
    lines = [
        "".join(f"<td>{_text(_cell(row.get(field), factor, form))}</td>" for field, (_, factor, form) in used.items())
        for row in named
    ]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"


def _cell(value: Any, factor: float, form: str) -> str:
    if value is None:
        return ""
    return form.format(value if form == "{}" else factor * value)


def _plain(value: Any) -> str:
    return ", ".join(f"{key} {part}" for key, part in value.items()) if isinstance(value, dict) else str(value)


def _text(text: str) -> str:
    return html.escape(text)

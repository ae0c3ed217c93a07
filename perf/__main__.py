"""python -m perf STUDY …: run studies; without one, list them. `report` and `readme` time nothing."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

DEFAULT_OUT = Path("build") / "perf"  # which git ignores


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parse()
    asked = parser.parse_args(arguments)
    if asked.isa:
        from . import isa

        isa.hold(asked.isa, arguments)
    if importlib.util.find_spec("hypothesis") is None:
        parser.error('perf verifies with numbafc.testing, which needs Hypothesis: pip install ".[perf]"')
    from . import readme, report
    from .studies import STUDIES

    if not asked.names:
        parser.print_help()
        print("\n" + listed())
        return
    actions = {"report": report.write, "readme": readme.write}
    unknown = [name for name in asked.names if name not in (*STUDIES, "all", *actions)]
    if unknown:
        parser.error(f"expected studies among all, {', '.join(STUDIES)}, or report or readme, got {unknown[0]!r}")
    if len(asked.names) > 1 and set(actions) & set(asked.names):
        parser.error(f"expected report and readme by themselves, got {' '.join(asked.names)}: run one after the other")
    if asked.names[0] in actions:
        actions[asked.names[0]](asked.out or (readme.RESULTS if asked.names == ["readme"] else DEFAULT_OUT))
        return
    names = [name for name in STUDIES if name in asked.names or "all" in asked.names]
    execute(parser, names, asked)


def parse() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m perf", description="Measure on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="studies, or all; report; readme")
    parser.add_argument("--quick", action="store_true", help="few cases: all studies in less than five minutes")
    parser.add_argument(
        "--threads", type=numbers, help="numbers of threads, such as 1,2; usually 1, or what a study is about"
    )
    parser.add_argument("--dtype", type=choices("float32", "float64"), help="float32, float64 or both with a comma")
    parser.add_argument("--optimizer", type=choices("sgd", "adam"), default=("sgd",), help="of the study steps: sgd, adam")
    parser.add_argument(
        "--isa",
        choices=("avx2", "avx512"),
        help="hold everybody to this instruction set, rows go to DIR/ISA; usually the widest",
    )
    parser.add_argument(
        "--table",
        action="append",
        metavar="FILE:TARGET[:TEST_FILE]",
        type=table,
        help="of the study tables, instead of its own: a csv file and its target, a name, or without a header a number",
    )
    parser.add_argument("--rounds", type=positive, help="how often everybody is timed; usually 7, or 4 with --quick")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where rows, pictures and report.html go: {DEFAULT_OUT}")
    return parser


def positive(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def table(text: str) -> str:
    """Read the name of a table of the study, or a file and its target."""
    from .real_tables import TABLES

    file, *rest = text.split(":")
    if text not in TABLES and (len(rest) not in (1, 2) or not all(rest)):
        raise argparse.ArgumentTypeError(
            f"expected FILE:TARGET, FILE:TARGET:TEST_FILE, or one of {', '.join(TABLES)}, got {text!r}"
        )
    for path in () if text in TABLES else (file, *rest[1:]):
        if not Path(path).is_file():
            raise argparse.ArgumentTypeError(f"expected a csv file, found none at {path!r}")
    return text


def numbers(text: str) -> tuple[int, ...]:
    """Read numbers of threads, as many as this machine has."""
    import numba

    cores = numba.config.NUMBA_NUM_THREADS
    found = tuple(dict.fromkeys(positive(part) for part in text.split(",")))
    if max(found) > cores:
        raise argparse.ArgumentTypeError(
            f"expected numbers of threads from 1 to {cores}, the cores of this machine, got {max(found)}"
        )
    return found


def choices(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    """A reader of some of these words, separated by commas."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(text.split(",")))
        for part in found:
            if part not in allowed:
                raise argparse.ArgumentTypeError(f"expected {' or '.join(allowed)}, or several with commas, got {part!r}")
        return found

    return parse


def listed() -> str:
    """The list of studies, with how long they take."""
    from .studies import STUDIES, topic

    lines = ["studies (time on two cores, with --quick):"]
    for name, module in STUDIES.items():
        full, quick = (f"{seconds // 60} min {seconds % 60:02} s" for seconds in module.SECONDS)
        lines.append(f"  {name:9} {topic(name)} ({full}, {quick})")
    lines.append("  all       all of these")
    lines.append("then, timing nothing:")
    lines.append("  report    pictures and report.html of the rows in --out DIR")
    lines.append("  readme    the table and the picture of README.md, of the rows in perf/results")
    return "\n".join(lines)


def writable(parser: argparse.ArgumentParser, folder: Path) -> None:
    """End the program with a message unless rows can be kept in the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        parser.error(f"--out: expected a folder that can be written to, got {folder} ({error.strerror}); name another")


def execute(parser: argparse.ArgumentParser, names: list[str], asked: Any) -> None:
    """Run studies, then draw and report what there is; after Ctrl-C say where the rows are."""
    from . import progress, report, rows, storage
    from .session import Options, Session
    from .studies import STUDIES

    out = (asked.out or DEFAULT_OUT) / (asked.isa or "")
    writable(parser, out)
    options = Options(asked.quick, out, asked.threads, asked.dtype, asked.rounds, asked.optimizer, tuple(asked.table or ()))
    seconds = {name: STUDIES[name].SECONDS[asked.quick] for name in names}
    try:
        with progress.shown(sum(seconds.values())) as bar:
            session = Session(options, bar)
            for name in names:
                session.begin(name, seconds[name])
                STUDIES[name].run(session)
                found = rows.measured(storage.load(out, name))
                for sentence in [*rows.busy(found), *STUDIES[name].findings(found)]:
                    session.say(f"{name}: {sentence}")
        report.write(out)
    except KeyboardInterrupt:
        print(f"interrupted; the rows so far are in {out}; `python -m perf report --out {out}` shows them", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()

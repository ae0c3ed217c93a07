"""python -m perf STUDY: run a study; without one, list them."""

from __future__ import annotations

import argparse

from . import layer, steps

STUDIES = {"layer": layer, "steps": steps}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf", description="Measure on this machine.")
    studies = parser.add_subparsers(dest="study", metavar="STUDY")
    for name, module in STUDIES.items():
        summary = (module.__doc__ or "").split("\n")[0].split(": ", 1)[1]
        module.add_arguments(studies.add_parser(name, help=summary, description=module.__doc__))
    options = parser.parse_args()
    if options.study is None:
        parser.print_help()
    else:
        STUDIES[options.study].run(options)


if __name__ == "__main__":
    main()

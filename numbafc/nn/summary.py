"""What a network is, for people: print(net) and notebooks. Layers and their sizes, what it knows, what it was trained on.

Names of classes and features are other people's text: in lines they are printable, in html they are escaped, and both are
shortened.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._startup import printable
from .losses import LOSSES
from .network import Network
from .progress import EpochRecord, Progress

SHOWN, LONGEST, LINES = 6, 30, 12  # names in a list, characters of a name, and lines of a table's description
HEADINGS = "layer", "W", "φ", "parameters", "memory", "flops a sample"


class Summary(NamedTuple):
    """A title, the rows of a table of layers, the last their sum, and facts: a word and what it says, line by line."""

    title: str
    layers: list[tuple[str, ...]]
    facts: list[tuple[str, str]]

    def __str__(self) -> str:
        cells = [HEADINGS, *self.layers]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
        width = max((len(name) for name, _ in self.facts), default=0)
        return "\n".join([self.title, *rows, *(f"{name.ljust(width)}  {said}".rstrip() for name, said in self.facts)])

    def to_html(self) -> str:
        """The summary as a piece of html, that needs nothing else."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in HEADINGS)
        rows = "".join(_row(row) for row in self.layers)
        facts = "".join(
            f'<tr><th style="text-align:left">{html.escape(name)}</th>'
            f'<td style="text-align:left">{html.escape(said)}</td></tr>'
            for name, said in self.facts
        )
        return (
            f"<div><p><b>{html.escape(self.title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
            f"</table><table><tbody>{facts}</tbody></table></div>"
        )


def _row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"


def of(net: Network) -> Summary:
    """The summary of a network."""
    sizes = " → ".join(map(str, net.sizes))
    smoothing = f", label smoothing {net.label_smoothing:g}" if net.label_smoothing else ""
    title = f"{type(net).__name__}: {sizes}, {net.activation}, {net.loss_name}{smoothing}, {net.dtype.name}"
    table, facts = getattr(net, "table", None), _of_names(net)
    if table is not None:
        facts += _of_table(table.describe())
    return Summary(title, _layers(net), facts + _of_training(getattr(net, "training", None), net.loss_name))


def of_members(nets: Sequence[Network], out_of_fold: Any = None) -> Summary:
    """The summary of several networks of one shape that answer together: of the first, and what the others add to it.

    out_of_fold: how good they are on what each has held out, if that is known.
    """
    first, k = of(nets[0]), len(nets)
    members = "1 member" if k == 1 else f"{k} members averaged"
    count = nets[0].parameters.size
    facts = [("members", f"{k} times {count:,} parameters, seeds {names([str(net.seed) for net in nets])}")]
    if out_of_fold is not None:
        score = f"{score_name(nets[0].loss_name)} {out_of_fold.score:.4g}, loss {out_of_fold.loss:.4g}"
        facts.append(("out of fold", f"{score}, of {out_of_fold.samples:,} samples by those who were not trained on them"))
    told = [(word if word != "training" else "training of the first", said) for word, said in first.facts]
    return Summary(f"{members}, each {first.title}", first.layers, facts + told)


def _layers(net: Network) -> list[tuple[str, ...]]:
    itemsize, pairs = net.dtype.itemsize, list(itertools.pairwise(net.sizes))
    rows = []
    for n, (N, T) in enumerate(pairs):
        count, last = N * T + T, n == len(pairs) - 1
        phi = "–" if last else net.activation
        rows.append((str(n), f"({T}, {N})", phi, f"{count:,}", nbytes(count * itemsize), f"{2 * N * T:,}"))
    count, layers = net.parameters.size, sum(N * T + T for N, T in pairs)
    if count > layers:
        others = count - layers
        rows.insert(0, ("inputs", f"({others},)", "–", f"{others:,}", nbytes(others * itemsize), f"{others:,}"))
    flops = sum(int(row[-1].replace(",", "")) for row in rows)
    return [*rows, ("all", "", "", f"{count:,}", nbytes(count * itemsize), f"{flops:,}")]


def _of_names(net: Network) -> list[tuple[str, str]]:
    inputs, outputs = str(net.sizes[0]), str(net.sizes[-1])
    if net.features is not None:
        inputs += f": {names(net.features)}"
    if net.input_mean is not None:
        inputs += f"; standardised, means {_range(net.input_mean)}, scales {_range(net.input_scale)}"
    kind = " classes" if LOSSES[net.loss_name].classifies else ""
    if net.classes is not None:
        outputs += f"{kind}: {names(net.classes)}"
    if net.target_mean is not None:
        outputs += f"; targets standardised, means {_range(net.target_mean)}, scales {_range(net.target_scale)}"
    return [("inputs", inputs), ("outputs", outputs)]


def _of_table(lines: Iterable[str]) -> list[tuple[str, str]]:
    given = [printable(str(line))[:200] for line in lines]
    shown = given if len(given) <= LINES else [*given[: LINES - 1], f"… and {len(given) - LINES + 1} lines more"]
    return [("" if n else "table", line) for n, line in enumerate(shown)]


def _of_training(training: Progress | None, loss: str) -> list[tuple[str, str]]:
    if training is None:
        return [("training", "none that is known")]
    recipe, history = training.recipe, training.history
    rate = recipe.setting("learning_rate")
    step = type(recipe.optimizer).__name__ + (f" at {rate:g}" if isinstance(rate, float) else "")
    schedule = type(recipe.schedule).__name__
    said = (
        f"{training.samples:,} samples, {len(history):,} of {training.epochs:,} epochs in minibatches of "
        f"{recipe.batch_size}, {step}, schedule {schedule}"
    )
    facts = [("training", said)]
    if recipe.early_stopping is not None:
        waited = f", stopped after {training.waited} that were no better" if training.stopped else ""
        facts.append(("", f"early stopping after {recipe.early_stopping} epochs{waited}"))
    if history:
        facts.append(("", f"last epoch: {_of_epoch(history[-1], score_name(loss))}"))
    if training.digest is not None:
        facts.append(("", f"fingerprint of the samples {training.digest:08x}"))
    state = sum(value.nbytes for value in training.state.values() if isinstance(value, np.ndarray))
    return [*facts, ("", f"the optimizer's state takes {nbytes(state)}")] if state else facts


def score_name(loss: str) -> str:
    """The name of what score() measures of a network with that loss."""
    return "accuracy" if LOSSES[loss].classifies or loss == "binary_cross_entropy" else "R²"


def _of_epoch(record: EpochRecord, score: str) -> str:
    numbers = {"loss": record.loss, score: record.score}
    numbers |= {"validation loss": record.validation_loss, f"validation {score}": record.validation_score}
    return ", ".join(f"{name} {value:.4g}" for name, value in numbers.items() if value == value)


def names(given: Sequence[str]) -> str:
    """The first names of many and the last, printable and short."""
    short = [one if len(one) <= LONGEST else f"{one[: LONGEST - 1]}…" for one in map(_start, given[: SHOWN - 1])]
    rest = [f"… {len(given) - SHOWN} more …"] if len(given) > SHOWN else []
    last = [_start(one) for one in given[SHOWN - 1 :][-1:]]
    return ", ".join([*short, *rest, *(one if len(one) <= LONGEST else f"{one[: LONGEST - 1]}…" for one in last)])


def _start(name: str) -> str:
    return printable(name[: 2 * LONGEST])


def _range(numbers: np.ndarray | None) -> str:
    if numbers is None or not numbers.size:
        return "none"
    low, high = float(numbers.min()), float(numbers.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def nbytes(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"

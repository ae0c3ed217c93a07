"""`numbafc train --find-rate`: a learning rate is looked for, and nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..nn.pooled import networks
from ..nn.rate_finder import OF_THE_TEST, RateCurve
from . import curves, screen
from .run import Run

LINES, BAR = 24, 24  # of the chart, and columns of its longest bar


def show(run: Run, lines: screen.Lines, plot: Path | None, as_json: bool) -> None:
    """Look for a learning rate of a training that was set up, and print what was found."""
    asked = {name: value for name, value in run.asked.items() if name not in (*OF_THE_TEST, "time_limit")}
    weight = asked.pop("class_weight", None)
    found = networks(run.net)[0].find_rate(run.training.X, run.training.y, class_weight=weight, **asked)
    lines.say(*chart(found), verdict(found))
    if plot is not None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        found.plot(figure.subplots())
        curves.write(plot, figure)
        lines.say(f"drew {plot}")
    if as_json:
        screen.print_json({"data": run.source.name, **found._asdict()})


def verdict(found: RateCurve) -> str:
    """A sentence: the rate, and how to train with it."""
    if found.suggestion is None:
        return "no rate is suggested: the loss did not fall at any; look at the data, or at --optimizer"
    return f"suggested: --learning-rate {found.suggestion:.2g}, where the loss falls most steeply"


def chart(found: RateCurve) -> Sequence[str]:
    """The smoothed loss over the rate, a line for some of the steps."""
    at = np.unique(np.linspace(0, len(found.rates) - 1, LINES).astype(int))
    low, high = float(found.smoothed.min()), float(found.smoothed[: max(len(found.smoothed) // 2, 1)].max())
    nearest: Any = None
    if found.suggestion is not None:
        nearest = at[np.argmin(np.abs(np.log(found.rates[at] / found.suggestion)))]
    losses = [screen.decimal(float(found.smoothed[n])) for n in at]
    width = max(map(len, losses), default=0)
    rows = []
    for n, loss in zip(at, losses, strict=True):
        share = (float(found.smoothed[n]) - low) / (high - low) if high > low else 0.0
        mark = "  ← suggested" if n == nearest else ""
        rows.append(f"{found.rates[n]:.1e}  {loss.rjust(width)}  {'█' * round(BAR * min(max(share, 0), 1))}{mark}")
    return ["learning rate, and the loss of the minibatches around it", *rows]

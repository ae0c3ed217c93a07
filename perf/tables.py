"""real tables as they are: scores and seconds of our recipe, of its authors' own, scikit-learn's MLP and its boosting.

Tables that packages on PyPI carry, with words and gaps; a fifth of the rows, drawn with seed 0, is the test. numbafc is
TabularClassifier or TabularRegressor on the frame as it is. pytabkit is RealMLP_TD_S_Classifier or _Regressor, the same
recipe by its authors in PyTorch; gaps are filled with medians before. scikit-learn's MLP has its defaults with early
stopping; columns are standardised and one-hot, real targets standardised, too. Boosting is HistGradientBoosting with its
defaults. Seconds are those that the processor took for fit, once, on a frame, after what compiles or loads. The bound of
the error is that of a constant prediction: the commonest class, or the mean. pytabkit is trained on tables of up to
10 000 rows, for it takes many minutes with more of them; with --table on any file that is named.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import drawing, real_tables, rounds, rows
from .peers import Peer
from .session import Session

MODULES = ("numbafc", "pytabkit", "sklearn")
QUICK = ("titanic",)
SLOW, MANY = "pytabkit", 10_000  # who is not trained on so many rows of the study's own tables
SECONDS = (420, 15)


class Model(NamedTuple):
    """A model of a library, a subject like a peer, in the process of its library."""

    peer: Peer
    name: str

    @property
    def label(self) -> str:
        """How rows call it: with what its process was set to."""
        return ", ".join([self.name, *self.peer.label.split(", ")[1:]])

    @property
    def kernel(self) -> str | None:
        return self.peer.kernel

    @property
    def version(self) -> str:
        return self.peer.version

    def ask(self, **job: Any) -> dict[str, Any]:
        return self.peer.ask(**job, model=self.name)


def run(session: Session) -> None:
    """Measure every table."""
    session.only(threads=1, dtype="float32")
    modules = ("numbafc", "sklearn") if session.quick else MODULES
    with session.workers("perf.learners", modules, 1) as workers:
        for name in session.each(session.options.tables or (QUICK if session.quick else tuple(real_tables.TABLES))):
            reason = real_tables.missing(name) if name in real_tables.TABLES else None
            if reason is not None:
                session.note(reason)
                continue
            session.say(line(measure(session, subjects(session, models(workers), name), name)))


def models(workers: list[Peer]) -> list[Model]:
    """The models of these processes."""
    from .learners import MODELS

    return [Model(peer, name) for peer in workers for name in MODELS if name.split()[0] == peer.module]


def subjects(session: Session, models: list[Model], name: str) -> list[Model]:
    """Those who are trained on a table."""
    if name not in real_tables.TABLES or len(real_tables.split(name).X) <= MANY:
        return models
    if any(model.name == SLOW for model in models):
        session.note(f"{SLOW} is not trained on {name}, which has more than {MANY} rows")
    return [model for model in models if model.name != SLOW]


def measure(session: Session, trained: list[Model], name: str) -> list[rows.Row]:
    """Train everybody on a table, and write a row for each with its score."""
    table = real_tables.split(name)
    case = {
        "op": name if name in real_tables.TABLES else Path(name.split(":")[0]).name.split(".")[0],
        "T": len(set(table.y)) if table.classifies else 1,
        "N": table.X.shape[1],
        "B": len(table.X),
        "dtype": "float32",
        "threads": 1,
        "target": table.target,
        "metric": "accuracy" if table.classifies else "RMSE",
    }

    def check(one: Model) -> rows.Row:
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "predictions.npy")
            answer = one.ask(table=name, threads=1, check=True, save=file)
            predictions = np.load(file)
        return answer | scores(table, predictions)

    comparison = rounds.Comparison(
        what=f"the table {name}",
        case=case,
        check=check,
        sample=lambda _, answer: [answer.pop("fit_seconds")],
        flops=lambda _: None,
        rounds=1,
    )
    return rounds.measure(session, trained, comparison)


def scores(table: real_tables.Split, predictions: np.ndarray) -> rows.Row:
    """The score on the test part, and the error next to that of a constant: the commonest class, or the mean."""
    if table.classifies:
        labels, counts = np.unique(table.y.astype(str), return_counts=True)
        expected = table.y_test.astype(str)
        score = float((predictions == expected).mean())
        error, constant = 1 - score, float((expected != labels[counts.argmax()]).mean())
    else:
        score = error = root_mean_square(predictions - table.y_test)
        constant = root_mean_square(table.y.mean() - table.y_test)
    return {"score": score, "error_over_bound": error / constant}


def root_mean_square(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def line(found: list[rows.Row]) -> str:
    """A line for the terminal: everybody's score and seconds."""
    told = ", ".join(f"{row['score']:.4g} ({row['best']:.3g} s) {drawing.name(row['peer'])}" for row in found)
    first = found[0]
    return f"{first['op']}, {first['B']} rows, {first['metric']} of {first['target']}: {told}"


def better(row: rows.Row, other: rows.Row) -> bool:
    """Whether a row's score is at least as good as another's."""
    return row["score"] >= other["score"] if row["metric"] == "accuracy" else row["score"] <= other["score"]


def findings(found: list[rows.Row]) -> list[str]:
    """Against each peer: on how many tables our score is no worse, and how the seconds are to each other."""
    said = []
    cases = rows.groups(found, "op").values()
    mine = {case[0]["op"]: row for case in cases for row in case if rows.ours(row)}
    for (peer,), theirs in rows.groups([row for row in found if not rows.ours(row)], "peer").items():
        pairs = [(mine[row["op"]], row) for row in theirs if row["op"] in mine]
        if not pairs:
            continue
        wins = sum(better(one, other) for one, other in pairs)
        factors = sorted(other["best"] / one["best"] for one, other in pairs)
        errors = [one["error_over_bound"] / max(other["error_over_bound"], 1e-9) for one, other in pairs]
        said.append(
            f"{drawing.name(peer)}: our score is no worse on {wins} of {drawing.counted(len(pairs), 'table', 'tables')}, "
            f"our error {np.exp(np.mean(np.log(np.maximum(errors, 1e-9)))):.2f} × theirs in the geometric mean; it takes "
            f"{factors[0]:.2g} to {factors[-1]:.2g} times our seconds."
        )
    return said


def table(found: list[rows.Row]) -> list[str]:
    """The lines of README's table: score and seconds of everybody, on every table."""
    labels = list(dict.fromkeys(row["peer"] for row in found))
    lines = [f"| test score (seconds) | {' | '.join(map(drawing.name, labels))} |", "|---|" + "---|" * len(labels)]
    for (op,), case in rows.groups(found, "op").items():
        by_label = {row["peer"]: row for row in case}
        best = next(row for row in case if all(better(row, other) for other in case))["score"]
        cells = [_cell(by_label.get(label), best) for label in labels]
        first = case[0]
        lines.append(f"| {op}, {first['B']} rows, {first['metric']} of {first['target']} | {' | '.join(cells)} |")
    return lines


def _cell(row: rows.Row | None, best: float) -> str:
    if row is None:
        return ""
    score = f"{row['score']:.4g}"
    return f"{f'**{score}**' if row['score'] == best else score} ({row['best']:.3g})"


def picture(found: list[rows.Row]) -> Any:
    """Left the error next to that of a constant, right the seconds: a line for each table, a mark for each model."""
    cases = rows.groups(found, "op")
    figure, axes = drawing.panels(1.4 + 0.42 * len(cases), 2, 1, sharey=True)
    for one, field, title in zip(
        axes[0],
        ("error_over_bound", "best"),
        ("test error, 1 is a constant prediction's", "seconds of fit, one thread"),
        strict=True,
    ):
        for (_,), mine in rows.groups(found, "peer").items():
            at = [list(cases).index((row["op"],)) for row in mine]
            values = [max(row[field], 1e-3) for row in mine]
            one.plot(values, at, **drawing.style(mine[0]["peer"]) | {"linestyle": "none"})
        drawing.log(one, "x")
        one.set_title(title)
    axes[0, 0].set_yticks(range(len(cases)), [f"{op}\n{case[0]['B']} rows" for (op,), case in cases.items()])
    axes[0, 0].invert_yaxis()
    drawing.legend(figure, (axes[0, 0],))
    return figure

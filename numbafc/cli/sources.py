"""Sources of samples: the arguments that name them, and the data set they name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..files import datasets, readers, tables_of_files, tabular
from ..files.dialect import Dialect
from ..files.invalid import InvalidFile
from ..nn import LOSSES, summary
from ..nn.members import Model
from ..nn.pooled import Answering
from ..tables import Choices
from ..tables.on_disk import part_of
from . import reading

LearnFrom = Callable[[int], "np.ndarray | None"]
Kept = Callable[[int, int], list[list[str]]]  # from a first row to the one behind the last: of each its cells, as text
OF_TABLES = "delimiter", "decimal", "encoding", "header", "na", "categorical", "numeric", "dates", "drop", "keep"

DIGITS = Path("digits")  # the word for the embedded data set
STANDARD_INPUT = Path("-")


def all_rows(rows: int) -> None:
    """No rows in particular: a table's encoders learn from all of them."""


class Source(NamedTuple):
    """The arguments that say where samples and their targets are, and what a person says of a table.

    data: files of one kind. dialect: how a text table is written; None: found. choices: of a table's columns. known: how
    the files were written that a model was trained on.
    """

    data: tuple[Path, ...]
    target: str | None = None
    labels: Path | None = None
    dialect: Dialect = Dialect()
    choices: Choices = Choices()
    known: Dialect = Dialect()

    @property
    def files(self) -> list[Path]:
        """All files that are read."""
        files = [path for path in self.data if path != STANDARD_INPUT]
        return files if self.labels is None else [*files, self.labels]

    @property
    def first(self) -> Path:
        """The file that messages name."""
        return self.data[0]

    @property
    def is_table(self) -> bool:
        """Tell whether these are tables, not arrays."""
        return not is_digits(self.first) and readers.find(self.first) is None

    @property
    def arguments(self) -> list[str]:
        """The arguments as they are given to a command."""
        target = [] if self.target is None else ["--target", self.target]
        labels = [] if self.labels is None else ["--labels", file_word(self.labels)]
        return [*map(file_word, self.data), *target, *labels]

    def read(
        self,
        task: str,
        dtype: Any,
        scaling: str = "standard",
        learn: LearnFrom = all_rows,
        targets: tuple[str, ...] | None = None,
        inputs: int | None = None,
    ) -> datasets.Dataset:
        """The data set in files, or the embedded one.

        scaling: of a table's columns. learn: from the number of rows, those that a table's encoders learn from. targets:
        the columns to predict, where --target does not say it. inputs: how many features arrays must have.
        """
        if self.is_table:
            found = self._reading()
            choices = replace(self.choices, target=self.targets or targets, task=task, scaling=scaling)
            written = self.dialect.over(self.known)
            table = tables_of_files.fitted(self.first, found, choices, written, learn(len(found.frame)))
            return tables_of_files.dataset(self.first, found, table, dtype, reading.notice)
        self._refuse_for_arrays()
        if not is_digits(self.first):
            return datasets.load(self.first, target=self.target, labels=self.labels, task=task, dtype=dtype, inputs=inputs)
        if self.target is not None or self.labels is not None or task == "regression":
            raise ValueError(
                "the embedded digits are images and their classes: neither --target, nor --labels, nor a loss of real "
                "targets applies"
            )
        return datasets.digits(dtype)

    def read_for(self, net: Model) -> datasets.Dataset:
        """The data set, with a network's features in its order, and targets as it knows them. Raises InvalidFile."""
        if net.table is not None:
            self._require_table()
            found = self._reading(net.table.decimal)
            dataset = tables_of_files.dataset(self.first, found, net.table, net.dtype, reading.notice)
            return dataset._replace(table=net.table)
        task = "classification" if LOSSES[net.loss_name].classifies else "regression"
        self.refuse_beside_no_table()
        if self.is_table:  # a model of arrays, or of an older version
            dataset = datasets.load(
                self.first, target=self.target, labels=self.labels, task=task, dtype=net.dtype, features=net.features,
                inputs=net.sizes[0], dialect=self.dialect,
            )  # fmt: skip
        else:
            dataset = self.read(task, net.dtype, inputs=net.sizes[0])
        require_features(dataset.X, net, self.first)
        dataset = _encoded(dataset, net, self.first)
        require_targets(dataset, net, self.first)
        return dataset

    @property
    def name(self) -> str:
        """The files as they were given, for programs."""
        return " ".join(map(str, self.data))

    def inputs_for(self, net: Model, keep: Sequence[str]) -> tuple[Any, Kept]:
        """The inputs of a network that knows its table, and the cells of columns to keep."""
        self._require_table()
        found = self._reading(net.table.decimal)
        beside = kept(self.first, found.frame, keep)
        return tables_of_files.inputs(self.first, found, net.table, net.dtype, reading.notice), beside

    @property
    def targets(self) -> tuple[str, ...] | None:
        """The names in --target."""
        return None if self.target is None else tuple(word.strip() for word in self.target.split(","))

    def _reading(self, usual_decimal: str = ".") -> tabular.Reading:
        if self.labels is not None:
            raise InvalidFile(self.first, "the target of a table is one of its columns; --labels is for IDX files")
        return reading.read(self.data, self.dialect, usual_decimal, self.known)

    def _require_table(self) -> None:
        """Require a table, for a network that knows its columns. Raises InvalidFile."""
        if not self.is_table:
            raise InvalidFile(self.first, "expected a table, whose columns have names, as the model was trained on one")

    def refuse_beside_no_table(self) -> None:
        """Refuse what a network that knows no table's columns cannot use. Raises InvalidFile."""
        if not self.is_table:
            self._refuse_for_arrays()
        elif len(self.data) > 1:
            raise InvalidFile(
                self.first,
                "the model was trained on arrays, or by an older version: it takes one table of numbers, "
                f"got {len(self.data)}; give them one by one",
            )

    def _refuse_for_arrays(self) -> None:
        """Refuse options about tables beside arrays. Raises InvalidFile."""
        said = self.dialect._asdict() | vars(self.choices)
        given = [name for name in OF_TABLES if said[name] not in (None, ())]
        if given:
            raise InvalidFile(self.first, f"--{given[0]} is for tables, and these are arrays; leave it out")
        if len(self.data) > 1:
            raise InvalidFile(self.first, f"expected one file of arrays, got {len(self.data)}; several must be tables")


def source_for(
    net: Model, data: Sequence[Path] | None, target: str | None, dialect: Dialect, labels: Path | None = None
) -> Source:
    """The files for a network: written as those it was trained on, but for what is said now."""
    known = {} if net.table is None else dict(net.table.written)
    if net.table is not None and target is not None:
        _require_targets_of(net.table, target)
    return Source(given_files(data), target, labels, dialect, known=Dialect(**known))


def _require_targets_of(table: Any, target: str) -> None:
    """Refuse --target where it names others than those that the model was trained on. Raises ValueError."""
    names = [name.strip() for name in target.split(",")]
    try:
        found = Choices(target=tuple(names)).found_in(table.columns).targets
        same = tuple(table.columns[place] for place in found) == table.target_names
    except ValueError:
        same = False
    if not same:
        own = ",".join(table.target_names)
        raise ValueError(f"the model predicts {own!r:.80}, got --target {target!r:.80}; leave --target out")


def given_files(data: Sequence[Path] | None) -> tuple[Path, ...]:
    """The files of an argument, or the word for the embedded data set."""
    return tuple(data) if data else (DIGITS,)


def kept(path: Path, frame: Any, names: Sequence[str]) -> Kept:
    """The cells of these columns as text, row by row, of the rows that are asked for.

    Raises InvalidFile for a name that no column has.
    """
    for name in names:
        if name not in frame.columns:
            some = ", ".join(map(repr, frame.columns[:8])) + (", …" if len(frame.columns) > 8 else "")
            raise InvalidFile(path, f"no column is named {name!r:.60}, as --keep says; expected one of {some:.150}")
    some_columns = frame.select(list(dict.fromkeys(names))) if names else None

    def of(first: int, last: int) -> list[list[str]]:
        if some_columns is None:
            return [[]] * (last - first)
        part = part_of(some_columns, first, last)
        columns = [["" if cell is None else str(cell) for cell in part[name].to_list()] for name in names]
        return [list(row) for row in zip(*columns, strict=True)]

    return of


def file_word(path: Path) -> str:
    """A file's name as it is given to a command, which would take one that begins with - for an option."""
    return f"./{path}" if str(path).startswith("-") and path != STANDARD_INPUT else str(path)


def require_features(X: np.ndarray, net: Model, path: Path) -> None:
    """Require as many features as the network has. Raises InvalidFile."""
    if X.shape[1] != net.sizes[0]:
        raise InvalidFile(path, f"expected {net.sizes[0]} features, as the model has, got {X.shape[1]}")


def require_targets(dataset: datasets.Dataset, net: Model, path: Path) -> None:
    """Require targets that the network's loss takes. Raises InvalidFile."""
    try:
        LOSSES[net.loss_name].targets(dataset.y, net.sizes[-1], net.dtype)
    except ValueError as error:
        raise InvalidFile(path, f"with the loss {net.loss_name}, {error}") from None


def _encoded(dataset: datasets.Dataset, net: Model, path: Path) -> datasets.Dataset:
    """The data set with the network's indices for its classes. Raises InvalidFile for a label that it does not know."""
    if dataset.classes is None:
        return dataset
    names = class_names(net)
    if net.classes is None and not set(dataset.classes) <= set(names):
        return dataset  # nobody named the outputs: they are the labels in order
    return dataset._replace(y=datasets.encode(np.array(dataset.classes, object)[dataset.y], names, path))


def is_digits(data: Path) -> bool:
    """Tell whether the word for the embedded data set was given; a file of that name goes first."""
    return data == DIGITS and not data.is_file()


def class_names(net: Answering) -> tuple[str, ...]:
    """The names of the outputs: those of the classes, or numbers."""
    if net.table is not None and net.classes is None:
        return net.table.target_names
    return net.classes or tuple(map(str, range(net.sizes[-1])))


def score_name(net: Answering) -> str:
    """The name of what net.score measures."""
    return summary.score_name(net.loss_name)

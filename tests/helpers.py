"""What the tests share: equality of bits, the compiled specification, processes of their own."""

import importlib.util
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np

from numbafc import _numba, formulas


def assert_same_bits(got: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Equal shape, dtype and bits. NaNs are one value: IEEE leaves their sign and payload open."""
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    assert got.dtype == expected.dtype, f"{what}: {got.dtype}, expected {expected.dtype}"
    integers = np.dtype(f"u{got.itemsize}")
    got_bits = np.ascontiguousarray(got).view(integers)
    expected_bits = np.ascontiguousarray(expected).view(integers)
    wrong = np.argwhere((got_bits != expected_bits) & ~(np.isnan(got) & np.isnan(expected)))
    if len(wrong):
        place = tuple(wrong[0])
        raise AssertionError(f"{what}{list(place)}: got {got[place]!r}, expected {expected[place]!r}; {len(wrong)} differ")


def compiled_formulas(**options: Any) -> SimpleNamespace:
    """formulas.py compiled as it stands, serial; options are those of numba.njit, such as boundscheck=True.

    A fresh copy of the module, so that functions that call each other call compiled ones.
    """
    spec = importlib.util.spec_from_file_location("numbafc.compiled_formulas", formulas.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    functions = {
        name: numba.njit(**_numba.OPTIONS, **options)(value)
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    }
    vars(module).update(functions)
    return SimpleNamespace(**functions)


def run_python(code: str, *arguments: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, with the installed package (-P: not the one in this folder)."""
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def most_allocated(call: Callable[[], Any]) -> int:
    """The peak of what a call allocates, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def allocated_by_epochs(fit: Callable[..., Any]) -> list[int]:
    """The peak of what each epoch of a training allocates, in bytes. fit: trains, with the callbacks it is given."""
    peaks = []

    def look(_: Any) -> None:
        now, peak = tracemalloc.get_traced_memory()
        peaks.append(peak - now)
        tracemalloc.reset_peak()

    most_allocated(lambda: fit(callbacks=[look]))
    return peaks


def raised(call: Callable[[], Any]) -> str:
    """The message of the AssertionError that call must raise."""
    try:
        call()
    except AssertionError as error:
        return str(error)
    raise RuntimeError("nothing was raised")

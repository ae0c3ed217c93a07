"""Hypothesis profiles (HYPOTHESIS_PROFILE=dev, ci or deep), and a count of signatures after everything else."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# deadline=None: the first call of a kernel compiles it.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("dev", max_examples=40, **_COMMON)
settings.register_profile("ci", max_examples=100, derandomize=True, print_blob=True, **_COMMON)
settings.register_profile("deep", max_examples=5000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session", autouse=True)
def _all_tiles() -> None:
    """Every tile is there from the start: else first calls are computed by tiles of one row, as dispatch.py has it."""
    from numbafc._numba import DTYPES, interpreted
    from numbafc.kernels.vector import all_tiles

    for dtype in () if interpreted() else DTYPES:
        all_tiles(dtype)


@pytest.fixture(scope="session", autouse=True)
def _one_signature_per_dtype(_all_tiles) -> Iterator[None]:
    """Whatever the tests of this process called, no kernel was compiled for more than its dtypes."""
    yield
    from signatures import assert_one_signature_per_dtype

    assert_one_signature_per_dtype()


@pytest.fixture(autouse=True)
def _subnormal_numbers() -> Iterator[None]:
    """No test leaves the process without subnormal numbers, as a library does that was linked with -ffast-math."""
    yield
    assert np.float64(5e-324) * SCALE > 0, "something that was loaded has turned off subnormal numbers"


SCALE = np.float64(1)


@pytest.fixture
def here(tmp_path, monkeypatch, capfd):
    """The command in this process, in a folder of its own: here(arguments) is as a finished process, here.folder."""
    import commands  # late: it brings the command line's extra with it

    import numbafc

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    threads = numbafc.get_num_threads()

    def run(*arguments):
        return commands.run(capfd, *arguments)

    run.folder = tmp_path
    yield run
    numbafc.set_num_threads(threads)

"""Names in type hints: equal to the registries, said in the messages, and seen by a type checker."""

import importlib.util
import inspect
import os
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest

import numbafc as fc
from numbafc import checks, layer
from numbafc.nn import names
from numbafc.nn.activations import ACTIVATIONS
from numbafc.nn.initializers import INITIALIZERS
from numbafc.nn.losses import LOSSES
from numbafc.nn.optimizers import OPTIMIZERS
from numbafc.nn.schedules import SCHEDULES

REGISTRIES = {
    "activation": (names.ActivationName, ACTIVATIONS),
    "loss": (names.LossName, LOSSES),
    "init": (names.InitializerName, INITIALIZERS),
    "optimizer": (names.OptimizerName, OPTIMIZERS),
    "schedule": (names.ScheduleName, SCHEDULES),
    "kernel": (layer.KernelName, (layer.AUTO, *layer.KERNELS)),
    "reduction": (layer.Reduction, layer.REDUCTIONS),
    "dtype": (checks.DtypeName, (str(checks.SINGLE), str(checks.DOUBLE))),
}
X, W = np.ones((3, 4)), np.ones((2, 3))
WRONG = {
    "activation": lambda name: fc.MLP([3, 2], activation=name),
    "loss": lambda name: fc.MLP([3, 2], loss=name),
    "init": lambda name: fc.MLP([3, 2], init=name),
    "dtype": lambda name: fc.MLP([3, 2], dtype=name),
    "optimizer": lambda name: fc.MLP([3, 2]).fit(X.T, [0, 1, 0, 1], optimizer=name),
    "schedule": lambda name: fc.MLP([3, 2]).fit(X.T, [0, 1, 0, 1], schedule=name),
    "kernel": lambda name: fc.forward(W, X, kernel=name),
    "reduction": lambda name: fc.grad_b(W, reduction=name),
}
SNIPPET = """
import numpy as np
import numbafc as fc
from numbafc.nn import SGD

x = np.ones((3, 4))
fc.MLP([3, 2], activation="relu", loss="mse", dtype="float64", init="he_normal")
fc.MLP([3, 2], "tanh", "cross_entropy", np.float32)
fc.MLP([3, 2], dtype=np.dtype("float32")).fit(x, x, optimizer="adam", schedule="cosine")
fc.MLP([3, 2]).fit(x, x, optimizer=SGD(), schedule="step")
fc.forward(x, x, kernel="formula")
fc.backward(x, x, x, reduction="mean", kernel="loops")
fc.jacobian_b(2, 3, dtype="float64")
fc.MLP([3, 2], activation="rleu")  # wrong
fc.MLP([3, 2], loss="mes")  # wrong
fc.MLP([3, 2], dtype="float16")  # wrong
fc.MLP([3, 2], init="he")  # wrong
fc.MLP([3, 2]).fit(x, x, optimizer="adma")  # wrong
fc.MLP([3, 2]).fit(x, x, schedule="cos")  # wrong
fc.forward(x, x, kernel="fast")  # wrong
fc.grad_w(x, x, reduction="none")  # wrong
fc.grad_b(x, reduction="average")  # wrong
fc.grad_x(x, x, kernel="tile")  # wrong
fc.backward(x, x, x, reduction="")  # wrong
fc.BiasJacobian(2, dtype="int8")  # wrong
fc.jacobian_b(2, dtype="double")  # wrong
fc.jacobian_cost(2, 3, dtype="f")  # wrong
"""


@pytest.mark.parametrize("setting", REGISTRIES)
def test_the_hint_names_what_the_registry_has(setting):
    hint, registry = REGISTRIES[setting]
    assert set(typing.get_args(hint)) == set(registry)
    assert len(typing.get_args(hint)) == len(list(registry))


@pytest.mark.parametrize("setting", WRONG)
def test_the_message_names_what_the_hint_has(setting):
    with pytest.raises((TypeError, ValueError), match=f"{setting} must be") as caught:
        WRONG[setting]("nothing")
    assert all(name in str(caught.value) for name in typing.get_args(REGISTRIES[setting][0]))


def test_every_setting_by_name_has_its_hint():
    """No public function takes any string where a registry has the names."""
    for value in vars(fc).values():
        for function in (value, value.__init__, *vars(value).values()) if inspect.isclass(value) else (value,):
            if not inspect.isfunction(function) or not function.__module__.startswith("numbafc."):
                continue
            for name, hint in inspect.get_annotations(function).items():
                if name in REGISTRIES:
                    assert str(hint) not in ("str", "Any"), f"{function.__qualname__}({name}: {hint})"


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_a_type_checker_sees_a_misspelt_name(tmp_path):
    path = tmp_path / "snippet.py"
    path.write_text(SNIPPET, encoding="utf-8")
    options = ["--config-file=", "--follow-imports=silent", "--ignore-missing-imports", "--no-pretty", "--no-error-summary"]
    source = Path(fc.__file__).parent.parent  # mypy does not see every way of an editable install
    where = {"MYPYPATH": str(source)} if (source / "pyproject.toml").exists() else {}
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"--cache-dir={tmp_path / 'cache'}", str(path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env=os.environ | where,
    )
    found = {int(line.split(":")[1]) for line in ended.stdout.splitlines() if ": error:" in line}
    expected = {number for number, line in enumerate(SNIPPET.splitlines(), 1) if "# wrong" in line}
    assert found == expected, ended.stdout + ended.stderr

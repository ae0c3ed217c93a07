"""Bugs that were planted by hand and that no test saw at first: each must be found now.

(file, text that is there once, what stands there instead). A text that is no longer there is reported: plant the bug anew.
"""

from __future__ import annotations

import sys
from typing import Any

from . import known

BUGS = {
    "selu's slope at 0 is that from above": (
        "nn/activations.py",
        "select(h > 0, constant(h, SELU_SCALE)",
        "select(h >= 0, constant(h, SELU_SCALE)",
    ),
    "leaky_relu's slope at 0 is that from above": (
        "nn/activations.py",
        "select(h > 0, constant(h, 1), constant(h, LEAK))",
        "select(h >= 0, constant(h, 1), constant(h, LEAK))",
    ),
    "elu's slope just below 0 is 1": (
        "nn/activations.py",
        "select(h > 0, constant(h, 1), h + constant(h, 1))",
        "select(h > -1e-3, constant(h, 1), h + constant(h, 1))",
    ),
    "elu near 0 is y": (
        "nn/activations.py",
        "select(y > 0, y, elementwise.expm1_below(y))",
        "select(y > -1e-3, y, elementwise.expm1_below(y))",
    ),
    "elu's slope at 0 is 0": (
        "nn/activations.py",
        "select(h > 0, constant(h, 1), h + constant(h, 1))",
        "select(h > 0, constant(h, 1), select(h < 0, h + constant(h, 1), h))",
    ),
    "the last lane of a strip is not written": (
        "kernels/loops.py",
        "                    for s in range(width):\n                        Y[t, s0 + s] = acc",
        "                    for s in range(min(width, STRIP - 1)):\n                        Y[t, s0 + s] = acc",
    ),
    "the last lane of a strip has no bias": (
        "kernels/loops.py",
        "                for s in range(width):\n                    Y[t, s0 + s] += b[t]",
        "                for s in range(min(width, STRIP - 1)):\n                    Y[t, s0 + s] += b[t]",
    ),
    "the last lane of a strip of norms is lost": (
        "kernels/loops.py",
        "                for s in range(width):\n                    acc[s] = fma",
        "                for s in range(min(width, STRIP - 1)):\n                    acc[s] = fma",
    ),
    "what grows is flushed": (
        "kernels/epilogue.py",
        "(abs(x) < smallest) & (abs(x) <= abs(before))",
        "abs(x) < smallest",
    ),
    "a step with momentum forgets the decay": ("kernels/epilogue.py", "g = with_decay(theta, g, s)\n    v =", "v ="),
    "xavier has N times T": ("nn/initializers.py", "2 / (N + T)", "2 / (N * T)"),
    "he has outputs for inputs": ("nn/initializers.py", '"he": lambda N, T: 2 / N', '"he": lambda N, T: 2 / T'),
    "an output of 0 is yes": ("nn/evaluation.py", "return (Y > 0).astype(np.intp)", "return (Y >= 0).astype(np.intp)"),
    "a target of a half is yes": ("nn/evaluation.py", "(targets > 0.5)", "(targets >= 0.5)"),
    "gradients know no label smoothing": (
        "nn/mlp.py",
        "Regularization(label_smoothing=self.label_smoothing)",
        "Regularization()",
    ),
    "R² has one mean over all outputs": (
        "nn/evaluation.py",
        "portable.column_sums(targets) / len(targets)",
        "(portable.column_sums(targets) / len(targets)).mean()",
    ),
    "a plateau lowers the rate once only": ("nn/schedules.py", "waited, times = 0, times + 1", "waited, times = 0, 1"),
    "a plateau ends with any smaller loss": ("nn/schedules.py", "best - 1e-4 * abs(best)", "best"),
    "a plateau's threshold has the loss's sign": ("nn/schedules.py", "1e-4 * abs(best)", "1e-4 * best"),
    "an equal loss is better": (
        "nn/progress.py",
        "is_best = loss < self.best_loss",
        "is_best = loss <= self.best_loss",
    ),
    "early stopping forgets how long it waited": (
        "nn/progress.py",
        '{"waited": self.waited + 1}',
        '{"waited": 1}',
    ),
    "parameters after the last minibatch are not looked at": (
        "nn/course.py",
        "if done == batches and np.isfinite(net.parameters).all():",
        "if done == batches:",
    ),
    "the parameters of a divergence are kept": (
        "nn/course.py",
        "net.parameters[:] = progress.begun\n        self.keep(None)",
        "self.keep(None)",
    ),
    "a long epoch goes on after a divergence": (
        "nn/engine.py",
        "if results[DONE] < last:\n                break",
        "if results[DONE] < last:\n                pass",
    ),
    "the parameters before the epoch are not written": ("files/progress.py", ', "begun": progress.begun}', "}"),
    "the parameters before the epoch are not read": ("files/progress.py", '_parameters("begun", held, net)', "None"),
    "the generator begins anew after a file": (
        "files/description.py",
        "net.order.bit_generator.state = net.training.order",
        "pass",
    ),
    "the seconds of an epoch begin anew": (
        "nn/course.py",
        "time.perf_counter() - progress.seconds",
        "time.perf_counter()",
    ),
    "callbacks end at the first that says so": (
        "nn/course.py",
        "stops = [callback(record) for callback in self.callbacks]",
        "stops = (callback(record) for callback in self.callbacks)",
    ),
    "only the last callback may end it": ("nn/course.py", "if any(stops):", "if stops and stops[-1]:"),
    "a split is rounded down": ("nn/splits.py", "round(share * samples)", "int(share * samples)"),
    "a split is rounded up": ("nn/splits.py", "round(share * samples)", "-int(-share * samples // 1)"),
    "the first number that is no longer exact is whole": (
        "files/values.py",
        "(np.abs(y) < exact)",
        "(np.abs(y) <= exact)",
    ),
    "a new file is its owner's alone": ("files/replacing.py", "0o666 if old is None else 0o600", "0o600"),
    "parts of the loss overlap": ("nn/cross_entropy.py", "last = min(first + rows, T)", "last = min(first + rows + 1, T)"),
}


def mutants(sources: dict[str, str]) -> list[dict[str, Any]]:
    """The bugs as rows, before they were tried."""
    rows = []
    for name, (file, text, replacement) in BUGS.items():
        if file not in sources:
            continue
        source = sources[file]
        if source.count(text) != 1:
            print(f"no longer as it was, {file}: {name}", file=sys.stderr)
            continue
        line = source[: source.index(text)].count("\n") + 1
        row = {"file": file, "line": line, "operator": name, "occurrence": 0, "outcome": None, "why": None}
        changed = source.replace(text, replacement)
        rows.append(row | {"diff": f"-{text}\n+{replacement}", "source": changed, "stale": known.stale(file, source, line)})
    return rows

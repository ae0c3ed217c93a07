"""Callbacks of scikit-learn, from 1.9 on: the root task is a fit, its subtasks are epochs, or L-BFGS's iterations."""

from __future__ import annotations

import copy
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """What stands in for scikit-learn's."""

        def set_callbacks(self, *callbacks: Any) -> Any:
            """Refuse: there are none yet."""
            raise ImportError("callbacks need scikit-learn 1.9 or later: pip install -U scikit-learn")


__all__ = ["CallbackSupportMixin", "Tasks"]


class Tasks:
    """The tasks of one fit, and the callbacks that hear of them. given: X, y and weights; most: how many tasks at most.

    told: whether this process tells callbacks; of several ranks the first one does.
    """

    def __init__(self, of: Any, given: tuple[Any, Any, Any], most: int | None, told: bool = True) -> None:
        X, y, weight = given
        self.of, self.told = of, {"X": X, "y": y, "metadata": None if weight is None else {"sample_weight": weight}}
        told = told and hasattr(of, "_init_callback_context")
        self.root: Any = of._init_callback_context(max_subtasks=most) if told else None
        self.heard = self.root is not None and bool(getattr(of, "_skl_callbacks", None))
        self.now: Any = None
        if self.root is not None:
            self.root.call_on_fit_task_begin(estimator=of, **self.told)

    def begin(self, name: str = "epoch") -> None:
        """Tell that an epoch begins."""
        if self.heard:
            self.now = self.root.subcontext(task_name=name)
            self.now.call_on_fit_task_begin(estimator=self.of, **self.told, reconstruction_attributes=self._fitted)

    def end(self) -> bool:
        """Tell that an epoch has ended. Returns whether a callback asks for the end of the training."""
        now, self.now = self.now, None
        if now is None:
            return False
        return bool(now.call_on_fit_task_end(estimator=self.of, **self.told, reconstruction_attributes=self._fitted))

    def close(self) -> None:
        """Tell that the fit has ended."""
        self.end()
        if self.root is not None:
            self.root.call_on_fit_task_end(estimator=self.of, **self.told, reconstruction_attributes=self._fitted)

    def _fitted(self) -> dict[str, Any]:
        return {"net_": copy.deepcopy(self.of.net_)}

"""What all ranks of a communicator have to begin a training with alike."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from . import optimizers, own_rows, schedules
from .communication import Group
from .network import Network
from .progress import Progress

OF_BATCHES = "batch_size", "shuffle", "early_stopping", "drop_last", "best_epoch"


def require_same(group: Group, net: Network, progress: Progress) -> None:
    """Require of all ranks that they begin alike. Raises ValueError on all of them, which names a rank and what it has."""
    recipe = progress.recipe
    own_rows.same(
        group,
        {
            "sizes": net.sizes,
            "dtype": net.dtype,
            "activation": net.activation,
            "loss": net.loss_name,
            "seed": net.seed,
            "scaling": net.scaling,
            "the number of samples": progress.samples,
            "the checksum of the samples": progress.digest or progress.fingerprint,
            "the checksum of validation": progress.validation,
            "optimizer": _shown(recipe.optimizer, type(recipe.optimizer) in optimizers.OURS),
            "schedule": _shown(recipe.schedule, schedules.is_ours(recipe.schedule)),
            **{name: recipe.setting(name) for name in OF_BATCHES},
            "other settings": (recipe.regularization, recipe.rate_factors, recipe.ntp),
            "epochs": progress.epochs,
            "the checksum of parameters": _crc(net.parameters),
            "the checksum of the optimizer's state": [_crc(progress.state[name]) for name in sorted(progress.state)],
            "standardisation": [_crc(array) for array in (net.input_mean, net.input_scale)],
            "the order of samples": progress.order,
            "the place in the training": (progress.done, *progress.results.tolist()),
        },
    )


def _shown(value: Any, ours: bool) -> str:
    """A setting as all ranks show it: others than numbafc's own may show where they are in memory."""
    return repr(value) if ours else type(value).__name__


def _crc(array: Any) -> int | None:
    """The checksum of an array; None of anything else, such as somebody's own optimizer keeps."""
    return zlib.crc32(array.tobytes()) if isinstance(array, np.ndarray) and array.dtype != object else None

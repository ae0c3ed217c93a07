"""The size of the L2 cache, which the blocks of products depend on, and so compiled kernels."""

from __future__ import annotations

import functools
from pathlib import Path

UNKNOWN = 512 * 1024  # bytes, which most processors have at least


def size_in(cpus: Path) -> int:
    """The bytes of the first core's L2 cache, in Linux's description of the processors; UNKNOWN where there is none."""
    for index in sorted(cpus.glob("cpu0/cache/index*")):
        try:
            level, size = ((index / name).read_text().strip() for name in ("level", "size"))
            if level == "2" and size.endswith("K"):
                return int(size[:-1]) * 1024
        except (OSError, ValueError):  # a machine that hides it
            continue
    return UNKNOWN


@functools.cache
def l2_bytes() -> int:
    """The bytes of this machine's L2 cache, the first core's."""
    return size_in(Path("/sys/devices/system/cpu"))

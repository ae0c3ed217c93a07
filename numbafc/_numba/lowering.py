"""What the package's own intrinsics are written with, of Numba's internals: nothing else imports them."""

from __future__ import annotations

from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed

__all__ = ["cgutils", "impl_ret_borrowed"]

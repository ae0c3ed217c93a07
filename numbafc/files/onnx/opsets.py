"""The operator sets that models are written in: versions of ONNX's operators; a runtime knows those up to its own."""

from __future__ import annotations

from types import ModuleType

from ... import checks

FIRST, USUAL, LAST = 13, 17, 24  # 13 is where Softmax has been of one axis since
MISH, GELU, SWISH = 18, 20, 24  # where there is an operator for an activation that is put together before


def require(opset: int) -> int:
    """A version that models can be written in. Raises TypeError or ValueError."""
    if not FIRST <= checks.count("opset", opset, 0) <= LAST:
        raise ValueError(f"opset must be from {FIRST} to {LAST}, got {checks.shown(opset)}; {USUAL} suits most runtimes")
    return int(opset)


def library(opset: int = USUAL) -> ModuleType:
    """The library onnx. Raises ImportError without it, ValueError where it is older than the opset."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise ImportError(
            "ONNX models are written with onnx, which is not installed: pip install 'numbafc[onnx]'"
        ) from None
    known = onnx.defs.onnx_opset_version()
    if opset > known:
        raise ValueError(f"opset {opset} needs a newer onnx, for version {onnx.__version__} knows those up to {known}")
    return onnx

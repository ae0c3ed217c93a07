"""ONNX: networks out, with what a table needs before them and labels behind, and networks of other libraries in."""

from .exporting import content, export_onnx, inputs, outputs, require_name
from .opsets import FIRST, LAST, USUAL
from .reading import from_onnx

__all__ = ["FIRST", "LAST", "USUAL", "content", "export_onnx", "from_onnx", "inputs", "outputs", "require_name"]

"""ONNX models put together of bytes, as protocol buffers have them, and with what no library would write."""

import numpy as np


def varint(n):
    """A number, seven bits in a byte."""
    n %= 2**64
    found = b""
    while n > 127:
        found += bytes([n & 127 | 128])
        n >>= 7
    return found + bytes([n])


def number(field, n):
    """A field that is a number."""
    return varint(field << 3) + varint(n)


def data(field, value):
    """A field that is bytes or text."""
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def tensor(name, array, *more, dims=None):
    """A tensor; its fields of numbers are given, or its bytes."""
    dims = array.shape if dims is None else dims
    kind = {"<f4": 1, "<f8": 11, "<i8": 7}[array.dtype.str]
    head = b"".join(number(1, n) for n in dims) + number(2, kind) + data(8, name)
    return head + (b"".join(more) if more else data(9, array.tobytes()))


def node(operator, inputs, output, *attributes):
    """A node, with attributes that are messages."""
    named = b"".join(data(1, name) for name in inputs) + data(2, output) + data(4, operator)
    return named + b"".join(data(5, one) for one in attributes)


TURNED = data(1, "transB") + number(3, 1) + number(20, 2)
INPUT = data(1, "x") + data(2, data(1, number(1, 1) + data(2, data(1, data(2, "n")) + data(1, number(1, 3)))))
W, B = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.float32)
LAYER = node("Gemm", ["x", "W", "b"], "out", TURNED)


def graph(nodes=(LAYER,), tensors=None, more=b"", output="out", given=INPUT):
    """A graph of one layer, if of nothing else."""
    tensors = [tensor("W", W), tensor("b", B)] if tensors is None else tensors
    parts = [
        *(data(1, one) for one in nodes),
        *(data(5, one) for one in tensors),
        data(11, given),
        data(12, data(1, output)),
    ]
    return b"".join(parts) + more


def model(content=None, opset=17):
    """A model's file."""
    return number(1, 8) + data(7, graph() if content is None else content) + data(8, number(2, opset))

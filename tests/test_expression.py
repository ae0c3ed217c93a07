"""Formulas on vectors of IR: each operator has the bits that it has on numbers, in plain Python and compiled."""

import itertools

import numba
import numpy as np
import pytest
from helpers import assert_same_bits
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from numbafc._numba import DTYPES, OPTIONS, inner
from numbafc.kernels.element import constant, select
from numbafc.kernels.epilogue import FORMS, Epilogue, StepSettings
from numbafc.kernels.vector.expression import Expression

LANES = 4
SPECIAL = [0.0, -0.0, 1.0, -1.5, 0.1, 3e-42, -3e-42, 1e-310, 1e30, np.inf, -np.inf, np.nan]

FORMULAS = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / b": lambda a, b: a / b,
    "2 + a": lambda a, b: constant(a, 2) + a,
    "|a|": lambda a, b: abs(a),
    "-a": lambda a, b: -a,
    "a > b": lambda a, b: select(a > b, a, b),
    "a >= b": lambda a, b: select(a >= b, a, b),
    "a < b": lambda a, b: select(a < b, a, b),
    "a <= b": lambda a, b: select(a <= b, a, b),
    "a == b": lambda a, b: select(a == b, a, constant(b, 7)),
    "a != b": lambda a, b: select(a != b, a, constant(b, 7)),
    "and": lambda a, b: select((a > 0) & (b > 0), a, b),
    "or": lambda a, b: select((a > 0) | (b != b), a, b),
}
# With a number of Python's on the left or the right: as a float32 formula of compiled code has it only by constant().
WITH_NUMBERS = {
    "2 + a": lambda a: 2 + a,
    "2 - a": lambda a: 2 - a,
    "2 * a": lambda a: 2 * a,
    "2 / a": lambda a: 2 / a,
    "a + 2": lambda a: a + 2,
    "a - 2": lambda a: a - 2,
    "a * 2": lambda a: a * 2,
    "a / 2": lambda a: a / 2,
}


def on_vectors(formula, operands):
    """f(out, A, …): the formula of LANES numbers of each array, once, as code of one vector."""

    @intrinsic
    def call(typingctx, out, arrays):
        def codegen(context, builder, signature, args):
            real = context.get_value_type(signature.args[0].dtype)
            vector = ir.VectorType(real, LANES)

            def data(kind, value):
                start = context.make_array(kind)(context, builder, value).data
                return builder.bitcast(start, vector.as_pointer())

            given = (builder.extract_value(args[1], n) for n in range(operands))
            sources = [data(kind, value) for kind, value in zip(signature.args[1].types, given, strict=True)]
            loaded = (Expression(builder, builder.load(source, align=4, typ=vector)) for source in sources)
            builder.store(formula(*loaded).value, data(signature.args[0], args[0]), align=4)
            return context.get_dummy_value()

        return types.void(out, arrays), codegen

    @numba.njit(**OPTIONS)
    def run(out, *arrays):
        call(out, arrays)

    return run


def pairs(dtype):
    """All pairs of special numbers, as arrays of whole vectors."""
    with np.errstate(all="ignore"):
        numbers = np.array(list(itertools.product(SPECIAL, SPECIAL)), dtype)
    return [numbers[n : n + LANES].T.copy() for n in range(0, len(numbers), LANES)]


def evaluated(formula, dtype):
    """(on vectors, on numbers in plain Python, the operands) for all pairs of special numbers."""
    run = on_vectors(formula, 2)
    for a, b in pairs(dtype):
        out = np.empty(LANES, dtype)
        run(out, a, b)
        with np.errstate(all="ignore"):
            yield out, np.array([formula(x, y) for x, y in zip(a, b, strict=True)], dtype), (a, b)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FORMULAS)
def test_an_operator_on_vectors_is_that_on_numbers(name, dtype):
    formula, compiled = FORMULAS[name], numba.njit(**OPTIONS)(inner(FORMULAS[name]))
    for out, expected, operands in evaluated(formula, dtype):
        one_by_one = np.array([compiled(x, y) for x, y in zip(*operands, strict=True)], dtype)
        assert_same_bits(np.isnan(out), np.isnan(expected), name)
        sure = ~np.isnan(expected)  # the sign of NaN is nobody's
        assert_same_bits(out[sure], expected[sure], name)
        assert_same_bits(one_by_one[sure], expected[sure], f"{name} compiled")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_a_number_of_python_s_is_one_of_the_vector_s_dtype(name, dtype):
    formula = WITH_NUMBERS[name]
    run, a, out = on_vectors(formula, 1), np.array([0.1, -3.0, 1e-30, 7.0], dtype), np.empty(LANES, dtype)
    run(out, a)
    assert_same_bits(out, formula(a), name)


@pytest.mark.parametrize("epilogue", [Epilogue.BIAS, Epilogue.BIAS_RELU, Epilogue.RELU_BACKWARD], ids=lambda e: e.name)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_an_epilogue_on_vectors_is_its_formula_on_numbers(epilogue, dtype):
    for out, expected, _ in evaluated(FORMS[epilogue].formula, dtype):
        np.testing.assert_array_equal(out, expected)
        assert_same_bits(np.signbit(out[~np.isnan(out)]), np.signbit(expected[~np.isnan(out)]), "signs")


def test_every_epilogue_has_a_form():
    assert list(FORMS) == list(Epilogue)
    assert [form.formula is None for form in FORMS.values()] == [epilogue == Epilogue.NONE for epilogue in Epilogue]
    assert StepSettings._fields[0] == "rate"  # which a step without a state is told alone

"""Expressions of one number y, as nodes put them together, and which activation one is, however it is written.

An expression is y, a number, or an operator's name with expressions behind it: ("Mul", "y", ("Sigmoid", "y")) is silu. Two
are one where their canonical forms are: products and sums in one order, quotients and differences as products and sums,
numbers to five digits, for exporters write those of float32.
"""

from __future__ import annotations

from typing import Any

from ...nn.activations import LEAK, SELU_ALPHA, SELU_SCALE
from .activations import MISH_ALL

Y = "y"
MOST = 40  # operators and numbers of an expression: those of activations have up to 20


def named(operator: str, *settings: float) -> str:
    """The name of an operator with its settings."""
    return " ".join([operator, *(f"{one:.5g}" for one in settings)])


def activation_of(expression: Any) -> str | None:
    """The activation that an expression of y is, or None."""
    return KNOWN.get(_key(expression))


def _key(expression: Any) -> str:
    return repr(_rounded(canonical(expression)))


def _rounded(form: Any) -> Any:
    if isinstance(form, float):
        return f"{form:.5g}"
    return tuple(_rounded(one) for one in form) if isinstance(form, tuple) else form


def canonical(expression: Any) -> Any:
    """The one form of an expression and of all that are written in another way."""
    if not isinstance(expression, tuple):
        return expression
    operator, *given = expression
    parts = [canonical(part) for part in given]
    if operator in ("Add", "Sum"):
        return _sum(parts)
    if operator == "Sub":
        return _sum([parts[0], _product([-1.0, parts[1]])])
    if operator == "Neg":
        return _product([-1.0, *parts])
    if operator == "Mul":
        return _product(parts)
    if operator == "Div":
        by = parts[1]
        return _product([parts[0], 1 / by if isinstance(by, float) and by else ("Reciprocal", by)])
    if operator in ("Max", "Min"):
        ordered = sorted(parts, key=repr)
        return ("Relu", Y) if operator == "Max" and ordered == [Y, 0.0] else (operator, *ordered)
    if operator == "Less":
        return ("Greater", *reversed(parts))
    return (operator, *parts)


def _product(factors: list[Any]) -> Any:
    """A number times expressions, in order."""
    number, others = 1.0, []
    for factor in factors:
        if isinstance(factor, float):
            number *= factor
        elif isinstance(factor, tuple) and factor[0] == "product":
            number *= factor[1]
            others += factor[2]
        else:
            others.append(factor)
    if not others:
        return number
    if number == 1 and len(others) == 1:
        return others[0]
    return ("product", number, tuple(sorted(others, key=repr)))


def _sum(terms: list[Any]) -> Any:
    """A number and expressions, each times a number, in order."""
    number = 0.0
    others: dict[Any, float] = {}
    for term in terms:
        times, one = 1.0, term
        if isinstance(term, float):
            number += term
            continue
        if isinstance(term, tuple) and term[0] == "sum":
            number += term[1]
            for of_it, times in term[2]:
                others[of_it] = others.get(of_it, 0.0) + times
            continue
        if isinstance(term, tuple) and term[0] == "product":
            times, one = term[1], _product(list(term[2]))
        others[one] = others.get(one, 0.0) + times
    if not others:
        return number
    if number == 0 and len(others) == 1:
        ((one, times),) = others.items()
        return _product([times, one])
    return ("sum", number, tuple(sorted(others.items(), key=repr)))


def _known() -> dict[str, str]:
    exp, sigmoid, below = ("Exp", Y), ("Sigmoid", Y), ("Exp", ("Min", Y, 0.0))
    above = ("Greater", Y, 0.0)
    softplus = (
        ("Softplus", Y),
        ("Log", ("Add", exp, 1.0)),
        ("Add", ("Relu", Y), ("Log", ("Add", ("Exp", ("Neg", ("Abs", Y))), 1.0))),
        ("Where", ("Greater", Y, 20.0), Y, ("Softplus", Y)),  # where it is y in float32
    )
    erf = ("Erf", ("Mul", Y, 0.7071067811865476))
    u = ("Exp", ("Min", Y, MISH_ALL))
    w = ("Mul", u, ("Add", u, 2.0))
    leaky = ("Mul", Y, LEAK)
    forms: dict[str, tuple[Any, ...]] = {
        "identity": (Y,),
        "relu": (("Relu", Y),),
        "tanh": (("Tanh", Y),),
        "sigmoid": (sigmoid, ("Div", 1.0, ("Add", ("Exp", ("Neg", Y)), 1.0))),
        "leaky_relu": ((named("LeakyRelu", LEAK), Y), ("Where", above, Y, leaky), ("Max", Y, leaky)),
        "elu": ((named("Elu", 1.0), Y), *(("Where", above, Y, ("Sub", one, 1.0)) for one in (exp, below))),
        "selu": (
            (named("Selu", SELU_ALPHA, SELU_SCALE), Y),
            *(
                ("Mul", SELU_SCALE, ("Where", above, Y, ("Mul", SELU_ALPHA, ("Sub", one, 1.0))))
                for one in (exp, below)
            ),
        ),
        "softplus": softplus,
        "gelu": (("Gelu", Y), ("Mul", ("Mul", Y, 0.5), ("Add", erf, 1.0)), ("Mul", Y, ("Add", ("Mul", erf, 0.5), 0.5))),
        "silu": ((named("Swish", 1.0), Y), ("Mul", Y, sigmoid)),
        "mish": (
            ("Mish", Y),
            *(("Mul", Y, ("Tanh", one)) for one in softplus),
            ("Mul", Y, ("Div", w, ("Add", w, 2.0))),
        ),
    }  # fmt: skip
    return {_key(form): name for name, some in forms.items() for form in some}


KNOWN = _known()

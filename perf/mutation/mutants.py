"""Changes of a source: those of cosmic-ray's operators that a person might make by mistake, and statements left out.

Not changed is what no result depends on: annotations, decorators (how a kernel is compiled), the words of refusals and
warnings, names and numbers inside f-strings.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Of 200 operators those whose change is as likely as one of them: `a + b` as `a << b` fails at once and says nothing.
BINARY = [
    "Add_Sub", "Sub_Add", "Sub_Mul", "Mul_Div", "Div_Mul", "Mul_Add", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul",
    "RShift_LShift", "LShift_RShift", "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitAnd",
]  # fmt: skip
COMPARISON = [
    "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_Gt", "Gt_Lt", "LtE_GtE", "GtE_LtE", "Eq_NotEq", "NotEq_Eq", "Is_IsNot",
    "IsNot_Is",
]  # fmt: skip
OTHERS = [
    "AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer", "ZeroIterationForLoop",
    "ReplaceUnaryOperator_USub_UAdd", "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_Invert",
]  # fmt: skip
NAMES = [
    *(f"ReplaceBinaryOperator_{name}" for name in BINARY),
    *(f"ReplaceComparisonOperator_{name}" for name in COMPARISON),
    *OTHERS,
]
LEFT_OUT = "LeaveOutStatement"


class Mutant(NamedTuple):
    """One change. line: from 1; before, after: what the changed lines were and are."""

    file: str  # inside the package, nn/mlp.py
    line: int
    operator: str
    occurrence: int  # of the operator in the file, from 0
    source: str  # all of the changed file

    def diff(self, original: str) -> str:
        """The changed lines, with − and + before them."""
        lines = difflib.unified_diff(original.splitlines(), self.source.splitlines(), n=0, lineterm="")
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


class Place(NamedTuple):
    """Where a change can be made."""

    file: str
    line: int
    operator: str
    occurrence: int


def places(file: str, source: str) -> list[Place]:
    """Every change of a file that may alter a result."""
    tree = ast.parse(source)
    skipped = list(_unimportant(tree))
    found = []
    for name, operator in _operators().items():
        for occurrence, (line, column) in enumerate(_positions(operator, source)):
            if not any(first <= (line, column) < last for first, last in skipped):
                found.append(Place(file, line, name, occurrence))
    found += places_of_statements(file, source)
    return sorted(found, key=lambda place: (place.line, place.operator, place.occurrence))


def places_of_statements(file: str, source: str) -> list[Place]:
    """The statements that can be left out."""
    statements = enumerate(_statements(ast.parse(source)))
    return [Place(file, statement.lineno, LEFT_OUT, occurrence) for occurrence, statement in statements]


def made(place: Place, source: str) -> Mutant | None:
    """The source with that change, or None where it would be no program."""
    if place.operator == LEFT_OUT:
        changed = _without(source, list(_statements(ast.parse(source)))[place.occurrence])
    else:
        from cosmic_ray.mutating import mutate_code

        try:
            changed = mutate_code(source, _operators()[place.operator](), place.occurrence)
            ast.parse(changed)
        except (AttributeError, SyntaxError):  # ExceptionReplacer takes names without a dot only
            return None
    return Mutant(*place, changed)


def _operators() -> dict[str, Any]:
    try:
        from cosmic_ray.operators.provider import OperatorProvider
    except ImportError:
        raise SystemExit(
            "the changes are those of cosmic-ray, which is not installed; expected it beside the tests' packages: "
            'pip install cosmic-ray ".[test]"'
        ) from None
    provider = OperatorProvider()
    return {name: provider[name] for name in NAMES}


def _positions(operator: Any, source: str) -> Iterator[tuple[int, int]]:
    from cosmic_ray.ast import ast_nodes, get_ast

    for node in ast_nodes(get_ast(source)):
        yield from (start for start, _ in operator().mutation_positions(node))


def _unimportant(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where nothing is changed."""
    for node in ast.walk(tree):
        spared: list[Any] = []
        if isinstance(node, ast.Raise | ast.JoinedStr) or ast.unparse(getattr(node, "func", ast.Pass())) == "warnings.warn":
            spared = [node]
        elif isinstance(node, ast.AnnAssign):
            spared = [node.annotation]
        elif isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            spared = [*node.decorator_list, node.returns, *(argument.annotation for argument in arguments if argument)]
            defaults = [value for value in (*node.args.defaults, *node.args.kw_defaults) if value is not None]
            yield from _between((node.lineno, node.col_offset), defaults, (node.body[0].lineno, node.body[0].col_offset))
        elif isinstance(node, ast.ClassDef):
            spared = [*node.decorator_list, *node.bases]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            spared = [node]
        elif isinstance(node, ast.keyword) and node.arg in ("parallel", "allocates", "strict", "stacklevel"):
            spared = [node.value]
        for one in spared:
            if one is not None:
                yield (one.lineno, one.col_offset), (one.end_lineno, one.end_col_offset)


def _between(first: tuple[int, int], values: list[Any], last: tuple[int, int]) -> Iterator[Any]:
    """What lies beside the values: a star between arguments is no product."""
    for value in values:
        yield first, (value.lineno, value.col_offset)
        first = (value.end_lineno, value.end_col_offset)
    yield first, last


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Statements of functions that change something there is, so that the function still runs without them."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
                if ast.unparse(node) != "noinline()":
                    yield node
            elif isinstance(node, ast.Assign):
                names = {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
                used = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
                if names & used or any(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
                    yield node


def _without(source: str, statement: ast.stmt) -> str:
    """The source with `pass` for the statement, and as many lines."""
    lines = source.splitlines(keepends=True)
    first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
    encoded = lines[first].encode()
    begin, end = encoded[: statement.col_offset].decode(), lines[last].encode()[statement.end_col_offset :].decode()
    lines[first : last + 1] = [f"{begin}pass{end}", *["\n"] * (last - first)]
    return "".join(lines)


def originals(package: Path, files: list[str]) -> dict[str, str]:
    """The sources of files."""
    return {file: (package / file).read_text(encoding="utf-8") for file in files}

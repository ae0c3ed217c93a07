"""The house rules, as tests: who imports whom, no BLAS, shapes in docstrings, the top level."""

import ast
import subprocess
from pathlib import Path

import pytest

import numbafc

PACKAGE = Path(numbafc.__file__).parent
ROOT = Path(__file__).parent.parent
FILES = sorted(PACKAGE.rglob("*.py"))

# From the ground up: a room imports only rooms above it in this list, and itself.
ROOMS = (
    "_startup",
    "_version",
    "_numba",
    "formulas",
    "checks",
    "kernels",
    "layer",
    "jacobian",
    "nn",
    "tables",
    "files",
    "testing",
    "interop",
    "cli",
    "__main__",
    "__init__",
)


def room_of(parts):
    """The room of a dotted path inside the package."""
    return parts[0] if parts else "__init__"


def imported(tree, path):
    """What a file imports of the package, anywhere in it, under `if TYPE_CHECKING:` and inside functions too: dotted paths
    inside the package, as tuples. The last part may be a module's name or one of a module's own."""
    here = path.relative_to(PACKAGE).with_suffix("").parts
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            of = tuple((node.module or "").split(".")) if node.module else ()
            if node.level:
                of = here[: len(here) - node.level] + of
            elif of[0] != "numbafc":
                continue
            else:
                of = of[1:]
            yield from ((*of, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (tuple(a.name.split(".")[1:]) for a in node.names if a.name.split(".")[0] == "numbafc")


# The imports of a room above, inside functions: net.save(path) is fc.save(net, path) by another name, and the writer,
# which knows networks, is in files/. All others go one way.
LATE = {("nn/mlp.py", ("files", "save")), ("nn/members.py", ("files", "save"))}


def wrong_arrows(tree, path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    own = room_of(parts)
    assert own in ROOMS, f"{path}: no room is called {own}"
    at_once = {one for node in tree.body for one in (imported(node, path) if not isinstance(node, ast.ClassDef) else ())}
    for other in imported(tree, path):
        room = room_of(other)
        late = (path.relative_to(PACKAGE).as_posix(), other) in LATE and other not in at_once
        if room in ROOMS and ROOMS.index(room) > ROOMS.index(own) and not late:
            yield f"{'/'.join(parts)} imports {room}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    assert not list(wrong_arrows(ast.parse(path.read_text(encoding="utf-8")), path))


def test_an_arrow_the_wrong_way_is_seen():
    for room, code in (
        ("layer.py", "from . import nn"),
        ("layer.py", "from .nn.mlp import MLP"),
        ("nn/mlp.py", "from ..files import checkpoint"),
        ("kernels/loops.py", "from ..layer import forward"),
        ("formulas.py", "def f():\n    import numbafc.layer"),
        ("nn/__init__.py", "from ..files.checkpoint import load"),
        ("nn/mlp.py", "from ..files import save"),
        ("nn/passes.py", "def f():\n    from ..files import save"),
    ):
        assert list(wrong_arrows(ast.parse(code), PACKAGE / room)), (room, code)


def graph(sources):
    """Which module imports which, of {path: source}: dotted paths inside the package, as tuples; () is the package."""

    def name(path):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    modules = {name(path) for path in sources}
    found = {}
    for path, source in sources.items():
        all_ = {one for one in imported(ast.parse(source), path) if (path.relative_to(PACKAGE).as_posix(), one) not in LATE}
        found[name(path)] = {one if one in modules else one[:-1] for one in all_} - {name(path)}
    return found


def circles(graph):
    """The modules that are in circles, or between two of them."""
    while True:
        needed = set().union(*graph.values())
        ends = {module for module, others in graph.items() if module not in needed or not others & graph.keys()}
        if not ends:
            return graph
        graph = {module: others - ends for module, others in graph.items() if module not in ends}


SOURCES = {path: path.read_text(encoding="utf-8") for path in FILES}


def test_no_imports_go_in_a_circle():
    assert not circles(graph(SOURCES))


@pytest.mark.parametrize(
    "code",
    [
        "from .mlp import MLP",
        "from . import MLP",
        "import numbafc.nn.training",
        "if TYPE_CHECKING:\n    from .mlp import MLP",
        "def f():\n    from numbafc.nn import mlp",
        "class A:\n    def f(self):\n        from .. import nn",
    ],
)
def test_a_circle_is_seen(code):
    path = PACKAGE / "nn" / "network.py"
    assert ("nn", "network") in circles(graph(SOURCES | {path: f"{SOURCES[path]}\n{code}\n"}))


BLAS = {"dot", "vdot", "matmul", "einsum", "tensordot", "inner", "linalg", "multi_dot", "matvec", "vecmat", "vecdot"}


# Products of SciPy's sparse matrices: no BLAS behind them.
SPARSE = {"self._outer.tosparse() @ self._inner.tosparse()"}


def blas_calls(tree):
    """`@`, np.dot and their like, whether called on a module, imported by name, or as a method."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.BinOp | ast.AugAssign)
            and isinstance(node.op, ast.MatMult)
            and ast.unparse(node) not in SPARSE
        ):
            yield f"line {node.lineno}: @"
        if isinstance(node, ast.Attribute) and node.attr in BLAS:
            yield f"line {node.lineno}: .{node.attr}"
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = {alias.name for alias in node.names} | set((node.module or "").split("."))
            yield from (f"line {node.lineno}: import of {name}" for name in names & BLAS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_blas_in_the_package(path):
    if path.relative_to(PACKAGE).parts[0] != "testing":
        assert not list(blas_calls(ast.parse(path.read_text(encoding="utf-8"))))


def test_a_blas_call_is_seen():
    for code in (
        "A @ B",
        "A @= B",
        "np.dot(A, B)",
        "A.dot(B)",
        "np.linalg.norm(A)",
        "np.einsum('ij,jk', A, B)",
        "from numpy import dot",
        "from numpy.linalg import norm",
    ):
        assert list(blas_calls(ast.parse(code))), code


def public_functions():
    for name in numbafc.__all__:
        value = getattr(numbafc, name)
        if callable(value):
            yield name, value


@pytest.mark.parametrize(("name", "value"), list(public_functions()))
def test_public_docstrings_say_what_how_large_and_what_goes_wrong(name, value):
    text = value.__doc__ or ""
    assert len(text) > 40, f"{name} has no docstring"
    if name in ("forward", "grad_w", "grad_b", "grad_x", "backward", "jacobian_w", "jacobian_b", "jacobian_x"):
        for word in (
            "(T",
            "Returns",
            "Raises" if name in ("forward", "jacobian_w", "jacobian_b", "jacobian_x") else "Errors",
        ):
            assert word in text, f"{name}: its docstring does not say {word!r}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_file_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_init_files_only_re_export():
    for path in PACKAGE.rglob("__init__.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            guard = isinstance(node, ast.Try)  # numbafc.testing says in one sentence that Hypothesis is missing
            assert guard or isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.Assign), (
                f"{path}: line {node.lineno}"
            )


def test_the_top_level_is_fixed():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    top = {name.split("/")[0] for name in listed.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} == {
        "numbafc",
        "tests",
        "perf",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    }


def names_of_numba(tree):
    """What a file uses of Numba that its documentation does not promise: all but prange, types and the extension API."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("numba", "llvmlite"):
            public = {"numba": {"prange", "types"}, "numba.types": None, "numba.extending": None, "llvmlite": {"ir"}}
            allowed = public.get(node.module, set())
            yield from (f"{node.module}.{a.name}" for a in node.names if allowed is not None and a.name not in allowed)
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in ("numba", "llvmlite"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_one_room_alone_names_what_is_private_in_numba(path):
    if path.relative_to(PACKAGE).parts[0] != "_numba":
        assert not list(names_of_numba(ast.parse(path.read_text(encoding="utf-8"))))


def test_a_private_name_of_numba_is_seen():
    for code in (
        "import numba",
        "import numba.core",
        "from numba.core import cgutils",
        "from numba import njit",
        "from numba.np.ufunc import parallel",
        "from llvmlite import binding",
    ):
        assert list(names_of_numba(ast.parse(code))), code
    assert not list(names_of_numba(ast.parse("from numba import prange, types\nfrom numba.extending import overload")))


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


def own_names(tree):
    """The private names that a file gives anything: functions, classes, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def foreign_names(tree, path, owners):
    """Private names that a file imports, or uses as attributes, and that another file of the package has given."""
    imports = {one[-1] for one in imported(tree, path) if one} - {part for parts in owners for part in parts}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    if room_of(path.relative_to(PACKAGE).parts) == "_numba":  # whose attributes are Numba's
        attributes = set()
    found = imports | (attributes & set().union(*owners.values()))
    yield from (name for name in found - set(own_names(tree)) if is_private(name))


OWNERS = {path.relative_to(PACKAGE).with_suffix("").parts: set(own_names(ast.parse(SOURCES[path]))) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_uses_another_s_private_names(path):
    assert not list(foreign_names(ast.parse(SOURCES[path]), path, OWNERS))


@pytest.mark.parametrize(
    "code",
    [
        "from .network import _initial",
        "def f(net):\n    return net._parameters",
        "from ..files import tables\ntables._words()",
    ],
)
def test_a_private_name_of_another_file_is_seen(code):
    assert list(foreign_names(ast.parse(code), PACKAGE / "nn" / "passes.py", OWNERS))


# What may be longer than the rest: public signatures, of fit, of the command, which has an option for each, of estimators.
MOST_LINES, MOST_PARAMETERS = 45, 14
LONG_SIGNATURES = {
    "nn/mlp.py: fit",
    "cli/train.py: train",
    "interop/sklearn/tabular.py: __init__",  # scikit-learn has an estimator's settings in its signature
    "interop/sklearn/classifier.py: __init__",
    "interop/sklearn/mlp/classifier.py: __init__",
    "interop/sklearn/mlp/regressor.py: __init__",
}


def long_functions(tree):
    """(name, lines of its body, parameters) of every function that is too long, its docstring left out."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            body = function.body[1:] if ast.get_docstring(function) else function.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            parameters = sum(
                len(kind) for kind in (function.args.posonlyargs, function.args.args, function.args.kwonlyargs)
            )
            if lines > MOST_LINES or parameters > MOST_PARAMETERS:
                yield function.name, lines, parameters


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_are_short(path):
    file = path.relative_to(PACKAGE).as_posix()
    found = [one for one in long_functions(ast.parse(SOURCES[path])) if f"{file}: {one[0]}" not in LONG_SIGNATURES]
    assert not found, f"(name, lines, parameters): {found}"


def test_a_long_function_is_seen():
    body = "\n".join(f"    x{n} = {n}" for n in range(MOST_LINES))
    assert not list(long_functions(ast.parse(f'def f(a):\n    """What it does."""\n{body}')))
    assert list(long_functions(ast.parse(f"def f(a):\n{body}\n    return 0"))) == [("f", MOST_LINES + 1, 1)]
    many = ", ".join(f"a{n}" for n in range(MOST_PARAMETERS + 1))
    assert list(long_functions(ast.parse(f"def f({many}): return 0"))) == [("f", 1, MOST_PARAMETERS + 1)]
    assert list(long_functions(ast.parse(f"def f(*, {many}): return 0")))

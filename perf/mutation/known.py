"""Which tests belong to which file, which kernels a change is in, and which changes alter no result, with the reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

T = "tests/test_{}.py".format


def without(file: str, *names: str) -> list[str]:
    """Options for pytest: a file's tests that are not run."""
    return [f"--deselect={T(file)}::{name}" for name in names]


# Tests that take long and tell what others tell, too: two more instruction sets, memory, the time until Ctrl-C is seen.
SLOW = without(
    "engine",
    "test_training_needs_little_memory",
    "test_a_call_is_a_moment_so_that_an_interrupt_is_seen",
    "test_threads_and_instruction_sets_change_no_bit",
)
LAYER = [T("layer"), *without("layer", "test_the_adjoint_identity", "test_check_layer_finds_nothing[tiled]")]
FIT = [T("interrupted_and_diverged"), T("fit_by_hand"), T("boundaries")]
TRAINING = [*FIT, T("nn"), T("resume"), T("schedules"), T("limits"), T("regularization")]
COMPILED = [*TRAINING, T("engine"), *SLOW]
MODELS = [T("reading_edges"), T("files"), T("hostile_checkpoints"), T("interrupted_and_diverged"), T("resume")]
DATA = [T("reading_edges"), T("boundaries"), T("files"), T("idx")]

TESTS = {
    "formulas.py": [T("boundaries"), T("jacobian"), *LAYER],
    "kernels/loops.py": [T("boundaries"), *LAYER],
    "nn/activations.py": [T("boundaries"), *COMPILED],
    "nn/clipping.py": [f"{T('regularization')}::test_clip_is_its_definition", *COMPILED],
    "nn/dropout.py": [f"{T('regularization')}::test_dropout_is_its_definition", T("boundaries"), *COMPILED],
    "nn/initializers.py": [T("boundaries"), T("nn"), T("regularization")],
    "nn/metrics.py": [T("metrics")],
    "nn/mlp.py": [
        *FIT,
        T("limits"),
        T("nn"),
        T("metrics"),
        T("reading_edges"),
        T("files"),
        T("regularization"),
        T("schedules"),
    ],
    "nn/optimizers.py": [T("limits"), T("nn"), *FIT, T("resume"), T("engine"), *SLOW],
    "nn/progress.py": [*FIT, T("schedules"), T("resume"), T("nn"), T("hostile_checkpoints")],
    "nn/recipe.py": [T("limits"), *TRAINING, T("engine"), *SLOW],
    "nn/samples.py": [T("limits"), T("boundaries"), T("nn"), T("regularization"), T("resume"), T("engine"), *SLOW],
    "nn/schedules.py": [T("limits"), T("boundaries"), T("schedules"), T("nn"), T("resume")],
    "nn/training.py": COMPILED,
    "nn/updates.py": [T("fit_by_hand"), T("engine"), T("nn"), *SLOW],
    "nn/weights.py": [T("limits"), T("regularization"), T("nn")],
    "files/checkpoint.py": MODELS,
    "files/idx.py": [T("idx"), T("files")],
    "files/progress.py": [*MODELS, T("schedules")],
    "files/replacing.py": [T("boundaries"), T("files"), T("saving")],
}


def files(package: Path) -> list[str]:
    """What is changed: the specification, the loops that follow it, networks and files."""
    rooms = [path for room in ("nn", "files") for path in sorted((package / room).glob("*.py"))]
    return [
        "formulas.py",
        "kernels/loops.py",
        *(f"{path.parent.name}/{path.name}" for path in rooms if path.stem[0] != "_"),
    ]


def tests_of(file: str) -> list[str]:
    """The tests of a file, or of its room."""
    return TESTS.get(file, COMPILED if file.startswith("nn/") else DATA)


# Functions that are compiled without a decorator, and the modules whose kernels have a file's code in them.
KERNELS = {"_minibatches", "_cross_entropy", "_mean_of", "_activation"}
USERS = {
    "formulas.py": ["numbafc.kernels.loops", "numbafc.kernels.products", "numbafc.nn.engine"],
    "nn/arena.py": ["numbafc.nn.engine"],
    "nn/clipping.py": ["numbafc.nn.engine"],
    "nn/dropout.py": ["numbafc.nn.engine"],
    "nn/parts.py": ["numbafc.nn.engine"],
    "nn/recipe.py": ["numbafc.nn.engine"],
    "nn/updates.py": ["numbafc.nn.engine"],
}
CONSTANTS = {"nn/activations.py": ["numbafc.nn.engine"], **USERS}  # whose constants others have compiled


def stale(file: str, source: str, line: int) -> list[str]:
    """The modules whose kernels a change in that line is compiled into."""
    module = f"numbafc.{file.removesuffix('.py').replace('/', '.')}"
    for node in ast.parse(source).body:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        if not first <= line <= (node.end_lineno or node.lineno):
            continue
        if isinstance(node, ast.FunctionDef):
            compiled = node.decorator_list or node.name in KERNELS
            return [module, *USERS.get(file, [])] if compiled else []
        if isinstance(node, ast.ClassDef):
            return []
    return [module, *CONSTANTS.get(file, [])]


# (file, what the line must match, the reason): changes here alter how long something takes, where it stops to look for
# Ctrl-C, or how much memory it needs, and no result.
SPEED = [
    ("kernels/loops.py", r"^(LANES|PARALLEL) = ", "a strip's width, and from when threads are used"),
    ("kernels/loops.py", r"get_num_threads|if threads > 1", "whether threads are used"),
    ("nn/engine.py", r"self\.minibatches\.compile", "when the first call compiles"),
    ("files/arrays.py", r"^MOST_COMPRESSION = ", "a bound with room above what deflate can do"),
    ("nn/engine.py", r"^(PARALLEL|GATHERED|CALL) = ", "from when threads are used; how long a call is"),
    ("nn/engine.py", r">= PARALLEL|>= GATHERED|CALL //|largest = |self\.minibatches = ", "whether threads are used"),
    ("nn/engine.py", r"if split:|split = ", "whether threads are used"),
    ("nn/engine.py", r"room = whole_lines", "how much room there is, never less than a product needs"),
    ("nn/arena.py", r"^ROOM = ", "how much room a product has at most"),
    ("nn/mlp.py", r"^CHUNK = ", "how many rows are predicted at a time"),
    ("nn/clipping.py", r"^LANES = ", "see EQUIVALENT: part of the definition, and in the test's own words"),
    ("files/idx.py", r"^PIECE = ", "bytes read at a time"),
    ("files/naming.py", r"^SHOWN = ", "names in a message"),
]

# (file, a line, what it becomes, the reason; spaces do not count): the same for every input.
EQUIVALENT: list[tuple[str, str, str, str]] = [
    (
        "kernels/loops.py",
        "ones = np.broadcast_to(np.ones(1, dY.dtype), (1, dY.shape[1]))",
        "ones = np.broadcast_to(np.ones(1, dY.dtype), (2, dY.shape[1]))",
        "the one row of the result is written twice, for its new axis has no stride",
    ),
    (
        "nn/engine.py",
        "total, of_dy, of_x = span(sums, 0, B), span(sums, B, 2 * B), span(sums, 2 * B, 3 * B)",
        "total, of_dy, of_x = span(sums, 0, B), span(sums, B, 3 * B), span(sums, 2 * B, 3 * B)",
        "longer than what is used of it, and what it sets to 0 besides is set to 0 anyway",
    ),
    (
        "nn/engine.py",
        "settings, at = span(arena, numbers_at, numbers_at + SETTINGS), numbers_at + SETTINGS",
        "settings, at = span(arena, numbers_at, numbers_at - SETTINGS), numbers_at + SETTINGS",
        "where a view ends is not looked at: it is indexed, never measured",
    ),
    (
        "nn/engine.py",
        "layer, below = layers[depth_now], layers[max(depth_now - 1, 0)]",
        "layer, below = layers[depth_now], layers[max(depth_now - 1, -1)]",
        "the first layer has no layer below, and nobody asks for it",
    ),
    (
        "nn/losses.py",
        "row, number = span(Y, t * B, (t + 1) * B), real(t)",
        "row, number = span(Y, t * B, (t + 0) * B), real(t)",
        "where a view ends is not looked at: it is indexed, never measured",
    ),
    (
        "nn/losses.py",
        "row, to = span(Y, t * B, (t + 1) * B), span(S, t * B, (t + 1) * B)",
        "row, to = span(Y, t * B, (t + 1) * B), span(S, t * B, (t + 2) * B)",
        "where a view ends is not looked at: it is indexed, never measured",
    ),
    (
        "nn/updates.py",
        "return 0",
        "return 1",
        "nobody asks what a step answers; it is there because products have an answer",
    ),
    (
        "nn/mlp.py",
        "return Y[:, 0] if self.sizes[-1] == 1 else Y",
        "return Y[:, -1] if self.sizes[-1] == 1 else Y",
        "of one column the first is the last",
    ),
    (
        "files/checkpoint.py",
        "if sum(N * T + T for N, T in itertools.pairwise(sizes)) > held:",
        "if sum(N * T - T for N, T in itertools.pairwise(sizes)) > held:",
        "a bound for memory; what is too large by less is refused by its shapes",
    ),
]


def is_speed(file: str, text: str) -> str | None:
    """The reason why no result depends on a line."""
    return next((why for name, pattern, why in SPEED if name == file and re.search(pattern, text)), None)


def is_equivalent(file: str, changed: Iterable[str]) -> str | None:
    """The reason why a changed line says the same."""
    lines = {"".join(line.split()) for line in changed}
    return next((why for name, _, line, why in EQUIVALENT if name == file and "".join(line.split()) in lines), None)


def outdated(sources: Mapping[str, str]) -> list[str]:
    """Entries of SPEED and EQUIVALENT that no line of these sources has any more."""
    speed = [
        (file, pattern, [line for line in sources[file].splitlines() if re.search(pattern, line)])
        for file, pattern, _ in SPEED
        if file in sources
    ]
    gone = [f"{file}: {pattern}" for file, pattern, lines in speed if not lines]
    same = [(file, line) for file, line, _, _ in EQUIVALENT if file in sources]
    return gone + [f"{file}: {line}" for file, line in same if "".join(line.split()) not in "".join(sources[file].split())]

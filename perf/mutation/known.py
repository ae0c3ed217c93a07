"""Which tests belong to which file, which kernels a change is in, and which changes alter no result, with the reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
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
OPTIMIZERS = [T("limits"), T("nn"), *FIT, T("resume"), T("engine"), *SLOW]
NETWORKS = [
    *FIT,
    *map(T, ("limits", "nn", "metrics", "reading_edges", "files", "regularization", "schedules", "training_traps")),
]
MODELS = [T("reading_edges"), T("files"), T("hostile_checkpoints"), T("interrupted_and_diverged"), T("resume")]
CHECKPOINT = [*MODELS, T("save_is_loadable")]
DATA = [T("reading_edges"), T("reading_is_bounded"), T("boundaries"), T("files"), T("idx")]

TESTS = {
    "formulas.py": [T("boundaries"), T("jacobian"), *LAYER],
    "kernels/epilogue.py": COMPILED,
    "kernels/loops.py": [T("boundaries"), *LAYER],
    "nn/activations.py": [T("boundaries"), *COMPILED],
    "nn/clipping.py": [f"{T('regularization')}::test_clip_is_its_definition", *COMPILED],
    "nn/dropout.py": [f"{T('regularization')}::test_dropout_is_its_definition", T("boundaries"), *COMPILED],
    "nn/initializers.py": [T("boundaries"), T("nn"), T("regularization")],
    "nn/metrics.py": [T("metrics")],
    **dict.fromkeys(("nn/evaluation.py", "nn/mlp.py", "nn/network.py"), NETWORKS),
    **dict.fromkeys(("nn/compiled.py", "nn/optimizers.py"), OPTIMIZERS),
    "nn/progress.py": [
        *FIT,
        T("resume_settings"),
        T("training_traps"),
        T("schedules"),
        T("resume"),
        T("nn"),
        T("hostile_checkpoints"),
    ],
    "nn/recipe.py": [T("limits"), *TRAINING, T("engine"), *SLOW],
    "nn/samples.py": [
        T("limits"),
        T("training_traps"),
        T("boundaries"),
        T("nn"),
        T("regularization"),
        T("resume"),
        T("engine"),
        *SLOW,
    ],
    "nn/schedules.py": [T("limits"), T("own_bits"), T("boundaries"), T("schedules"), T("nn"), T("resume")],
    "nn/training.py": COMPILED,
    "nn/updates.py": [T("fit_by_hand"), T("engine"), T("nn"), *SLOW],
    "nn/weights.py": [T("limits"), T("regularization"), T("nn")],
    "nn/attributes.py": [T("save_is_loadable"), T("boundaries")],
    "nn/frames.py": [T("frames")],
    "nn/interrupts.py": [T("interrupts"), T("training_traps")],
    "nn/names.py": [T("literals")],
    "nn/portable.py": [T("own_bits")],
    "nn/targets.py": [T("target_advice"), T("limits"), T("nn")],
    "nn/views.py": [T("training_traps"), T("nn")],
    **dict.fromkeys(("files/checkpoint.py", "files/container.py", "files/description.py", "files/suffixes.py"), CHECKPOINT),
    "files/elsewhere.py": [T("replacing")],
    "files/opening.py": [T("reading_is_bounded"), T("files")],
    "files/shown.py": [T("reading_is_bounded"), T("files")],
    "files/idx.py": [T("idx"), T("files")],
    "files/progress.py": [*CHECKPOINT, T("resume_settings"), T("schedules")],
    "files/replacing.py": [T("replacing"), T("boundaries"), T("files"), T("saving")],
}


def files(package: Path) -> list[str]:
    """What is changed: the specification, the loops that follow it, epilogues, networks and files."""
    rooms = [path for room in ("nn", "files") for path in sorted((package / room).glob("*.py"))]
    return [
        "formulas.py",
        "kernels/epilogue.py",
        "kernels/loops.py",
        *(f"{path.parent.name}/{path.name}" for path in rooms if path.stem[0] != "_"),
    ]


def tests_of(file: str) -> list[str]:
    """The tests of a file, or of its room."""
    return TESTS.get(file, COMPILED if file.startswith("nn/") else DATA)


# Functions that are compiled without a decorator, and the modules of the functions of kernels that have a file's code in
# them.
KERNELS = {"minibatches", "epochs", "_loop", "cross_entropy", "_mean_of", "_activation"}
USERS = {
    "formulas.py": [*map("numbafc.kernels.{}".format, ("loops", "norms", "product", "level2")), "numbafc.nn.minibatch"],
    "kernels/epilogue.py": [
        *("numbafc.kernels.product", "numbafc.kernels.threads", "numbafc.kernels.level2"),
        *("numbafc.nn.activations", "numbafc.nn.minibatch", "numbafc.nn.updates"),
    ],
    "kernels/loops.py": ["numbafc.kernels.norms"],
    "nn/cross_entropy.py": ["numbafc.nn.losses"],
    "nn/optimizers.py": ["numbafc.nn.updates"],
    **{f"nn/{file}.py": ["numbafc.nn.minibatch"] for file in ("clipping", "dropout", "layer_steps", "memory", "results")},
    **{f"nn/{file}.py": ["numbafc.nn.minibatch"] for file in ("run", "updates")},
}
CONSTANTS = {"nn/activations.py": ["numbafc.nn.minibatch"], **USERS}  # whose constants others have compiled


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
    ("kernels/loops.py", r"get_num_threads|if threads > 1", "whether threads are used"),
    ("nn/engine.py", r"self\._minibatches\.compile", "when the first call compiles"),
    ("files/arrays.py", r"^MOST_COMPRESSION = ", "a bound with room above what deflate can do"),
    (
        "nn/engine.py",
        r">= PARALLEL|CALL //|largest = |self\._minibatches = ",
        "whether threads are used; how long a call is",
    ),
    ("nn/minibatch.py", r">= PARALLEL|if split:", "whether threads are used"),
    ("nn/memory.py", r"lanes = 16|whole_lines\(KC", "how much memory products have, never less than they need"),
    ("nn/evaluation.py", r"^CHUNK = ", "how many rows are predicted at a time"),
    ("nn/clipping.py", r"^LANES = ", "see EQUIVALENT: part of the definition, and in the test's own words"),
    ("files/idx.py", r"^PIECE = ", "bytes read at a time"),
    ("nn/frames.py", r"^SHOWN = ", "names in a message"),
]

# (file, a part of a line, what it becomes, the reason): the same for every input. Spaces do not count.
EQUIVALENT = [
    (
        "kernels/loops.py",
        "(1, dY.shape[1])",
        "(2, dY.shape[1])",
        "one row is written twice, for its new axis has no stride",
    ),
    ("nn/minibatch.py", "span(sums, B, 2 * B)", "span(sums, B, 3 * B)", "what it sets to 0 besides is set to 0 anyway"),
    (
        "nn/cross_entropy.py",
        "row, number = span(Y, t * B, (t + 1)",
        "row, number = span(Y, t * B, (t + 0)",
        "a view is indexed; where it ends is not looked at",
    ),
    (
        "nn/cross_entropy.py",
        "to = span(S, t * B, (t + 1) * B)",
        "to = span(S, t * B, (t + 2) * B)",
        "as above: a view's end",
    ),
    ("nn/cross_entropy.py", "span(S, t * B, (t + 1) * B)", "span(S, t * B, (t + 2) * B)", "as above: a view's end"),
    ("nn/updates.py", "return 0", "return 1", "nobody asks what a step answers"),
    ("nn/evaluation.py", "return Y[:, 0]", "return Y[:, -1]", "of one column the first is the last"),
    (
        "files/progress.py",
        "counts = 0 <= done",
        "counts = -1 <= done",
        "of -1 minibatches the line refuses every number of samples",
    ),
]


def is_speed(file: str, text: str) -> str | None:
    """The reason why no result depends on a line."""
    return next((why for name, pattern, why in SPEED if name == file and re.search(pattern, text)), None)


def is_equivalent(file: str, line: str, changed: str) -> str | None:
    """The reason why a changed line says the same."""
    for name, before, after, why in EQUIVALENT:
        if name == file and _bare(line).replace(_bare(before), _bare(after), 1) == _bare(changed) != _bare(line):
            return why
    return None


def _bare(text: str) -> str:
    return "".join(text.split())


def outdated(sources: Mapping[str, str]) -> list[str]:
    """Entries of SPEED and EQUIVALENT that no line of these sources has any more."""
    speed = [
        (file, pattern, [line for line in sources[file].splitlines() if re.search(pattern, line)])
        for file, pattern, _ in SPEED
        if file in sources
    ]
    gone = [f"{file}: {pattern}" for file, pattern, lines in speed if not lines]
    same = [(file, before) for file, before, _, _ in EQUIVALENT if file in sources]
    return gone + [f"{file}: {part}" for file, part in same if _bare(part) not in _bare(sources[file])]

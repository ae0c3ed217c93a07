"""Trainings for tests of ranks: what is drawn of one, the training itself, and what of it has to be the same everywhere."""

import hashlib

import numpy as np

import numbafc as fc

OPTIMIZERS = {
    "sgd": lambda: fc.SGD(0.01),
    "nesterov": lambda: fc.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda: fc.Adam(),
    "adamw": lambda: fc.AdamW(),
    "rmsprop": lambda: fc.RMSprop(momentum=0.5),
}
# Edges of SUM_BLOCK, minibatches of fewer blocks than ranks, and samples that are no whole number of minibatches.
FIELDS = {
    "hidden": [[], [13], [17, 5], [33, 12, 3]],
    "activation": ["relu", "tanh", "silu"],
    "loss": ["cross_entropy", "mse"],
    "dtype": ["float32", "float64"],
    "samples": [1, 3, 255, 256, 257, 513, 700, 1300],
    "batch_size": [100, 256, 257, 512, 700, 1024, 1300, 5000],
    "optimizer": list(OPTIMIZERS),
    "dropout": [0.0, 0.0, 0.3],
    "clip": [{}, {}, {"clip_norm": 0.1}, {"clip_sample_norm": 0.5}, {"clip_norm": 0.1, "clip_sample_norm": 0.5}],
    "weighted": [False, True],
    "balanced": [False, True],
    "smoothing": [0.0, 0.1],
    "scaling": [False, True],
    "standardized": [False, True],
    "more": [{}, {"ntp": True}, {"schedule": "cosine"}, {"drop_last": True}, {"shuffle": False}, {"early_stopping": 1}],
    "validation": [0, 2, 50],
    "cuts": [[0.5, 0.5, 0.5], [0.25, 0.5, 0.75], [0.0, 0.3, 0.31], [0.9, 1.0, 1.0]],  # where a rank's own rows end
    "seed": [0, 1, 2, 3],
}


def drawn(rng):
    """A case of the fields, drawn without Hypothesis, for processes that are started once for all of them."""
    return {name: choices[rng.integers(len(choices))] for name, choices in FIELDS.items()}


def data_of(case):
    """X, y and weights."""
    rng, n = np.random.default_rng(case["seed"]), case["samples"]
    X = rng.standard_normal((n, 7)).astype(case["dtype"])
    y = rng.integers(0, 4, n) if case["loss"] == "cross_entropy" else rng.standard_normal((n, 4))
    return X, y, rng.integers(0, 3, n) + (np.arange(n) == 0) if case["weighted"] else None


def network_of(case):
    classifies = case["loss"] == "cross_entropy"
    net = fc.MLP(
        [7, *case["hidden"], 4],
        case["activation"],
        case["loss"],
        case["dtype"],
        case["seed"],
        label_smoothing=case["smoothing"] if classifies else 0.0,
        scaling=case["scaling"],
    )
    if case["standardized"]:
        net.standardize(data_of(case)[0])
    return net


def own_part(case, comm):
    """The rows that a rank holds where each holds its own: some have none."""
    ends = [0, *(round(cut * case["samples"]) for cut in case["cuts"][: comm.size - 1]), case["samples"]]
    return slice(ends[comm.rank], ends[comm.rank + 1])


def fit(case, net, comm=None, rows="shared", epochs=2, **others):
    """Train the network, by itself or as a rank."""
    X, y, weight = data_of(case)
    held_out = (X[: case["validation"]].copy(), y[: case["validation"]].copy()) if case["validation"] else None
    if rows == "own":
        part = own_part(case, comm)
        X, y, weight = X[part], y[part], None if weight is None else weight[part]
    settings = {
        "optimizer": OPTIMIZERS[case["optimizer"]](),
        "batch_size": case["batch_size"],
        "dropout": case["dropout"],
        "class_weight": "balanced" if case["balanced"] and case["loss"] == "cross_entropy" else None,
        **case["clip"],
        **case["more"],
    }
    if others.get("resume"):
        settings = {"class_weight": settings["class_weight"]}
    together = {} if comm is None else {"comm": comm, "rows": rows}
    return net.fit(X, y, validation=held_out, sample_weight=weight, epochs=epochs, **settings, **together, **others)


def digest(net):
    """The bits of what a training leaves: parameters, the optimizer's state, losses and scores, and the order to come."""
    now = net.training
    hashed = hashlib.sha256(np.ascontiguousarray(net.parameters).tobytes())
    for name in sorted(now.state):
        hashed.update(now.state[name].tobytes())
    records = [record._replace(seconds=0.0) for record in now.history]
    hashed.update(repr((records, now.order, now.digest, now.fingerprint, now.best_at, now.ended)).encode())
    return hashed.hexdigest()[:16]


def trained(case, comm=None, rows="shared"):
    """The digest of a case's training; or its message, where it diverges."""
    net = network_of(case)
    try:
        fit(case, net, comm, rows)
    except FloatingPointError as error:
        return str(error)
    return digest(net)

"""Which samples are held out for validation: a share of them, or one fold after the other, drawn with a seed."""

from __future__ import annotations

import numpy as np


def held_out(samples: int, share: float, seed: int, classes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The indices to train on, and those held out, in the order in which they were drawn.

    classes: of the samples, each of which then gives its share, and keeps a sample to train on. share 0: none is held out.
    """
    order = np.random.default_rng([seed, 2]).permutation(samples)
    if share == 0 or samples < 2:
        return order, order[:0]
    if classes is None:
        count = min(max(round(share * samples), 1), samples - 1)
        return order[count:], order[:count]
    drawn, ranks, counts = classes[order], np.empty(samples, np.intp), np.bincount(classes)
    by_class = np.argsort(drawn, kind="stable")
    ranks[by_class] = np.arange(samples) - np.repeat(np.cumsum(counts) - counts, counts)  # of a sample in its class
    chosen = ranks < np.minimum(np.rint(share * counts), counts - 1)[drawn]
    if not chosen.any():  # classes of one or two samples: the first that is not its class's last
        chosen = (np.arange(samples) == np.argmax(counts[drawn] > 1)) & (counts[drawn] > 1)
    return order[~chosen], order[chosen]


def folds(samples: int, k: int, seed: int, classes: np.ndarray | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each of k folds the indices to train on, and those held out, in the order in which they were drawn.

    Each sample is held out once. Folds have as many samples, to one. classes: of the samples, each of which every fold then
    has as many of, to one. Raises ValueError where there are fewer samples than folds.
    """
    if k > samples:
        raise ValueError(f"expected at least a sample for each of {k} folds, got {samples}; ask for fewer folds")
    order = np.random.default_rng([seed, 2]).permutation(samples)
    fold = np.empty(samples, np.intp)  # of each sample as it was drawn: they are dealt out in turn, class by class
    dealt = np.arange(samples) if classes is None else np.argsort(classes[order], kind="stable")
    fold[dealt] = np.arange(samples) % k
    return [(order[fold != m], order[fold == m]) for m in range(k)]

"""k-means, the reference that learned tokens are held against (tokens of raw log-mels, as many codes).

Shapes: N points, D dimensions, V clusters.
"""

import numpy as np


def nearest(points_ND: np.ndarray, centres_VD: np.ndarray, at_once: int = 1 << 16) -> np.ndarray:
    """N: the nearest centre's number."""
    half_square_V = np.square(centres_VD).sum(1) / 2
    parts = (points_ND[i : i + at_once] for i in range(0, len(points_ND), at_once))
    return np.concatenate([(part @ centres_VD.T - half_square_V).argmax(1) for part in parts])


def kmeans(points_ND: np.ndarray, n_clusters: int, seed: int = 0, n_rounds: int = 25) -> np.ndarray:
    """Centres VD by Lloyd's rounds from distinct random points; an empty cluster moves onto a random point."""
    if len(points_ND) < n_clusters:
        raise ValueError(f"{n_clusters} clusters need as many points, got {len(points_ND)}")
    draw = np.random.default_rng(seed)
    points_ND = np.ascontiguousarray(points_ND, np.float32)
    centres_VD = points_ND[draw.choice(len(points_ND), n_clusters, replace=False)]
    for _ in range(n_rounds):
        labels_N = nearest(points_ND, centres_VD)
        counts_V = np.bincount(labels_N, minlength=n_clusters)
        order_N = np.argsort(labels_N, kind="stable")
        sums_VD = np.add.reduceat(points_ND[order_N].astype(np.float64), _starts(counts_V), axis=0)
        centres_VD = np.where(
            counts_V[:, None] > 0,
            sums_VD / np.maximum(counts_V, 1)[:, None],
            points_ND[draw.integers(len(points_ND), size=n_clusters)],
        ).astype(np.float32)
    return centres_VD


def _starts(counts_V: np.ndarray) -> np.ndarray:
    """Where each cluster's points begin once sorted; an empty cluster's sum is not looked at."""
    starts_V = np.concatenate([[0], np.cumsum(counts_V)[:-1]])
    return np.minimum(starts_V, counts_V.sum() - 1)

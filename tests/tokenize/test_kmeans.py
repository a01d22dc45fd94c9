import numpy as np
import pytest
from scipy.cluster.vq import kmeans2, vq

from stages.tokenize.kmeans import kmeans, nearest


def points(n: int = 600, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (draw.normal(size=(6, 5))[draw.integers(6, size=n)] * 3 + draw.normal(size=(n, 5))).astype(np.float32)


def test_nearest_is_scipys():
    x, centres = points(), points(20, seed=1)
    assert np.array_equal(nearest(x, centres, at_once=100), vq(x, centres)[0])


def test_lloyds_rounds_are_scipys():
    """From the same first centres, the same centres."""
    x = points()
    first = x[np.random.default_rng(3).choice(len(x), 7, replace=False)]
    theirs, _ = kmeans2(x, first, iter=10, minit="matrix")
    np.testing.assert_allclose(kmeans(x, 7, seed=3, n_rounds=10), theirs, atol=1e-3)


def test_empty_clusters_move():
    """Ten copies of three points, five clusters: every centre is a point, none is NaN."""
    x = np.repeat(np.eye(3, dtype=np.float32), 10, axis=0)
    centres = kmeans(x, 5, n_rounds=5)
    assert np.isfinite(centres).all()
    assert np.array_equal(centres[nearest(x, centres)], x)


def test_too_few_points():
    with pytest.raises(ValueError, match="need as many points"):
        kmeans(points(5), 6)

"""Dynamic time warping of two short sequences. Shapes: N, M frames; D features."""

import numpy as np


def distances(a_ND: np.ndarray, b_MD: np.ndarray) -> np.ndarray:
    """Euclidean distances NM."""
    squares = (a_ND**2).sum(1)[:, None] + (b_MD**2).sum(1)[None] - 2 * a_ND @ b_MD.T
    return np.sqrt(np.maximum(squares, 0))


def align(cost_NM: np.ndarray) -> np.ndarray:
    """The cheapest path from (0, 0) to (N-1, M-1) in steps (1, 0), (0, 1), (1, 1): its index pairs, K2 in order.

    Symmetric, without slope limits. Filled by anti-diagonals, whose cells depend on the two before them only, so
    that numpy does a whole one at once. Ties prefer the diagonal step.
    """
    n, m = cost_NM.shape
    if n == 0 or m == 0:
        raise ValueError("cannot align an empty sequence")
    total = np.full((n + 1, m + 1), np.inf)  # one border row and column of infinities, so that no cell is special
    total[0, 0] = 0.0
    for k in range(n + m - 1):
        i = np.arange(max(0, k - m + 1), min(n, k + 1))
        j = k - i
        before = np.minimum(np.minimum(total[i, j], total[i, j + 1]), total[i + 1, j])
        total[i + 1, j + 1] = cost_NM[i, j] + before
    return _walk_back(total)


def _walk_back(total: np.ndarray) -> np.ndarray:
    i, j = total.shape[0] - 1, total.shape[1] - 1
    path = []
    while i > 0 and j > 0:
        path.append((i - 1, j - 1))
        diagonal, up, left = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
        if diagonal <= up and diagonal <= left:
            i, j = i - 1, j - 1
        elif up <= left:
            i -= 1
        else:
            j -= 1
    return np.array(path[::-1])

"""What tokens are worth, as pure functions of arrays: how much of the codebook is used, how evenly, how steadily."""

from collections.abc import Iterable

import numpy as np


def code_counts(tokens: Iterable[np.ndarray], n_codes: int) -> np.ndarray:
    """How often each code occurs, V."""
    counts_V = np.zeros(n_codes, np.int64)
    for tokens_T in tokens:
        counts_V += np.bincount(tokens_T.astype(np.int64), minlength=n_codes)
    return counts_V


def codebook_used_fraction(counts_V: np.ndarray) -> float:
    """Share of the codes that occur at all."""
    return float(np.mean(counts_V > 0))


def perplexity(counts_V: np.ndarray) -> float:
    """exp of the entropy: as many equally frequent codes would be as uncertain."""
    p_V = counts_V[counts_V > 0] / counts_V.sum()
    return float(np.exp(-np.sum(p_V * np.log(p_V))))


def mean_run_frames(tokens: Iterable[np.ndarray]) -> float:
    """Mean number of frames for which a token stays: steadiness in time."""
    n_frames = n_runs = 0
    for tokens_T in tokens:
        n_frames += len(tokens_T)
        n_runs += min(len(tokens_T), 1) + int(np.count_nonzero(np.diff(tokens_T.astype(np.int64))))
    return n_frames / max(n_runs, 1)

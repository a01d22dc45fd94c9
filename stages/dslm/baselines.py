"""What counting alone achieves: unigram and bigram models of the same training tokens, the rivals of every NLL.

Smoothing is interpolation with weights that are best on the valid split, so that neither rival is a straw man:

    p1(b)   = (c(b) + a) / (N + a V)
    p2(b|a) = (c(a b) + m p1(b)) / (c(a) + m)        a sequence begins after a mark of its own

    V codes   T frames
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stages.dslm.examples import Array

UNIGRAM_WEIGHTS = (0.01, 0.1, 0.3, 1.0, 3.0)  # a, counts added to every code
BIGRAM_WEIGHTS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # m, counts worth of the unigram


@dataclass(frozen=True)
class NGrams:
    """Log-probabilities (nats): unigram_V, and bigram_UV by predecessor, its last row the mark of a beginning."""

    unigram_V: np.ndarray
    bigram_UV: np.ndarray

    def nll(self, rows: Sequence[Array]) -> dict[str, float]:
        """Mean nats per token of `rows`, every token of every row a target."""
        before, codes = pairs(rows, len(self.unigram_V))
        return {
            "bigram": float(-self.bigram_UV[before, codes].mean()),
            "unigram": float(-self.unigram_V[codes].mean()),
        }


def pairs(rows: Sequence[Array], n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """(predecessor, code) of every token; `n_codes` is the predecessor of a row's first."""
    before = np.concatenate([np.concatenate([[n_codes], row[:-1]]) for row in rows]).astype(np.int64)
    return before, np.concatenate(rows).astype(np.int64)


def fit(train: Sequence[Array], valid: Sequence[Array], n_codes: int) -> NGrams:
    """Count `train`; take the weights that suit `valid` best (the middle ones where there is no valid split)."""
    before, codes = pairs(train, n_codes)
    count_UV = np.zeros((n_codes + 1, n_codes))
    np.add.at(count_UV, (before, codes), 1)
    unigrams = {a: _unigram(count_UV.sum(0), a) for a in UNIGRAM_WEIGHTS}
    a = _best(unigrams, lambda p_V: -np.log(p_V)[pairs(valid, n_codes)[1]].mean()) if valid else 0.3
    bigrams = {m: _bigram(count_UV, unigrams[a], m) for m in BIGRAM_WEIGHTS}
    m = _best(bigrams, lambda p_UV: -np.log(p_UV)[pairs(valid, n_codes)].mean()) if valid else 10.0
    return NGrams(np.log(unigrams[a]), np.log(bigrams[m]))


def _unigram(count_V: np.ndarray, a: float) -> np.ndarray:
    return (count_V + a) / (count_V.sum() + a * len(count_V))


def _bigram(count_UV: np.ndarray, unigram_V: np.ndarray, m: float) -> np.ndarray:
    return (count_UV + m * unigram_V) / (count_UV.sum(1, keepdims=True) + m)


def _best(candidates: dict[float, np.ndarray], cost: Callable[[np.ndarray], float]) -> float:
    return min(candidates, key=lambda weight: cost(candidates[weight]))

"""Fréchet audio distance (Kilgour et al. 2019): between Gaussians fitted to embedded frames. The paper embeds by
VGGish, which cannot be had offline: ours embeds by the frozen BEST-RQ encoder of this run, named by its digest, so
figures of two runs compare only where that name is equal, and never with the paper's. Shapes: N frames, D features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Sums from which a Gaussian follows; they add, so that items can be resampled without touching frames."""

    n: int
    sum_D: np.ndarray
    outer_DD: np.ndarray

    @staticmethod
    def of(frames_ND: np.ndarray) -> "Moments":
        x = np.asarray(frames_ND, np.float64)
        return Moments(len(x), x.sum(0), x.T @ x)

    @staticmethod
    def join(parts: Sequence["Moments"]) -> "Moments":
        return Moments(sum(p.n for p in parts), sum(p.sum_D for p in parts), sum(p.outer_DD for p in parts))  # type: ignore[arg-type]

    def gaussian(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean D, unbiased covariance DD)."""
        mean = self.sum_D / self.n
        covariance = (self.outer_DD - self.n * np.outer(mean, mean)) / max(self.n - 1, 1)
        return mean, (covariance + covariance.T) / 2


def frechet(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^1/2).

    The trace of the root is the sum of roots of the eigenvalues of C_a^1/2 C_b C_a^1/2: symmetric, so two eigh serve,
    and nothing turns complex where a covariance has no full rank.
    """
    (mean_a, cov_a), (mean_b, cov_b) = a.gaussian(), b.gaussian()
    values, vectors = np.linalg.eigh(cov_a)
    root_a = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = np.linalg.eigvalsh(root_a @ cov_b @ root_a)
    trace_root = np.sqrt(np.maximum(inner, 0)).sum()
    difference = mean_a - mean_b
    return float(max(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * trace_root, 0.0))

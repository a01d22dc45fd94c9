"""Mel-cepstra against the warped spectrum integrated numerically; DTW against the textbook's double loop."""

import numpy as np
import pytest

from stages.evaluate.config import McdConfig
from stages.evaluate.dtw import align, distances
from stages.evaluate.figures import NotMeasurable
from stages.evaluate.mcd import mcd, mel_cepstra

CONFIG = McdConfig()


def smooth_spectra(n_frames: int, n_bins: int, seed: int) -> np.ndarray:
    """Random power spectra with a few wide formants, as envelopes have."""
    rng = np.random.default_rng(seed)
    frequency = np.linspace(0, 1, n_bins)
    log = np.zeros((n_frames, n_bins))
    for _ in range(5):
        centre, width, height = rng.random((n_frames, 1)), 0.05 + 0.1 * rng.random((n_frames, 1)), rng.normal(0, 3)
        log += height * np.exp(-(((frequency - centre) / width) ** 2))
    return np.exp(log)


def warped_by_integration(power_K: np.ndarray, order: int, alpha: float) -> np.ndarray:
    """c(m) = 1/pi * integral of ln|X(omega(warped))| cos(m warped) over 0..pi (twice that for m > 0)."""
    n = 20_001
    warped = np.linspace(0, np.pi, n)
    omega = warped - 2 * np.arctan(alpha * np.sin(warped) / (1 + alpha * np.cos(warped)))  # phase of the all-pass
    bins = np.linspace(0, np.pi, len(power_K))
    log_magnitude = np.interp(omega, bins, np.log(power_K)) / 2
    coefficients = [np.trapezoid(log_magnitude * np.cos(m * warped), warped) / np.pi for m in range(order + 1)]
    return np.array([coefficients[0], *(2 * c for c in coefficients[1:])])


def test_mel_cepstra_are_the_cosine_transform_of_the_warped_log_spectrum():
    spectra = smooth_spectra(4, 513, seed=1)
    got = mel_cepstra(spectra, CONFIG)
    wanted = np.stack([warped_by_integration(s, CONFIG.order, CONFIG.alpha) for s in spectra])
    assert got.shape == (4, CONFIG.order + 1)
    np.testing.assert_allclose(got, wanted, atol=5e-3)


def test_the_warping_is_near_the_mel_scale():
    """In the right direction: unwarped, or warped the other way, it is several times as far from mel."""

    def distance_from_mel(alpha: float) -> float:
        warped = np.linspace(0, np.pi, 1000)
        omega = warped - 2 * np.arctan(alpha * np.sin(warped) / (1 + alpha * np.cos(warped)))
        mel = np.log(1 + omega / np.pi * CONFIG.sample_rate_hz / 2 / 1000)
        return float(np.abs(mel / mel[-1] - warped / np.pi).max())

    assert distance_from_mel(CONFIG.alpha) < 0.06
    assert distance_from_mel(0.0) > 0.2
    assert distance_from_mel(-CONFIG.alpha) > 0.4


def test_mcd_by_hand():
    """Frames that differ by a known step in one coefficient: 10/ln10 * sqrt(2) * step, whatever c0 does."""
    rng = np.random.default_rng(0)
    a = np.cumsum(rng.normal(size=(60, 25)), axis=0) * 5
    a[:, 0] = 0.0
    b = a.copy()
    b[:, 7] += 0.3
    b[:, 0] += 1.0
    assert mcd(a, b, CONFIG) == pytest.approx(10 / np.log(10) * np.sqrt(2) * 0.3, rel=1e-6)
    assert mcd(a, a, CONFIG) == pytest.approx(0.0, abs=1e-4)


def test_mcd_ignores_tempo_and_silence():
    rng = np.random.default_rng(0)
    a = np.cumsum(rng.normal(size=(50, 25)), axis=0)
    a[:, 0] = 0.0
    slow = np.repeat(a, 2, axis=0)
    silence = np.full((30, 25), 9.0)
    silence[:, 0] = -20.0
    assert mcd(a, np.concatenate([silence, slow]), CONFIG) == pytest.approx(0.0, abs=1e-4)
    with pytest.raises(NotMeasurable):
        mcd(a, a[:5], CONFIG)


def naive_dtw(cost: np.ndarray) -> float:
    n, m = cost.shape
    total = np.full((n, m), np.inf)
    for i in range(n):
        for j in range(m):
            before = [total[i - 1, j] if i else np.inf, total[i, j - 1] if j else np.inf]
            before.append(total[i - 1, j - 1] if i and j else np.inf)
            total[i, j] = cost[i, j] + (0.0 if i == j == 0 else min(before))
    return float(total[-1, -1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (12, 17), (23, 11)])
def test_align_finds_the_cheapest_path(shape):
    cost = np.random.default_rng(sum(shape)).random(shape)
    path = align(cost)
    assert cost[path[:, 0], path[:, 1]].sum() == pytest.approx(naive_dtw(cost))
    assert tuple(path[0]) == (0, 0) and tuple(path[-1]) == (shape[0] - 1, shape[1] - 1)
    steps = {tuple(step) for step in np.diff(path, axis=0)}
    assert steps <= {(1, 0), (0, 1), (1, 1)}


def test_distances_are_scipys():
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(20, 6)), rng.normal(size=(31, 6))
    np.testing.assert_allclose(distances(a, b), cdist(a, b), atol=1e-6)

"""Mel-cepstral distortion with DTW (Kubichek 1993). The paper names the metric, not its recipe: the settings are ours
(config.McdConfig) and are written beside the figure. Lower is better; a reseeded voice gives about 2 dB, another
singer about 7, other words about 8 (DEMO_SONGS). Shapes: N frames, K bins, D coefficients.
"""

import functools

import numpy as np

from stages.evaluate.config import McdConfig
from stages.evaluate.dtw import align, distances
from stages.evaluate.figures import NotMeasurable

_DB = 10.0 / np.log(10.0) * np.sqrt(2.0)  # of one unit of cepstral distance, in dB


def mel_cepstra(envelope_NK: np.ndarray, config: McdConfig) -> np.ndarray:
    """Power spectra to mel-cepstra ND, D = order + 1: inverse cosine transform of the log spectrum, frequency-warped.

    Spectra are floored below their own maximum first: digital silence in a band would otherwise rule the distance.
    """
    floor = envelope_NK.max(axis=1, keepdims=True) * 10 ** (config.floor_db / 10)
    cepstra = np.fft.irfft(np.log(np.maximum(envelope_NK, np.maximum(floor, 1e-20))), axis=1)
    half = cepstra[:, : envelope_NK.shape[1]] / 2  # of log power: half of it is of log magnitude
    half[:, 1:-1] *= 2  # fold the symmetric other side in: a minimum-phase cepstrum
    return half @ _warping(half.shape[1], config.order, config.alpha).T


@functools.lru_cache(maxsize=4)
def _warping(n: int, order: int, alpha: float) -> np.ndarray:
    """The linear map from a cepstrum of n coefficients to the warped one of order + 1 (Oppenheim & Johnson 1972).

    Column k holds the warped cepstrum of a unit at k: with w one warped sample of delay, the first coefficients of
    the power series of ((w + alpha) / (1 + alpha w))^k.
    """
    warp = np.zeros((order + 1, n))
    column = np.zeros(order + 1)
    column[0] = 1.0
    for k in range(n):
        warp[:, k] = column
        column = _times_allpass(column, alpha)
    return warp


def _times_allpass(series: np.ndarray, alpha: float) -> np.ndarray:
    """series * (w + alpha) / (1 + alpha w), truncated to its length."""
    product = alpha * series
    product[1:] += series[:-1]
    for i in range(1, len(product)):
        product[i] -= alpha * product[i - 1]
    return product


def audible(cepstra_ND: np.ndarray, silence_db: float) -> np.ndarray:
    """Frames whose loudness (c0) is within `silence_db` of the loudest."""
    loudness_db = 20 / np.log(10) * cepstra_ND[:, 0]
    return loudness_db > loudness_db.max() + silence_db


def mcd(a_ND: np.ndarray, b_MD: np.ndarray, config: McdConfig) -> float:
    """dB between two mel-cepstra: mean over the DTW path, c0 in neither path nor cost, silent frames left out.

    Raises NotMeasurable where one of them has fewer than ten audible frames.
    """
    a, b = (c[audible(c, config.silence_db), 1:] for c in (a_ND, b_MD))
    if min(len(a), len(b)) < 10:
        raise NotMeasurable("hardly any sound")
    cost = distances(a, b)
    path = align(cost)
    return float(_DB * cost[path[:, 0], path[:, 1]].mean())

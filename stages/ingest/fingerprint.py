"""An audio fingerprint after Haitsma and Kalker ("A highly robust audio fingerprinting system", ISMIR 2002): one
32-bit word per frame, each bit the sign of an energy difference over neighbouring bands and over time. Coding,
loudness and small cuts flip few bits; two different recordings agree in about half of them.

Ours: frames of 0.37 s every 46 ms; differences over four frames instead of one, which makes the bits less noisy at
that hop; and for the index a fixed number of keys per recording, the words whose bits are the least in doubt, so that
two copies mostly choose the same.
Letters: T samples, N frames, K bands, B bits.
"""

import functools
from dataclasses import dataclass

import numpy as np

VERSION = 1  # to be raised when the words change for equal audio
RATE_HZ = 5512.5
FRAME = 2048
HOP = 256
FRAMES_PER_S = RATE_HZ / HOP
_N_BANDS = 33
_LOW_HZ, _HIGH_HZ = 300.0, 2000.0
_LAG = 4  # frames between the two sides of a difference
_QUIET = 1e-10  # mean power under which a frame is silence: its word is 0
_BATCH = 512  # frames transformed at once

N_KEYS = 256
_DOUBTFUL = 2  # a word is as certain as its bit that comes third from the least certain
_TINY = 1e-20


@functools.cache
def _band_edges() -> np.ndarray:
    edges_hz = np.geomspace(_LOW_HZ, _HIGH_HZ, _N_BANDS + 1)
    return np.rint(edges_hz * FRAME / RATE_HZ).astype(int)


@functools.cache
def _window() -> np.ndarray:
    return np.hanning(FRAME).astype(np.float32)


@dataclass(frozen=True)
class Fingerprint:
    """words: one uint32 per frame, 0 in silence. keys: at most N_KEYS uint32, sorted; frames: int32, where each of
    them stands."""

    words: np.ndarray
    keys: np.ndarray
    frames: np.ndarray


class Fingerprinter:
    """Fed with blocks of one channel; keeps no more than a block of audio."""

    def __init__(self, sample_rate_hz: int):
        import soxr

        self._resampler = soxr.ResampleStream(sample_rate_hz, RATE_HZ, 1, dtype="float32", quality="QQ")
        self._rest_T = np.zeros(0, np.float32)
        self._energies: list[np.ndarray] = []  # N x K each

    def add(self, mono_T: np.ndarray, last: bool = False) -> None:
        low_T = self._resampler.resample_chunk(np.ascontiguousarray(mono_T, np.float32), last=last)
        self._rest_T = np.concatenate([self._rest_T, low_T])
        n_frames = max((len(self._rest_T) - FRAME) // HOP + 1, 0)
        for first in range(0, n_frames, _BATCH):
            n = min(_BATCH, n_frames - first)
            part_T = self._rest_T[first * HOP : (first + n - 1) * HOP + FRAME]
            self._energies.append(_band_energies(part_T))
        self._rest_T = self._rest_T[n_frames * HOP :]

    def finish(self) -> Fingerprint:
        """Too short a sound has no words."""
        self.add(np.zeros(0, np.float32), last=True)
        if sum(map(len, self._energies)) <= _LAG:
            return Fingerprint(np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.int32))
        energy_NK = np.concatenate(self._energies)
        difference_NB = _differences(energy_NK)
        words_N = _packed(difference_NB > 0)
        return Fingerprint(words_N, *_keys(words_N, _certainty(difference_NB, energy_NK)))


def _band_energies(x_T: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(x_T, FRAME)[::HOP] * _window()
    edges = _band_edges()
    power = np.abs(np.fft.rfft(frames, axis=1)[:, edges[0] : edges[-1]]) ** 2
    energy_NK = np.add.reduceat(power, edges[:-1] - edges[0], axis=1)
    energy_NK[energy_NK.sum(axis=1) < _QUIET * FRAME**2] = 0
    return energy_NK.astype(np.float32)


def _differences(energy_NK: np.ndarray) -> np.ndarray:
    slope_NB = energy_NK[:, :-1] - energy_NK[:, 1:]
    return slope_NB[_LAG:] - slope_NB[:-_LAG]


def _packed(bits_NB: np.ndarray) -> np.ndarray:
    return np.packbits(bits_NB, axis=1, bitorder="little").view("<u4")[:, 0].astype(np.uint32)


def _certainty(difference_NB: np.ndarray, energy_NK: np.ndarray) -> np.ndarray:
    """Per frame, how far its most doubtful bits are from flipping, as a share of the energy they stand on."""
    pair_NB = energy_NK[:, :-1] + energy_NK[:, 1:]
    share_NB = np.abs(difference_NB) / (pair_NB[_LAG:] + pair_NB[:-_LAG] + _TINY)
    return np.partition(share_NB, _DOUBTFUL, axis=1)[:, _DOUBTFUL]


def _keys(words_N: np.ndarray, certainty_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    heard = np.flatnonzero(words_N)
    best = heard[np.argsort(-certainty_N[heard], kind="stable")[:N_KEYS]]
    keys, first = np.unique(words_N[best], return_index=True)
    return keys, best[first].astype(np.int32)


def bit_error(a_N: np.ndarray, b_N: np.ndarray, offset: int) -> tuple[float, int]:
    """(share of unequal bits, frames compared) with b's frame 0 at a's frame `offset`; silent frames left out."""
    first, last = max(offset, 0), min(len(a_N), offset + len(b_N))
    a, b = a_N[first:last], b_N[first - offset : last - offset]
    heard = (a != 0) & (b != 0)
    n = int(heard.sum())
    if not n:
        return 1.0, 0
    return int(np.bitwise_count(a[heard] ^ b[heard]).sum()) / (32 * n), n

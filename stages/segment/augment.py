"""Training excerpts made unlike each other: speed (tempo, pitch and throat at once), leakage of the band as a separator
leaves it, tone, level (ours).

Shapes: T samples at 16 kHz, N frames.
"""

from dataclasses import dataclass

import numpy as np

from stages.lib.audio import resample, to_float
from stages.segment.truth import RATE_HZ, KnownSong

_SEPARATED_SHARE = 0.7  # of the excerpts, where a song was really separated


@dataclass(frozen=True)
class Excerpt:
    """x_T of the vocals as a stage would see them. Song time of sample t is start_s + t / RATE_HZ * speed."""

    x_T: np.ndarray
    song: KnownSong
    start_s: float
    speed: float


def draw_excerpt(rng: np.random.Generator, song: KnownSong, duration_s: float, max_speed: float) -> Excerpt:
    """A place in the song where anything may happen, at a speed between 1 / max_speed and max_speed."""
    speed = float(np.exp(rng.uniform(-1, 1) * np.log(max_speed)))
    n_out = int(duration_s * RATE_HZ)
    n_in = int(np.ceil(n_out * speed)) + 64
    start = int(rng.integers(max(len(song.vocals_T) - n_in, 1)))

    def cut(stem_T: np.ndarray) -> np.ndarray:
        return resample(to_float(stem_T[start : start + n_in]), round(RATE_HZ * speed), RATE_HZ)[:n_out]

    if song.separated_T is not None and rng.random() < _SEPARATED_SHARE:
        x_T = _colour(rng, cut(song.separated_T))
    else:
        x_T = _colour(rng, cut(song.vocals_T)) + _leakage(rng, cut(song.accompaniment_T))
    return Excerpt(np.pad(x_T, (0, n_out - len(x_T))).astype(np.float32), song, start / RATE_HZ, speed)


def _leakage(rng: np.random.Generator, band_T: np.ndarray) -> np.ndarray:
    """The band 6 to 26 dB below its own level in the mix, at times not at all; mostly some part of its spectrum."""
    if rng.random() < 0.2:
        return np.zeros_like(band_T)
    return _colour(rng, band_T) * np.float32(10 ** (-rng.uniform(6, 26) / 20))


def _colour(rng: np.random.Generator, x_T: np.ndarray) -> np.ndarray:
    """A smooth random response of up to +-6 dB between bass and treble."""
    spectrum = np.fft.rfft(x_T)
    knots_db = rng.uniform(-6, 6, size=6)
    place = np.linspace(0, 1, len(spectrum)) ** 0.5 * (len(knots_db) - 1)
    response = 10 ** (np.interp(place, np.arange(len(knots_db)), knots_db) / 20)
    return np.fft.irfft(spectrum * response, len(x_T)).astype(np.float32)

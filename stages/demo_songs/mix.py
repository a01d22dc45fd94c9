"""Stems to a mix: levels, a shared room, a shared limiter, sixteen bits. Mix = sum of stems, bit by bit."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter, fftconvolve, sosfilt

_PEAK = 0.89  # -1 dBFS
_LIMITER_S = 0.012
_LOUDNESS_RMS = 0.13  # of the mix before its peaks are held down
_GATE = 0.05  # of the loudest: below, nobody sings


@dataclass(frozen=True)
class Room:
    """Reverberation: time to fall by 60 dB, and its level under the dry sound, of voice and of band."""

    decay_s: float
    vocals_db: float
    accompaniment_db: float


def impulse_response(rng: np.random.Generator, decay_s: float, sample_rate_hz: int) -> np.ndarray:
    """Decaying, darkening stereo noise of unit energy; (n, 2). The first 15 ms are silent."""
    t = np.arange(int(decay_s * sample_rate_hz)) / sample_rate_hz
    noise = rng.standard_normal((len(t), 2)) * np.exp(-6.9 * t / decay_s)[:, None]
    noise = sosfilt(butter(1, (250, 5000), "bandpass", fs=sample_rate_hz, output="sos"), noise, axis=0)
    noise[: int(0.015 * sample_rate_hz)] = 0
    return (noise / np.sqrt((noise**2).sum(axis=0))).astype(np.float32)


def reverberate(dry: np.ndarray, response: np.ndarray, level_db: float) -> np.ndarray:
    """Add the room to a stereo signal; the same length, the tail cut."""
    wet = fftconvolve(dry, response, axes=0)[: len(dry)]
    return (dry + 10 ** (level_db / 20) * wet).astype(np.float32)


def active_rms(stereo: np.ndarray, sample_rate_hz: int) -> float:
    """RMS over the moments in which there is sound."""
    left, right = stereo.T.astype(np.float64)  # two columns: numpy's reductions over an axis of two are slow
    power = uniform_filter1d((left**2 + right**2) / 2, sample_rate_hz // 10)
    loud = power > (_GATE**2) * power.max() if power.max() > 0 else np.zeros(len(power), bool)
    return float(np.sqrt(power[loud].mean())) if loud.any() else 0.0


def mix_down(
    vocals: np.ndarray, accompaniment: np.ndarray, vocals_over_band_db: float, sample_rate_hz: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level, limit and quantise. Returns (mix, vocals, accompaniment) as int16 (n, 2), mix = vocals + accompaniment.

    The level is of RMS where each of them sounds. One gain over time, found on the mix, serves both stems.
    """
    voice, band = active_rms(vocals, sample_rate_hz), active_rms(accompaniment, sample_rate_hz)
    if voice > 0 and band > 0:
        vocals = vocals * np.float32(band / voice * 10 ** (vocals_over_band_db / 20))
    total = vocals + accompaniment
    loudness = _LOUDNESS_RMS / max(active_rms(total, sample_rate_hz), 1e-9)
    window = int(_LIMITER_S * sample_rate_hz)
    highest = np.maximum(np.abs(total[:, 0]), np.abs(total[:, 1]))
    peaks = maximum_filter1d(highest * np.float32(loudness), 2 * window + 1)
    gain = uniform_filter1d(np.minimum(1.0, _PEAK / np.maximum(peaks, 1e-9)), window) * loudness
    stems = [np.round(stem * gain[:, None] * 32767).astype(np.int32) for stem in (vocals, accompaniment)]
    mixed = np.clip(stems[0] + stems[1], -32768, 32767)
    voice_16 = np.clip(stems[0], -32768, 32767)
    band_16 = np.clip(mixed - voice_16, -32768, 32767)
    return (voice_16 + band_16).astype(np.int16), voice_16.astype(np.int16), band_16.astype(np.int16)

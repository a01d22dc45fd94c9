"""WORLD's synthesis, vectorised: pulses and noise through minimum-phase filters, all frames of a line at once.

The same signal model as `pyworld.synthesize` (a test holds one against the other), several times faster for high
voices: filters are computed per frame and not per pulse, in single precision; noise is overlapped and added.

Shapes: T frames of HOP samples, K = 1025 bins, P pulses.
"""

import numpy as np
from scipy.fft import irfft, rfft

FFT = 2048
HOP = 220
SAMPLE_RATE_HZ = 44_100
_BLOCK = 256  # frames at a time: bounds the memory
_SUBSAMPLES = 32  # places within a sample where a pulse may fall
_DELAYS = np.exp(-2j * np.pi / FFT * np.arange(_SUBSAMPLES)[:, None] / _SUBSAMPLES * np.arange(FFT // 2 + 1)).astype(
    np.complex64
)


def synthesize(
    f0_T: np.ndarray, log_power_TK: np.ndarray, noise_TK: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Samples (T * HOP) of a voice with pitch `f0_T` (Hz, 0: voiceless), envelope, and amplitude share of noise."""
    n_frames = len(f0_T)
    out = np.zeros(n_frames * HOP + FFT, np.float32)
    white = rng.standard_normal((n_frames + 2) * HOP, dtype=np.float32)
    window = np.hanning(2 * HOP + 1)[:-1].astype(np.float32)
    pulses = _pulses(f0_T)
    for start in range(0, n_frames, _BLOCK):
        stop = min(start + _BLOCK, n_frames)
        filter_BK = _minimum_phase(log_power_TK[start:stop].astype(np.float32))
        noise_BK = noise_TK[start:stop].astype(np.float32)
        _add_noise(out, white, window, filter_BK * noise_BK, start)
        inside = pulses[(pulses >= start * HOP) & (pulses < stop * HOP)]
        tonal_BK = filter_BK * np.sqrt(np.maximum(1 - noise_BK**2, 0))
        _add_pulses(out, inside, tonal_BK, start, f0_T)
    return out[: n_frames * HOP].astype(np.float64)


def _minimum_phase(log_power_BK: np.ndarray) -> np.ndarray:
    """Complex frequency response of the minimum-phase filter with this power, by folding the cepstrum."""
    cepstrum = irfft(0.5 * log_power_BK, FFT, axis=1)
    cepstrum[:, 1 : FFT // 2] *= 2
    cepstrum[:, FFT // 2 + 1 :] = 0
    spectrum = rfft(cepstrum, axis=1)
    out = np.empty_like(spectrum)
    height = np.exp(spectrum.real)  # real functions in single precision: several times faster than a complex exp
    out.real, out.imag = height * np.cos(spectrum.imag), height * np.sin(spectrum.imag)
    return out


def _add_noise(out: np.ndarray, white: np.ndarray, window: np.ndarray, filter_BK: np.ndarray, start: int) -> None:
    """Windowed white noise, filtered frame by frame and overlapped; frame t is centred on sample t * HOP."""
    n = len(filter_BK)
    segments = np.lib.stride_tricks.sliding_window_view(white[start * HOP :], 2 * HOP)[: n * HOP : HOP]
    filtered = irfft(rfft(segments * window, FFT, axis=1) * filter_BK, FFT, axis=1)
    for i, row in enumerate(filtered):
        begin = max((start + i - 1) * HOP, 0)
        cut = max(-(start + i - 1) * HOP, 0)
        piece = row[cut : cut + len(out) - begin]
        out[begin : begin + len(piece)] += piece


def _pulses(f0_T: np.ndarray) -> np.ndarray:
    """Moments (fractional samples) at which the phase of f0 passes a whole turn, in voiced frames only."""
    n_samples = len(f0_T) * HOP
    frame = np.minimum((np.arange(n_samples) + HOP // 2) // HOP, len(f0_T) - 1)
    voiced = f0_T[frame] > 0
    known = np.flatnonzero(f0_T > 0)
    if not len(known):
        return np.zeros(0)
    f0 = np.interp(np.arange(n_samples) / HOP, known, f0_T[known])
    phase = np.cumsum(f0 / SAMPLE_RATE_HZ)
    turns = np.flatnonzero(np.floor(phase[1:]) > np.floor(phase[:-1]))
    exact = turns + (np.floor(phase[turns + 1]) - phase[turns]) / (phase[turns + 1] - phase[turns])
    return exact[voiced[turns]]


def _add_pulses(out: np.ndarray, pulses: np.ndarray, filter_BK: np.ndarray, start: int, f0_T: np.ndarray) -> None:
    """One filtered pulse per period; its height keeps the power of the voice the same at every pitch."""
    if not len(pulses):
        return
    whole = np.floor(pulses).astype(int)
    frame = np.minimum((whole + HOP // 2) // HOP, start + len(filter_BK) - 1)
    f0 = np.maximum(f0_T[frame], 40.0)
    height = np.sqrt(SAMPLE_RATE_HZ / f0)
    delay = ((pulses - whole) * _SUBSAMPLES).astype(int)
    responses = irfft(filter_BK[frame - start] * _DELAYS[delay], FFT, axis=1)
    responses *= height[:, None].astype(np.float32)
    for begin, row in zip(whole, responses, strict=True):
        out[begin : begin + FFT] += row[: len(out) - begin]

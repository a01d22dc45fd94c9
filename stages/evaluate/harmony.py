"""Do voice and accompaniment agree? A figure of ours (the paper asks listeners).

At every voiced moment, take the accompaniment's chroma around it and ask how many of the other eleven pitch classes
are weaker than the one being sung. The mean of that share over all voiced moments: 0.5 is chance, whatever the chroma
looks like; 1.0 is a voice that always sings the band's strongest note. Loudness plays no part. Shapes: T samples,
N frames.
"""

import functools

import numpy as np

from stages.evaluate.figures import NotMeasurable
from stages.evaluate.world import Analysis
from stages.lib.audio import resample, to_float

CHROMA_RATE_HZ = 22_050
N_FFT = 4096
HOP = 2205  # 0.1 s
SMOOTH_FRAMES = 5  # 0.5 s: a chord is heard together
LOWEST_HZ, HIGHEST_HZ = 110.0, 2000.0  # below, bins are wider than semitones; above, harmonics prevail
WIDTH_SEMITONES = 0.35
MIN_VOICED_S = 0.5
A4_HZ, A4_CLASS = 440.0, 9  # pitch classes from C


def chroma(x_T: np.ndarray, from_hz: int) -> np.ndarray:
    """Energy per pitch class, 12 N, frame n centred on n * 0.1 s, smoothed over half a second; A4 = 440 Hz."""
    x = to_float(x_T) if x_T.dtype == np.int16 else x_T
    x = np.pad(resample(x, from_hz, CHROMA_RATE_HZ), N_FFT // 2)
    frames_NK = np.lib.stride_tricks.sliding_window_view(x, N_FFT)[::HOP] * np.hanning(N_FFT)
    energy_NK = np.abs(np.fft.rfft(frames_NK)) ** 2
    raw_12N = _pitch_classes_of_bins() @ energy_NK.T
    kernel = np.ones(SMOOTH_FRAMES) / SMOOTH_FRAMES
    return np.stack([np.convolve(row, kernel, mode="same") for row in raw_12N])


@functools.cache
def _pitch_classes_of_bins() -> np.ndarray:
    """12 K: how much each spectrum bin counts for each pitch class, by its distance in semitones."""
    bins_hz = np.fft.rfftfreq(N_FFT, 1 / CHROMA_RATE_HZ)
    heard = (bins_hz >= LOWEST_HZ) & (bins_hz <= HIGHEST_HZ)
    semitone = 12 * np.log2(np.maximum(bins_hz, LOWEST_HZ) / A4_HZ) + A4_CLASS
    away = (semitone[None] - np.arange(12)[:, None] + 6) % 12 - 6
    return np.where(heard, np.exp(-0.5 * (away / WIDTH_SEMITONES) ** 2), 0.0)


def pitch_class(f0_N: np.ndarray) -> np.ndarray:
    """The nearest of the twelve, 0 = C."""
    return (np.rint(12 * np.log2(f0_N / A4_HZ)).astype(int) + A4_CLASS) % 12


def agreement(vocals: Analysis, chroma_12N: np.ndarray) -> float:
    """The share described above. Raises NotMeasurable where less than half a second is sung, or the band is silent."""
    voiced = np.flatnonzero(vocals.f0_N > 0)
    frame = np.rint(voiced * vocals.frame_s * CHROMA_RATE_HZ / HOP).astype(int)
    inside = frame < chroma_12N.shape[1]
    inside[inside] = chroma_12N[:, frame[inside]].sum(0) > 0
    voiced, frame = voiced[inside], frame[inside]
    if len(voiced) * vocals.frame_s < MIN_VOICED_S:
        raise NotMeasurable("the voice has hardly any pitch in it, or the accompaniment is silent")
    sung = chroma_12N[pitch_class(vocals.f0_N[voiced]), frame]
    weaker = (chroma_12N[:, frame] < sung).sum(0)
    equal = (chroma_12N[:, frame] == sung).sum(0) - 1
    return float(((weaker + equal / 2) / 11).mean())

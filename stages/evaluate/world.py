"""WORLD analysis: f0 and spectral envelopes (Morise et al. 2016), by pyworld. Shapes: T samples, N frames, K bins."""

import warnings
from dataclasses import dataclass

import numpy as np

from stages.lib.audio import resample, to_float

F0_FLOOR_HZ, F0_CEIL_HZ = 65.0, 1000.0  # sung pitch


@dataclass(frozen=True)
class Analysis:
    """f0_N in hertz, 0 where unvoiced; envelope_NK power spectra; frames frame_s apart."""

    f0_N: np.ndarray
    envelope_NK: np.ndarray
    frame_s: float


def analyse(x_T: np.ndarray, from_hz: int, sample_rate_hz: int, frame_s: float) -> Analysis:
    """DIO, StoneMask, CheapTrick on audio resampled to `sample_rate_hz`; x_T is int16 or float."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it imports pkg_resources
        import pyworld

    x = to_float(x_T) if x_T.dtype == np.int16 else x_T
    x = np.ascontiguousarray(resample(x, from_hz, sample_rate_hz), np.float64)
    frame_ms = frame_s * 1000
    f0, times = pyworld.dio(x, sample_rate_hz, f0_floor=F0_FLOOR_HZ, f0_ceil=F0_CEIL_HZ, frame_period=frame_ms)
    f0 = pyworld.stonemask(x, f0, times, sample_rate_hz)
    envelope = pyworld.cheaptrick(x, f0, times, sample_rate_hz, f0_floor=F0_FLOOR_HZ)
    return Analysis(f0, envelope, frame_s)

"""How well a stem was separated (SI-SDR: Le Roux et al. 2019, "SDR - half-baked or well done?", eq. 5; without
subtracting means, as in the SiSEC and MDX tools). Shapes: T samples; any float or integer type."""

import numpy as np

_FLOOR = 1e-20  # of an energy: a silent error or target gives a large finite figure, never a division by zero


def si_sdr(reference_T: np.ndarray, estimate_T: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB; NaN where the reference is silent (it is not defined there)."""
    reference = np.asarray(reference_T, np.float64)
    estimate = np.asarray(estimate_T, np.float64)
    if reference.shape != estimate.shape:
        raise ValueError(f"reference and estimate differ in shape: {reference.shape} and {estimate.shape}")
    energy = float(reference @ reference)
    if energy == 0.0:
        return float("nan")
    target = float(estimate @ reference) / energy * reference
    error = estimate - target
    return 10.0 * float(np.log10((target @ target + _FLOOR * energy) / (error @ error + _FLOOR * energy)))


def si_sdr_improvement(reference_T: np.ndarray, estimate_T: np.ndarray, mixture_T: np.ndarray) -> float:
    """How many dB the estimate is nearer to the reference than the unseparated mixture was."""
    return si_sdr(reference_T, estimate_T) - si_sdr(reference_T, mixture_T)


def sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Plain signal-to-distortion ratio in dB (no scaling allowed): what two implementations of one model differ by."""
    reference = np.asarray(reference, np.float64)
    error = np.asarray(estimate, np.float64) - reference
    return 10.0 * float(np.log10((np.sum(reference**2) + _FLOOR) / (np.sum(error**2) + _FLOOR)))

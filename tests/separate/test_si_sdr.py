"""SI-SDR against the formula written another way, and its invariances."""

import numpy as np
import pytest

from stages.separate.metrics import sdr, si_sdr, si_sdr_improvement


def by_projection(reference: np.ndarray, estimate: np.ndarray) -> float:
    """By the angle between the two: tan of it is error over target, whatever their scales."""
    cosine = np.dot(reference, estimate) / (np.linalg.norm(reference) * np.linalg.norm(estimate))
    return float(-20 * np.log10(np.tan(np.arccos(abs(cosine)))))


@pytest.mark.parametrize("level", [0.01, 0.3, 1.0, 4.0])
def test_agrees_with_the_angle_between_the_signals(level: float) -> None:
    rng = np.random.default_rng(1)
    reference = rng.standard_normal(5000)
    estimate = reference + level * rng.standard_normal(5000)
    assert si_sdr(reference, estimate) == pytest.approx(by_projection(reference, estimate), abs=1e-6)


def test_does_not_see_scale_but_sdr_does() -> None:
    rng = np.random.default_rng(2)
    reference, error = rng.standard_normal((2, 4000))
    estimate = reference + 0.1 * error
    assert si_sdr(reference, -3 * estimate) == pytest.approx(si_sdr(reference, estimate), abs=1e-9)
    assert sdr(reference, 3 * estimate) < 0 < sdr(reference, estimate)


def test_improvement_of_an_orthogonal_mixture_is_the_error_removed() -> None:
    """Reference and disturbance orthogonal and equally loud: the mixture has 0 dB, a tenth of the disturbance 20 dB."""
    t = np.arange(44_100) / 44_100
    reference, other = np.sin(2 * np.pi * 100 * t), np.sin(2 * np.pi * 250 * t)
    mixture = reference + other
    assert si_sdr(reference, mixture) == pytest.approx(0, abs=1e-6)
    assert si_sdr_improvement(reference, reference + 0.1 * other, mixture) == pytest.approx(20, abs=1e-6)


def test_ends_of_the_range() -> None:
    reference = np.array([100, -200, 300], np.int16)
    assert si_sdr(reference, reference) > 150
    assert si_sdr(reference, np.zeros(3)) < 1
    assert np.isnan(si_sdr(np.zeros(3), reference))
    with pytest.raises(ValueError, match="shape"):
        si_sdr(reference, reference[:2])

"""The Fréchet distance against scipy.linalg.sqrtm's literal formula."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from stages.evaluate.fad import Moments, frechet


def by_sqrtm(a: np.ndarray, b: np.ndarray) -> float:
    cov_a, cov_b = (np.atleast_2d(np.cov(x.T)) for x in (a, b))
    difference = a.mean(0) - b.mean(0)
    return float(difference @ difference + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real))


@pytest.mark.parametrize("width", [1, 3, 24])
def test_frechet_is_the_formula(width):
    rng = np.random.default_rng(width)
    mix = rng.normal(size=(width, width))
    a = rng.normal(size=(400, width)) @ mix
    b = rng.normal(size=(300, width)) * 1.5 + 0.7
    assert frechet(Moments.of(a), Moments.of(b)) == pytest.approx(by_sqrtm(a, b), rel=1e-6)


def test_frechet_of_equal_sets_is_zero_and_it_is_symmetric():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 8)), rng.normal(1, 2, size=(70, 8))
    assert frechet(Moments.of(a), Moments.of(a)) == pytest.approx(0, abs=1e-6)
    assert frechet(Moments.of(a), Moments.of(b)) == pytest.approx(frechet(Moments.of(b), Moments.of(a)))


def test_fewer_frames_than_features_stay_finite():
    rng = np.random.default_rng(0)
    assert np.isfinite(frechet(Moments.of(rng.normal(size=(5, 30))), Moments.of(rng.normal(size=(4, 30)))))


def test_moments_add():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)), rng.normal(size=(20, 4))
    joined, whole = Moments.join([Moments.of(a), Moments.of(b)]), Moments.of(np.concatenate([a, b]))
    for got, wanted in zip(joined.gaussian(), whole.gaussian(), strict=True):
        np.testing.assert_allclose(got, wanted)

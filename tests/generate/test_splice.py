"""The splice: context untouched bit for bit, seams without steps, any length of the new part."""

import numpy as np
import pytest

from stages.generate.splice import splice


def test_context_is_kept_bit_for_bit_and_the_new_part_may_have_any_length():
    rng = np.random.default_rng(0)
    original = rng.integers(-9000, 9000, 5000).astype(np.int16)
    for n_new in (500, 1200, 2000):
        new = rng.integers(-9000, 9000, n_new).astype(np.int16)
        out = splice(original, new, 1000, 2200, fade=100)
        assert out.dtype == np.int16 and len(out) == 5000 - 1200 + n_new
        np.testing.assert_array_equal(out[:1000], original[:1000])
        np.testing.assert_array_equal(out[1000 + n_new :], original[2200:])
        np.testing.assert_array_equal(out[1100 : 900 + n_new], new[100:-100])


def test_the_seams_are_smooth():
    """A constant into another constant: with a fade no step is larger than the fade's own."""
    original, new = np.full(4000, 8000, np.int16), np.full(1000, -8000, np.int16)
    steps = np.abs(np.diff(splice(original, new, 1500, 2500, fade=200).astype(int)))
    assert steps.max() < 250
    assert np.abs(np.diff(splice(original, new, 1500, 2500, fade=0).astype(int))).max() == 16000


def test_power_is_kept_across_the_seam():
    rng = np.random.default_rng(1)
    original, new = rng.normal(size=400_000), rng.normal(size=200_000)
    out = splice(original, new, 100_000, 300_000, fade=50_000)
    assert np.var(out[100_000:150_000]) == pytest.approx(1.0, abs=0.03)


def test_at_the_ends_of_the_track_nothing_fades():
    original, new = np.zeros(1000, np.int16), np.full(300, 5000, np.int16)
    np.testing.assert_array_equal(splice(original, new, 0, 1000, 50), new)
    assert splice(original, new, 0, 500, 50)[0] == 5000
    assert splice(original, new, 500, 1000, 50)[-1] == 5000


def test_loud_seams_clip_instead_of_wrapping():
    loud = np.full(1000, 32767, np.int16)
    assert splice(loud, loud[:400], 300, 700, 100).min() > 30000


@pytest.mark.parametrize("span", [(-1, 5), (5, 4), (0, 101)])
def test_a_span_outside_the_track_is_refused(span):
    with pytest.raises(ValueError, match="does not lie in a track"):
        splice(np.zeros(100), np.zeros(10), *span, fade=0)

"""Song = vocals + accompaniment, in int16, whatever comes in."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.separate.stems import SILENCE_DB, StemWriter, split

floats = st.floats(-3, 3, width=32)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=20))
def test_sum_is_exact_for_any_input(pairs: list[tuple[float, float]]) -> None:
    song_T, vocals_T = np.array(pairs, np.float32).T
    song, vocals, accompaniment = split(song_T, vocals_T)
    assert vocals.dtype == accompaniment.dtype == np.int16
    np.testing.assert_array_equal(vocals.astype(int) + accompaniment.astype(int), song.astype(int))
    np.testing.assert_array_equal(song, np.clip(np.rint(song_T * 32768), -32768, 32767))


def test_vocals_that_fit_are_left_alone() -> None:
    _, vocals, _ = split(np.array([0.5, -0.5]), np.array([-0.25, 0.25]))
    np.testing.assert_array_equal(vocals, [-8192, 8192])


def test_vocals_that_do_not_fit_are_moved_as_little_as_possible() -> None:
    song, vocals, accompaniment = split(np.array([0.75, -0.75]), np.array([-0.75, 0.75]))
    np.testing.assert_array_equal(accompaniment, [32767, -32768])
    np.testing.assert_array_equal(vocals, song.astype(int) - accompaniment)


def test_written_in_blocks_as_in_one() -> None:
    rng = np.random.default_rng(0)
    song_T, vocals_T = rng.standard_normal((2, 30_000)) * 0.2
    whole, blocks = StemWriter(), StemWriter()
    whole.write(song_T, vocals_T)
    for start in range(0, 30_000, 7_001):
        blocks.write(song_T[start : start + 7_001], vocals_T[start : start + 7_001])
    files, facts = whole.finish()
    assert (files, facts) == blocks.finish()
    assert blocks.duration_s == pytest.approx(30_000 / 44_100)
    x_T, rate_hz = soundfile.read(io.BytesIO(files["vocals"]), dtype="int16")
    assert (rate_hz, x_T.ndim) == (44_100, 1)
    np.testing.assert_array_equal(x_T, split(song_T, vocals_T)[1])
    assert facts["vocals_db"] == pytest.approx(20 * np.log10(np.std(vocals_T)), abs=0.1)


def test_silence_has_a_level_too() -> None:
    writer = StemWriter()
    writer.write(np.zeros(100), np.zeros(100))
    assert writer.finish()[1] == {"song_db": SILENCE_DB, "vocals_db": SILENCE_DB, "accompaniment_db": SILENCE_DB}

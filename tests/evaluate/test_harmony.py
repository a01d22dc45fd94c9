"""Harmony: a voice on the band's notes scores high, a semitone off scores low, an unrelated one at chance."""

import numpy as np
import pytest

from stages.evaluate.figures import NotMeasurable
from stages.evaluate.harmony import agreement, chroma, pitch_class
from stages.evaluate.world import Analysis, analyse

RATE_HZ = 44_100


def tone(hz: float, seconds: float, n_harmonics: int = 6) -> np.ndarray:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, n_harmonics + 1)) * 0.1


def melody(semitones_from_c4: list[int], seconds: float) -> Analysis:
    frame_s = 0.005
    n = int(seconds / frame_s)
    f0 = np.concatenate([np.full(n, 261.63 * 2 ** (s / 12)) for s in semitones_from_c4])
    return Analysis(f0, np.zeros((len(f0), 2)), frame_s)


CHORD = sum(tone(261.63 * 2 ** (s / 12) / 2, 4.0) for s in (0, 4, 7))  # C major


def test_pitch_classes():
    assert pitch_class(np.array([261.63, 440.0, 277.18, 130.8, 246.94])).tolist() == [0, 9, 1, 0, 11]


def test_chord_notes_agree_and_neighbours_do_not():
    c = chroma(CHORD, RATE_HZ)
    inside, outside = agreement(melody([0, 4, 7], 1.2), c), agreement(melody([1, 6, 8], 1.2), c)
    assert inside > 0.8
    assert outside < 0.5


def test_chance_is_one_half():
    """All twelve notes equally often: exactly one half, whatever the chroma."""
    c = np.random.default_rng(0).random((12, 1000))
    constant = np.repeat(c[:, :1], 1000, axis=1)
    assert agreement(melody(list(range(12)), 0.5), constant) == pytest.approx(0.5)


def test_silence_is_not_measurable():
    with pytest.raises(NotMeasurable):
        agreement(Analysis(np.zeros(1000), np.zeros((1000, 2)), 0.005), chroma(CHORD, RATE_HZ))
    with pytest.raises(NotMeasurable):
        agreement(melody([0], 2.0), chroma(np.zeros(4 * RATE_HZ), RATE_HZ))


def test_world_hears_the_pitch():
    analysis = analyse(tone(220.0, 1.5), RATE_HZ, 24_000, 0.005)
    voiced = analysis.f0_N[analysis.f0_N > 0]
    assert len(voiced) > 200
    assert np.median(np.abs(1200 * np.log2(voiced / 220.0))) < 5

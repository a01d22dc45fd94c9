"""Given times: trusted where they fit the singing, not where they are shifted, stretched or of another song."""

import numpy as np
import pytest

from stages.contract.records import Sentence
from stages.segment.timed import agreement, are_trusted, complete_ends, voiced_share

DURATION_S = 90.0


def song(seed: int = 0) -> list[tuple[float, float]]:
    """Lines of 2 to 4 s with pauses, an interlude in the middle."""
    rng = np.random.default_rng(seed)
    at, lines = 6.0, []
    while at < DURATION_S - 6:
        length = float(rng.uniform(2, 4))
        lines.append((at, at + length))
        at += length + float(rng.uniform(0.2, 1.5)) + (9.0 if len(lines) == 8 else 0.0)
    return lines


@pytest.mark.parametrize("seed", range(5))
def test_true_times_are_trusted(seed: int) -> None:
    lines = song(seed)
    assert are_trusted(lines, np.array(lines), DURATION_S, 0.6)


@pytest.mark.parametrize("seed", range(5))
def test_times_of_a_sloppy_transcriber_are_trusted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines = song(seed)
    sloppy = [
        (start + float(e), end + float(e)) for (start, end), e in zip(lines, rng.normal(0, 0.2, 99), strict=False)
    ]
    assert are_trusted(sloppy, np.array(lines), DURATION_S, 0.6)


@pytest.mark.parametrize("shift_s", [-5.0, -2.5, 2.5, 5.0])
def test_shifted_times_are_not_trusted(shift_s: float) -> None:
    lines = song(1)
    shifted = [(start + shift_s, end + shift_s) for start, end in lines]
    assert not are_trusted(shifted, np.array(lines), DURATION_S, 0.6)


def test_times_of_another_song_or_beyond_the_end_are_not_trusted() -> None:
    lines = np.array(song(2))
    instrumental = np.array([[30.0, 34.0], [50.0, 52.0]])
    assert not are_trusted([tuple(line) for line in lines], instrumental, DURATION_S, 0.6)
    assert not are_trusted([*map(tuple, lines), (95.0, 97.0)], lines, DURATION_S, 0.6)
    assert not are_trusted([(5.0, 5.0)], lines, DURATION_S, 0.6)


def test_missing_ends_are_found_in_the_singing() -> None:
    regions = np.array([[1.0, 3.0], [3.2, 4.0], [10.0, 12.0]])
    lines = [Sentence("a", 1.0), Sentence("b", 5.0), Sentence("c", 9.8), Sentence("d", 11.0, 11.5)]
    ends = [end for _, end in complete_ends(lines, regions, 20.0)]
    assert ends == [4.0, 9.8, 11.0, 11.5]


def test_a_given_end_does_not_reach_into_the_next_line() -> None:
    lines = [Sentence("a", 1.0, 8.0), Sentence("b", 5.0, 30.0)]
    assert complete_ends(lines, np.zeros((0, 2)), 20.0) == [(1.0, 5.0), (5.0, 20.0)]


def test_agreement_and_share() -> None:
    regions = np.array([[0.0, 10.0]])
    assert agreement([(0.0, 10.0)], regions, 20.0) == pytest.approx(1.0)
    assert agreement([(10.1, 20.0)], regions, 20.0) == pytest.approx(0.0)
    assert voiced_share(5.0, 15.0, regions) == pytest.approx(0.5)

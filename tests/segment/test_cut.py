"""Clips cover the song, keep sentences whole and stay short, whatever the sentences and voices."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.segment.cut import Limits, plan, regions_to_frames

LIMITS = Limits(longest=750, shortest=100, gap=8)


@st.composite
def songs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], np.ndarray, list[int]]:
    """Sentences with gaps of any length (none too), voices that need not agree with them, walls anywhere."""
    at, sentences = draw(st.integers(0, 1000)), []
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 750)), max_size=12)):
        sentences.append((at + gap, at + gap + length))
        at += gap + length
    n_frames = max(at + draw(st.integers(0, 2000)), 1)
    voice = np.zeros(n_frames, dtype=bool)
    for start, length in draw(st.lists(st.tuples(st.integers(0, n_frames), st.integers(1, 500)), max_size=12)):
        voice[start : start + length] = True
    return n_frames, sentences, voice, draw(st.lists(st.integers(-10, n_frames + 10), max_size=4))


@settings(max_examples=120, deadline=None)
@given(songs())
def test_clips_cover_the_song_and_cut_no_sentence(song: tuple) -> None:
    n_frames, sentences, voice, forced = song
    clips = plan(n_frames, sentences, voice, forced, LIMITS)
    assert clips[0][0] == 0 and clips[-1][1] == n_frames
    assert all(a[1] == b[0] for a, b in itertools.pairwise(clips))
    assert all(0 < end - start <= LIMITS.longest for start, end in clips)
    edges = {edge for clip in clips for edge in clip}
    for start, end in sentences:
        assert not any(start < edge < end for edge in edges)
    for wall in forced:
        if 0 < wall < n_frames and not any(start < wall < end for start, end in sentences):
            assert wall in edges


def test_cuts_fall_in_the_middle_of_silences() -> None:
    sentences = [(100, 400), (460, 760), (800, 1100), (1180, 1500)]
    voice = np.zeros(1600, dtype=bool)
    for start, end in sentences:
        voice[start:end] = True
    clips = plan(1600, sentences, voice, [], LIMITS)
    inner = [end for _, end in clips[:-1]]
    assert len(clips) <= 4 and all(not voice[edge - 10 : edge + 10].any() for edge in inner)


def test_a_breathless_pair_is_parted_only_when_it_must_be() -> None:
    voice = np.ones(1000, dtype=bool)
    voice[600:630] = False
    sentences = [(0, 300), (300, 600), (630, 1000)]
    assert [end for _, end in plan(1000, sentences, voice, [], LIMITS)] == [615, 1000]
    too_long = [(0, 500), (500, 900)]
    assert [end for _, end in plan(900, too_long, np.ones(900, dtype=bool), [], LIMITS)] == [500, 900]


def test_an_instrumental_becomes_long_clips() -> None:
    clips = plan(3000, [], np.zeros(3000, dtype=bool), [], LIMITS)
    assert len(clips) == 4 and all(end - start == 750 for start, end in clips)


def test_singing_outside_the_lyrics_is_kept_apart_from_sentences() -> None:
    """A line whose words are not known (300..600) between two that are."""
    voice = np.zeros(1000, dtype=bool)
    for start, end in ((20, 280), (300, 600), (620, 980)):
        voice[start:end] = True
    clips = plan(1000, [(20, 280), (620, 980)], voice, [], LIMITS)
    assert [end for _, end in clips] == [290, 610, 1000]


def test_regions_become_frames() -> None:
    voice = regions_to_frames(np.array([[0.1, 0.2], [0.505, 0.53]]), 40)
    assert voice.nonzero()[0].tolist() == [5, 6, 7, 8, 9, 25, 26]

"""Scores, tunes, words and bands: what a musician would look for."""

import itertools

import numpy as np
import pytest

from stages.demo_songs import band, instruments, soundfont
from stages.demo_songs.genres import GENRES
from stages.demo_songs.lyrics import write_lyrics
from stages.demo_songs.melody import Style, write_melody
from stages.demo_songs.score import write_score
from stages.demo_songs.singer import _SINGERS, choose_singer
from stages.demo_songs.syllables import Segment, Syllable

GENRE = pytest.mark.parametrize("genre", GENRES, ids=lambda genre: genre.name)


def make_score(genre, seed=0):
    return write_score(np.random.default_rng(seed), genre, (), 4, 60, 90)


def fake_syllables(text):
    """A syllable a word, every second one stressed: needs no espeak."""
    return tuple(
        Syllable(word, i, i % 2 == 0, (Segment("a", 0, 1000),), 0) for i, word in enumerate((text + " la la").split())
    )


@GENRE
@pytest.mark.parametrize("seed", range(6))
def test_songs_last_60_to_90_seconds_and_return_to_their_chorus(genre, seed):
    score = make_score(genre, seed)
    letters = "".join(section.letter for section in score.sections)
    assert 60 <= score.duration_s <= 90
    assert letters.count("C") >= 1
    assert len(score.chords) == sum(section.n_bars for section in score.sections)
    for a, b in zip(score.chords, score.chords[1:], strict=False):
        assert a.end_s == pytest.approx(b.start_s)
        assert set(a.pitch_classes) <= set(score.scale)


@GENRE
def test_tunes_stay_in_key_and_range_and_never_overlap(genre):
    rng = np.random.default_rng(1)
    score = make_score(genre)
    lyrics = write_lyrics(rng, "en", "Paper Moon", tuple(section.letter for section in score.sections), 4)
    syllables = {text: fake_syllables(text) for section in lyrics.sections for text in section}
    lines = write_melody(rng, score, lyrics, syllables, 60, Style(melisma=0.9, breathless=0.5))
    notes = [note for line in lines for group in line.notes for note in group]
    assert all(note.midi % 12 in score.scale for note in notes)
    assert 48 <= min(note.midi for note in notes) <= max(note.midi for note in notes) <= 75
    assert all(a.end_s <= b.start_s + 1e-6 for a, b in itertools.pairwise(notes))
    assert any(len(group) > 1 for line in lines for group in line.notes)  # melisma
    assert len({note.midi for note in notes}) >= 6
    gaps = [b.start_s - a.end_s for a, b in itertools.pairwise(lines)]
    assert min(gaps) < 0.4 * score.beat_s  # some lines follow without a pause
    choruses = [line for line in lines if score.sections[line.section].letter == "C"]
    assert len({line.text for line in choruses}) < len(choruses) or len(choruses) == 4


def test_words_differ_between_songs_and_choruses_return():
    songs = [write_lyrics(np.random.default_rng(i), "en", "Amber Road", tuple("VCVC"), 4) for i in range(50)]
    lines = {line for song in songs for section in song.sections for line in section}
    assert len(lines) > 500
    assert all(song.sections[1][:3] == song.sections[3][:3] for song in songs)
    changed = sum(song.sections[1][3] != song.sections[3][3] for song in songs)
    assert 5 <= changed <= 30
    assert not any("{" in line for line in lines)


def test_singers_differ_in_register_and_formants():
    assert len({singer.name for singer in _SINGERS}) >= 8
    places = np.array([(singer.centre_midi / 3, singer.formants / 0.05) for singer in _SINGERS])
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + 99 * np.eye(len(places))
    assert distances.min() > 0.9
    assert choose_singer(1, 3) == choose_singer(1, 13)
    assert choose_singer(1, 3) != choose_singer(2, 3)


@GENRE
def test_the_band_plays_the_chords(genre):
    """Every pitched note but the tune's belongs to the chord of its bar (power chords and fifths included)."""
    score = make_score(genre)
    rng = np.random.default_rng(2)
    events = band.play(rng, score, band.arrange(rng, score))
    assert [e.start_s for e in events] == sorted(e.start_s for e in events)
    assert {"drums", "bass", "chords", "lead"} <= {event.track for event in events}
    for event in events:
        if event.track in ("bass", "pad"):
            chord = score.chord_at(event.start_s + 0.02)
            assert event.midi % 12 in chord.pitch_classes
        elif event.track == "lead":
            assert event.midi % 12 in score.scale


@pytest.mark.parametrize("engine", ["numpy", "soundfont"])
def test_a_note_sounds_at_its_pitch_and_time(engine):
    if engine == "soundfont" and soundfont.font_path() is None:
        pytest.skip("the extra `demo` is not installed")
    render = {"numpy": instruments.render, "soundfont": soundfont.render}[engine]
    events = [band.Event("chords", 0.5, 1.5, 69, 100)]
    out = render(events, {"bass": 33, "chords": 0, "pad": 48, "lead": 73}, 2.0, 44_100)
    assert out.shape == (88_200, 2)
    assert np.abs(out[:22_000]).max() < 1e-4
    power = np.abs(np.fft.rfft(out[24_000:60_000].sum(axis=1) * np.hanning(36_000))) ** 2
    hz = np.fft.rfftfreq(36_000, 1 / 44_100)
    assert hz[np.argmax(power)] % 440 == pytest.approx(0, abs=6) or hz[np.argmax(power)] % 440 > 434


@pytest.mark.parametrize("program", [4, 16, 25, 30, 33, 48, 81, 95])
def test_our_instruments_are_in_tune(program):
    """Peaks of the spectrum lie at multiples of the note within 15 cents."""
    out = instruments.render([band.Event("chords", 0.0, 1.9, 57, 100)], {"chords": program}, 2.0, 44_100)
    power = np.abs(np.fft.rfft(out[2_000:80_000].sum(axis=1) * np.hanning(78_000), 2**19))
    hz = np.fft.rfftfreq(2**19, 1 / 44_100)
    near = (hz > 200) & (hz < 240)
    assert abs(1200 * np.log2(hz[near][np.argmax(power[near])] / 220)) < 15

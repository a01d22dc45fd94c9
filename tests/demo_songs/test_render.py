"""A rendered song against its own truth: pitch by a tracker, sentences by energy, stems by sums."""

import itertools

import numpy as np
import pytest
import pyworld

from stages.demo_songs.render import language_of, render_song, song_title

RATE_HZ = 44_100
BOTH = pytest.mark.parametrize("k", [0, 5])


def mono(stereo):
    return stereo.astype(np.float64).mean(axis=1) / 32768


@BOTH
def test_the_mix_is_the_sum_of_its_stems_and_does_not_clip(songs, k):
    song = songs[k]
    total = song.vocals.astype(np.int32) + song.accompaniment
    assert np.array_equal(total, song.mix)
    assert song.mix.dtype == np.int16
    assert song.mix.shape[1] == 2
    assert 8_000 < np.abs(song.mix.astype(int)).max() < 32_700
    assert song.truth["duration_s"] == pytest.approx(len(song.mix) / RATE_HZ)


@BOTH
def test_it_is_sung_in_tune(songs, k):
    """Median error of notes under 20 cents by pyworld's tracker, which knows nothing of the notes."""
    samples = mono(songs[k].vocals)
    f0, times_s = pyworld.dio(samples, float(RATE_HZ), f0_floor=60.0, f0_ceil=1100.0)
    f0 = pyworld.stonemask(samples, f0, times_s, RATE_HZ)
    errors = []
    for note in songs[k].truth["notes"]:
        length_s = note["end_s"] - note["start_s"]
        steady = (times_s > note["start_s"] + 0.3 * length_s) & (times_s < note["end_s"] - 0.25 * length_s) & (f0 > 0)
        if steady.sum() >= 4:
            errors.append(np.median(1200 * np.log2(f0[steady] / 440) - 100 * (note["midi"] - 69)))
    assert len(errors) > 0.5 * len(songs[k].truth["notes"])
    assert np.median(np.abs(errors)) < 20


@BOTH
def test_sentences_are_where_the_voice_is(songs, k):
    """Inside sentences the voice is at least 20 dB above its level before the first one; starts rise steeply."""
    samples, sentences = mono(songs[k].vocals), songs[k].truth["sentences"]
    power = np.convolve(samples**2, np.ones(441) / 441, "same")
    first = round(sentences[0]["start_s"] * RATE_HZ)
    inside = np.concatenate([power[round(s["start_s"] * RATE_HZ) : round(s["end_s"] * RATE_HZ)] for s in sentences])
    assert first > 0.2 * RATE_HZ
    quiet = power[: max(first - round(0.35 * RATE_HZ), 1000)].mean() + 1e-10
    assert inside.mean() > 100 * quiet
    threshold = 0.02 * np.median(inside)
    onset = np.flatnonzero(power[first - 2000 :] > threshold)[0] + first - 2000
    assert abs(onset - first) < 0.12 * RATE_HZ


@BOTH
def test_truth_hangs_together(songs, k):
    truth = songs[k].truth
    assert [s["text"] for s in truth["sentences"]] == list(dict.fromkeys(s["text"] for s in truth["sentences"]))
    for syllable in truth["syllables"]:
        phonemes = syllable["phonemes"]
        assert phonemes[0]["start_s"] == syllable["start_s"]
        assert phonemes[-1]["end_s"] == syllable["end_s"]
        ends = [phoneme["end_s"] for phoneme in phonemes[:-1]]
        assert ends == pytest.approx([phoneme["start_s"] for phoneme in phonemes[1:]], abs=2e-4)
        sentence = truth["sentences"][syllable["sentence"]]
        assert sentence["start_s"] <= syllable["start_s"] < syllable["end_s"] <= sentence["end_s"]
    starts = [note["start_s"] for note in truth["notes"]]
    assert starts == sorted(starts)
    assert len(truth["notes"]) >= len(truth["syllables"])
    assert truth["language"] == ("zh" if k == 5 else "en")
    assert any("\u4e00" <= c <= "\u9fff" for s in truth["sentences"] for c in s["text"]) == (k == 5)


def test_every_chinese_character_is_a_syllable(songs):
    truth = songs[5].truth
    characters = [c for s in truth["sentences"] for c in s["text"] if "\u4e00" <= c <= "\u9fff"]
    assert len(truth["syllables"]) == len(characters)


def test_a_song_depends_on_seed_and_number_only(songs, short):
    """The same again after another song, whatever the number of songs; another seed gives another song."""
    again = render_song(3, 0, short.model_copy(update={"n_songs": 500}))
    assert np.array_equal(again.mix, songs[0].mix)
    assert np.array_equal(again.vocals, songs[0].vocals)
    assert again.truth == songs[0].truth
    assert render_song(4, 0, short).truth["notes"] != again.truth["notes"]


def test_titles_and_languages(short):
    assert [language_of(k, short) for k in range(6)] == ["en"] * 5 + ["zh"]
    assert len({song_title(1, k, short) for k in range(24)}) > 15
    assert language_of(5, short.model_copy(update={"mandarin_every": 0})) == "en"


def test_one_mouth_sings_one_line_at_a_time():
    """A line that runs into the next ends where the first consonants of that one begin."""
    pytest.importorskip("espeakng_loader")
    from stages.demo_songs.choir import make_room
    from stages.demo_songs.melody import SungLine
    from stages.demo_songs.score import Note
    from stages.demo_songs.voice import lay_out, speak_line

    spoken = {text: speak_line(text, "en", "m3") for text in ("la la", "stretch it")}
    lines = [
        SungLine(text, 0, spoken[text].syllables, ((Note(t, t + 1, 60),), (Note(t + 1, t + 2, 62),)))
        for t, text in ((1, "la la"), (3, "stretch it"), (5, "la la"))
    ]
    places = [lay_out(spoken[line.text], line.notes) for line in make_room(lines, spoken)]
    for before, after in itertools.pairwise(places):
        assert before[-1].phoneme.end_s < after[0].phoneme.start_s
        assert before[-1].phoneme.end_s > after[0].phoneme.start_s - 0.1

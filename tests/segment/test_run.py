"""A song's clips: sample-exact, whole sentences, frames; what happens to doubtful lyrics."""

from dataclasses import replace

import numpy as np
import pytest

from stages.contract.records import Clip, Sentence, Song
from stages.lib.audio import decode_flac, encode_flac
from stages.segment.aligners import Found
from stages.segment.config import SegmentConfig
from stages.segment.run import held_out, segment_song

RATE = 44_100
LINES = [("one", 1.013, 4.207), ("two", 4.6, 8.01), ("three", 8.9, 12.5), ("four", 20.2, 23.9), ("five", 24.0, 27.7)]
CONFIG = SegmentConfig(max_clip_s=10.0, min_confidence=0.3)


class FakeVad:
    def __init__(self, regions: list[tuple[float, float]]):
        self._regions = np.array(regions).reshape(-1, 2)

    def regions(self, vocals_T: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        return self._regions


class FakeAligner:
    name, knows = "fake", True

    def __init__(self, found: list[Found | None]):
        self.found = found
        self.asked: list[str] = []

    def align(self, vocals_T, sample_rate_hz, sentences, language, voice_R2):  # type: ignore[no-untyped-def]
        self.asked = list(sentences)
        return self.found


def stems(duration_s: float, silent: tuple[float, float] = (0.0, 0.0)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    both = rng.integers(-8000, 8000, (2, int(duration_s * RATE)), dtype=np.int16)
    both[:, int(silent[0] * RATE) : int(silent[1] * RATE)] = 0
    return both[0], both[1]


def song(timed: bool = False, duration_s: float = 31.3) -> Song:
    sentences = tuple(Sentence(t, a, b) if timed else Sentence(t) for t, a, b in LINES)
    return Song("abc", "abc.flac", "A", duration_s, RATE, 2, "train", "en", "ann", sentences)


def run(a_song: Song, aligner: FakeAligner, config: SegmentConfig = CONFIG, voice=None, silent=(0.0, 0.0)):  # type: ignore[no-untyped-def]
    vocals, band = stems(a_song.duration_s, silent)
    vad = FakeVad([(a, b) for _, a, b in LINES] if voice is None else voice)
    made = segment_song(a_song, encode_flac(vocals), encode_flac(band), vad, aligner, config)  # type: ignore[arg-type]
    clips = [Clip.from_json(data) for name, data in sorted(made.files.items()) if name.endswith(".json")]
    return made, clips


FOUND = [Found(a, b, 0.9) for _, a, b in LINES]


def test_clips_hold_the_song_sample_by_sample() -> None:
    made, clips = run(song(), FakeAligner(list(FOUND)))
    vocals, band = stems(31.3)
    assert made.outcome == "kept" and made.outputs.keys() == {"clips"}
    assert [clip.id for clip in clips] == [f"abc-{k:03d}" for k in range(len(clips))]
    for clip in clips:
        start = round(clip.start_s * RATE)
        for name, stem in (("vocals", vocals), ("accompaniment", band)):
            samples = decode_flac(made.files[f"{clip.id}.{name}.flac"])
            assert samples.dtype == np.int16 and len(samples) % 882 == 0 and start % 882 == 0
            assert len(samples) == round(clip.duration_s * RATE) <= 10 * RATE
            assert np.array_equal(samples, stem[start : start + len(samples)])
    assert made.audio_s == pytest.approx(sum(clip.duration_s for clip in clips))


def test_sentences_come_whole_and_in_place() -> None:
    made, clips = run(song(), FakeAligner(list(FOUND)))
    back = [(s.text, clip.start_s + s.start_s, clip.start_s + s.end_s) for clip in clips for s in clip.sentences]
    assert [text for text, _, _ in back] == [text for text, _, _ in LINES]
    assert np.allclose([times for _, *times in back], [times for _, *times in LINES], atol=0.002)
    for clip in clips:
        for _, start, end in LINES:
            assert not (start < clip.start_s < end or start < clip.start_s + clip.duration_s < end)
    assert made.facts["n_sentences"] == 5 and made.facts["n_sentences_dropped"] == 0
    assert made.facts["aligner"] == "fake" and made.facts["median_confidence"] == 0.9
    assert made.facts["n_clips"] == len(clips)


def test_a_held_last_note_is_not_cut() -> None:
    """The aligner lets go of "two" a second early; its voice runs on to "three" without a pause."""
    found = [FOUND[0], Found(4.6, 7.9, 0.9), *FOUND[2:]]
    voice = [(1.0, 4.2), (4.6, 12.5), (20.2, 27.7)]
    _, clips = run(song(), FakeAligner(list(found)), voice=voice)
    assert not any(7.92 < clip.start_s < 8.88 for clip in clips)
    spans = [(10, 50), (80, 120), (130, 140)]
    voice_N = np.zeros(200, dtype=bool)
    voice_N[10:60] = voice_N[80:190] = True
    assert held_out(spans, voice_N, 500) == [(10, 60), (80, 130), (130, 190)]
    assert held_out(spans, voice_N, 45) == [(10, 55), (80, 125), (130, 175)]


def test_the_same_song_makes_the_same_bytes() -> None:
    first, second = (run(song(), FakeAligner(list(FOUND)))[0] for _ in range(2))
    assert first.files == second.files and first.outputs == second.outputs


def test_given_times_that_fit_are_trusted_and_the_aligner_is_not_asked() -> None:
    aligner = FakeAligner([None] * 5)
    made, _ = run(song(timed=True), aligner)
    assert aligner.asked == [] and made.facts["aligner"] == "given" and made.facts["n_sentences"] == 5


def test_given_times_that_do_not_fit_are_aligned_anew() -> None:
    shifted = replace(song(), sentences=tuple(Sentence(t, a + 2.8, b + 2.8) for t, a, b in LINES))
    made, clips = run(shifted, FakeAligner(list(FOUND)))
    assert made.facts["aligner"] == "fake"
    assert clips[0].sentences[0].start_s == pytest.approx(1.013 - clips[0].start_s, abs=0.002)


def test_doubtful_sentences_are_dropped_and_counted() -> None:
    found: list[Found | None] = [*FOUND[:2], Found(8.9, 12.5, 0.1), None, Found(28.5, 29.9, 0.9)]
    made, _ = run(song(), FakeAligner(found))
    assert made.facts["n_sentences"] == 2 and made.facts["n_sentences_dropped"] == 3
    assert made.facts["dropped_sentences"] == {
        "low confidence": 1,
        "not found in the singing": 1,
        "nobody sings there": 1,
    }


def test_a_sentence_longer_than_a_clip_is_dropped_and_its_song_still_cut() -> None:
    found = [Found(1.0, 12.5, 0.9), None, None, *FOUND[3:]]
    made, clips = run(song(), FakeAligner(found))
    assert made.facts["dropped_sentences"]["longer than a clip"] == 1
    assert max(clip.duration_s for clip in clips) <= 10.0
    assert [s.text for clip in clips for s in clip.sentences] == ["four", "five"]


def test_lyrics_of_another_song() -> None:
    found: list[Found | None] = [FOUND[0], *[Found(a, b, 0.05) for _, a, b in LINES[1:]]]
    made, clips = run(song(), FakeAligner(found))
    assert made.outcome == "kept" and made.facts["n_sentences"] == 0 and made.facts["n_sentences_dropped"] == 5
    assert made.facts["note"].startswith("lyrics do not match") and not any(clip.sentences for clip in clips)
    strict = CONFIG.model_copy(update={"mismatch": "drop"})
    made, _ = run(song(), FakeAligner(found), strict)
    assert made.outcome == "dropped" and made.reason.startswith("lyrics do not match the singing:")


def test_no_clip_spans_a_silence_of_the_whole_song() -> None:
    """Two songs in one file: half a second of nothing, and a line that was aligned across it."""
    found: list[Found | None] = [*FOUND[:2], Found(8.9, 15.0, 0.9), *FOUND[3:]]
    made, clips = run(song(), FakeAligner(found), voice=[(1.0, 13.0), (13.5, 28.0)], silent=(13.0, 13.5))
    assert made.facts["dropped_sentences"]["spans a silence of the song"] == 1
    assert any(clip.start_s == pytest.approx(13.24, abs=0.02) for clip in clips)
    assert not any(clip.start_s < 13.0 and clip.start_s + clip.duration_s > 13.5 for clip in clips)


def test_a_song_without_lyrics_is_cut_all_the_same() -> None:
    made, clips = run(replace(song(), sentences=()), FakeAligner([]))
    assert made.facts["aligner"] is None and made.facts["n_sentences"] == 0
    assert sum(clip.duration_s for clip in clips) == pytest.approx(31.3, abs=0.02)


def test_what_makes_no_clip_says_why() -> None:
    short, _ = run(replace(song(duration_s=1.2), sentences=()), FakeAligner([]), voice=[])
    assert short.outcome == "dropped" and short.reason.startswith("shorter than a clip")
    silent, _ = run(replace(song(), sentences=()), FakeAligner([]), voice=[], silent=(0.0, 40.0))
    assert silent.outcome == "dropped" and silent.reason == "nothing but silence"
    broken = segment_song(song(), b"no flac", b"", FakeVad([]), FakeAligner([]), CONFIG)  # type: ignore[arg-type]
    assert broken.outcome == "failed" and broken.reason.startswith("stems do not decode")


def test_mono_stems_are_asked_for_in_frames_of_882_only() -> None:
    """A song's last part frame is left out, as tokenize leaves it out."""
    made, clips = run(replace(song(duration_s=5.0099), sentences=()), FakeAligner([]), voice=[])
    assert clips[-1].start_s + clips[-1].duration_s == pytest.approx(5.0)
    assert made.audio_s == pytest.approx(5.0)

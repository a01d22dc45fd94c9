"""One song from (seed, k): words, tune, voices, band, mix, and everything that is true of them. Pure: no files."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.demo_songs import band, instruments, soundfont
from stages.demo_songs.choir import Sung, make_room, sing
from stages.demo_songs.config import DemoSongsConfig
from stages.demo_songs.genres import GENRES, SECTIONS
from stages.demo_songs.lyrics import write_lyrics, write_title
from stages.demo_songs.melody import Style, SungLine, write_melody
from stages.demo_songs.mix import Room, impulse_response, mix_down, reverberate
from stages.demo_songs.score import Score, write_score
from stages.demo_songs.singer import choose_singer
from stages.demo_songs.vocoder import SAMPLE_RATE_HZ
from stages.demo_songs.voice import speak_line

ENGINES = {"soundfont": soundfont.render, "numpy": instruments.render}
# Streams of random numbers: what one part draws leaves the others as they are.
_TITLE, _SCORE, _WORDS, _TUNE, _VOICE, _BAND, _MIX, _LYRICS_FILE = range(8)


@dataclass(frozen=True)
class RenderedSong:
    """Stereo int16 (n_samples, 2) at 44.1 kHz, mix = vocals + accompaniment. `timed` says whether its lyrics are to be
    written with times."""

    name: str
    mix: np.ndarray
    vocals: np.ndarray
    accompaniment: np.ndarray
    timed: bool
    truth: dict[str, Any]


def stream(seed: int, k: int, part: int) -> np.random.Generator:
    return np.random.default_rng([seed, k, part])


def language_of(k: int, config: DemoSongsConfig) -> str:
    return "zh" if config.mandarin_every and k % config.mandarin_every == config.mandarin_every - 1 else "en"


def song_title(seed: int, k: int, config: DemoSongsConfig) -> str:
    return write_title(stream(seed, k, _TITLE), language_of(k, config))


def engine_name(config: DemoSongsConfig) -> str:
    """Who plays: what the config asks for; `auto` takes the sound font where it is installed."""
    if config.band != "auto":
        return config.band
    return "soundfont" if soundfont.font_path() else "numpy"


def render_song(seed: int, k: int, config: DemoSongsConfig) -> RenderedSong:
    """Make song k. It depends on seed, k and the config's fields about songs, never on their number."""
    language, title = language_of(k, config), song_title(seed, k, config)
    singer = choose_singer(seed, k)
    genre = GENRES[(k + k // len(GENRES)) % len(GENRES)]
    score = write_score(
        stream(seed, k, _SCORE), genre, config.form, config.lines_per_section,
        config.min_duration_s, config.max_duration_s,
    )  # fmt: skip
    form = tuple(section.letter for section in score.sections)
    lyrics = write_lyrics(stream(seed, k, _WORDS), language, title, form, config.lines_per_section)
    texts = sorted({text for section in lyrics.sections for text in section})
    spoken = {text: speak_line(text, language, singer.variant) for text in texts}
    tune = stream(seed, k, _TUNE)
    style = Style(melisma=float(tune.uniform(0.15, 0.6)), breathless=float(tune.choice((0.1, 0.3, 0.8))))
    syllables = {text: line.syllables for text, line in spoken.items()}
    lines = make_room(write_melody(tune, score, lyrics, syllables, singer.centre_midi, style), spoken)
    backing = frozenset[int]()
    if tune.random() < 0.5:
        backing = frozenset(i for i, line in enumerate(lines) if score.sections[line.section].letter == "C")
    sung = sing(stream(seed, k, _VOICE), score, lines, spoken, singer, backing)
    arrangement = band.arrange(stream(seed, k, _BAND), score)
    events = band.play(stream(seed, k, _BAND), score, arrangement)
    played = ENGINES[engine_name(config)](events, arrangement.programs, score.duration_s, SAMPLE_RATE_HZ)
    rng = stream(seed, k, _MIX)
    room = Room(float(rng.uniform(0.8, 1.8)), float(rng.uniform(-16, -9)), float(rng.uniform(-22, -14)))
    level_db = float(rng.uniform(-1.5, 3.0))
    response = impulse_response(rng, room.decay_s, SAMPLE_RATE_HZ)
    mix, vocals, accompaniment = mix_down(
        reverberate(sung.samples, response, room.vocals_db),
        reverberate(played, response, room.accompaniment_db),
        level_db, SAMPLE_RATE_HZ,
    )  # fmt: skip
    truth = {
        "seed": seed, "k": k, "title": title, "singer": singer.name, "genre": genre.name, "language": language,
        "tempo_bpm": score.tempo_bpm, "key": score.key, "duration_s": len(mix) / SAMPLE_RATE_HZ,
        "sample_rate_hz": SAMPLE_RATE_HZ, "band": engine_name(config), "vocals_over_band_db": level_db,
        "backing_vocals": bool(backing), "dense": arrangement.dense, "reverb_s": room.decay_s,
        **_times(score, lines, sung),
    }  # fmt: skip
    timed = bool(stream(seed, k, _LYRICS_FILE).random() < config.timed_share)
    return RenderedSong(song_name(k, title), mix, vocals, accompaniment, timed, truth)


def _times(score: Score, lines: list[SungLine], sung: Sung) -> dict[str, Any]:
    """Truth in time: sections, sentences, syllables with their phonemes, notes, chords."""
    sentences, syllables, notes = [], [], []
    for line, phonemes in zip(lines, sung.phonemes, strict=True):
        sentences.append({"text": line.text, **_span(phonemes[0].start_s, phonemes[-1].end_s)})
        for i, syllable in enumerate(line.syllables):
            own = [phoneme for phoneme in phonemes if phoneme.syllable == i]
            syllables.append(
                {
                    "text": syllable.text,
                    "sentence": len(sentences) - 1,
                    "phonemes": [{"p": phoneme.ipa, **_span(phoneme.start_s, phoneme.end_s)} for phoneme in own],
                    **_span(own[0].start_s, own[-1].end_s),
                }
            )
        notes += [{**_span(n.start_s, n.end_s), "midi": n.midi} for group in line.notes for n in group]
    ends = [*(score.seconds(section.start_beat) for section in score.sections[1:]), score.duration_s]
    return {
        "sections": [
            {"name": SECTIONS[section.letter], **_span(score.seconds(section.start_beat), end_s)}
            for section, end_s in zip(score.sections, ends, strict=True)
        ],
        "sentences": sentences,
        "syllables": syllables,
        "notes": notes,
        "chords": [{**_span(chord.start_s, chord.end_s), "name": chord.name} for chord in score.chords],
    }


def _span(start_s: float, end_s: float) -> dict[str, float]:
    return {"start_s": round(float(start_s), 4), "end_s": round(float(end_s), 4)}


def song_name(k: int, title: str) -> str:
    """`0007-neon-harbour`: Latin letters only; Chinese by pinyin."""
    from pypinyin import lazy_pinyin

    words = title.lower().split() if title.isascii() else lazy_pinyin(title)
    return "-".join((f"{k:04d}", *words))

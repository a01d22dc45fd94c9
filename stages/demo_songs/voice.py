"""Speech to singing: WORLD's envelope of a spoken line, warped onto notes and given a new pitch.

Vowels begin on the beat, consonants before it; a held note repeats the steady part of its vowel, and a diphthong
glides late. The spectrum is moved, tilted and opened to 22 kHz per singer.

Shapes: env_NF log power envelope, N source frames of 5 ms, F = 513 bins up to 11 kHz; log_TK the same for the T
frames that are sung, K = 1025 bins up to 22 kHz.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from stages.demo_songs.espeak import speak
from stages.demo_songs.pitch import f0_curve
from stages.demo_songs.score import Note
from stages.demo_songs.singer import Singer
from stages.demo_songs.syllables import Segment, Syllable, is_vowel, syllabify
from stages.demo_songs.vocoder import HOP, SAMPLE_RATE_HZ, synthesize

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pyworld asks for pkg_resources
    import pyworld

VOICES = {"en": "en-us", "zh": "cmn"}
_FRAME_S = 0.005  # of the speech
_HOP_S = HOP / SAMPLE_RATE_HZ  # of the song
_SPOKEN_F0_HZ = 140
_WORDS_PER_MINUTE = {"en": 125, "zh": 150}
_LONGEST_CONSONANT_S = 0.13
_CONSONANT_SHARE = 0.5  # of the time from one vowel to the next
_VOICELESS = ("p", "t", "k", "f", "θ", "s", "ʃ", "h", "x", "χ", "ɕ", "ʂ", "ʔ", "ç")
_HISSING = ("z", "ʒ", "v", "ð", "ʐ", "dʒ", "ʁ", "ɣ")
_TOP_BIN = 455  # 9.8 kHz: above, espeak's own low-pass falls off
_ROLLOFF_DB_PER_OCTAVE = 14.0
# espeak's formants leave holes between them that no throat has: filled this far below the peak, deeper above 2 kHz
_VALLEY_DB = 50.0
_VALLEY_DB_PER_OCTAVE = 9.0


@dataclass(frozen=True)
class SpokenLine:
    """A line as espeak speaks it: log envelope in 5 ms frames, and its syllables."""

    env_NF: np.ndarray
    sample_rate_hz: int
    syllables: tuple[Syllable, ...]

    def frame(self, sample: int) -> float:
        return sample / self.sample_rate_hz / _FRAME_S


@dataclass(frozen=True)
class SungPhoneme:
    """A phoneme's place in the song."""

    ipa: str
    syllable: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Piece:
    """One phoneme's frames of speech, and the time they are stretched to."""

    phoneme: SungPhoneme
    source_start: float  # frames
    source_end: float


def is_voiceless(ipa: str) -> bool:
    return ipa.startswith(_VOICELESS)


def speak_line(text: str, language: str, variant: str) -> SpokenLine:
    """Speak a line at a known, constant pitch, and take its envelope."""
    speech = speak(
        text, f"{VOICES[language]}+{variant}", words_per_minute=_WORDS_PER_MINUTE[language], f0_hz=_SPOKEN_F0_HZ
    )
    rate_hz = speech.sample_rate_hz
    syllables = tuple(syllabify(speech, text))
    times_s = np.arange(int(len(speech.samples) / rate_hz / _FRAME_S) + 1) * _FRAME_S
    f0 = np.zeros(len(times_s))
    for segment in (segment for syllable in syllables for segment in syllable.segments):
        if not is_voiceless(segment.ipa):
            start, end = (sample / rate_hz / _FRAME_S for sample in (segment.start_sample, segment.end_sample))
            f0[round(start) : round(end)] = _SPOKEN_F0_HZ
    power_NF = pyworld.cheaptrick(speech.samples, f0, times_s, rate_hz)
    return SpokenLine(np.log(power_NF + 1e-12), rate_hz, syllables)


def onset_s(line: SpokenLine) -> float:
    """How long before its first beat a line begins: its first consonants."""
    first = line.syllables[0]
    return sum(_length_s(line, segment) for segment in first.segments[: first.nucleus])


def lay_out(line: SpokenLine, notes: tuple[tuple[Note, ...], ...]) -> list[Piece]:
    """Place every phoneme: vowels from their note's start, consonants in the time left before the next vowel."""
    pieces: list[Piece] = []
    spoken = line.syllables
    first = _place(line, spoken[0].segments[: spoken[0].nucleus], 0, end_s=notes[0][0].start_s, scale=1.0)
    pieces += first
    for i, syllable in enumerate(spoken):
        start_s, end_s = notes[i][0].start_s, notes[i][-1].end_s
        coda = syllable.segments[syllable.nucleus + 1 :]
        follower = spoken[i + 1] if i + 1 < len(spoken) else None
        onset = follower.segments[: follower.nucleus] if follower else ()
        next_s = notes[i + 1][0].start_s if follower else end_s
        joined = next_s - end_s < 0.02
        wanted_s = sum(_length_s(line, segment) for segment in (*coda, *(onset if joined else ())))
        scale = min(1.0, _CONSONANT_SHARE * (end_s - start_s) / max(wanted_s, 1e-6))
        onset_scale = scale if joined else 1.0
        onset_pieces = _place(line, onset, i + 1, end_s=next_s, scale=onset_scale)
        coda_end_s = onset_pieces[0].phoneme.start_s if joined and onset_pieces else end_s
        coda_pieces = _place(line, coda, i, end_s=coda_end_s, scale=scale)
        vowel_end_s = coda_pieces[0].phoneme.start_s if coda_pieces else coda_end_s
        vowel = syllable.segments[syllable.nucleus]
        sung = SungPhoneme(vowel.ipa, i, start_s, vowel_end_s)
        pieces.append(Piece(sung, line.frame(vowel.start_sample), line.frame(vowel.end_sample)))
        pieces += [*coda_pieces, *onset_pieces]
    return pieces


def _length_s(line: SpokenLine, segment: Segment) -> float:
    return min((segment.end_sample - segment.start_sample) / line.sample_rate_hz, _LONGEST_CONSONANT_S)


def _place(
    line: SpokenLine, segments: tuple[Segment, ...], syllable: int, *, end_s: float, scale: float
) -> list[Piece]:
    """Consonants in a row that ends at `end_s`."""
    pieces = []
    for segment in reversed(segments):
        start_s = end_s - scale * _length_s(line, segment)
        sung = SungPhoneme(segment.ipa, syllable, start_s, end_s)
        pieces.append(Piece(sung, line.frame(segment.start_sample), line.frame(segment.end_sample)))
        end_s = start_s
    return pieces[::-1]


def _source_frames(piece: Piece, times_s: np.ndarray) -> np.ndarray:
    """Where in the speech each moment of a piece comes from. A stretched vowel keeps its beginning and its end at
    their own speed and lingers between; a diphthong lingers on its first sound."""
    start_s, end_s = piece.phoneme.start_s, piece.phoneme.end_s
    source = piece.source_end - piece.source_start
    natural_s = source * _FRAME_S
    if not is_vowel(piece.phoneme.ipa) or end_s - start_s <= natural_s:
        return np.interp(times_s, (start_s, end_s), (piece.source_start, piece.source_end))
    gliding = len(piece.phoneme.ipa) > 1
    head, tail = (0.18, 0.60) if gliding else (0.30, 0.35)
    return np.interp(
        times_s,
        (start_s, start_s + head * natural_s, end_s - tail * natural_s, end_s),
        piece.source_start + source * np.array([0.0, head, 1 - tail, 1.0]),
    )


def _spectrum(line: SpokenLine, singer: Singer) -> np.ndarray:
    """The singer's version of the envelope: formants moved, opened to 22 kHz, tilted, rung; (N, 1025) log power."""
    k = np.arange(1025)
    place = np.minimum(k / singer.formants, _TOP_BIN)
    low = np.floor(place).astype(int)
    part = place - low
    env_NK = line.env_NF[:, low] * (1 - part) + line.env_NF[:, np.minimum(low + 1, line.env_NF.shape[1] - 1)] * part
    hz = np.maximum(k, 1) * SAMPLE_RATE_HZ / 2048
    valley_db = _VALLEY_DB + _VALLEY_DB_PER_OCTAVE * np.maximum(np.log2(hz / 2000), 0)
    env_NK = np.logaddexp(env_NK, env_NK.max(axis=1, keepdims=True) - valley_db * (np.log(10) / 10))
    beyond = np.maximum(np.log2(k.clip(1) / (_TOP_BIN * singer.formants)), 0)
    shape_db = -_ROLLOFF_DB_PER_OCTAVE * beyond
    shape_db += singer.tilt_db * np.clip(np.log2(hz / 1000), -1, 4)
    shape_db += singer.ring_db * np.exp(-0.5 * (np.log2(hz / 2900) / 0.25) ** 2)
    return env_NK + shape_db * (np.log(10) / 10)


def _aperiodicity(singer: Singer) -> dict[str, np.ndarray]:
    """Share of noise per bin: tone, hissing voiced consonants, breath alone."""
    octaves = np.log2(np.maximum(np.arange(1025), 1) * SAMPLE_RATE_HZ / 2048 / 5000)
    tone = 10 ** (np.clip(singer.breath_db + 7 * octaves, -60, -0.1) / 20)
    hiss = 10 ** (np.clip(-3 + 12 * (octaves + 0.8), -40, -0.1) / 20)
    return {"tone": tone, "hiss": np.maximum(tone, hiss), "noise": np.full(1025, 0.999)}


def sing_line(
    line: SpokenLine,
    notes: tuple[tuple[Note, ...], ...],
    singer: Singer,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float, list[SungPhoneme]]:
    """Sing a line. Returns samples at 44.1 kHz, the time of the first one in the song, and every phoneme's place."""
    pieces = lay_out(line, notes)
    start_s = pieces[0].phoneme.start_s - 0.02
    n_frames = int((pieces[-1].phoneme.end_s + 0.12 - start_s) / _HOP_S) + 1
    times_s = start_s + np.arange(n_frames) * _HOP_S
    source = np.full(n_frames, -1.0)
    voiced = np.zeros(n_frames, bool)
    kinds = np.zeros(n_frames, int)
    for piece in pieces:
        a, b = (round((t - start_s) / _HOP_S) for t in (piece.phoneme.start_s, piece.phoneme.end_s))
        source[a:b] = _source_frames(piece, times_s[a:b])
        voiceless = is_voiceless(piece.phoneme.ipa)
        voiced[a:b] = not voiceless
        kinds[a:b] = 2 if voiceless else int(piece.phoneme.ipa.startswith(_HISSING))
    sounding = source >= 0
    # the last sound of a phrase lingers while it fades
    held = np.maximum.accumulate(np.where(sounding, np.arange(n_frames), 0))
    source, kinds, voiced_held = source[held].clip(0), kinds[held], voiced[held]
    env_NK = _spectrum(line, singer)
    low = np.minimum(source.astype(int), len(env_NK) - 2)
    part = (source - low).clip(0, 1)[:, None]
    gain_db = _loudness(line, pieces, times_s, sounding, rng)
    log_TK = env_NK[low] * (1 - part) + env_NK[low + 1] * part + (gain_db * (np.log(10) / 10))[:, None]
    table = np.stack(list(_aperiodicity(singer).values()))
    f0 = f0_curve(times_s, [note for group in notes for note in group], singer, rng)
    f0 = np.where(voiced_held & (gain_db > -60), f0, 0.0)
    samples = synthesize(f0, log_TK, table[kinds], rng)
    return samples, start_s, [piece.phoneme for piece in pieces]


def _loudness(
    line: SpokenLine, pieces: list[Piece], times_s: np.ndarray, sounding: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Gain in dB per frame: vowels brought nearer to each other, an arc over the phrase, soft ends."""
    power_N = np.log(np.exp(line.env_NF).sum(axis=1)) * (10 / np.log(10))
    vowels = [piece for piece in pieces if is_vowel(piece.phoneme.ipa)]
    levels = np.array([power_N[int(p.source_start) : int(p.source_end) + 1].mean() for p in vowels])
    centres = np.array([(p.phoneme.start_s + p.phoneme.end_s) / 2 for p in vowels])
    evened = 0.6 * (levels.mean() - levels) + rng.normal(0, 1.0, len(levels))
    place = (times_s - times_s[0]) / max(times_s[-1] - times_s[0], 1e-6)
    gain_db = np.interp(times_s, centres, evened) + 2.5 * np.sin(np.pi * place) - 1.0
    since = np.arange(len(times_s)) - np.maximum.accumulate(np.where(sounding, np.arange(len(times_s)), -1000))
    return gain_db - np.where(since > 0, 1.5 * since, 0.0).clip(0, 90)

"""All voices of a song: the lead, and backing vocals a third away in its choruses."""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from stages.demo_songs.melody import SungLine
from stages.demo_songs.score import Note, Score
from stages.demo_songs.singer import Singer
from stages.demo_songs.vocoder import SAMPLE_RATE_HZ
from stages.demo_songs.voice import SpokenLine, SungPhoneme, onset_s, sing_line

_BACKING_DB = -9.0
_BREATH_DB = -30.0
_CLOSURE_S = 0.01
_BREATH_S = 0.28
_SWALLOWED = 0.5  # a last note gives way to the next line's consonants, up to this share of it


@dataclass(frozen=True)
class Sung:
    """The voices of a song, dry, stereo float32, and where the lead's phonemes are, line by line."""

    samples: np.ndarray
    phonemes: tuple[tuple[SungPhoneme, ...], ...]


def make_room(lines: list[SungLine], spoken: dict[str, SpokenLine]) -> list[SungLine]:
    """End each line before the next one's first consonants: one mouth sings one thing at a time."""
    found = []
    for line, following in itertools.pairwise(lines):
        last = line.notes[-1][-1]
        end_s = following.start_s - onset_s(spoken[following.text]) - _CLOSURE_S
        if last.end_s > end_s:
            end_s = max(end_s, last.end_s - _SWALLOWED * (last.end_s - last.start_s))
            line = replace(line, notes=(*line.notes[:-1], (*line.notes[-1][:-1], replace(last, end_s=end_s))))
        found.append(line)
    return [*found, *lines[-1:]]


def sing(
    rng: np.random.Generator,
    score: Score,
    lines: list[SungLine],
    spoken: dict[str, SpokenLine],
    singer: Singer,
    backing_lines: frozenset[int],
) -> Sung:
    """Sing every line; `backing_lines` are the indices of lines with a second and third voice."""
    out = np.zeros((round(score.duration_s * SAMPLE_RATE_HZ), 2), np.float32)
    phonemes = []
    before_s = 0.0
    for index, line in enumerate(lines):
        samples, start_s, places = sing_line(spoken[line.text], line.notes, singer, rng)
        _add(out, samples, start_s, 0.0, 0.5)
        phonemes.append(tuple(places))
        if start_s - before_s > _BREATH_S + 0.1:
            _add(out, _breath(rng, float(np.abs(samples).max())), start_s - _BREATH_S - 0.02, 0.0, 0.5)
        before_s = places[-1].end_s
        if index in backing_lines:
            for steps, pan, throat in ((2, 0.25, 1.04), (-3, 0.75, 0.97)):
                other = replace(singer, formants=singer.formants * throat, scoop_cents=singer.scoop_cents * 0.4)
                harmony = tuple(tuple(_in_harmony(note, steps, score) for note in group) for group in line.notes)
                samples, start_s, _ = sing_line(spoken[line.text], harmony, other, rng)
                _add(out, samples, start_s + float(rng.uniform(0, 0.02)), _BACKING_DB, pan)
    return Sung(out, tuple(phonemes))


def _in_harmony(note: Note, steps: int, score: Score) -> Note:
    """The note so many steps of the scale away."""
    ladder = [midi for midi in range(note.midi - 12, note.midi + 13) if midi % 12 in score.scale]
    here = min(range(len(ladder)), key=lambda i: abs(ladder[i] - note.midi))
    return replace(note, midi=ladder[min(max(here + steps, 0), len(ladder) - 1)])


def _breath(rng: np.random.Generator, peak: float) -> np.ndarray:
    """Air drawn in before a phrase: noise that swells, around 2 kHz."""
    n = int(_BREATH_S * SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ)
    spectrum *= np.exp(-0.5 * (np.log2(np.maximum(hz, 1) / 2200) / 0.9) ** 2)
    air = np.fft.irfft(spectrum, n) * np.sin(np.pi * np.linspace(0, 1, n) ** 1.5)
    return air / np.abs(air).max() * peak * 10 ** (_BREATH_DB / 20)


def _add(out: np.ndarray, samples: np.ndarray, start_s: float, level_db: float, pan: float) -> None:
    """Add mono to the stereo song; power is the same at every place between left (0) and right (1)."""
    begin = round(start_s * SAMPLE_RATE_HZ)
    cut = max(-begin, 0)
    begin = max(begin, 0)
    samples = samples[cut:][: len(out) - begin]
    level = np.sqrt(2) * 10 ** (level_db / 20)
    for side, share in enumerate((np.cos(pan * np.pi / 2), np.sin(pan * np.pi / 2))):
        out[begin : begin + len(samples), side] += (level * share * samples).astype(np.float32)

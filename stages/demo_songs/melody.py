"""Rhythm and pitch of sung lines: stressed syllables on strong beats, chord tones where it counts, and a motif that
lines share, so that a verse sounds like one tune."""

from dataclasses import dataclass

import numpy as np

from stages.demo_songs.lyrics import Lyrics
from stages.demo_songs.score import Note, Score
from stages.demo_songs.syllables import Syllable

_SLOTS = 16  # places of a line where a syllable may begin
_STRENGTH = np.array([3, 0, 1, 0, 2, 0, 1, 0, 2.5, 0, 1, 0, 2, 0, 1, 0])
_STEP_COST = (0.5, 0.0, 0.3, 0.9, 1.4, 2.2, 3.0, 4.0)  # by scale steps moved; further: the last
_MELISMA_BEATS = 1.2  # notes this long may move over several pitches


@dataclass(frozen=True)
class SungLine:
    """A line of lyrics with its syllables and the notes that each of them is sung on."""

    text: str
    section: int
    syllables: tuple[Syllable, ...]
    notes: tuple[tuple[Note, ...], ...]

    @property
    def start_s(self) -> float:
        return self.notes[0][0].start_s

    @property
    def end_s(self) -> float:
        return self.notes[-1][-1].end_s


@dataclass(frozen=True)
class Style:
    """How one song is sung: share of long notes with melisma, and whether lines run into each other."""

    melisma: float
    breathless: float


def write_melody(
    rng: np.random.Generator,
    score: Score,
    lyrics: Lyrics,
    syllables: dict[str, tuple[Syllable, ...]],
    centre_midi: int,
    style: Style,
) -> list[SungLine]:
    """Notes for every line. A section's letter and the line's place in it fix the motif, so verses share a tune and a
    chorus comes back note for note (unless its words changed)."""
    motif_seed = int(rng.integers(2**31))
    lines: list[SungLine] = []
    for index, (section, texts) in enumerate(zip(score.sections, lyrics.sections, strict=True)):
        for row, text in enumerate(texts):
            motif = np.random.default_rng([motif_seed, ord(section.letter), row % 2])
            start_beat = section.start_beat + row * score.genre.line_beats
            breathless = bool(rng.random() < style.breathless)
            slots, end = _rhythm(motif, syllables[text], breathless)
            beats = [start_beat + slot * score.genre.line_beats / _SLOTS for slot in (*slots, end)]
            closing = row == len(texts) - 1
            lift = 3 if section.letter == "C" else -1
            pitches = _pitches(motif, score, beats[:-1], slots, centre_midi + lift, closing)
            notes = _notes(rng, score, beats, pitches, style.melisma)
            lines.append(SungLine(text, index, syllables[text], notes))
    return lines


def _rhythm(motif: np.random.Generator, syllables: tuple[Syllable, ...], breathless: bool) -> tuple[list[float], float]:
    """First slots of the syllables and the end slot, by dynamic programming over (syllable, slot)."""
    liking = motif.normal(0, 0.7, _SLOTS)
    n, late = len(syllables), bool(motif.random() < 0.25)
    last = _SLOTS - 3  # the last syllable has at least this much room
    scale = 1
    while (last * scale) // n < 1 or n > last * scale:
        scale *= 2  # a wordy line: half the grid
    n_slots = _SLOTS * scale
    strength = np.repeat(_STRENGTH + liking, scale) - np.tile([0.0] + [1.0] * (scale - 1), _SLOTS)
    ideal = (last * scale) / n
    first = 2 * scale if late and n < last * scale - 2 * scale else 0
    score = np.full((n, n_slots), -np.inf)
    come_from = np.zeros((n, n_slots), int)
    for slot in range(first, first + 2 * scale):
        score[0, slot] = strength[slot] * 1.5
    for i in range(1, n):
        weight = 1.0 if syllables[i].stressed else 0.25
        for slot in range(i, last * scale + 1):
            gaps = slot - np.arange(slot)
            ways = score[i - 1, :slot] - 0.25 * np.abs(gaps - ideal) - np.where(gaps > 6 * scale, 2.0, 0.0)
            come_from[i, slot] = int(np.argmax(ways))
            score[i, slot] = ways[come_from[i, slot]] + weight * strength[slot]
    slots = [int(np.argmax(score[n - 1]))]
    for i in range(n - 1, 0, -1):
        slots.append(int(come_from[i, slots[-1]]))
    slots.reverse()
    rest = 0 if breathless else min(int(motif.integers(1, 4)) * scale, n_slots - slots[-1] - 2 * scale)
    return [slot / scale for slot in slots], (n_slots - max(rest, 0)) / scale


def _pitches(
    motif: np.random.Generator, score: Score, beats: list[float], slots: list[float], centre: int, closing: bool
) -> list[int]:
    """The cheapest way through the scale: small steps, chord tones on strong beats, near an arc of the motif."""
    ladder = [midi for midi in range(centre - 7, centre + 8) if midi % 12 in score.scale]
    heights = np.array(ladder, float)
    rise, bow, slope = motif.uniform(-2, 2), motif.uniform(-1, 4), motif.uniform(-4, 3)
    whims = motif.normal(0, 1.1, (32, len(ladder)))
    costs = np.zeros((len(beats), len(ladder)))
    for i, (beat, slot) in enumerate(zip(beats, slots, strict=True)):
        place = slot / _SLOTS
        target = centre + rise + slope * place + bow * np.sin(np.pi * place)
        tones = score.chord_at(score.seconds(beat)).pitch_classes
        foreign = np.array([midi % 12 not in tones for midi in ladder])
        weight = 2.0 if i == len(beats) - 1 else 0.5 + 0.5 * _STRENGTH[int(slot) % _SLOTS]
        costs[i] = 0.35 * np.abs(heights - target) + foreign * weight + whims[i % 32]
    if closing:
        tonic_third = (score.scale[0], score.scale[2])
        costs[-1] += np.array([0.0 if midi % 12 in tonic_third else 1.0 for midi in ladder])
    index = np.arange(len(ladder))
    steps = np.minimum(np.abs(index[:, None] - index[None, :]), len(_STEP_COST) - 1)
    moves = np.take(_STEP_COST, steps)
    total, come_from = costs[0], []
    for cost in costs[1:]:
        ways = total[None, :] + moves
        come_from.append(np.argmin(ways, axis=1))
        total = cost + np.min(ways, axis=1)
    path = [int(np.argmin(total))]
    for step in reversed(come_from):
        path.append(int(step[path[-1]]))
    return [ladder[i] for i in reversed(path)]


def _notes(
    rng: np.random.Generator, score: Score, beats: list[float], pitches: list[int], melisma: float
) -> tuple[tuple[Note, ...], ...]:
    found = []
    for start, end, midi in zip(beats, beats[1:], pitches, strict=False):
        steps = [midi]
        if end - start >= _MELISMA_BEATS and rng.random() < melisma:
            steps = _melisma(rng, score, midi)
        edges = np.linspace(start, end, len(steps) + 1)
        if len(steps) > 1:  # the turns come early, the last pitch is held
            edges = start + (end - start) * (np.linspace(0, 1, len(steps) + 1) ** 1.3)
        found.append(
            tuple(
                Note(score.seconds(a), score.seconds(b), step)
                for a, b, step in zip(edges, edges[1:], steps, strict=False)
            )
        )
    return tuple(found)


def _melisma(rng: np.random.Generator, score: Score, midi: int) -> list[int]:
    """Two or three pitches of the scale that end on the note itself."""
    scale = [m for m in range(midi - 7, midi + 8) if m % 12 in score.scale]
    here = scale.index(midi)
    shapes = ((1, 0), (-1, 0), (2, 1, 0), (0, 1, 0), (0, -1, 0), (-2, -1, 0))
    return [scale[here + step] for step in shapes[int(rng.integers(len(shapes)))]]

"""What the band plays: one list of notes for drums, bass, chords, pad and lead, from the score. Who plays it (sampled
instruments or our own synthesis) is another module's concern."""

from dataclasses import dataclass

import numpy as np

from stages.demo_songs.genres import Drums
from stages.demo_songs.score import BEATS_PER_BAR, Chord, Score, Section

TRACKS = ("drums", "bass", "chords", "pad", "lead")
KICK, SNARE, HAT, OPEN_HAT, CRASH, TOM_HIGH, TOM_LOW, SHAKER = 36, 38, 42, 46, 49, 50, 45, 70
_STEPS = 16  # of a bar
_TIMING_S = 0.004  # players are this far from the grid
_BASS_LOW, _CHORD_LOW, _PAD_LOW, _LEAD_LOW = 31, 52, 55, 67


@dataclass(frozen=True)
class Event:
    """One note of the band; of drums `midi` is the General-MIDI key."""

    track: str
    start_s: float
    end_s: float
    midi: int
    velocity: int


@dataclass(frozen=True)
class Arrangement:
    """What this song's band is like. `dense` songs play everything throughout, sparse ones leave room."""

    programs: dict[str, int]
    groove: tuple[Drums, Drums]
    bass: str
    comp: str
    dense: bool
    pad: bool


def arrange(rng: np.random.Generator, score: Score) -> Arrangement:
    genre = score.genre
    dense = bool(rng.random() < 0.6)
    return Arrangement(
        programs={track: int(rng.choice(choices)) for track, choices in genre.programs.items()},
        groove=genre.grooves[int(rng.integers(len(genre.grooves)))],
        bass=str(rng.choice(genre.bass)),
        comp=str(rng.choice(genre.comp)),
        dense=dense,
        pad=bool(dense or rng.random() < 0.4),
    )


def play(rng: np.random.Generator, score: Score, arrangement: Arrangement) -> list[Event]:
    """All events of the song, in order of time."""
    events: list[Event] = []
    for index, section in enumerate(score.sections):
        loud = section.letter in "CB"
        quiet = not arrangement.dense and section.letter in "IV"
        for bar in range(section.n_bars):
            beat = section.start_beat + bar * BEATS_PER_BAR
            chord = score.chord_at(score.seconds(beat + 0.5))
            fill = bar == section.n_bars - 1 and index + 1 < len(score.sections) and not quiet
            if not (quiet and index < 2):
                events += _drums(score, arrangement.groove[loud], beat, crash=loud and bar == 0, fill=fill)
            if not (section.letter == "I" and not arrangement.dense):
                events += _bass(score, arrangement.bass, chord, beat)
            events += COMPING[arrangement.comp](score, chord, beat, loud)
            if arrangement.pad and (loud or arrangement.dense):
                events += _chord_notes("pad", chord, _PAD_LOW, chord.start_s, chord.end_s, 62 + 12 * loud)
        if section.letter in "IBO":
            events += _lead(rng, score, section)
    events += _ending(score)
    return sorted((_human(rng, event) for event in events), key=lambda e: (e.start_s, e.track, e.midi))


def _human(rng: np.random.Generator, event: Event) -> Event:
    start_s = max(event.start_s + float(rng.normal(0, _TIMING_S)), 0.0)
    velocity = int(np.clip(event.velocity + rng.normal(0, 5), 1, 127))
    return Event(event.track, start_s, max(event.end_s, start_s + 0.03), event.midi, velocity)


def _step_s(score: Score, beat: float, step: float) -> float:
    """Time of a sixteenth; swing delays every second one."""
    late = score.genre.swing if int(step) % 2 else 0.0
    return score.seconds(beat + (step + late) * BEATS_PER_BAR / _STEPS)


def _drums(score: Score, drums: Drums, beat: float, *, crash: bool, fill: bool) -> list[Event]:
    found = []
    for key, pattern, level in ((KICK, drums.kick, 96), (SNARE, drums.snare, 92), (HAT, drums.hat, 66)):
        for step, letter in enumerate(pattern):
            if letter == "." or (fill and step >= 12 and key != KICK):
                continue
            start_s = _step_s(score, beat, step)
            found.append(Event("drums", start_s, start_s + 0.1, key, level + (14 if letter == "X" else 0)))
    if fill:
        for step, key in zip(range(12, 16), (SNARE, TOM_HIGH, TOM_HIGH, TOM_LOW), strict=True):
            start_s = _step_s(score, beat, step)
            found.append(Event("drums", start_s, start_s + 0.2, key, 88 + 4 * (step - 12)))
    if crash:
        start_s = score.seconds(beat)
        found.append(Event("drums", start_s, start_s + 2.0, CRASH, 92))
    return found


def _bass(score: Score, pattern: str, chord: Chord, beat: float) -> list[Event]:
    root = _near(chord.pitch_classes[0], _BASS_LOW)
    pitches = {"r": root, "o": root + 12, "f": _near(chord.pitch_classes[2], root)}
    steps = [step for step, letter in enumerate(pattern) if letter != "."]
    found = []
    for step, following in zip(steps, [*steps[1:], _STEPS], strict=True):
        start_s, end_s = _step_s(score, beat, step), _step_s(score, beat, following)
        found.append(Event("bass", start_s, start_s + 0.9 * (end_s - start_s), pitches[pattern[step]], 92))
    return found


def _near(pitch_class: int, low: int) -> int:
    """The lowest key of a pitch class from `low` up."""
    return low + (pitch_class - low) % 12


def _voicing(chord: Chord, low: int) -> list[int]:
    """Every tone of the chord within the octave above `low`: voices move little from chord to chord."""
    return sorted(_near(pitch_class, low) for pitch_class in chord.pitch_classes)


def _chord_notes(track: str, chord: Chord, low: int, start_s: float, end_s: float, velocity: int) -> list[Event]:
    return [Event(track, start_s, end_s, midi, velocity) for midi in _voicing(chord, low)]


def _block(score: Score, chord: Chord, beat: float, loud: bool) -> list[Event]:
    hits = (0, 4, 8, 12) if loud else (0, 8)
    found = []
    for step, following in zip(hits, (*hits[1:], _STEPS), strict=True):
        start_s, end_s = _step_s(score, beat, step), _step_s(score, beat, following)
        found += _chord_notes("chords", chord, _CHORD_LOW, start_s, end_s - 0.03, 70 + 8 * loud)
    return found


def _arpeggio(score: Score, chord: Chord, beat: float, loud: bool) -> list[Event]:
    tones = _voicing(chord, _CHORD_LOW)
    ladder = [*tones, tones[0] + 12, *reversed(tones[1:])]
    every = 1 if loud and score.tempo_bpm < 90 else 2
    found = []
    for i, step in enumerate(range(0, _STEPS, every)):
        start_s = _step_s(score, beat, step)
        end_s = start_s + 2.2 * every * score.beat_s / 4
        found.append(Event("chords", start_s, end_s, ladder[i % len(ladder)], 72 + 8 * (i % 4 == 0)))
    return found


def _strum(score: Score, chord: Chord, beat: float, loud: bool) -> list[Event]:
    steps = (0, 4, 6, 10, 12, 14) if loud else (0, 6, 10)
    found = []
    for i, step in enumerate(steps):
        start_s = _step_s(score, beat, step)
        tones = [*_voicing(chord, _CHORD_LOW - 7), _near(chord.pitch_classes[0], _CHORD_LOW + 5)]
        for j, midi in enumerate(tones if i % 2 == 0 else reversed(tones)):
            begin_s = start_s + 0.012 * j
            found.append(Event("chords", begin_s, begin_s + 1.6 * score.beat_s, midi, 74 if i else 82))
    return found


def _offbeat(score: Score, chord: Chord, beat: float, loud: bool) -> list[Event]:
    found = []
    for step in (2, 6, 10, 14) if not loud else (2, 5, 6, 10, 13, 14):
        start_s = _step_s(score, beat, step)
        found += _chord_notes("chords", chord, _CHORD_LOW, start_s, start_s + 0.35 * score.beat_s, 82)
    return found


def _power(score: Score, chord: Chord, beat: float, loud: bool) -> list[Event]:
    root = _near(chord.pitch_classes[0], 40)
    steps = range(0, _STEPS, 2) if loud else (0, 6, 8, 14)
    found = []
    for step in steps:
        start_s = _step_s(score, beat, step)
        length_s = (0.48 if loud else 1.2) * score.beat_s
        found += [Event("chords", start_s, start_s + length_s, midi, 84) for midi in (root, root + 7, root + 12)]
    return found


COMPING = {"block": _block, "arpeggio": _arpeggio, "strum": _strum, "offbeat": _offbeat, "power": _power}


def _lead(rng: np.random.Generator, score: Score, section: Section) -> list[Event]:
    """A tune for the bars nobody sings: a two-bar motif, moved with the chords."""
    steps = np.sort(rng.choice(np.arange(0, 2 * _STEPS, 2), size=int(rng.integers(6, 10)), replace=False))
    moves = rng.integers(-2, 3, len(steps))
    found = []
    for bar in range(0, section.n_bars, 2):
        beat, position = section.start_beat + bar * BEATS_PER_BAR, 3
        for i, step in enumerate(steps):
            if bar * _STEPS + step >= section.n_bars * _STEPS:
                break
            start_s = _step_s(score, beat, int(step))
            end_s = _step_s(score, beat, int(steps[i + 1]) if i + 1 < len(steps) else 2 * _STEPS)
            chord = score.chord_at(start_s)
            ladder = [m for m in range(_LEAD_LOW, _LEAD_LOW + 15) if m % 12 in score.scale]
            position = int(np.clip(position + moves[i], 0, len(ladder) - 1))
            pitch = ladder[position]
            if step % 8 == 0 and pitch % 12 not in chord.pitch_classes:
                pitch = min((m for m in ladder if m % 12 in chord.pitch_classes), key=lambda m: abs(m - pitch))
            found.append(Event("lead", start_s, start_s + 0.92 * (end_s - start_s), pitch, 86))
    return found


def _ending(score: Score) -> list[Event]:
    """The last chord rings after the last bar."""
    chord = score.chords[-1]
    bass = _near(chord.pitch_classes[0], _BASS_LOW)
    start_s, end_s = chord.end_s, score.duration_s - 0.3
    return [
        Event("bass", start_s, end_s, bass, 84),
        Event("drums", start_s, end_s, CRASH, 70),
        *_chord_notes("chords", chord, _CHORD_LOW, start_s, end_s, 72),
    ]

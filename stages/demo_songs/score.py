"""The frame of a song before anyone sings or plays: tempo, key, sections and chords."""

from dataclasses import dataclass

import numpy as np

from stages.demo_songs.genres import FORMS, MODES, Genre

BEATS_PER_BAR = 4
NOTE_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
LEAD_IN_S = 0.6  # room for consonants before the first beat
_TAIL_S = 1.5  # the last chord and the reverberation die away
# intervals above the root -> Harte's shorthand
_QUALITIES = {
    (4, 7): "maj", (3, 7): "min", (3, 6): "dim",
    (4, 7, 11): "maj7", (4, 7, 10): "7", (3, 7, 10): "min7", (3, 6, 10): "hdim7",
}  # fmt: skip


@dataclass(frozen=True)
class Note:
    start_s: float
    end_s: float
    midi: int


@dataclass(frozen=True)
class Chord:
    """Pitch classes of one bar; the root first."""

    start_s: float
    end_s: float
    name: str
    pitch_classes: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    letter: str
    start_beat: int
    n_bars: int


@dataclass(frozen=True)
class Score:
    """Tempo, key, form and harmony. `scale` holds the seven pitch classes from the tonic up."""

    genre: Genre
    tempo_bpm: float
    tonic: int
    mode: str
    sections: tuple[Section, ...]
    chords: tuple[Chord, ...]

    @property
    def scale(self) -> tuple[int, ...]:
        return tuple((self.tonic + step) % 12 for step in MODES[self.mode])

    @property
    def key(self) -> str:
        return f"{NOTE_NAMES[self.tonic]} {self.mode}"

    @property
    def beat_s(self) -> float:
        return 60.0 / self.tempo_bpm

    @property
    def duration_s(self) -> float:
        return self.chords[-1].end_s + _TAIL_S

    def seconds(self, beat: float) -> float:
        return LEAD_IN_S + beat * self.beat_s

    def chord_at(self, time_s: float) -> Chord:
        bar = int((time_s - LEAD_IN_S + 1e-6) / (BEATS_PER_BAR * self.beat_s))
        return self.chords[min(max(bar, 0), len(self.chords) - 1)]


def section_bars(genre: Genre, letter: str, n_lines: int) -> int:
    """Bars of a section: sung ones hold their lines, the others what the genre likes."""
    if letter in "VC":
        return -(-n_lines * genre.line_beats // BEATS_PER_BAR)
    return max(1, genre.intro_bars // 2) if letter == "O" else genre.intro_bars


def write_score(
    rng: np.random.Generator,
    genre: Genre,
    form: tuple[str, ...],
    n_lines: int,
    min_duration_s: float,
    max_duration_s: float,
) -> Score:
    """Draw tempo, key, form (unless given) and one progression each for verse and chorus."""
    tempo_bpm = round(float(rng.uniform(*genre.tempo_bpm)), 1)
    mode, tonic = str(rng.choice(genre.modes)), int(rng.integers(12))
    if not form:
        form = _choose_form(rng, genre, n_lines, tempo_bpm, min_duration_s, max_duration_s)
    order = rng.permutation(len(genre.progressions))
    progressions = {"V": genre.progressions[order[0]], "C": genre.progressions[order[1 % len(order)]]}
    sections, chords, beat = [], [], 0
    for letter in form:
        n_bars = section_bars(genre, letter, n_lines)
        sections.append(Section(letter, beat, n_bars))
        progression = progressions["C" if letter in "CO" else "V"]
        for bar in range(n_bars):
            last = letter == "O" and bar == n_bars - 1
            degree = 0 if last else progression[bar % len(progression)]
            start_s = LEAD_IN_S + (beat + bar * BEATS_PER_BAR) * 60 / tempo_bpm
            end_s = LEAD_IN_S + (beat + (bar + 1) * BEATS_PER_BAR) * 60 / tempo_bpm
            chords.append(_chord(tonic, mode, degree, genre.sevenths, start_s, end_s))
        beat += n_bars * BEATS_PER_BAR
    return Score(genre, tempo_bpm, tonic, mode, tuple(sections), tuple(chords))


def _choose_form(
    rng: np.random.Generator, genre: Genre, n_lines: int, tempo_bpm: float, min_s: float, max_s: float
) -> tuple[str, ...]:
    def duration_s(form: tuple[str, ...]) -> float:
        n_bars = sum(section_bars(genre, letter, n_lines) for letter in form)
        return LEAD_IN_S + n_bars * BEATS_PER_BAR * 60 / tempo_bpm + _TAIL_S

    fitting = [form for form in FORMS if min_s <= duration_s(form) <= max_s]
    middle = (min_s + max_s) / 2
    if not fitting:
        return min(FORMS, key=lambda form: abs(duration_s(form) - middle))
    return fitting[int(rng.integers(min(4, len(fitting))))]


def _chord(tonic: int, mode: str, degree: int, seventh: bool, start_s: float, end_s: float) -> Chord:
    """The triad (or seventh chord) that the scale builds on a degree."""
    steps = MODES[mode]
    degrees = [degree + third for third in ((0, 2, 4, 6) if seventh else (0, 2, 4))]
    tones = [steps[place % 7] + 12 * (place // 7) for place in degrees]
    intervals = tuple(tone - tones[0] for tone in tones[1:])
    name = f"{NOTE_NAMES[(tonic + tones[0]) % 12]}:{_QUALITIES[intervals]}"
    return Chord(start_s, end_s, name, tuple((tonic + tone) % 12 for tone in tones))

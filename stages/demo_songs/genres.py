"""Genres as rows of a table: tempo, harmony, groove and instruments. Patterns: a letter per sixteenth of a bar."""

from dataclasses import dataclass

SECTIONS = {"I": "intro", "V": "verse", "C": "chorus", "B": "break", "O": "outro"}

MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}

# Forms from long to short; a song takes one that fits its tempo and the length asked for.
FORMS = tuple(
    tuple(form)
    for form in (
        "IVCVCBVCO", "IVCVCBCO", "IVVCVCBCO", "IVCVCBC", "VCVCBCO", "IVCVCO", "IVCBVCO", "IVCBCO", "CVCBVC", "VCVCO",
        "VCBC", "IVCO", "VC", "V",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Drums:
    """x plain, X accented, . silent."""

    kick: str
    snare: str
    hat: str


@dataclass(frozen=True)
class Genre:
    """One genre.

    tempo_bpm       slowest and fastest (quarter notes)
    line_beats      beats that one sung line takes
    intro_bars      of intro, break and outro
    progressions    scale degrees (0 = tonic), one chord a bar
    sevenths        chords with a seventh on top
    swing           how late the second sixteenth of a pair comes (share of a sixteenth)
    grooves         drums of verse and chorus
    bass            letters: r root, o octave, f fifth, . nothing new
    comp            how the chord instrument plays: block, arpeggio, strum, offbeat, power
    programs        General-MIDI programs: bass, chords, pad, lead
    """

    name: str
    tempo_bpm: tuple[int, int]
    line_beats: int
    intro_bars: int
    modes: tuple[str, ...]
    progressions: tuple[tuple[int, ...], ...]
    sevenths: bool
    swing: float
    grooves: tuple[tuple[Drums, Drums], ...]
    bass: tuple[str, ...]
    comp: tuple[str, ...]
    programs: dict[str, tuple[int, ...]]


GENRES = (
    Genre(
        "pop", (100, 116), 8, 4, ("major",),
        ((0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (0, 3, 5, 4)), False, 0.0,
        (
            (Drums("X.....x.x.......", "....X.......X...", "x.x.x.x.x.x.x.x."),
             Drums("X.....x.X.x.....", "....X.......X..x", "x.xxx.x.x.xxx.x.")),
            (Drums("X.........x.....", "........X.......", "..x...x...x...x."),
             Drums("X..x..x.X..x....", "....X.......X...", "x.x.x.x.x.x.x.x.")),
        ),
        ("r.....r.r.....f.", "r.r.r.r.r.r.r.f.", "r.......r...f.o."), ("block", "arpeggio", "strum"),
        {"bass": (33, 34), "chords": (0, 4, 25), "pad": (48, 50, 89), "lead": (73, 11, 80)},
    ),
    Genre(
        "ballad", (66, 80), 4, 2, ("major", "minor"),
        ((0, 5, 3, 4), (0, 4, 5, 3), (0, 2, 3, 4), (5, 4, 3, 4)), False, 0.0,
        (
            (Drums("X...............", "................", "....x.......x..."),
             Drums("X.......x.......", "....x.......x...", "x...x...x...x...")),
            (Drums("................", "................", "................"),
             Drums("X.....x.x.......", "....X.......X...", "x.x.x.x.x.x.x.x.")),
        ),
        ("r...............", "r.......f.......", "r.......r...o..."), ("arpeggio", "block"),
        {"bass": (32, 35), "chords": (0, 24, 46), "pad": (48, 49, 52), "lead": (71, 40, 68)},
    ),
    Genre(
        "dance", (118, 128), 8, 4, ("minor", "dorian"),
        ((0, 5, 2, 6), (0, 3, 5, 6), (5, 6, 0, 0), (0, 6, 5, 6)), False, 0.0,
        (
            (Drums("X...X...X...X...", "................", "..x...x...x...x."),
             Drums("X...X...X...X...", "....X.......X...", "..X.x.X...X.x.X.")),
            (Drums("X...X...X...X...", "....x.......x...", "x.X.x.X.x.X.x.X."),
             Drums("X...X...X...X.x.", "....X.......X..X", "xxXxxxXxxxXxxxXx")),
        ),
        ("..r...r...r...r.", "r.r.o.r.r.r.o.r.", "r..r..r.r..r..o."), ("offbeat", "arpeggio"),
        {"bass": (38, 39), "chords": (81, 90, 4), "pad": (89, 95, 50), "lead": (80, 81, 87)},
    ),
    Genre(
        "rock", (126, 144), 8, 4, ("minor", "mixolydian", "major"),
        ((0, 6, 3, 0), (0, 5, 2, 6), (0, 3, 6, 3), (0, 6, 5, 6)), False, 0.0,
        (
            (Drums("X.......X.x.....", "....X.......X...", "x.x.x.x.x.x.x.x."),
             Drums("X.x.....X.x...x.", "....X.......X...", "X...X...X...X...")),
            (Drums("X.....x...x.....", "....X.......X...", "x.x.x.x.x.x.x.x."),
             Drums("X.x...x.X.x.....", "....X..x....X..X", "X.x.X.x.X.x.X.x.")),
        ),
        ("r.r.r.r.r.r.r.r.", "r.....r.r...f.r."), ("power", "strum"),
        {"bass": (33, 34), "chords": (29, 30, 27), "pad": (16, 18, 48), "lead": (29, 30, 56)},
    ),
    Genre(
        "soul", (84, 96), 8, 2, ("dorian", "major"),
        ((0, 3, 0, 3), (1, 4, 0, 5), (0, 5, 1, 4), (3, 2, 1, 0)), True, 0.25,
        (
            (Drums("X..x......x.....", "....X.......X...", "x.x.x.x.x.x.x.x."),
             Drums("X..x..x...x..x..", "....X..x.x..X...", "x.xxx.x.x.xxx.x.")),
            (Drums("X.......x.x.....", "....x.......x...", "x.x.x.x.x.x.x.x."),
             Drums("X..x....x.x.....", "....X.......X..x", "xxx.xxx.xxx.xxx.")),
        ),
        ("r..r......f.o...", "r.....o...r..f..", "r..f..r...o.r..."), ("strum", "block", "offbeat"),
        {"bass": (33, 36), "chords": (4, 5, 26), "pad": (16, 49, 89), "lead": (65, 66, 11)},
    ),
)  # fmt: skip

"""Singers: register and timbre together, for speaker encoders confuse voices that differ in formants only."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Singer:
    """One singer.

    variant         espeak's voice variant, joined to the language's voice
    centre_midi     middle of the register
    formants        factor on all formant frequencies (a longer throat: below 1)
    tilt_db         change of the spectrum per octave above 1 kHz
    breath_db       noise in sustained vowels at 5 kHz, relative to the tone
    ring_db         the singer's formant, a bump near 3 kHz
    vibrato_hz, vibrato_cents, vibrato_delay_s
    scoop_cents     how far below a phrase's first note begins
    glide_s         how long it takes from note to note
    """

    name: str
    variant: str
    centre_midi: int
    formants: float
    tilt_db: float
    breath_db: float
    ring_db: float
    vibrato_hz: float
    vibrato_cents: float
    vibrato_delay_s: float
    scoop_cents: float
    glide_s: float


_SINGERS = (
    Singer("aurora", "f2", 67, 1.10, 0.5, -16, 2, 5.8, 38, 0.28, 90, 0.07),
    Singer("bruno", "m3", 48, 0.88, -1.5, -26, 7, 5.2, 45, 0.35, 120, 0.09),
    Singer("celia", "f4", 62, 1.00, -2.0, -8, 0, 5.4, 20, 0.45, 60, 0.08),
    Singer("dario", "m1", 57, 1.02, 1.5, -22, 4, 6.2, 30, 0.22, 140, 0.05),
    Singer("esme", "f5", 70, 1.20, 1.0, -12, 0, 6.4, 25, 0.30, 40, 0.05),
    Singer("felix", "m7", 52, 0.95, 0.0, -14, 2, 4.9, 55, 0.30, 180, 0.11),
    Singer("greta", "f1", 65, 0.94, -1.0, -20, 6, 5.6, 60, 0.20, 70, 0.09),
    Singer("hugo", "m5", 44, 0.82, -3.0, -18, 3, 4.7, 30, 0.40, 100, 0.10),
    Singer("ines", "f3", 66, 1.04, 2.5, -24, 5, 6.0, 45, 0.25, 160, 0.04),
    Singer("joel", "m2", 60, 1.12, -0.5, -10, 0, 5.9, 18, 0.50, 50, 0.06),
)


def choose_singer(seed: int, k: int) -> Singer:
    """The singer of song k. Each seed has ten singers of its own, a little away from the table's, so that songs of
    another seed are sung by other people."""
    row = _SINGERS[k % len(_SINGERS)]
    rng = np.random.default_rng([seed, 7001, k % len(_SINGERS)])
    return replace(
        row,
        name=f"{row.name}-{seed}",
        centre_midi=row.centre_midi + int(rng.integers(-1, 2)),
        formants=row.formants * float(np.exp(rng.normal(0, 0.02))),
        tilt_db=row.tilt_db + float(rng.normal(0, 0.5)),
        breath_db=row.breath_db + float(rng.normal(0, 1.5)),
        vibrato_hz=row.vibrato_hz + float(rng.normal(0, 0.15)),
        vibrato_cents=row.vibrato_cents * float(np.exp(rng.normal(0, 0.15))),
    )

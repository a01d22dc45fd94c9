"""From notes to the pitch that a voice makes of them: glides, a scoop from below, vibrato on held notes, slow drift."""

import itertools

import numpy as np
from scipy.ndimage import gaussian_filter1d

from stages.demo_songs.score import Note
from stages.demo_songs.singer import Singer

_DRIFT_CENTS = 5.0
_DRIFT_S = 0.25
_SCOOP_SHARE = 0.2  # notes inside a line that are reached from below, beside its first
_SCOOP_FADE_S = 0.045
_VIBRATO_RISE_S = 0.3


def f0_curve(times_s: np.ndarray, notes: list[Note], singer: Singer, rng: np.random.Generator) -> np.ndarray:
    """f0 in Hz at evenly spaced times (before the first note and in gaps the nearest pitch goes on)."""
    step_s = float(times_s[1] - times_s[0]) if len(times_s) > 1 else 0.005
    cents = np.full(len(times_s), 100.0 * notes[0].midi)
    for before, note in itertools.pairwise(notes):
        glide_s = min(singer.glide_s, 0.5 * (before.end_s - before.start_s), 0.5 * (note.end_s - note.start_s))
        place = np.clip((times_s - note.start_s) / max(glide_s, 1e-3) + 0.7, 0, 1)
        cents += 100.0 * (note.midi - before.midi) * place * place * (3 - 2 * place)
    for i, note in enumerate(notes):
        since_s = times_s - note.start_s
        inside = (since_s >= 0) & (times_s < note.end_s)
        scooped = i == 0 or rng.random() < _SCOOP_SHARE
        depth = singer.scoop_cents * rng.uniform(0.6, 1.2) * (1.0 if i == 0 else 0.6)
        if scooped:
            cents -= np.where(inside, depth * np.exp(-np.maximum(since_s, 0) / _SCOOP_FADE_S), 0.0)
        if i == 0:
            cents -= np.where(since_s < 0, depth, 0.0)
        cents += np.where(inside, _vibrato(since_s, note, singer, rng), 0.0)
    drift = gaussian_filter1d(rng.normal(0, 1, len(times_s)), _DRIFT_S / step_s, mode="reflect")
    cents += _DRIFT_CENTS * drift / max(float(drift.std()), 1e-9) if len(drift) > 8 else 0.0
    return 440.0 * 2.0 ** ((cents - 6900.0) / 1200.0)


def _vibrato(since_s: np.ndarray, note: Note, singer: Singer, rng: np.random.Generator) -> np.ndarray:
    depth = singer.vibrato_cents * rng.uniform(0.8, 1.2)
    rate_hz = singer.vibrato_hz * rng.uniform(0.96, 1.04)
    rise = np.clip((since_s - singer.vibrato_delay_s) / _VIBRATO_RISE_S, 0, 1)
    leaving = np.clip((note.end_s - note.start_s - since_s) / 0.08, 0, 1)
    return depth * rise * leaving * np.sin(2 * np.pi * rate_hz * (since_s - singer.vibrato_delay_s))

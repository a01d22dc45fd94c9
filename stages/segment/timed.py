"""Lyrics that come with times: their missing ends filled in, and the times checked against the singing (ours).

Times may belong to another edit of the song, or be off by the length of an intro. Both show in how well the lines
cover what is sung, and in that a shifted copy would cover it better.
"""

from collections.abc import Sequence

import numpy as np

from stages.contract.records import Sentence
from stages.contract.tokens import FRAME_RATE_HZ
from stages.segment.cut import regions_to_frames

Times = tuple[float, float]  # start and end in seconds

_LONGEST_LINE_S = 12.0  # a line without an end, with no line and no silence after it
_SHORTEST_LINE_S = 0.3
_SHIFT_S = 8.0
_SHIFT_MARGIN = 0.08  # a shifted copy must be better by this much (F1) to discredit the times


def complete_ends(sentences: Sequence[Sentence], regions_R2: np.ndarray, duration_s: float) -> list[Times]:
    """Start and end of every sentence, all of which have a start. A line lasts until the next one at the latest; where
    its end is not given (.lrc), until the singing after its start pauses for good before that."""
    starts = [float(sentence.start_s or 0.0) for sentence in sentences]
    times = []
    for k, (sentence, start_s) in enumerate(zip(sentences, starts, strict=True)):
        later = [s for s in starts[k + 1 :] if s > start_s]
        limit_s = min(duration_s, later[0] if later else np.inf)
        if sentence.end_s is not None:
            end_s = min(sentence.end_s, limit_s)
        else:
            limit_s = min(limit_s, start_s + _LONGEST_LINE_S)
            within = [end for start, end in regions_R2 if start < limit_s and end > start_s]
            end_s = min(max(within), limit_s) if within else limit_s
        times.append((start_s, max(end_s, min(start_s + _SHORTEST_LINE_S, limit_s))))
    return times


def agreement(times: Sequence[Times], regions_R2: np.ndarray, duration_s: float, shift_s: float = 0.0) -> float:
    """F1 of "a line is there" against "somebody sings", frame by frame."""
    n_frames = int(duration_s * FRAME_RATE_HZ) + 1
    shifted = np.asarray(times, dtype=float).reshape(-1, 2) + shift_s
    line_N = regions_to_frames(np.clip(shifted, 0, duration_s), n_frames)
    voice_N = regions_to_frames(regions_R2, n_frames)
    both, either = int((line_N & voice_N).sum()), int(line_N.sum() + voice_N.sum())
    return 2 * both / either if either else 1.0


def are_trusted(times: Sequence[Times], regions_R2: np.ndarray, duration_s: float, least: float) -> bool:
    """Do the times agree with the singing, and would no shift of all of them agree clearly better?"""
    if any(end <= start or start >= duration_s for start, end in times):
        return False
    here = agreement(times, regions_R2, duration_s)
    shifts = [s for s in np.arange(-_SHIFT_S, _SHIFT_S + 0.1, 0.5) if abs(s) >= 1.0]
    elsewhere = max(agreement(times, regions_R2, duration_s, float(s)) for s in shifts)
    return here >= least and here + _SHIFT_MARGIN >= elsewhere


def voiced_share(start_s: float, end_s: float, regions_R2: np.ndarray) -> float:
    """How much of start..end somebody sings, 0..1."""
    overlap = sum(max(0.0, min(end, end_s) - max(start, start_s)) for start, end in regions_R2)
    return overlap / max(end_s - start_s, 1e-9)

"""What clips are judged by: lengths, sentences cut, boundary errors. Pure functions over records.

A song's true sentences are (text, start_s, end_s) in order; times count from the song's start.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stages.contract.records import Clip

TrueSentence = tuple[str, float, float]

CUT_TOLERANCE_S = 0.1  # singers overlap their own lines by this much; an edge further inside a sentence cuts it
LINE_TOLERANCE_S = 0.6


def segment_metrics(
    clips: Sequence[Clip], truths: Mapping[str, Sequence[TrueSentence]] | None = None
) -> dict[str, Any]:
    """n_clips, mean_s, max_s, sentences_cut, boundary_error_median_s (and, with truth, starts_within_0.6_s,
    sentences_found). Without truth, sentences_cut counts the clips' own sentences that reach over an edge, and the
    boundary error is None."""
    durations_s = [clip.duration_s for clip in clips]
    row: dict[str, Any] = {
        "n_clips": len(clips),
        "mean_s": float(np.mean(durations_s)) if clips else None,
        "max_s": max(durations_s, default=None),
    }
    if not truths:
        return {**row, "sentences_cut": sum(map(_own_cut, clips)), "boundary_error_median_s": None}
    by_song: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_song[clip.song_id].append(clip)
    known = {id: truths[id] for id in by_song if id in truths}
    errors = [error for id, truth in known.items() for error in boundary_errors(sentences_of(by_song[id]), truth)]
    starts = np.array([start for start, _ in errors])
    n_true = sum(map(len, known.values()))
    return {
        **row,
        "sentences_cut": sum(sentences_cut(by_song[id], truth) for id, truth in known.items()),
        "boundary_error_median_s": float(np.median(np.abs(errors))) if errors else None,
        "starts_within_0.6_s": float((np.abs(starts) <= LINE_TOLERANCE_S).mean()) if errors else None,
        "sentences_found": len(errors) / n_true if n_true else None,
    }


def _own_cut(clip: Clip) -> int:
    return sum((s.start_s or 0.0) < 0 or (s.end_s or 0.0) > clip.duration_s + 1e-3 for s in clip.sentences)


def sentences_cut(clips: Iterable[Clip], truth: Sequence[TrueSentence], tolerance_s: float = CUT_TOLERANCE_S) -> int:
    """How many of a song's true sentences have an edge of a clip more than `tolerance_s` inside them."""
    edges = {round(edge, 3) for clip in clips for edge in (clip.start_s, clip.start_s + clip.duration_s)}
    return sum(any(start + tolerance_s < edge < end - tolerance_s for edge in edges) for _, start, end in truth)


def sentences_of(clips: Iterable[Clip]) -> list[TrueSentence]:
    """The sentences of a song's clips in song time, in order."""
    found = [
        (s.text, clip.start_s + (s.start_s or 0.0), clip.start_s + (s.end_s or 0.0))
        for clip in clips
        for s in clip.sentences
    ]
    return sorted(found, key=lambda sentence: sentence[1])


def boundary_errors(found: Sequence[TrueSentence], truth: Sequence[TrueSentence]) -> list[tuple[float, float]]:
    """(start, end) errors in seconds of every found sentence, matched in order to true ones of the same text: as many
    as can be matched, and of the ways to do so the one with the least error (a chorus comes several times)."""
    n, m = len(found), len(truth)
    best = np.zeros((n + 1, m + 1))  # of found[i:], truth[j:]: pairs (negative), error as a small addition
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            best[i, j] = min(best[i + 1, j], best[i, j + 1])
            if found[i][0] == truth[j][0]:
                best[i, j] = min(best[i, j], best[i + 1, j + 1] + _pair_cost(found[i], truth[j]))
    errors = []
    i = j = 0
    while i < n and j < m:
        if found[i][0] == truth[j][0] and best[i, j] == best[i + 1, j + 1] + _pair_cost(found[i], truth[j]):
            errors.append((found[i][1] - truth[j][1], found[i][2] - truth[j][2]))
            i, j = i + 1, j + 1
        elif best[i, j] == best[i + 1, j]:
            i += 1
        else:
            j += 1
    return errors


def _pair_cost(a: TrueSentence, b: TrueSentence) -> float:
    """Below zero, so that every pair counts for more than all errors together."""
    return -1.0 + 1e-6 * min(abs(a[1] - b[1]) + abs(a[2] - b[2]), 1e3)

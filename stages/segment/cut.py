"""Where a song is cut into clips (PAPER §4.1: at most 30 s, whole sentences, cuts in silences between sentences; how
is ours): the cheapest of all ways by dynamic programming.

Everything is counted in token frames (20 ms, 882 samples), so that clips, tokens and audio agree to the sample.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from stages.contract.tokens import FRAME_RATE_HZ

Interval = tuple[int, int]  # frames start..end, end exclusive

_GRID = FRAME_RATE_HZ  # where nothing else invites a cut, one may fall every second
_DEEP = FRAME_RATE_HZ // 2  # half a second from the nearest voice is as good as any more
_IN_VOICE = 4.0  # prices; a clip costs 1, so a cut in singing is worth four clips more
_SHORT = 3.0
_UNEXPLAINED_PER_S = 0.5


@dataclass(frozen=True)
class Limits:
    """In frames: the longest clip, the shortest worth keeping, and the shortest silence that invites a cut."""

    longest: int
    shortest: int
    gap: int


def regions_to_frames(regions_R2: np.ndarray, n_frames: int) -> np.ndarray:
    """voice_N: is somebody singing during frame n?"""
    voice_N = np.zeros(n_frames, dtype=bool)
    for start_s, end_s in regions_R2:
        voice_N[int(start_s * FRAME_RATE_HZ) : int(np.ceil(end_s * FRAME_RATE_HZ))] = True
    return voice_N


def plan(
    n_frames: int, sentences: Sequence[Interval], voice_N: np.ndarray, forced: Iterable[int], limits: Limits
) -> list[Interval]:
    """Clips that cover frames 0..n_frames without gaps; none longer than `limits.longest`, none cutting a sentence,
    every frame of `forced` an edge (unless it lies in a sentence).

    sentences   in order, not overlapping, none longer than `limits.longest`
    """
    allowed_N = np.ones(n_frames + 1, dtype=bool)
    for start, end in sentences:
        allowed_N[start + 1 : end] = False
    explained_N = np.zeros(n_frames, dtype=bool)
    for start, end in sentences:
        explained_N[max(start - limits.gap, 0) : end + limits.gap] = True
    unexplained_N = np.concatenate([[0], np.cumsum(voice_N & ~explained_N)])
    starts = np.array([start for start, _ in sentences], dtype=int)
    price_N = _prices(voice_N, limits.gap)
    walls = sorted({0, n_frames, *(f for f in forced if 0 < f < n_frames and allowed_N[f])})
    clips: list[Interval] = []
    for first, last in itertools.pairwise(walls):
        points = _candidates(first, last, allowed_N, price_N, sentences, voice_N)
        clips += _cheapest(points, price_N, starts, unexplained_N, limits)
    return clips


def _prices(voice_N: np.ndarray, gap: int) -> np.ndarray:
    """Price of a cut before frame n, for n = 0..n_frames: nothing deep in a silence, more the nearer a voice is."""
    n_frames = len(voice_N)
    padded = np.concatenate([[False], voice_N, [False]])
    at = np.arange(n_frames + 1)
    # frames of silence on either side of the cut
    left = at - np.maximum.accumulate(np.where(padded[:-1], at, -(n_frames + _DEEP)))
    right = np.minimum.accumulate(np.where(padded[1:], at, 2 * n_frames + _DEEP)[::-1])[::-1] - at
    depth = np.minimum(np.minimum(left, right), _DEEP)
    price = 1.0 - depth / _DEEP
    price[left + right < max(gap, 1)] = _IN_VOICE
    return price


def _candidates(
    first: int,
    last: int,
    allowed_N: np.ndarray,
    price_N: np.ndarray,
    sentences: Sequence[Interval],
    voice_N: np.ndarray,
) -> list[int]:
    """Frames worth cutting at: middles of silences, edges of sentences and voices, and a grid for what has none."""
    points = {first, last, *range(first, last, _GRID)}
    points |= {edge for sentence in sentences for edge in sentence}
    changes = np.flatnonzero(np.diff(voice_N, prepend=True, append=True))  # edges of silences and voices
    points |= {int(f) for f in changes}
    points |= {int(start + end) // 2 for start, end in itertools.pairwise(changes)}
    open_N = allowed_N.astype(np.int8)
    edges = np.flatnonzero(np.diff(open_N, prepend=0, append=0))  # runs of frames where a cut is allowed
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        points.add(int(start + np.argmin(price_N[start:end])))
        points.add(int(start + end - 1) // 2)
    return sorted(f for f in points if first <= f <= last and allowed_N[f])


def _cheapest(
    points: list[int], price_N: np.ndarray, starts: np.ndarray, unexplained_N: np.ndarray, limits: Limits
) -> list[Interval]:
    """Cut at some of `points` (the first and last always) so that prices of cuts and clips are least."""
    total = np.full(len(points), np.inf)
    total[0] = 0.0
    before = np.zeros(len(points), dtype=int)
    first_near = 0
    for j in range(1, len(points)):
        end = points[j]
        while end - points[first_near] > limits.longest:
            first_near += 1
        cut = price_N[end] if j < len(points) - 1 else 0.0
        for i in range(first_near, j):
            start = points[i]
            cost = total[i] + cut + 1.0 + (_SHORT if end - start < limits.shortest else 0.0)
            if np.searchsorted(starts, start) < np.searchsorted(starts, end):  # holds a sentence
                cost += _UNEXPLAINED_PER_S * (unexplained_N[end] - unexplained_N[start]) / FRAME_RATE_HZ
            if cost < total[j]:
                total[j], before[j] = cost, i
    clips = []
    j = len(points) - 1
    while j > 0:
        i = int(before[j])
        clips.append((points[i], points[j]))
        j = i
    return clips[::-1]

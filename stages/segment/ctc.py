"""Forced alignment of a song's sentences by Viterbi over CTC-like posteriors (ours; the paper says only that an ASR
gave times to sentences, §4.1).

The graph is linear: sentence, boundary, sentence, boundary, ... A sentence is a chain of phones with an optional pause
after each. A boundary may hold any length of audio that is not in the lyrics (`<star>`: instrumental breaks, backing
vocals, a line the lyrics miss), each such frame at a price; and a sentence the song does not sing may be jumped over
at a price per phone.

Shapes: T frames, V classes (0 is the blank: silence, no voice), P phones of all sentences in a row, K sentences.
Scores are natural logarithms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLANK = 0
_IMPOSSIBLE = -1e30


@dataclass(frozen=True)
class Costs:
    """Prices in nats: what the path pays where audio and lyrics disagree."""

    star: float = 1.5  # per frame of a boundary that sounds like singing, below the frame's best class
    skip: float = 2.5  # per phone of a sentence left out
    pause: float = 0.02  # per frame of silence inside a sentence, so that silence between sentences is preferred


@dataclass(frozen=True)
class Span:
    """Where a sentence was found: frames start..end, and for each of its phones the frames it was given."""

    start: int
    end: int  # exclusive
    phones: tuple[tuple[int, int], ...]


def align(log_probs_TV: np.ndarray, sentences: Sequence[Sequence[int]], costs: Costs) -> list[Span | None]:
    """The best path's span of every sentence; None for one that was skipped (or holds no phones).

    One row of numpy operations per frame; memory is 3 bits per frame and phone (10 minutes of dense lyrics: 70 MB).
    """
    present = [k for k, phones in enumerate(sentences) if phones]
    if not present or not len(log_probs_TV):
        return [None] * len(sentences)
    graph = _Graph([np.asarray(sentences[k], dtype=np.int64) for k in present], costs)
    steps = _forward(np.asarray(log_probs_TV, dtype=np.float64), graph, costs)
    found = _trace(graph, steps)
    spans: list[Span | None] = [None] * len(sentences)
    for k, span in zip(present, found, strict=True):
        spans[k] = span
    return spans


class _Graph:
    """The phones of all sentences in a row, and where each sentence begins and ends among them."""

    def __init__(self, sentences: list[np.ndarray], costs: Costs):
        lengths = np.array([len(phones) for phones in sentences])
        self.ids_P = np.concatenate(sentences)
        self.last_K = np.cumsum(lengths) - 1
        self.first_K = self.last_K - lengths + 1
        self.sentence_P = np.repeat(np.arange(len(sentences)), lengths)
        # price of skipping all sentences up to and including k: differences are prices of skipping in between
        self.skipped_N = np.concatenate([[0.0], np.cumsum(lengths * costs.skip)])


class _Steps:
    """Back pointers, one packed row per frame."""

    def __init__(self, n_phones: int):
        self.n_phones = n_phones
        self.stay: list[np.ndarray] = []  # phone came from itself
        self.paused: list[np.ndarray] = []  # what it came from else was the pause before it, not the phone before it
        self.pause_stay: list[np.ndarray] = []  # pause came from itself, not from its phone
        self.boundary: list[np.ndarray] = []  # uint8 per boundary: _STAR, _SUNG or _SKIPPED

    def bit(self, rows: list[np.ndarray], t: int, p: int) -> bool:
        return bool(rows[t][p >> 3] >> (7 - (p & 7)) & 1)


_STAR, _SUNG, _SKIPPED = 0, 1, 2


def _forward(log_probs_TV: np.ndarray, graph: _Graph, costs: Costs) -> _Steps:
    n_phones, n_sentences = len(graph.ids_P), len(graph.last_K)
    star_T = np.maximum(log_probs_TV[:, BLANK], log_probs_TV.max(axis=1) - costs.star)
    silence_T = log_probs_TV[:, BLANK] - costs.pause
    phone_P = np.full(n_phones, _IMPOSSIBLE)
    pause_P = np.full(n_phones, _IMPOSSIBLE)
    boundary_N = -graph.skipped_N  # N = K + 1: boundary n stands before sentence n; skipped from the start on
    enter_P = np.empty(n_phones)
    sung_N = np.full(n_sentences + 1, _IMPOSSIBLE)
    steps = _Steps(n_phones)
    for t in range(len(log_probs_TV)):
        paused_P = pause_P > phone_P
        enter_P[1:] = np.maximum(phone_P, pause_P)[:-1]
        enter_P[graph.first_K] = boundary_N[:-1]
        stay_P = phone_P >= enter_P
        pause_stay_P = pause_P >= phone_P
        new_phone_P = np.maximum(phone_P, enter_P) + log_probs_TV[t, graph.ids_P]
        pause_P = np.maximum(pause_P, phone_P) + silence_T[t]
        phone_P = new_phone_P
        star_N = boundary_N + star_T[t]
        sung_N[1:] = phone_P[graph.last_K]
        reached_N = np.maximum(star_N, sung_N)
        # the best of being here and of having skipped from any boundary before: a running maximum
        boundary_N = np.maximum.accumulate(reached_N + graph.skipped_N) - graph.skipped_N
        came_N = np.where(sung_N > star_N, _SUNG, _STAR).astype(np.uint8)
        came_N[1:][boundary_N[:-1] + graph.skipped_N[:-1] > reached_N[1:] + graph.skipped_N[1:]] = _SKIPPED
        steps.stay.append(np.packbits(stay_P))
        steps.paused.append(np.packbits(paused_P))
        steps.pause_stay.append(np.packbits(pause_stay_P))
        steps.boundary.append(came_N)
    return steps


def _trace(graph: _Graph, steps: _Steps) -> list[Span | None]:
    spans: list[Span | None] = [None] * len(graph.last_K)
    t, n = len(steps.boundary) - 1, len(graph.last_K)
    while t >= 0 and n > 0:
        came = steps.boundary[t][n]
        if came == _SKIPPED:
            n -= 1
        elif came == _STAR:
            t -= 1
        else:
            spans[n - 1], t = _trace_sentence(graph, steps, n - 1, t)
            n -= 1
    return spans


def _trace_sentence(graph: _Graph, steps: _Steps, k: int, t: int) -> tuple[Span, int]:
    """The span of sentence k, whose last phone ends with frame t, and the frame before its start."""
    first, p = int(graph.first_K[k]), int(graph.last_K[k])
    end = phone_end = t + 1
    phones: list[tuple[int, int]] = []
    while True:
        while steps.bit(steps.stay, t, p):
            t -= 1
        phones.append((t, phone_end))
        if p == first:
            break
        paused = steps.bit(steps.paused, t, p - 1)
        t, p = t - 1, p - 1
        if paused:
            while steps.bit(steps.pause_stay, t, p):
                t -= 1
            t -= 1
        phone_end = t + 1
    return Span(t, end, tuple(reversed(phones))), t - 1


def support(log_probs_TV: np.ndarray, phones: Sequence[int], span: Span) -> float:
    """How well the audio says these phones, 0..1: each phone's probability against its frame's best class, averaged
    over its frames, then over phones (so that one held vowel does not speak for a line)."""
    best_T = log_probs_TV[span.start : span.end].max(axis=1)
    ratios = []
    for phone, (start, end) in zip(phones, span.phones, strict=True):
        ratio_T = np.exp(log_probs_TV[start:end, phone] - best_T[start - span.start : end - span.start])
        ratios.append(float(ratio_T.mean()))
    return float(np.mean(ratios))

"""Where a model is laid over a song, and how what it says is joined: demucs' `apply_model` (shifts=0), as a stream.

A song is cut into segments, a part of each shared with the next; their estimates are added with triangular weights
and divided by the weights' sum. Only what later segments still need is held, so memory does not grow with the song.
Shapes: C channels, T samples.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Chunk:
    """One pass of a model. It answers for `length` samples from `offset` on, and sees `size` samples from `start` on
    (silence where that reaches beyond the song): a segment that must be padded is filled up from both sides."""

    offset: int
    length: int
    start: int
    size: int

    @property
    def answer(self) -> slice:
        """The part of the model's output that is kept."""
        left = self.offset - self.start
        return slice(left, left + self.length)


def cut(n_samples: int, segment: int, stride: int, valid_length: Callable[[int], int]) -> Iterator[Chunk]:
    """The chunks of a song, in order. `valid_length` says what a segment of so many samples is padded to."""
    for offset in range(0, n_samples, stride):
        length = min(segment, n_samples - offset)
        size = valid_length(length)
        yield Chunk(offset, length, offset - (size - length) // 2, size)


def triangle(segment: int) -> np.ndarray:
    """weight_T of a segment's samples: rising to its middle, falling to its end, at most 1."""
    rise = np.arange(1, segment // 2 + 1)
    fall = np.arange(segment - segment // 2, 0, -1)
    weight = np.concatenate([rise, fall]).astype(np.float32)
    return weight / weight.max()


class Window:
    """A sliding view of x_CT that arrives in blocks: `take` may reach beyond both ends, where there is silence."""

    def __init__(self, blocks: Iterator[np.ndarray], n_channels: int):
        self._blocks = blocks
        self._held_CT = np.zeros((n_channels, 0), np.float32)
        self._start = 0  # position of the first sample held

    def take(self, start: int, size: int) -> np.ndarray:
        """x_CT of `size` samples from `start` on; what was forgotten cannot be taken again."""
        self._fill(start + size)
        first, last = max(start, 0), max(min(start + size, self._start + self._held_CT.shape[1]), 0)
        if first < self._start:
            raise ValueError(f"samples before {self._start} are gone, {first} was asked for")
        inside_CT = self._held_CT[:, first - self._start : max(last, first) - self._start]
        left = first - start
        return np.pad(inside_CT, ((0, 0), (left, size - left - inside_CT.shape[1])))

    def forget(self, before: int) -> None:
        """Samples before this position will not be asked for again."""
        n = min(before - self._start, self._held_CT.shape[1])
        if n > 0:
            self._held_CT = self._held_CT[:, n:].copy()
            self._start += n

    def _fill(self, end: int) -> None:
        parts = [self._held_CT]
        n_held = self._start + self._held_CT.shape[1]
        while n_held < end and (block_CT := next(self._blocks, None)) is not None:
            parts.append(block_CT)
            n_held += block_CT.shape[1]
        if len(parts) > 1:
            self._held_CT = np.concatenate(parts, axis=1)


class OverlapAdd:
    """Joins the answers of one model's chunks, which must come in order; gives away what is final."""

    def __init__(self, segment: int):
        self._weight_T = triangle(segment)
        self._sum_T = np.zeros(segment, np.float32)
        self._weights_T = np.zeros(segment, np.float32)
        self._start = 0

    def add(self, offset: int, answer_T: np.ndarray) -> np.ndarray:
        """Returns the samples that became final: all before `offset` not given away yet."""
        n = offset - self._start
        final_T = self._sum_T[:n] / self._weights_T[:n]
        for buffer_T in (self._sum_T, self._weights_T):
            buffer_T[: len(buffer_T) - n] = buffer_T[n:].copy()
            buffer_T[len(buffer_T) - n :] = 0
        self._start = offset
        weight_T = self._weight_T[: len(answer_T)]
        self._sum_T[: len(answer_T)] += weight_T * answer_T
        self._weights_T[: len(answer_T)] += weight_T
        return final_T

    def end(self, n_samples: int) -> np.ndarray:
        """The rest of a song of `n_samples`."""
        n = n_samples - self._start
        return self._sum_T[:n] / self._weights_T[:n]

"""Which songs are the same recording: the same samples, or nearly the same by fingerprint.

Candidates share fingerprint keys at one offset; whether they are copies is decided by the bits of their whole overlap.
The keys of a large corpus are looked at in ranges, so that memory does not grow with it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stages.ingest.config import IngestConfig
from stages.ingest.fingerprint import N_KEYS, bit_error

_MIN_SHARED_KEYS = 2  # at offsets that differ by _SAME_OFFSET at most
_SAME_OFFSET = 2  # frames
_OFFSET_SLACK = 3  # frames around the keys' offset that are tried
_MAX_SONGS_PER_KEY = 64  # a key that more share says nothing
_KEYS_PER_RANGE = 8_000_000  # of all songs, in memory at once

Keys = Callable[[int], tuple[np.ndarray, np.ndarray]]  # song -> (keys uint32, frames int32)
Words = Callable[[int], np.ndarray]  # song -> words uint32


@dataclass(frozen=True)
class Copy:
    """A song that is the same recording as `of`, by `agreement` of the fingerprint's bits."""

    of: int
    agreement: float


def exact_duplicates(ids: Sequence[str], order: Sequence[int]) -> dict[int, int]:
    """song -> the first song in `order` with the same id, for all that are not that first."""
    first: dict[str, int] = {}
    return {song: kept for song in order if (kept := first.setdefault(ids[song], song)) != song}


def near_duplicates(order: Sequence[int], keys: Keys, words: Words, config: IngestConfig) -> dict[int, Copy]:
    """The songs to leave out, each with the one kept in its stead: of two copies the first in `order` stays."""
    rank = {song: position for position, song in enumerate(order)}
    copies: dict[int, list[Copy]] = {}
    for a, b, offset in candidates(order, keys):
        agreement = _agreement(words(a), words(b), offset, config)
        if agreement is not None:
            better, worse = sorted((a, b), key=rank.__getitem__)
            copies.setdefault(worse, []).append(Copy(better, agreement))
    left_out: dict[int, Copy] = {}
    for song in sorted(copies, key=rank.__getitem__):
        kept = [copy for copy in copies[song] if copy.of not in left_out]
        if kept:
            left_out[song] = min(kept, key=lambda copy: rank[copy.of])
    return left_out


def _agreement(a_N: np.ndarray, b_N: np.ndarray, offset: int, config: IngestConfig) -> float | None:
    """None where the two are different recordings, or one a short excerpt of the other."""
    n_shorter, n_longer = sorted((int(np.count_nonzero(a_N)), int(np.count_nonzero(b_N))))
    if n_shorter < config.near_duplicate_length * n_longer:
        return None
    tries = (bit_error(a_N, b_N, offset + slack) for slack in range(-_OFFSET_SLACK, _OFFSET_SLACK + 1))
    error, n_overlap = min(tries)
    if error > config.near_duplicate_error or n_overlap < config.near_duplicate_overlap * n_shorter:
        return None
    return 1 - error


def candidates(songs: Sequence[int], keys: Keys) -> Iterator[tuple[int, int, int]]:
    """(a, b, offset of b's first frame in a) of songs that share enough keys at one offset."""
    if len(songs) < 2:
        return
    n_ranges = max(-(-len(songs) * N_KEYS // _KEYS_PER_RANGE), 1)
    bounds = np.linspace(0, 2**32, n_ranges + 1).astype(np.uint64)
    parts = [_meetings(songs, keys, bounds[i], bounds[i + 1]) for i in range(n_ranges)]
    a, b, offset = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((offset, b, a))
    a, b, offset = a[order], b[order], offset[order]
    last = len(a) - _MIN_SHARED_KEYS + 1
    if last <= 0:
        return
    near = (a[:last] == a[-last:]) & (b[:last] == b[-last:]) & (offset[-last:] - offset[:last] <= _SAME_OFFSET)
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for i in np.flatnonzero(near):
        pair = (int(a[i]), int(b[i]))
        first, end = _run(a, b, offset, int(i))
        best[pair] = max(best.get(pair, (0, 0)), (end - first, int(offset[(first + end) // 2])))
    for (song, other), (_, shift) in sorted(best.items()):
        yield song, other, shift


def _run(a: np.ndarray, b: np.ndarray, offset: np.ndarray, first: int) -> tuple[int, int]:
    """The meetings of one pair whose offsets lie within _SAME_OFFSET of the one at `first`."""
    end = first + 1
    while end < len(a) and a[end] == a[first] and b[end] == b[first] and offset[end] - offset[first] <= _SAME_OFFSET:
        end += 1
    return first, end


def _meetings(
    songs: Sequence[int], keys: Keys, low: np.uint64, high: np.uint64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(a, b, offset), a < b, for every key in low..high that two songs share."""
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for song in songs:
        words, frames = keys(song)
        here = slice(*np.searchsorted(words, [low, high]))
        # copies: a view would hold all of the song's keys
        found.append((words[here].copy(), frames[here].copy(), np.full(len(words[here]), song, np.int32)))
    word, frame, song_of = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((song_of, word))
    word, frame, song_of = word[order], frame[order], song_of[order]
    starts = np.flatnonzero(np.r_[True, word[1:] != word[:-1]])
    n_songs = np.diff(np.r_[starts, len(word)])
    common = np.repeat(n_songs > _MAX_SONGS_PER_KEY, n_songs)
    word, frame, song_of = word[~common], frame[~common], song_of[~common]
    none = np.zeros(0, np.int32)
    pairs = [(none, none, none)]
    for step in range(1, min(_MAX_SONGS_PER_KEY, max(len(word), 1))):
        same = np.flatnonzero(word[step:] == word[:-step])
        if not len(same):
            break
        pairs.append((song_of[same], song_of[same + step], frame[same] - frame[same + step]))
    a, b, offset = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return a, b, offset

"""Separating songs: each has a thread that decodes, cuts, joins and encodes, while the models work on the chunks of
all of them.

Shapes: C channels, T samples.
"""

import heapq
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.contract.compute import Made, failed, kept
from stages.contract.records import Song
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import AudioError
from stages.lib.cli import UserError
from stages.separate.batcher import Batcher
from stages.separate.chunks import Chunk, OverlapAdd, Window, cut
from stages.separate.model import Separator
from stages.separate.sources import BLOCK, Source, open_source
from stages.separate.stems import StemWriter

MAX_LENGTH_ERROR_S = 0.2  # between a song and its known stems, or its length at ingest: encoders pad by less
AHEAD = 4  # chunks a song may have waiting for the model
BYTES_PER_THREAD = 3 << 29  # one pass of the full htdemucs over a segment


@dataclass(frozen=True)
class Machine:
    """How the work is spread; decides speed and memory, not the stems."""

    device: str  # cpu, cuda, cuda:1, mps
    batch: int  # chunks that go through the model at once
    n_model_threads: int
    n_songs: int  # songs in work at once

    @classmethod
    def of(cls, device: str = "auto", batch: int | None = None, n_threads: int | None = None) -> "Machine":
        """What is best here where nothing is said."""
        import torch

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            n_threads = n_threads or min(torch.get_num_threads(), max(1, _free_bytes() // BYTES_PER_THREAD))
            return cls(device, batch or 1, n_threads, n_threads + 1)
        return cls(device, batch or 16, n_threads or 1, max(4, batch or 16))


def _free_bytes() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def separate_songs(
    songs: Iterable[Song], folder: Path, separator: Separator, overlap: float, known_stems: bool, machine: Machine
) -> Iterator[tuple[str, Made]]:
    """(id, Made) of every song, in the order they are done. A song whose audio is bad is failed with its reason;
    songs whose files cannot be read are told of at the end, by UserError, when the others are done."""
    with (
        ThreadPoolExecutor(machine.n_songs) as pool,
        Batcher(separator, machine.device, machine.batch, machine.n_model_threads) as batcher,
    ):

        def one(song: Song) -> Made:
            if known_stems and song.stems:
                return from_known_stems(song, folder)
            return separate_song(song, folder, separator, overlap, batcher)

        yield from _each(songs, one, pool, machine.n_songs)


def _each(
    songs: Iterable[Song], one: Callable[[Song], Made], pool: ThreadPoolExecutor, n_songs: int
) -> Iterator[tuple[str, Made]]:
    """`one` of every song, `n_songs` at a time: finished songs do not pile up before their reader."""
    waiting = iter(songs)
    unreadable: list[str] = []
    running: dict[Future[Made], Song] = {}
    while True:
        while len(running) < n_songs and (song := next(waiting, None)) is not None:
            running[pool.submit(one, song)] = song
        if not running:
            break
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            song = running.pop(future)
            try:
                made = future.result()
            except AudioError as error:
                made = failed(str(error))
            except OSError as error:
                unreadable.append(f"{song.path} ({error.strerror or error})")
                continue
            yield song.id, made
    if unreadable:
        raise UserError(
            f"{len(unreadable)} of the catalogue's songs cannot be read, the others are done: "
            f"{'; '.join(unreadable[:5])}. Bring them back and run separate again, or run ingest to forget them"
        )


def separate_song(song: Song, folder: Path, separator: Separator, overlap: float, batcher: Batcher) -> Made:
    """Stems by the model. Raises AudioError, OSError."""
    source = open_source(folder / song.path)
    _check_length(song.path, source, song.duration_s)
    writer = StemWriter()
    for song_T, vocals_T in separate_stream(source, separator, overlap, batcher):
        writer.write(song_T, vocals_T)
    return _made(song, writer, "separated")


def separate_stream(
    source: Source, separator: Separator, overlap: float, batcher: Batcher
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(song_T, vocals_T), mono floats, block by block. The song is normalised by its own mean and deviation before
    the models and back after them, as demucs.api does."""
    std = source.std + 1e-8
    window = Window(source.blocks(), 2)
    joins = [OverlapAdd(segment) for segment in separator.segments]
    said = [np.zeros(0, np.float32) for _ in joins]  # what each model has said for good and is not given out yet
    reach = max(
        model.valid_length(segment) for model, segment in zip(separator.models, separator.segments, strict=True)
    )
    given = 0

    def mix_of(chunk: Chunk) -> np.ndarray:
        mix_CT = (window.take(chunk.start, chunk.size) - np.float32(source.mean)) / np.float32(std)
        mix_CT[:, : max(-chunk.start, 0)] = 0  # beyond the song: silence, of the normalised kind
        mix_CT[:, max(source.n_samples - chunk.start, 0) :] = 0
        return mix_CT if separator.n_channels == 2 else mix_CT.mean(axis=0, keepdims=True)

    def give() -> tuple[np.ndarray, np.ndarray]:
        """What all models have said for good."""
        nonlocal given
        n = min(map(len, said))
        mean_T = sum((w * s[:n] for w, s in zip(separator.weights, said, strict=True)), np.zeros(n, np.float32))
        vocals_T = mean_T * np.float32(std) + np.float32(source.mean)
        song_T = window.take(given, n).mean(axis=0)
        said[:] = [s[n:] for s in said]
        given += n
        return song_T, vocals_T

    in_work: deque[tuple[int, Chunk, Future[np.ndarray]]] = deque()

    def join() -> None:
        """Wait for the oldest chunk in work."""
        model, chunk, future = in_work.popleft()
        said[model] = np.concatenate([said[model], joins[model].add(chunk.offset, future.result()[chunk.answer])])

    for _, model, chunk in _in_order(source.n_samples, separator, overlap):
        in_work.append((model, chunk, batcher.submit(model, mix_of(chunk))))
        if len(in_work) > AHEAD:
            join()
            yield give()
            window.forget(min(given, chunk.offset - reach))
    while in_work:
        join()
    for model, whole in enumerate(joins):
        said[model] = np.concatenate([said[model], whole.end(source.n_samples)])
    yield give()


def _in_order(n_samples: int, separator: Separator, overlap: float) -> Iterator[tuple[int, int, Chunk]]:
    """(offset, model, chunk) of all models of a bag, as the song goes by."""

    def chunks_of(model: int) -> Iterator[tuple[int, int, Chunk]]:
        segment = separator.segments[model]
        stride = int((1 - overlap) * segment)
        for chunk in cut(n_samples, segment, stride, separator.models[model].valid_length):
            yield chunk.offset, model, chunk

    return heapq.merge(*map(chunks_of, range(len(separator.models))))


def from_known_stems(song: Song, folder: Path) -> Made:
    """Stems that came with the song, made to sum: of two known stems the song is their sum, beside one of them the
    other is what remains of the song. Raises AudioError, OSError."""
    paths = dict(song.stems or {})
    if len(paths) < 2:
        paths["song"] = song.path
    sources = {name: open_source(folder / path) for name, path in sorted(paths.items())}
    for name, source in sources.items():
        _check_length(paths[name], source, song.duration_s)
    n_samples = max(source.n_samples for source in sources.values())
    windows = {name: Window(source.blocks(), 2) for name, source in sources.items()}
    writer = StemWriter()
    for start in range(0, n_samples, BLOCK):
        x_T = {name: w.take(start, min(BLOCK, n_samples - start)).mean(axis=0) for name, w in windows.items()}
        for window in windows.values():
            window.forget(start + BLOCK)
        if "song" not in x_T:
            x_T["song"] = x_T["vocals"] + x_T["accompaniment"]
        writer.write(x_T["song"], x_T["vocals"] if "vocals" in x_T else x_T["song"] - x_T["accompaniment"])
    return _made(song, writer, "known")


def _check_length(path: str, source: Source, duration_s: float) -> None:
    found_s = source.n_samples / SAMPLE_RATE_HZ
    if abs(found_s - duration_s) > MAX_LENGTH_ERROR_S:
        raise AudioError(f"other length than at ingest: {path} has {found_s:.2f} s, the song {duration_s:.2f} s")


def _made(song: Song, writer: StemWriter, how: str) -> Made:
    stems, levels = writer.finish()
    files = {f"{song.id}.{stem}.flac": data for stem, data in stems.items()}
    return kept(writer.duration_s, files, "stems", stems=how, **levels)

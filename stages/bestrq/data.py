"""Log-mels of clips for training: read once, kept while they fit, cropped at random.

Shapes: B batch, T frames, F mel bands.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stages.bestrq.config import EncoderConfig
from stages.bestrq.mel import LogMel
from stages.contract.records import STREAMS
from stages.contract.tokens import SAMPLE_RATE_HZ, n_frames_of
from stages.lib.audio import decode_flac
from stages.lib.data import ClipRef, ShardReader, mix

BYTES_PER_GB = 10**9


def n_frames_of_clip(ref: ClipRef) -> int:
    """Frames by the clip's declared length; exact to the frame, as its audio is."""
    return n_frames_of(round(ref.clip.duration_s * SAMPLE_RATE_HZ))


class MelBank:
    """The log-mels of a list of clips, all three streams, float16; what `cache_gb` cannot hold is computed again."""

    def __init__(self, refs: Sequence[ClipRef], encoder: EncoderConfig, cache_gb: float):
        self.refs = list(refs)
        self._log_mel = LogMel(encoder)
        self._cache: dict[int, dict[str, Tensor]] = {}
        self._free_bytes = cache_gb * BYTES_PER_GB
        self._reader = ShardReader()
        self._reading = threading.Lock()  # a tar has one file position

    def close(self) -> None:
        """Close the shards: before worker processes are forked, which would share their file positions."""
        self._reader.close()

    def mels(self, index: int) -> dict[str, Tensor]:
        """stream -> TF float16, for clip number `index`."""
        if index in self._cache:
            return self._cache[index]
        ref = self.refs[index]
        with self._reading:
            flacs = {s: self._reader.read(ref.tar, f"{ref.id}.{s}.flac") for s in ("vocals", "accompaniment")}
        audio = {stream: decode_flac(flac) for stream, flac in flacs.items()}
        audio["song"] = mix(audio)
        return self._keep(index, {stream: self._log_mel.of_signal(audio[stream]).half() for stream in STREAMS})

    def _keep(self, index: int, mels: dict[str, Tensor]) -> dict[str, Tensor]:
        n_bytes = sum(mel.nbytes for mel in mels.values())
        if n_bytes <= self._free_bytes:
            self._free_bytes -= n_bytes
            self._cache[index] = mels
        return mels


@dataclass(frozen=True)
class MelStatistics:
    """Mean and standard deviation of each band over every frame of every stream."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


SMALLEST_STD = 1e-3  # a band that never moves (everything above a low-pass) must not divide by zero


def measure_statistics(mels: Iterable[dict[str, Tensor]]) -> MelStatistics:
    n, total_F, squares_F = 0, np.float64(0), np.float64(0)
    for streams in mels:
        for mel_TF in streams.values():
            x_TF = mel_TF.double().numpy()
            n += len(x_TF)
            total_F = total_F + x_TF.sum(0)
            squares_F = squares_F + np.square(x_TF).sum(0)
    mean_F = np.atleast_1d(total_F / n)
    std_F = np.sqrt(np.maximum(squares_F / n - mean_F**2, SMALLEST_STD**2))
    return MelStatistics(tuple(mean_F.round(6).tolist()), tuple(std_F.round(6).tolist()))


class Batch(NamedTuple):
    mel_BTF: Tensor
    n_frames_B: Tensor


class Crops(Dataset[Batch]):
    """Item s is the batch of step s: windows drawn from all clips and streams, every frame equally often.

    A function of (seed, rank, step) alone, so a resumed run and any number of workers see the same batches.
    """

    def __init__(self, bank: MelBank, batch_size: int, window_frames: int, seed: int, rank: int = 0):
        self._bank = bank
        self._batch_size = batch_size
        self._window = window_frames
        self._seed = (seed, rank)
        self._ends = np.cumsum([n_frames_of_clip(ref) for ref in bank.refs])

    def __getitem__(self, step: int) -> Batch:
        draw = np.random.default_rng([*self._seed, step])
        rows = []
        for _ in range(self._batch_size):
            clip = int(np.searchsorted(self._ends, draw.integers(self._ends[-1]), side="right"))
            mel_TF = self._bank.mels(clip)[STREAMS[draw.integers(len(STREAMS))]]
            start = int(draw.integers(max(len(mel_TF) - self._window, 0) + 1))
            rows.append(mel_TF[start : start + self._window].float())
        return pad_batch(rows)


def pad_batch(rows: Sequence[Tensor]) -> Batch:
    n_frames_B = torch.tensor([len(row) for row in rows])
    return Batch(torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True), n_frames_B)


def fill(bank: MelBank, n_clips: int, seed: int, n_threads: int) -> Iterator[dict[str, Tensor]]:
    """Mels of `n_clips` clips drawn without replacement, computed ahead by threads (decoding and resampling leave
    the interpreter free)."""
    chosen = np.random.default_rng(seed).permutation(len(bank.refs))[:n_clips].tolist()
    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(bank.mels, chosen)

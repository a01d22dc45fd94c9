"""Training windows: latents and the tokens beside them. Shapes: B batch, N latent frames, Z latent width."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.contract.records import STREAMS
from stages.diffusion.config import DiffusionConfig, LdmConfig
from stages.diffusion.model import alignment, n_latents
from stages.lib.blocks import Blocks
from stages.lib.data import ClipRef, ShardReader


@dataclass(frozen=True)
class Track:
    """One stream of one clip: latents, and per latent frame the two tokens around it and the right one's weight."""

    z_NZ: np.ndarray  # float16
    left_N: np.ndarray
    right_N: np.ndarray
    weight_N: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Windows of tracks; `mask_BN` is 0 where a clip was shorter than the window."""

    z_BZN: Tensor
    left_BN: Tensor
    right_BN: Tensor
    weight_BN: Tensor
    mask_BN: Tensor


class Windows:
    """Batches, each a function of (seed, step). Tokens and latents of a clip lie in shards of equal numbers."""

    def __init__(
        self, refs: Sequence[ClipRef], latents: Path, config: DiffusionConfig, model: LdmConfig, rank: int = 0
    ):
        self._config, self._latents, self._model = config, latents, model
        self._seed = [config.seed, rank]
        self._reader = ShardReader()
        self._blocks = Blocks(refs, self._read, config.block_clips, config.block_steps, config.seed + rank)

    def tracks(self, step: int) -> list[Track]:
        """Those in memory at `step`."""
        return [track for clip in self._blocks.at(step) for track in clip]

    def batch(self, step: int) -> Batch:
        rng, config = np.random.default_rng([*self._seed, step]), self._config
        tracks = self.tracks(step)
        lengths = np.array([len(track.z_NZ) for track in tracks], float)
        shape = (config.batch_size, config.window)
        z_BNZ = np.zeros((*shape, self._model.latent_width), np.float32)
        left_BN, right_BN = np.full(shape, self._model.n_codes), np.full(shape, self._model.n_codes)
        weight_BN, mask_BN = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for b, chosen in enumerate(rng.choice(len(tracks), config.batch_size, p=lengths / lengths.sum())):
            track = tracks[chosen]
            begin = rng.integers(max(len(track.z_NZ) - config.window, 0) + 1)
            part = slice(begin, begin + config.window)
            n = len(track.z_NZ[part])
            z_BNZ[b, :n], left_BN[b, :n], right_BN[b, :n] = track.z_NZ[part], track.left_N[part], track.right_N[part]
            weight_BN[b, :n], mask_BN[b, :n] = track.weight_N[part], 1
        tensors = map(torch.from_numpy, (z_BNZ.transpose(0, 2, 1).copy(), left_BN, right_BN, weight_BN, mask_BN))
        return Batch(*tensors)

    def _read(self, ref: ClipRef) -> list[Track]:
        tokens = self._reader.arrays(ref)
        latents = self._reader.arrays(ClipRef(ref.clip, self._latents / ref.tar.name))
        return [track_of(tokens[stream], latents[stream], self._model.hop) for stream in STREAMS]

    def close(self) -> None:
        self._blocks.close()
        self._reader.close()


def track_of(tokens_T: np.ndarray, z_NZ: np.ndarray, hop: int) -> Track:
    """Lay a stream's tokens beside its latents. Raises ValueError where their lengths do not belong together."""
    if len(z_NZ) != n_latents(len(tokens_T), hop):
        raise ValueError(
            f"{len(tokens_T)} tokens need {n_latents(len(tokens_T), hop)} latents, got {len(z_NZ)}: "
            "tokens and latents come from different clips; run `songcreator tokenize` and `songcreator latents` again"
        )
    left_N, right_N, weight_N = (part.numpy() for part in alignment(len(tokens_T), hop))
    tokens_T = tokens_T.astype(np.int64)
    return Track(z_NZ, tokens_T[left_N], tokens_T[right_N], weight_N)


def mean_latents(tracks: Sequence[Track], n_codes: int) -> tuple[Tensor, Tensor]:
    """(mean_VZ, seen_V): the mean latent of the frames to which each code is the nearest token."""
    total_VZ = np.zeros((n_codes, tracks[0].z_NZ.shape[1]))
    count_V = np.zeros(n_codes)
    for track in tracks:
        nearest_N = np.where(track.weight_N < 0.5, track.left_N, track.right_N)
        np.add.at(total_VZ, nearest_N, track.z_NZ.astype(np.float64))
        np.add.at(count_V, nearest_N, 1)
    mean_VZ = total_VZ / np.maximum(count_V, 1)[:, None]
    return torch.from_numpy(mean_VZ).float(), torch.from_numpy(count_V > 0)

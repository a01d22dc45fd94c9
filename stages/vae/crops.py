"""Random crops of the three streams for training. Shapes: B batch, T samples."""

from collections.abc import Sequence

import numpy as np
import torch

from stages.contract.records import STREAMS
from stages.lib.audio import to_float
from stages.lib.blocks import Blocks
from stages.lib.data import ClipRef, ShardReader
from stages.vae.config import VaeConfig

_SILENT_PEAK = 33  # of 32768: -60 dB


class Crops:
    """Batches of crops, each a function of (seed, step)."""

    def __init__(self, refs: Sequence[ClipRef], config: VaeConfig, rank: int = 0):
        self._config, self._seed = config, [config.seed, rank]
        self._reader = ShardReader()
        self._blocks = Blocks(refs, self._reader.audio, config.block_clips, config.block_steps, config.seed + rank)

    def clips(self, step: int) -> list[dict[str, np.ndarray]]:
        """int16 audio by stream of the clips in memory at `step`."""
        return self._blocks.at(step)

    def batch(self, step: int) -> torch.Tensor:
        """x_BT float32: any clip, by its length, any stream, anywhere; silence is drawn again once."""
        rng = np.random.default_rng([*self._seed, step])
        clips = self.clips(step)
        lengths = np.array([len(clip["song"]) for clip in clips], float)
        x_BT = np.zeros((self._config.batch_size, self._config.crop_samples), np.int16)
        for x_T in x_BT:
            for _ in range(2):
                clip = clips[rng.choice(len(clips), p=lengths / lengths.sum())]
                stream_T = clip[STREAMS[rng.integers(len(STREAMS))]]
                begin = rng.integers(max(len(stream_T) - len(x_T), 0) + 1)
                crop_T = stream_T[begin : begin + len(x_T)]
                if np.abs(crop_T).max(initial=0) >= _SILENT_PEAK:
                    break
            x_T[: len(crop_T)] = crop_T
        return torch.from_numpy(to_float(x_BT))

    def close(self) -> None:
        self._blocks.close()
        self._reader.close()

"""BEST-RQ (PAPER A.1): log-mel -> Conformer; trained to name the random code of each masked frame.

Shapes: B batch, T frames (50 a second), F mel bands, D width, M scored frames, V random codes.
"""

from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from vector_quantize_pytorch import RandomProjectionQuantizer

from stages.bestrq.config import EncoderConfig
from stages.bestrq.conformer import Conformer
from stages.bestrq.masking import valid_frames
from stages.bestrq.mel import LogMel


class BestRQ(nn.Module, PyTorchModelHubMixin):
    """`encode` is what the tokenizer uses; `forward` is the training task."""

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: EncoderConfig | dict[str, Any]):
        super().__init__()
        self.config = c = EncoderConfig.model_validate(config)
        self.log_mel = LogMel(c)
        mean, std = c.mel_mean or (0.0,) * c.n_mels, c.mel_std or (1.0,) * c.n_mels
        self.register_buffer("mel_mean", torch.tensor(mean), persistent=False)
        self.register_buffer("mel_std", torch.tensor(std), persistent=False)
        self.input = nn.Linear(c.n_mels, c.width)
        self.encoder = Conformer(c.width, c.n_layers, c.n_heads, c.ffn_multiple, c.conv_kernel, c.dropout)
        self.head = nn.Linear(c.width, c.n_targets)
        # Random and never trained, yet part of the checkpoint. Its own norm puts every frame on a sphere: without
        # normalised input, loud frames would all fall to a few codes.
        self.quantizer = RandomProjectionQuantizer(
            dim=c.n_mels, codebook_size=c.n_targets, codebook_dim=c.target_dim, num_codebooks=1, norm=True
        ).requires_grad_(False)

    def standardise(self, mel_BTF: Tensor) -> Tensor:
        return (mel_BTF - self.mel_mean) / self.mel_std

    def encode(self, mel_BTF: Tensor, n_frames_B: Tensor, layer: int | None = None) -> Tensor:
        """Log-mels -> BTD, the output of block `layer` (default: the last). What stands behind a row's
        `n_frames` is padding: it changes nothing, and its own output means nothing."""
        valid_BT = valid_frames(n_frames_B, mel_BTF.shape[1])
        return self.encoder(self.input(self.standardise(mel_BTF)), valid_BT, layer)

    @torch.no_grad()
    def targets(self, mel_BTF: Tensor) -> Tensor:
        """BT: the random code nearest to each frame's random projection.

        The same as `self.quantizer(x)`, which would also build a one-hot of every frame over all codes. In full
        precision always: of 1024 codes, bfloat16 takes another than the nearest for one frame in forty.
        """
        with torch.autocast(mel_BTF.device.type, enabled=False):
            x_BTF = self.quantizer.norm(self.standardise(mel_BTF).float())
            projected_BTE = x_BTF @ self.quantizer.rand_projs[0]
            codes_VE = self.quantizer.vq.codebook.reshape(-1, projected_BTE.shape[-1])  # unit vectors
            return (projected_BTE @ codes_VE.T).argmax(-1)

    def forward(
        self, mel_BTF: Tensor, n_frames_B: Tensor, mask_BT: Tensor, noise_BTF: Tensor, scored_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(logits_MV, targets_M) at the `scored` frames. `noise_BTF` takes the place of the standardised mel under the
        mask."""
        x_BTF = torch.where(mask_BT[..., None], noise_BTF, self.standardise(mel_BTF))
        h_BTD = self.encoder(self.input(x_BTF), valid_frames(n_frames_B, mel_BTF.shape[1]))
        return self.head(h_BTD[scored_BT]), self.targets(mel_BTF)[scored_BT]

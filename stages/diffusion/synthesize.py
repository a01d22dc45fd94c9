"""Tokens to audio: the diffusion model's sampler, then the VAE's decoder. Any length, bounded memory.

Shapes: B batch, T token frames, N latent frames, Z latent width, W windows, L window length. Longer than the training
window, the latents are denoised in overlapping windows whose velocities are blended at every step (ours, after
MultiDiffusion, arXiv 2302.08113): one noise, one trajectory, no seams.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.contract.tokens import SAMPLES_PER_TOKEN
from stages.diffusion.model import LatentDiffusion, alignment
from stages.diffusion.sampler import sample, times
from stages.vae.model import Autoencoder

OVERLAP = 0.25  # of a window, at least, that it shares with the next
FRAMES_AT_ONCE = 16_384  # latent frames through the U-Net at a time: bounds memory at any length and batch


def windows(n_frames: int, length: int) -> tuple[list[int], Tensor]:
    """(begins, share_WL): where each window begins, and how much each of its frames counts; at every frame of the
    signal the shares sum to 1. The shares rise and fall linearly across overlaps."""
    if n_frames <= length:
        return [0], torch.ones(1, n_frames)
    n_windows = 1 + -(-(n_frames - length) // int(length * (1 - OVERLAP)))
    begins = [round(i * (n_frames - length) / (n_windows - 1)) for i in range(n_windows)]
    ramp_L = torch.minimum(torch.arange(1, length + 1), torch.arange(length, 0, -1)).float()
    share_WL = ramp_L.repeat(n_windows, 1)
    total_N = torch.zeros(n_frames)
    for begin, share_L in zip(begins, share_WL, strict=True):
        total_N[begin : begin + length] += share_L
    for begin, share_L in zip(begins, share_WL, strict=True):
        share_L /= total_N[begin : begin + length]
    return begins, share_WL


class _Velocity:
    """v of the whole signal, guided, blended from windows."""

    def __init__(self, model: LatentDiffusion, tokens_BT: Tensor, guidance: float):
        self._model, self._guidance = model, guidance
        left_N, right_N, weight_N = alignment(tokens_BT.shape[1], model.config.hop, tokens_BT.device)
        self._left_BN, self._right_BN = tokens_BT[:, left_N], tokens_BT[:, right_N]
        self._weight_BN = weight_N.expand(len(tokens_BT), -1)
        self._length = min(model.config.window, len(left_N))
        begins, share_WL = windows(len(left_N), self._length)
        self._begins, self._share_WL = begins, share_WL.to(tokens_BT.device)

    def __call__(self, z_BZN: Tensor, t: float) -> Tensor:
        v_BZN = torch.zeros_like(z_BZN)
        for begin, share_L in zip(self._begins, self._share_WL, strict=True):
            part = slice(begin, begin + self._length)
            v_BZN[:, :, part] += share_L * self._window(z_BZN[:, :, part], t, part)
        return v_BZN

    def _window(self, z_BZL: Tensor, t: float, part: slice) -> Tensor:
        """Guided: v of no tokens + guidance x (v of the tokens - v of no tokens); at 1, v of the tokens alone."""
        tokens = (self._left_BN[:, part], self._right_BN[:, part], self._weight_BN[:, part])
        with_tokens = self._predict(z_BZL, t, *tokens)
        if self._guidance == 1:
            return with_tokens
        null = torch.full_like(tokens[0], self._model.null)
        without = self._predict(z_BZL, t, null, null, tokens[2])
        return without + self._guidance * (with_tokens - without)

    def _predict(self, z_BZL: Tensor, t: float, *tokens: Tensor) -> Tensor:
        at_once = max(1, FRAMES_AT_ONCE // self._length)
        rows = zip(*(tensor.split(at_once) for tensor in (z_BZL, *tokens)), strict=True)
        return torch.cat([self._model(z, torch.full((len(z),), t, device=z.device), *rest) for z, *rest in rows])


@torch.inference_mode()
def synthesize_latents(
    diffusion: LatentDiffusion, tokens_BT: Tensor, n_steps: int, guidance: float, generator: torch.Generator
) -> Tensor:
    """z_BZN, normalised. The noise is drawn on the generator's device, so that a seed means the same everywhere."""
    config = diffusion.config
    device = diffusion.embedding.weight.device
    velocity = _Velocity(diffusion, tokens_BT.to(device).long(), guidance)
    n_frames = velocity._weight_BN.shape[1]
    shape = (len(tokens_BT), config.latent_width, n_frames)
    noise_BZN = torch.randn(shape, generator=generator, device=generator.device)
    return sample(velocity, noise_BZN.to(device), times(n_steps))


@torch.inference_mode()
def synthesize(
    diffusion: LatentDiffusion,
    vae: Autoencoder,
    tokens_BT: Tensor,
    n_steps: int,
    guidance: float,
    generator: torch.Generator,
) -> Tensor:
    """x_BT float32: exactly 882 samples per token. Raises ValueError for an id that is no code."""
    if tokens_BT.numel() and not 0 <= int(tokens_BT.min()) <= int(tokens_BT.max()) < diffusion.config.n_codes:
        raise ValueError(f"tokens must be codes below {diffusion.config.n_codes}: special tokens have no sound")
    z_BZN = synthesize_latents(diffusion, tokens_BT, n_steps, guidance, generator)
    n_samples = SAMPLES_PER_TOKEN * tokens_BT.shape[1]
    x_BT = torch.cat([vae.decode(z_1ZN) for z_1ZN in z_BZN.split(1)])
    return F.pad(x_BT, (0, max(0, n_samples - x_BT.shape[1])))[:, :n_samples].float()

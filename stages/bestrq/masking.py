"""Span masks (BEST-RQ: noise in place of 0.4 s of mel; every frame may begin a span).

Shapes: B batch, T frames.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def start_probability(masked_fraction: float, span: int) -> float:
    """With what probability each frame must begin a span so that a frame is masked with `masked_fraction`:
    it stays free only if none of `span` frames begins one."""
    return 1 - (1 - masked_fraction) ** (1 / span)


def span_mask(n_rows: int, n_frames: int, masked_fraction: float, span: int, generator: torch.Generator) -> Tensor:
    """BT, True where masked. Spans overlap and may begin before the first frame, so every frame is alike."""
    draws = torch.rand(n_rows, n_frames + span - 1, generator=generator)
    starts = (draws < start_probability(masked_fraction, span)).float()
    return F.max_pool1d(starts[:, None], span, stride=1)[:, 0].bool()


def valid_frames(n_frames_B: Tensor, n_frames: int) -> Tensor | None:
    """BT, False on padding; None where nothing is padded."""
    if bool((n_frames_B >= n_frames).all()):
        return None
    return torch.arange(n_frames, device=n_frames_B.device) < n_frames_B[:, None]

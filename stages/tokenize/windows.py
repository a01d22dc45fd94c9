"""Encoding audio of any length: in windows as long as the encoder was trained on, with context on both sides.

Shapes: B batch, T frames, F mel bands, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.bestrq.data import pad_batch
from stages.bestrq.model import BestRQ


@dataclass(frozen=True)
class Window:
    """Frames start..stop are encoded, keep_from..keep_to of them are kept (all counted from the signal's start)."""

    start: int
    stop: int
    keep_from: int
    keep_to: int


def plan_windows(n_frames: int, window: int, margin: int) -> list[Window]:
    """Windows of `window` frames whose kept parts tile 0..n_frames; at least `margin` frames of context on either
    side of what is kept, except at the signal's ends. What fits into one window is one window."""
    if n_frames <= window:
        return [Window(0, n_frames, 0, n_frames)]
    windows, kept = [], 0
    while kept < n_frames:
        start = min(max(kept - margin, 0), n_frames - window)
        stop = start + window
        keep_to = n_frames if stop == n_frames else stop - margin
        windows.append(Window(start, stop, kept, keep_to))
        kept = keep_to
    return windows


@torch.no_grad()
def encode(model: BestRQ, mels: Sequence[Tensor], layer: int, windows_per_batch: int) -> list[Tensor]:
    """Features TD of each log-mel TF. A signal's features do not depend on what it is encoded beside: padding is
    masked, and only the last bits of floats differ with the shape of a batch."""
    c, device = model.config, model.mel_mean.device
    features = [torch.empty(len(mel_TF), c.width, device=device) for mel_TF in mels]
    planned = [(i, w) for i, mel in enumerate(mels) for w in plan_windows(len(mel), c.window_frames, c.margin_frames)]
    planned.sort(key=lambda item: item[1].start - item[1].stop)  # the longest first: alike lengths side by side
    for first in range(0, len(planned), windows_per_batch):
        group = planned[first : first + windows_per_batch]
        batch = pad_batch([mels[i][w.start : w.stop].float() for i, w in group])
        h_BTD = model.encode(batch.mel_BTF.to(device), batch.n_frames_B.to(device), layer)
        for (i, w), h_TD in zip(group, h_BTD, strict=True):
            features[i][w.keep_from : w.keep_to] = h_TD[w.keep_from - w.start : w.keep_to - w.start]
    return features

"""A tiny HTDemucs with random weights, and songs that need no rendering."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from demucs.htdemucs import HTDemucs

SAMPLE_RATE_HZ = 44_100
SOURCES = ["drums", "bass", "other", "vocals"]


def tiny(segment: float = 1.0, seed: int = 0, **changes: Any) -> HTDemucs:
    torch.manual_seed(seed)
    arguments: dict[str, Any] = {
        "sources": SOURCES, "channels": 4, "dconv_comp": 4, "bottom_channels": 8, "t_layers": 1, "t_heads": 2,
    }  # fmt: skip
    return HTDemucs(**{**arguments, "segment": segment, **changes}).eval()


def noise(duration_s: float, n_channels: int = 2, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """x_TC float32, loud and quiet by turns."""
    n = round(duration_s * SAMPLE_RATE_HZ)
    swell = 1 + np.sin(np.arange(n) / 9000)[:, None]
    return (np.random.default_rng(seed).standard_normal((n, n_channels)) * level * swell).astype(np.float32)


def write_song(path: Path, x_TC: np.ndarray, rate_hz: int = SAMPLE_RATE_HZ, subtype: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x_TC, rate_hz, subtype=subtype)
    return path

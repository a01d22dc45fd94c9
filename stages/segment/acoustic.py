"""The aligner's ear: a small convolutional phone recogniser on log-mels (ours), 50 frames a second.

It reads 16 kHz audio of vocals alone (true or separated) and gives per frame the probability of each broad phone of
`phones.PHONES`; 0 is silence. Trained by `songcreator train_aligner`; read by the `ctc` aligner here and, as
`PhonemeRecognizer`, by evaluate (phoneme error rate).

Shapes: B batch, T samples, F mel bands, M mel frames (100 Hz), N output frames (50 Hz), D width, V phones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import nn

from stages.contract.files import write_atomic
from stages.lib.audio import log_mel, resample
from stages.lib.config import StageConfig
from stages.lib.phonemes import engine_name
from stages.segment.phones import PHONES, sentence_ids

SAMPLE_RATE_HZ = 16_000
MEL_HOP = 160
N_MELS = 80
N_FFT = 512
FLOOR_NEPERS = 7.0  # what lies 61 dB and more below the loudest frame is silence
FRAME_S = 2 * MEL_HOP / SAMPLE_RATE_HZ
CHANGE_NATS = 3.0  # price of a change of phone in free decoding; least errors on held-out songs between 2 and 4
_CHUNK_S, _MARGIN_S = 60.0, 3.0  # a long song is read in pieces; the margin covers the receptive field


class AcousticConfig(StageConfig):
    """What the model is built from; its config.json."""

    width: int = Field(128, ge=8, le=1024, description="Channels of the blocks (8 to 1024).")
    dilations: tuple[int, ...] = Field((1, 2, 4, 1, 2, 4), description="One block each, dilation in frames of 20 ms.")
    kernel: int = Field(9, ge=3, le=31, description="Taps of a block's depthwise convolution (odd).")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of a block's output dropped in training.")
    phones: tuple[str, ...] = Field(PHONES, description="Output classes, the first is silence.")
    engine: str = Field(default_factory=engine_name, description="Who turned lyrics to phonemes in training.")


class _Block(nn.Module):
    """Depthwise dilated convolution over time, then a two-layer perceptron per frame, residual."""

    def __init__(self, config: AcousticConfig, dilation: int):
        super().__init__()
        width, padding = config.width, dilation * (config.kernel // 2)
        self.depthwise = nn.Conv1d(width, width, config.kernel, padding=padding, dilation=dilation, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, h_BDN: torch.Tensor) -> torch.Tensor:
        y_BND = self.norm(self.depthwise(h_BDN).transpose(1, 2))
        y_BND = self.narrow(nn.functional.gelu(self.wide(y_BND)))
        return h_BDN + self.dropout(y_BND).transpose(1, 2)


class AcousticModel(nn.Module):
    """Mel frames at 100 Hz -> logits of phones at 50 Hz. Frame n is centred on n * 20 ms."""

    def __init__(self, config: AcousticConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.stem = nn.Conv1d(N_MELS, width, 5, padding=2)
        self.halve = nn.Conv1d(width, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(_Block(config, dilation) for dilation in config.dilations)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(config.phones))

    def forward(self, mel_BFM: torch.Tensor) -> torch.Tensor:
        """logits_BNV, N = (M + 1) // 2."""
        h_BDN = nn.functional.gelu(self.stem(mel_BFM))
        h_BDN = nn.functional.gelu(self.halve(h_BDN))
        for block in self.blocks:
            h_BDN = block(h_BDN)
        return self.head(self.norm(h_BDN.transpose(1, 2)))


def loudness(x_T: np.ndarray) -> float:
    """Log-magnitude (nepers) that only 1 % of the frames' loudest bands exceed: what a song's features refer to."""
    piece = round(_CHUNK_S * SAMPLE_RATE_HZ)  # memory does not grow with the song
    loudest = []
    for start in range(0, len(x_T), piece):
        mel_BFM = log_mel(torch.from_numpy(x_T[None, start : start + piece]), SAMPLE_RATE_HZ, N_FFT, MEL_HOP, N_MELS)
        loudest.append(mel_BFM[0].amax(dim=0).numpy())
    return float(np.quantile(np.concatenate(loudest), 0.99)) if loudest else 0.0


def features(x_BT: torch.Tensor, loudness_B: torch.Tensor) -> torch.Tensor:
    """mel_BFM in about -1..1: log-mels between FLOOR_NEPERS below the song's loudness and that loudness."""
    mel_BFM = log_mel(x_BT, SAMPLE_RATE_HZ, N_FFT, MEL_HOP, N_MELS, floor=1e-6)
    return (mel_BFM - loudness_B[:, None, None] + FLOOR_NEPERS).clamp_min(0) * (2 / FLOOR_NEPERS) - 1


class PhonemeRecognizer:
    """A trained model ready to listen."""

    def __init__(self, model: AcousticModel, device: str = "cpu"):
        self.model = model.eval().to(device)
        self.device = device
        self.phones = model.config.phones

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu") -> "PhonemeRecognizer":
        return cls(load_acoustic(folder), device)

    @torch.inference_mode()
    def posteriors(self, vocals_T: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """log p(phone | audio), N V float32; frame n is centred on n * 20 ms."""
        x_T = resample(np.asarray(vocals_T, dtype=np.float32), sample_rate_hz, SAMPLE_RATE_HZ)
        if not len(x_T):
            return np.zeros((0, len(self.phones)), np.float32)
        reference = torch.tensor([loudness(x_T)], device=self.device)
        margin, chunk = round(_MARGIN_S / FRAME_S), round(_CHUNK_S / FRAME_S)
        hop = 2 * MEL_HOP
        n_frames = len(x_T) // hop + 1
        pieces = []
        for first in range(0, n_frames, chunk):
            start = max(first - margin, 0)
            piece_T = x_T[start * hop : (first + chunk + margin) * hop]
            mel_BFM = features(torch.from_numpy(piece_T)[None].to(self.device), reference)
            log_probs_NV = self.model(mel_BFM)[0].log_softmax(dim=-1)
            pieces.append(log_probs_NV[first - start : first - start + min(chunk, n_frames - first)].cpu())
        return torch.cat(pieces).numpy()

    def decode(self, vocals_T: np.ndarray, sample_rate_hz: int) -> list[str]:
        """The phones heard, without any knowledge of the lyrics."""
        return [self.phones[id] for id in best_phones(self.posteriors(vocals_T, sample_rate_hz))]

    def reference(self, sentences: Sequence[str], language: str | None) -> list[str]:
        """The phones that should be heard."""
        return [self.phones[id] for text in sentences for id in sentence_ids(text, language)]


def best_phones(log_probs_NV: np.ndarray, change: float = CHANGE_NATS) -> list[int]:
    """The best path through the classes, each change of class at a price; repeats merged, silences dropped. Without
    the price (greedy decoding) every wavering frame counts as a phone."""
    if not len(log_probs_NV):
        return []
    score_V = log_probs_NV[0].astype(np.float64)
    stayed, best_before = [], []
    for row_V in log_probs_NV[1:]:
        best = int(score_V.argmax())
        moved = score_V[best] - change
        stayed.append(score_V >= moved)
        best_before.append(best)
        score_V = np.maximum(score_V, moved) + row_V
    phone = int(score_V.argmax())
    path = [phone]
    for stay_V, best in zip(reversed(stayed), reversed(best_before), strict=True):
        if not stay_V[phone]:
            phone = best
            path.append(phone)
    return [id for id in reversed(path) if id != 0]


def load_acoustic(folder: Path) -> AcousticModel:
    """Raises FileNotFoundError naming what is missing, and the command that makes it."""
    from safetensors.torch import load_file

    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing: run `songcreator train_aligner --out {folder}`")
    config = AcousticConfig.model_validate_json((folder / "config.json").read_text(encoding="utf-8"))
    model = AcousticModel(config)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model


def save_acoustic(model: AcousticModel, folder: Path) -> None:
    from safetensors.torch import save

    state: dict[str, Any] = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_atomic(folder / "model.safetensors", save(state))
    write_atomic(folder / "config.json", model.config.model_dump_json(indent=1) + "\n")

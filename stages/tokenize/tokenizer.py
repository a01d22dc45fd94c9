"""Audio to semantic tokens, for the `tokenize` stage and for whoever holds a prompt or a given track.

Shapes: B batch, T samples or token frames, F mel bands, D width.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from stages.bestrq.model import BestRQ
from stages.contract.tokens import n_frames_of
from stages.tokenize.vq import Codebook
from stages.tokenize.windows import encode


class Tokenizer:
    """`Tokenizer.from_pretrained("models/bestrq", "models/codebook").encode(x_BT)`."""

    def __init__(self, encoder: BestRQ, codebook: Codebook, windows_per_batch: int = 8):
        if codebook.config.width != encoder.config.width or codebook.config.layer > encoder.config.n_layers:
            raise ValueError(
                f"the codebook (layer {codebook.config.layer}, width {codebook.config.width}) was made for another "
                f"encoder than this one ({encoder.config.n_layers} layers, width {encoder.config.width})"
            )
        self.encoder = encoder.eval()
        self.codebook = codebook.eval()
        self.windows_per_batch = windows_per_batch

    @classmethod
    def from_pretrained(cls, bestrq: Path | str, codebook: Path | str, windows_per_batch: int = 8) -> Self:
        """From two local folders (or names on the hub)."""
        return cls(BestRQ.from_pretrained(bestrq), Codebook.from_pretrained(codebook), windows_per_batch)

    def to(self, device: torch.device | str) -> Self:
        self.encoder.to(device)
        self.codebook.to(device)
        return self

    @property
    def n_codes(self) -> int:
        return self.codebook.n_codes

    def encode(self, x_BT: Tensor | np.ndarray, lengths: Sequence[int] | Tensor | None = None) -> list[np.ndarray]:
        """Mono audio at 44.1 kHz, floats in -1..1, `lengths` samples of each row being audio (default: all) ->
        uint16 tokens per row, floor(length / 882) of them. A row's tokens do not depend on the other rows."""
        x_BT = x_BT.detach().cpu().numpy() if isinstance(x_BT, Tensor) else x_BT
        lengths = [x_BT.shape[-1]] * len(x_BT) if lengths is None else [int(length) for length in lengths]
        return self.encode_signals([x_T[:length] for x_T, length in zip(x_BT, lengths, strict=True)])

    def encode_signals(self, signals: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The same for signals of any lengths, int16 or float."""
        return self.encode_mels([self.mel(x_T) for x_T in signals])

    def mel(self, x_T: np.ndarray) -> Tensor:
        """TF of a signal; empty where it holds no whole token."""
        if n_frames_of(len(x_T)) == 0:
            return torch.empty(0, self.encoder.config.n_mels)
        return self.encoder.log_mel.of_signal(x_T)

    def encode_mels(self, mels: Sequence[Tensor]) -> list[np.ndarray]:
        full = [mel_TF for mel_TF in mels if len(mel_TF)]
        features = iter(encode(self.encoder, full, self.codebook.config.layer, self.windows_per_batch))
        return [self._codes(next(features)) if len(mel_TF) else np.empty(0, np.uint16) for mel_TF in mels]

    def _codes(self, features_TD: Tensor) -> np.ndarray:
        return self.codebook.encode(features_TD).cpu().numpy().astype(np.uint16)

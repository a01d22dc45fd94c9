"""The trained models behind every request: audio to tokens, tokens to tokens, tokens to audio.

Shapes: B rows, T samples at 44.1 kHz, N token frames at 50 Hz.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from stages.contract.graph import MODELS
from stages.contract.tokens import FRAME_RATE_HZ, SAMPLES_PER_TOKEN
from stages.diffusion.synthesize import synthesize
from stages.dslm.decode import Sampling, generate_tokens
from stages.dslm.requests import Request as TokenRequest
from stages.generate.config import GenerateConfig
from stages.generate.request import Request
from stages.lib.audio import to_int16
from stages.lib.phonemes import PhonemeVocab, lyrics_symbols


@dataclass
class Engine:
    """Four models, loaded once: BEST-RQ with its codebook, DSLM, LDM, VAE."""

    tokenizer: Any
    dslm: Any
    diffusion: Any
    vae: Any
    device: torch.device

    @classmethod
    def from_folder(cls, folder: Path, device: str | None = None) -> Self:
        """From models/{bestrq,codebook,dslm,diffusion,vae}. Raises FileNotFoundError naming what is missing."""
        from stages.diffusion.model import LatentDiffusion
        from stages.dslm.model import DSLM
        from stages.tokenize.tokenizer import Tokenizer
        from stages.vae.model import Autoencoder

        for part in MODELS:
            if not (folder / part / "model.safetensors").is_file():
                raise FileNotFoundError(f"{folder / part} holds no model: run `songcreator {part}` first")
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        with contextlib.redirect_stdout(io.StringIO()):  # the mixin prints a line per model
            tokenizer = Tokenizer.from_pretrained(folder / "bestrq", folder / "codebook")
            dslm = DSLM.from_pretrained(folder / "dslm")
            diffusion = LatentDiffusion.from_pretrained(folder / "diffusion")
            vae = Autoencoder.from_pretrained(folder / "vae")
        return cls(tokenizer.to(place), dslm.to(place).eval(), diffusion.to(place).eval(), vae.to(place).eval(), place)

    def encode(self, tracks: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Tokens N (uint16) of int16 tracks T of any lengths."""
        return self.tokenizer.encode_signals(tracks) if tracks else []

    def write(
        self, requests: Sequence[Request], tokens: Sequence[Mapping[str, np.ndarray]], config: GenerateConfig
    ) -> list[dict[str, np.ndarray]]:
        """The language model's tokens by stream for requests of one task; `tokens` holds those of each request's own
        tracks, given and prompts alike, by stream."""
        vocab = PhonemeVocab(self.dslm.config.phonemes)
        sampling = Sampling(
            top_k=config.top_k,
            temperature=config.temperature,
            max_frames=round(config.song_s * FRAME_RATE_HZ),
            song_argmax=not config.sample_song,
        )
        asked = [
            TokenRequest(
                lyrics=vocab.encode(lyrics_symbols(request.lyrics, request.language)),
                given={stream: own[stream].astype(np.int64) for stream in request.given},
                prompts={stream: own[stream].astype(np.int64) for stream in request.prompts},
                edit=request.edit_frames,
                n_frames=None if request.task.fixed_length else request.n_frames,
                seed=request.seed,
            )
            for request, own in zip(requests, tokens, strict=True)
        ]
        return generate_tokens(self.dslm, requests[0].task, asked, sampling)

    def sing(self, rows: Sequence[np.ndarray], config: GenerateConfig, seed: int) -> list[np.ndarray]:
        """int16 audio, exactly 882 samples a token, for token rows of equal length: LDM, then VAE."""
        generator = torch.Generator().manual_seed(seed)
        tokens_BN = torch.from_numpy(np.stack(rows).astype(np.int64)).to(self.device)
        x_BT = synthesize(self.diffusion, self.vae, tokens_BN, config.n_steps, config.guidance, generator)
        audio = to_int16(x_BT.float().cpu().numpy())
        assert audio.shape[1] == tokens_BN.shape[1] * SAMPLES_PER_TOKEN, "one token is 882 samples"
        return list(audio)

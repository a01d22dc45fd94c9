"""A DSLM small enough to test exactly, and clips to feed it."""

import numpy as np
import torch

from stages.contract.tokens import SpecialTokens
from stages.dslm.config import DSLMConfig, ModelConfig
from stages.dslm.examples import TokenSong
from stages.dslm.model import DSLM
from stages.lib.phonemes import PhonemeVocab, engine_name

N_CODES = 24
SPECIAL = SpecialTokens(N_CODES)


SMALL = ModelConfig(width=32, n_heads=2, hidden=48, lyrics_layers=1, decoder_layers=2, song_layers=1, dropout=0.0)


def small_config() -> DSLMConfig:
    return DSLMConfig(**SMALL.model_dump(), n_codes=N_CODES, phonemes=engine_name())


def random_model() -> DSLM:
    """Every weight random, heads too, so that nothing is equal by accident; float64, so that equal means equal."""
    torch.manual_seed(0)
    model = DSLM(small_config()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model.double()


def make_clip(seed: int, n_frames: int, song_id: str = "song") -> TokenSong:
    rng = np.random.default_rng(seed)
    tokens = {stream: rng.integers(0, N_CODES, n_frames) for stream in ("vocals", "accompaniment")}
    tokens["song"] = (tokens["vocals"] + tokens["accompaniment"]) % N_CODES
    lyrics = tuple(int(i) for i in rng.integers(5, len(PhonemeVocab()), 3 + seed % 5))
    return TokenSong(f"{song_id}-{seed:03d}", song_id, tokens, lyrics)

"""A whole pipeline's leavings in small: clips with sentences, and the five models untrained, for tests of what comes
after training."""

from pathlib import Path

import numpy as np
import torch
from clip_shards import notes

from stages.contract.compute import Recipe, kept, update_shard
from stages.contract.digests import digest_bytes
from stages.contract.records import STREAMS, Clip, Sentence, TokenClip
from stages.contract.tokens import SAMPLE_RATE_HZ, SAMPLES_PER_TOKEN
from stages.lib.audio import encode_flac
from stages.lib.data import npy_bytes

N_CODES = 24
LINES = ("the river runs below", "and every light is low", "I follow it <slow> & far", "to where the willows grow")


def sentences(duration_s: float, n: int = 3) -> tuple[Sentence, ...]:
    """n sentences with gaps between them, filling a clip from 0.4 s on."""
    step = (duration_s - 0.4) / n
    return tuple(
        Sentence(LINES[k % len(LINES)], round(0.4 + k * step, 2), round(0.4 + (k + 0.8) * step, 2)) for k in range(n)
    )


def write_songs(clips: Path, tokens: Path, songs: dict[str, list[float]], split: str = "test", shard: int = 0) -> None:
    """Clips with three sentences each, and random tokens for them: song id -> durations in seconds."""
    draw = np.random.default_rng(shard)

    def make(kind):
        def of(ids):
            for id in ids:
                files: dict[str, bytes] = {}
                for number, duration_s in enumerate(songs[id]):
                    name = f"{id}-{number:03d}"
                    n_samples = round(duration_s * SAMPLE_RATE_HZ)
                    fields = (name, id, split, 0.0, n_samples / SAMPLE_RATE_HZ, "en", "a singer", sentences(duration_s))
                    if kind == "clips":
                        files[f"{name}.json"] = Clip(*fields).to_json()
                        for k, stem in enumerate(("vocals", "accompaniment")):
                            files[f"{name}.{stem}.flac"] = encode_flac(notes(100 * number + k, n_samples))
                    else:
                        n_frames = n_samples // SAMPLES_PER_TOKEN
                        files[f"{name}.json"] = TokenClip(*fields, n_frames=n_frames).to_json()
                        for stream in STREAMS:
                            codes = draw.integers(N_CODES, size=n_frames).astype(np.uint16)
                            files[f"{name}.{stream}.npy"] = npy_bytes(codes)
                yield id, kept(sum(songs[id]), files, kind)

        return of

    wanted = {id: digest_bytes(repr((id, durations)).encode()) for id, durations in songs.items()}
    update_shard(clips, shard, Recipe("segment", 1, split), wanted, make("clips"))
    update_shard(tokens, shard, Recipe("tokenize", 1, split), wanted, make("tokens"))


def save_models(folder: Path) -> None:
    """bestrq, codebook, dslm, diffusion and vae with random weights, as small as they can be."""
    from stages.bestrq.config import EncoderConfig
    from stages.bestrq.model import BestRQ
    from stages.contract import provenance
    from stages.diffusion.config import LdmConfig
    from stages.diffusion.model import LatentDiffusion
    from stages.dslm.config import DSLMConfig
    from stages.dslm.model import DSLM
    from stages.lib.models import save_model
    from stages.lib.phonemes import engine_name
    from stages.tokenize.config import SavedCodebookConfig
    from stages.tokenize.vq import Codebook
    from stages.vae.config import AutoencoderConfig
    from stages.vae.model import Autoencoder

    torch.manual_seed(0)
    unet = {"channels": 8, "multipliers": (1, 2), "factors": (2,), "blocks": (1,), "attentions": (0, 1), "heads": 2}
    unet |= {"groups": 2, "token_width": 8}
    vae = {"latent_width": 4, "strides": (8, 8, 16), "encoder_widths": (2, 4, 4, 8), "decoder_widths": (2, 4, 4, 8)}
    vae |= {"encoder_units": (0, 0, 1), "decoder_units": (0, 0, 1)}
    dslm = {"width": 16, "n_heads": 2, "hidden": 32, "lyrics_layers": 1, "decoder_layers": 1, "song_layers": 1}
    models = {
        "bestrq": (BestRQ, EncoderConfig(width=16, n_layers=1, n_heads=2)),
        "codebook": (
            Codebook, SavedCodebookConfig(layer=1, n_codes=N_CODES, codebook_dim=4, width=16)
        ),
        "dslm": (DSLM, DSLMConfig(**dslm, n_codes=N_CODES, phonemes=engine_name())),
        "diffusion": (LatentDiffusion, LdmConfig(unet=unet, n_codes=N_CODES, latent_width=4, hop=1024, window=64)),
        "vae": (Autoencoder, AutoencoderConfig(**vae)),
    }  # fmt: skip
    for name, (kind, config) in models.items():
        save_model(kind(config), folder / name, config)
        provenance.write(folder / name, name, "untrained")

"""A whole pipeline's leavings in small: clips with sentences, and the five models untrained, for tests of what comes
after training."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from clip_shards import notes

from stages.contract.compute import Recipe, kept, update_shard
from stages.contract.digests import digest_bytes
from stages.contract.records import STREAMS, Clip, Sentence, Song, TokenClip
from stages.contract.tokens import SAMPLE_RATE_HZ, SAMPLES_PER_TOKEN
from stages.lib.audio import encode_flac
from stages.lib.data import mix, npy_bytes

N_CODES = 24
LINES = ("the river runs below", "and every light is low", "I follow it <slow> & far", "to where the willows grow")


def sentences(duration_s: float, n: int = 3) -> tuple[Sentence, ...]:
    """n sentences with gaps between them, filling a clip from 0.4 s on."""
    step = (duration_s - 0.4) / n
    return tuple(
        Sentence(LINES[k % len(LINES)], round(0.4 + k * step, 2), round(0.4 + (k + 0.8) * step, 2)) for k in range(n)
    )


def song_audio(id: str, durations: list[float]) -> dict[str, list[np.ndarray]]:
    """Stems of each clip, int16 T."""
    stems = {}
    for k, stem in enumerate(("vocals", "accompaniment")):
        seeds = [int(digest_bytes(f"{id}{number}{k}".encode())[:6], 16) for number in range(len(durations))]
        lengths = [round(duration_s * SAMPLE_RATE_HZ) for duration_s in durations]
        stems[stem] = [notes(seed, n) for seed, n in zip(seeds, lengths, strict=True)]
    return stems


def write_songs(root: Path, songs: dict[str, list[float]], split: str = "test", shard: int = 0) -> None:
    """root/clips and root/tokens: song id -> durations (s) of its clips, three sentences each, random tokens."""
    draw = np.random.default_rng(shard)

    def make(kind):
        def of(ids):
            for id in ids:
                files: dict[str, bytes] = {}
                stems = song_audio(id, songs[id])
                for number, duration_s in enumerate(songs[id]):
                    name = f"{id}-{number:03d}"
                    n_samples = round(duration_s * SAMPLE_RATE_HZ)
                    start_s = sum(songs[id][:number])
                    fields = (name, id, split, start_s, n_samples / SAMPLE_RATE_HZ, "en", "a singer")
                    lines = sentences(duration_s)
                    if kind == "clips":
                        files[f"{name}.json"] = Clip(*fields, lines).to_json()
                        for stem, parts in stems.items():
                            files[f"{name}.{stem}.flac"] = encode_flac(parts[number])
                    else:
                        n_frames = n_samples // SAMPLES_PER_TOKEN
                        files[f"{name}.json"] = TokenClip(*fields, lines, n_frames=n_frames).to_json()
                        for stream in STREAMS:
                            codes = draw.integers(N_CODES, size=n_frames).astype(np.uint16)
                            files[f"{name}.{stream}.npy"] = npy_bytes(codes)
                yield id, kept(sum(songs[id]), files, kind)

        return of

    for kind, stage in (("clips", "segment"), ("tokens", "tokenize")):
        update_shard(root / kind, shard, Recipe(stage, 1, split), _wanted(songs), make(kind))


def _wanted(songs: dict[str, list[float]]) -> dict[str, str]:
    return {id: digest_bytes(repr((id, durations)).encode()) for id, durations in songs.items()}


def write_upstream(root: Path, songs: dict[str, list[float]], split: str = "test", shard: int = 0) -> None:
    """What comes before clips, for the same songs: root/songs with truth, root/catalogue, root/stems (the true ones
    with a tenth of the other mixed in), root/latents (entries only)."""
    hidden = root / "songs" / ".truth"
    hidden.mkdir(parents=True, exist_ok=True)
    stems_of = {id: {s: np.concatenate(parts) for s, parts in song_audio(id, songs[id]).items()} for id in songs}
    for id, stems in stems_of.items():
        (root / "songs" / f"{id}.flac").write_bytes(encode_flac(mix(stems)))
        for stem, x_T in stems.items():
            (hidden / f"{id}.{stem}.flac").write_bytes(encode_flac(x_T))
        (hidden / f"{id}.json").write_text(json.dumps(_truth(songs[id])))

    def catalogue(ids):
        for id in ids:
            duration_s = len(stems_of[id]["vocals"]) / SAMPLE_RATE_HZ
            song = Song(id, f"{id}.flac", f"Title of <{id}>", duration_s, SAMPLE_RATE_HZ, 1, split, "en", "a singer")
            made = kept(duration_s, {f"{id}.json": song.to_json()}, "audio", path=f"{id}.flac")
            yield id, replace(made, outputs={**made.outputs, "lyrics": "l"})

    def separated(ids):
        for id in ids:
            vocals, accompaniment = (stems_of[id][s].astype(np.int32) for s in ("vocals", "accompaniment"))
            leak = (accompaniment - vocals) // 10
            files = {"vocals": vocals + leak, "accompaniment": accompaniment - leak}
            flacs = {f"{id}.{s}.flac": encode_flac(x_T.astype(np.int16)) for s, x_T in files.items()}
            yield id, kept(len(vocals) / SAMPLE_RATE_HZ, flacs, "stems", stems="separated")

    def latents(ids):
        return ((id, kept(sum(songs[id]), {f"{id}.npy": b"-"}, "latents")) for id in ids)

    for folder, stage, make in (
        ("catalogue", "ingest", catalogue), ("stems", "separate", separated), ("latents", "latents", latents)
    ):  # fmt: skip
        update_shard(root / folder, shard, Recipe(stage, 1, split), _wanted(songs), make)


def _truth(durations: list[float]) -> dict:
    """Sentences as the clips have them, two phonemes in each, a note and a chord per second."""
    lines, syllables = [], []
    for number, duration_s in enumerate(durations):
        offset_s = sum(durations[:number])
        for sentence in sentences(duration_s):
            span = {"start_s": offset_s + sentence.start_s, "end_s": offset_s + sentence.end_s}
            lines.append({"text": sentence.text, **span})
            middle = (span["start_s"] + span["end_s"]) / 2
            first, second = {**span, "p": "a", "end_s": middle}, {**span, "p": "m", "start_s": middle}
            syllables.append({"text": "a", "phonemes": [first, second]})
    seconds = [{"start_s": float(t), "end_s": t + 1.0} for t in range(int(sum(durations)))]
    return {
        "language": "en", "sentences": lines, "syllables": syllables,
        "notes": [{**span, "midi": 60 + k % 5} for k, span in enumerate(seconds)],
        "chords": [{**span, "name": "C" if k % 2 else "G"} for k, span in enumerate(seconds)],
    }  # fmt: skip


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
            Codebook, SavedCodebookConfig(layer=1, n_codes=N_CODES, codebook_dim=4, width=16, n_mels=80)
        ),
        "dslm": (DSLM, DSLMConfig(**dslm, n_codes=N_CODES, phonemes=engine_name())),
        "diffusion": (LatentDiffusion, LdmConfig(unet=unet, n_codes=N_CODES, latent_width=4, hop=1024, window=64)),
        "vae": (Autoencoder, AutoencoderConfig(**vae)),
    }  # fmt: skip
    for name, (kind, config) in models.items():
        save_model(kind(config), folder / name, config)
        provenance.write(folder / name, name, "untrained")

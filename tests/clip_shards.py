"""Clip shards of synthetic audio for tests: harmonic notes with words' worth of noise between them."""

from pathlib import Path

import numpy as np

from stages.contract.compute import Recipe, kept, update_shard
from stages.contract.digests import digest_bytes
from stages.contract.records import Clip
from stages.contract.shards import Index
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import encode_flac, to_int16


def notes(seed: int, n_samples: int, level: float = 0.2) -> np.ndarray:
    """int16 T: notes of 0.3 s with four harmonics, some of them noise instead."""
    draw = np.random.default_rng(seed)
    out = np.zeros(n_samples)
    step = round(0.3 * SAMPLE_RATE_HZ)
    for start in range(0, n_samples, step):
        t = np.arange(min(step, n_samples - start)) / SAMPLE_RATE_HZ
        f0_hz = 110 * 2 ** (draw.integers(24) / 12)
        tone = sum(np.sin(2 * np.pi * f0_hz * k * t) / k for k in range(1, 5))
        sound = tone if draw.random() < 0.8 else draw.normal(size=len(t))
        out[start : start + step] = level * sound * np.exp(-3 * t)
    return to_int16(out)


def write_clips(
    folder: Path, songs: dict[str, list[float]], split: str = "train", shard: int = 0, seed: int = 0
) -> Index:
    """A shard of clips: song id -> durations (s) of its clips, each with vocals and an accompaniment of its own."""

    def make(ids):
        for id in ids:
            files, start_s = {}, 0.0
            for number, duration_s in enumerate(songs[id]):
                n_samples = round(duration_s * SAMPLE_RATE_HZ)
                name = f"{id}-{number:03d}"
                clip = Clip(name, id, split, start_s, n_samples / SAMPLE_RATE_HZ, "en", "a singer")
                files[f"{name}.json"] = clip.to_json()
                for k, stem in enumerate(("vocals", "accompaniment")):
                    own_seed = int(digest_bytes(f"{name}{stem}{seed}".encode()), 16)
                    files[f"{name}.{stem}.flac"] = encode_flac(notes(own_seed, n_samples, 0.2 if k else 0.15))
                start_s += duration_s
            yield id, kept(start_s, files, "clips")

    wanted = {id: digest_bytes(repr((id, durations, seed)).encode()) for id, durations in songs.items()}
    return update_shard(folder, shard, Recipe("segment", 1, split), wanted, make)

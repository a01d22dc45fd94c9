"""Songs made here: tones and noise that differ by seed, cheap to write and told apart by any fingerprint."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from stages.contract.records import Song
from stages.contract.shards import Entry, TarReader, index_paths, read_indexes
from stages.ingest.__main__ import main
from stages.lib.audio import to_int16

RATE_HZ = 22_050


def tune(seed: int, duration_s: float = 8.0, rate_hz: int = RATE_HZ, n_channels: int = 1) -> np.ndarray:
    """x_TC float: notes of a quarter second with overtones, over quiet noise. The same at every rate."""
    rng = np.random.default_rng(seed)
    n = round(duration_s * rate_hz)
    time_s = np.arange(n) / rate_hz
    notes_hz = 110 * 2 ** (rng.integers(0, 36, (3, int(duration_s * 4) + 1)) / 12)
    pitch_hz = notes_hz[:, (time_s * 4).astype(int)]
    phase = 2 * np.pi * np.cumsum(pitch_hz, axis=1) / rate_hz
    voice = sum(np.sin(k * phase) / k for k in (1, 2, 3)).sum(axis=0)
    x_T = 0.1 * voice * (1 - (time_s * 4) % 1 * 0.7) + 0.003 * rng.standard_normal(n)
    return np.repeat(x_T[:, None], n_channels, axis=1).astype(np.float32)


def write_song(path: Path, seed: int, duration_s: float = 8.0, rate_hz: int = RATE_HZ, n_channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, to_int16(tune(seed, duration_s, rate_hz, n_channels)), rate_hz)
    return path


@dataclass
class Workshop:
    """A songs folder, its params.yaml and its catalogue."""

    root: Path
    settings: dict

    @property
    def songs(self) -> Path:
        return self.root / "songs"

    @property
    def out(self) -> Path:
        return self.root / "catalogue"

    def song(self, name: str, seed: int, **kwargs) -> Path:
        return write_song(self.songs / name, seed, **kwargs)

    def lyrics(self, name: str, text: str | bytes) -> Path:
        path = self.songs / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def run(self, *arguments: str, songs: Path | None = None) -> int:
        params = self.root / "params.yaml"
        params.write_text(json.dumps({"ingest": {"songs": str(songs or self.songs), **self.settings}}))
        where = ["--params", str(params), "--out", str(self.out), "--cache", str(self.root / "cache")]
        return main([*where, "--workers", "1", *arguments])

    def entries(self) -> dict[str, Entry]:
        """Path -> entry."""
        return {e.facts["path"]: e for index in read_indexes(self.out) for e in index.entries}

    def shards(self) -> dict[str, int]:
        """Path -> shard."""
        return {e.facts["path"]: index.shard for index in read_indexes(self.out) for e in index.entries}

    def record(self, name: str) -> Song:
        for path in index_paths(self.out):
            with TarReader(path.with_suffix(".tar")) as tar:
                entry = self.entries()[name]
                if self.shards()[name] == int(path.stem[-5:]):
                    return Song.from_json(tar.read(f"{entry.id}.json"))
        raise KeyError(name)

    def state(self) -> dict[str, tuple[bytes, int]]:
        """File of the catalogue -> bytes and mtime."""
        return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(self.out.iterdir())}

    def bytes(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted(self.out.glob("shard-*"))}


def touch_later(path: Path) -> None:
    """Another mtime, whatever the clock's grain."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))

"""Training mixtures out of songs with known stems: seconds of singing over seconds of a band, of the same song or of
two, at random levels. Read by seeking, so memory does not grow with the number of songs.

Mono, as what is kept of a separation is. Shapes: B batch, S stem (vocals, accompaniment), C channels, T samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.cli import UserError

STEMS = ("vocals", "accompaniment")


@dataclass(frozen=True)
class KnownStems:
    """One song's stem files, in the order of STEMS, and their common length."""

    name: str
    paths: tuple[Path, ...]
    n_samples: int


def find_known_stems(folder: Path) -> list[KnownStems]:
    """Every NAME.vocals.* with a NAME.accompaniment.* beside it, below `folder` (hidden folders too). They must be at
    44.1 kHz."""
    import soundfile

    songs = []
    for vocals in sorted(folder.rglob("*.vocals.*")):
        name = vocals.name.rsplit(".vocals.", 1)[0]
        paths = (vocals, vocals.with_name(vocals.name.replace(".vocals.", ".accompaniment.")))
        if not paths[1].is_file():
            continue
        infos = [soundfile.info(path) for path in paths]
        wrong = [str(p) for p, info in zip(paths, infos, strict=True) if info.samplerate != SAMPLE_RATE_HZ]
        if wrong:
            raise UserError(f"{wrong[0]}: must be at {SAMPLE_RATE_HZ} Hz to train on; convert it first")
        songs.append(KnownStems(name, paths, min(info.frames for info in infos)))
    if not songs:
        raise UserError(f"{folder} holds no stems (NAME.vocals.flac beside NAME.accompaniment.flac)")
    return songs


def _read(path: Path, start: int, n_samples: int) -> np.ndarray:
    """x_T float32, mean over channels."""
    import soundfile

    x_TC, _ = soundfile.read(path, frames=n_samples, start=start, dtype="float32", always_2d=True)
    return np.pad(x_TC.mean(axis=1), (0, n_samples - len(x_TC)))


def draw_stems(
    songs: Sequence[KnownStems], batch: int, n_samples: int, cross_share: float, gain_db: float, seed: tuple[int, ...]
) -> np.ndarray:
    """stems_BST float32 of one training step; equal arguments give equal mixtures.

    cross_share  part of the mixtures whose band comes from another song and place
    gain_db      each stem's level is changed by a uniform draw from -gain_db..gain_db, and its sign by another
    """
    rng = np.random.default_rng(seed)
    stems_BST = np.empty((batch, len(STEMS), n_samples), np.float32)

    def draw_place() -> tuple[KnownStems, int]:
        song = songs[int(rng.integers(len(songs)))]
        return song, int(rng.integers(max(song.n_samples - n_samples, 1)))

    for stems_ST in stems_BST:
        places = [draw_place()] * len(STEMS) if rng.random() >= cross_share else [draw_place() for _ in STEMS]
        for position, (song, start) in enumerate(places):
            gain = rng.choice((-1.0, 1.0)) * 10 ** (rng.uniform(-gain_db, gain_db) / 20)
            stems_ST[position] = _read(song.paths[position], start, n_samples) * np.float32(gain)
    return stems_BST

"""Training mixtures out of songs with known stems: seconds of singing over seconds of a band, of the same song or of
two, at random levels. Read by seeking, so memory does not grow with the number of songs.

Shapes: B batch, S stem (vocals, accompaniment), C channels, T samples.
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
    """x_CT float32, two channels."""
    import soundfile

    x_TC, _ = soundfile.read(path, frames=n_samples, start=start, dtype="float32", always_2d=True)
    x_CT = x_TC.T if x_TC.shape[1] == 2 else np.repeat(x_TC[:, :1].T, 2, axis=0)
    return np.pad(x_CT, ((0, 0), (0, n_samples - x_CT.shape[1])))


def draw_stems(
    songs: Sequence[KnownStems], batch: int, n_samples: int, cross_share: float, gain_db: float, seed: tuple[int, ...]
) -> np.ndarray:
    """stems_BSCT float32 of one training step; equal arguments give equal mixtures.

    cross_share  part of the mixtures whose band comes from another song and place
    gain_db      each stem's level is changed by a uniform draw from -gain_db..gain_db
    """
    rng = np.random.default_rng(seed)
    stems_BSCT = np.empty((batch, len(STEMS), 2, n_samples), np.float32)
    for example in stems_BSCT:
        song = songs[int(rng.integers(len(songs)))]
        start = int(rng.integers(max(song.n_samples - n_samples, 1)))
        crossed = rng.random() < cross_share
        for position in range(len(STEMS)):
            if crossed and position:
                song = songs[int(rng.integers(len(songs)))]
                start = int(rng.integers(max(song.n_samples - n_samples, 1)))
            x_CT = _read(song.paths[position], start, n_samples)
            sign = rng.choice((-1.0, 1.0))
            x_CT = x_CT[:: int(rng.choice((-1, 1)))]  # left and right may change places
            example[position] = x_CT * np.float32(sign * 10 ** (rng.uniform(-gain_db, gain_db) / 20))
    return stems_BSCT

"""Two FLAC files out of a song and what is said of its vocals: in int16 their sum is the song, sample by sample.

So nothing is lost and the song needs no third track. Shapes: T samples.
"""

import io

import numpy as np

from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import INT16_SCALE, to_int16

_LOW, _HIGH = -32768, 32767
SILENCE_DB = -120.0


def split(song_T: np.ndarray, vocals_T: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(song, vocals, accompaniment) int16 from floats, song = vocals + accompaniment exactly: vocals too far from the
    song for the remainder to fit 16 bit are moved as far as it takes."""
    song = to_int16(song_T).astype(np.int32)
    vocals = np.rint(vocals_T * INT16_SCALE).astype(np.int32)
    vocals = np.clip(vocals, np.maximum(song - _HIGH, _LOW), np.minimum(song - _LOW, _HIGH))
    return song.astype(np.int16), vocals.astype(np.int16), (song - vocals).astype(np.int16)


class StemWriter:
    """Encodes blocks as they become final, so memory holds compressed audio only, and measures levels."""

    def __init__(self) -> None:
        import soundfile

        self._n_samples = 0
        self._energies = dict.fromkeys(("song", "vocals", "accompaniment"), 0.0)
        self._buffers = {stem: io.BytesIO() for stem in ("vocals", "accompaniment")}
        self._files = {
            stem: soundfile.SoundFile(buffer, "w", SAMPLE_RATE_HZ, 1, "PCM_16", format="FLAC")
            for stem, buffer in self._buffers.items()
        }

    def write(self, song_T: np.ndarray, vocals_T: np.ndarray) -> None:
        """The next samples, floats in -1..1."""
        parts = dict(zip(self._energies, split(song_T, vocals_T), strict=True))
        for stem, file in self._files.items():
            file.write(parts[stem])
        for name, part_T in parts.items():
            self._energies[name] += float(np.sum(np.square(part_T, dtype=np.float64)))
        self._n_samples += len(song_T)

    def finish(self) -> tuple[dict[str, bytes], dict[str, float]]:
        """FLAC by stem, and facts for the ledger: levels in dB of full scale (RMS)."""
        for file in self._files.values():
            file.close()
        levels = {f"{name}_db": _decibel(energy / self._n_samples) for name, energy in self._energies.items()}
        return {stem: buffer.getvalue() for stem, buffer in self._buffers.items()}, levels

    @property
    def duration_s(self) -> float:
        return self._n_samples / SAMPLE_RATE_HZ


def _decibel(mean_square: float) -> float:
    if mean_square <= 0:
        return SILENCE_DB
    return round(float(10 * np.log10(mean_square / INT16_SCALE**2)), 1)

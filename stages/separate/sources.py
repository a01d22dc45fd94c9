"""Songs as streams of stereo blocks at 44.1 kHz, whatever they are on disk; memory holds a block.

Shapes: C channels, T samples.
"""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import AudioError, ffmpeg_exe

BLOCK = 1 << 18  # samples, 6 s at 44.1 kHz

# Home stereo out of wav channel orders with a centre (ITU-R BS.775: -3 dB for centre and surrounds, no LFE), scaled
# so that nothing can clip. Any other number above two is averaged into both channels.
_H = 0.5**0.5
_FOLDS = {
    3: [[1, 0, _H], [0, 1, _H]],
    5: [[1, 0, _H, _H, 0], [0, 1, _H, 0, _H]],
    6: [[1, 0, _H, 0, _H, 0], [0, 1, _H, 0, 0, _H]],
}


@dataclass(frozen=True)
class Source:
    """A song as it decodes: length, and level of its mono downmix."""

    n_samples: int
    mean: float
    std: float  # with n - 1, as torch has it
    blocks: Callable[[], Iterator[np.ndarray]]  # a fresh stream of x_CT float32, two channels


def open_source(path: Path, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Source:
    """Decode once to measure. Raises AudioError where neither soundfile nor ffmpeg gets through the file, OSError
    where it cannot be read at all."""
    with path.open("rb"):
        pass
    try:
        return _measure(lambda: soundfile_blocks(path, sample_rate_hz))
    except AudioError as error:
        try:
            return _measure(lambda: ffmpeg_blocks(path, sample_rate_hz))
        except AudioError:
            raise error from None


def _measure(blocks: Callable[[], Iterator[np.ndarray]]) -> Source:
    n, total, squares = 0, 0.0, 0.0
    for block_CT in blocks():
        mono_T = block_CT.mean(axis=0, dtype=np.float64)
        n += len(mono_T)
        total += float(mono_T.sum())
        squares += float(mono_T @ mono_T)
    if not n:
        raise AudioError("holds no audio")
    if not np.isfinite(squares):
        raise AudioError("holds samples that are not numbers")
    mean = total / n
    return Source(n, mean, float(np.sqrt(max(squares - n * mean**2, 0.0) / max(n - 1, 1))), blocks)


def soundfile_blocks(path: Path, sample_rate_hz: int) -> Iterator[np.ndarray]:
    """By libsndfile: wav, flac, ogg, mp3, aiff."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            convert = _Converter(file.samplerate, sample_rate_hz, file.channels)
            while len(x_TC := file.read(BLOCK, dtype="float32", always_2d=True)):
                yield from convert(x_TC, last=False)
            yield from convert(np.zeros((0, file.channels), np.float32), last=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"cannot be decoded ({error})") from error


def ffmpeg_blocks(path: Path, sample_rate_hz: int) -> Iterator[np.ndarray]:
    """By ffmpeg: m4a, wma and whatever else it knows; it mixes down and resamples as it decodes."""
    command = [ffmpeg_exe(), "-v", "error", "-xerror", "-nostdin", "-i", str(path), "-vn", "-ac", "2"]
    command += ["-ar", str(sample_rate_hz), "-f", "f32le", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        while data := process.stdout.read(BLOCK * 8):
            yield np.ascontiguousarray(np.frombuffer(data, "<f4").reshape(-1, 2).T)
        if process.wait():
            raise AudioError("cannot be decoded (ffmpeg stopped)")
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


class _Converter:
    """x_TC of any channels and rate -> x_CT stereo at the wanted rate, block by block."""

    def __init__(self, from_hz: int, to_hz: int, n_channels: int):
        self._fold_CC = _fold_matrix(n_channels)
        self._stream = None
        if from_hz != to_hz:
            import soxr

            self._stream = soxr.ResampleStream(from_hz, to_hz, 2, dtype="float32", quality="HQ")

    def __call__(self, x_TC: np.ndarray, last: bool) -> Iterator[np.ndarray]:
        if self._fold_CC is not None:
            x_TC = x_TC @ self._fold_CC
        if self._stream is not None:
            x_TC = self._stream.resample_chunk(np.ascontiguousarray(x_TC), last=last)
        if len(x_TC):
            yield np.ascontiguousarray(x_TC.T)


def _fold_matrix(n_channels: int) -> np.ndarray | None:
    """Multiply x_TC by it from the right; None where there is nothing to do."""
    if n_channels == 2:
        return None
    if n_channels in _FOLDS:
        fold = np.array(_FOLDS[n_channels], np.float32)
        return (fold / fold.sum(axis=1, keepdims=True)).T
    return np.full((n_channels, 2), 1 / n_channels, np.float32)

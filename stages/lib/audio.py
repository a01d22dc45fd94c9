"""Audio in and out: whatever soundfile or ffmpeg reads, mono, resampling, 16-bit FLAC in memory, log-mels.

Shapes: C channels, T samples, B batch, F mel bands, N frames. Floats lie in -1..1; int16 is what the shards hold.
"""

import functools
import io
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.contract.tokens import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import torch

INT16_SCALE = 32768.0


class AudioError(ValueError):
    """A file that does not decode: says why, in a few words fit for the ledger."""


def read_audio(path: Path, offset_s: float = 0.0, duration_s: float | None = None) -> tuple[np.ndarray, int]:
    """Decode to (x_CT float32, sample_rate_hz): by soundfile, else by ffmpeg. Raises AudioError."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate_hz = file.samplerate
            file.seek(min(round(offset_s * rate_hz), file.frames))
            n = -1 if duration_s is None else round(duration_s * rate_hz)
            return np.ascontiguousarray(file.read(n, dtype="float32", always_2d=True).T), rate_hz
    except (soundfile.LibsndfileError, RuntimeError) as error:
        return _read_by_ffmpeg(path, offset_s, duration_s, str(error))


def ffmpeg_exe() -> str:
    """The ffmpeg that imageio-ffmpeg carries, or the system's."""
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def _read_by_ffmpeg(path: Path, offset_s: float, duration_s: float | None, why: str) -> tuple[np.ndarray, int]:
    import soundfile

    limit = [] if duration_s is None else ["-t", f"{duration_s}"]
    command = [ffmpeg_exe(), "-v", "error", "-xerror", "-nostdin", "-ss", f"{offset_s}", *limit, "-i", str(path)]
    done = subprocess.run([*command, "-vn", "-c:a", "pcm_f32be", "-f", "au", "-"], capture_output=True, check=False)
    if done.returncode or not done.stdout:
        raise AudioError(f"cannot be decoded ({_first_line(why)})")
    x_TC, rate_hz = soundfile.read(io.BytesIO(done.stdout), dtype="float32", always_2d=True)
    return np.ascontiguousarray(x_TC.T), rate_hz


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0].rsplit(": ", 1)[-1].rstrip(".") if lines else "no audio"


def to_mono(x_CT: np.ndarray) -> np.ndarray:
    """x_T: the mean of the channels."""
    return x_CT[0] if len(x_CT) == 1 else x_CT.mean(axis=0)


def resample(x: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """soxr HQ along the last axis; x is T or CT."""
    if from_hz == to_hz:
        return x
    import soxr

    return np.ascontiguousarray(soxr.resample(x.T, from_hz, to_hz).T)


def to_int16(x: np.ndarray) -> np.ndarray:
    """Round floats in -1..1 to 16 bit, clipped."""
    return np.clip(np.rint(x * INT16_SCALE), -32768, 32767).astype(np.int16)


def to_float(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) / INT16_SCALE


def encode_flac(x: np.ndarray, sample_rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """16-bit FLAC of x_T or x_CT, int16 or float."""
    import soundfile

    samples = x if x.dtype == np.int16 else to_int16(x)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def decode_flac(data: bytes) -> np.ndarray:
    """int16 x_T (mono) or x_CT. Raises AudioError."""
    import soundfile

    try:
        samples, _ = soundfile.read(io.BytesIO(data), dtype="int16")
    except soundfile.LibsndfileError as error:
        raise AudioError(f"not a FLAC stream ({error})") from error
    return np.ascontiguousarray(samples.T)


# The one log-mel by which audio is compared (`mel_l1`), ours: natural logarithm, magnitudes.
MEL_BANDS = 80
MEL_FFT = 2048
MEL_HOP = SAMPLE_RATE_HZ // 100
MEL_FLOOR = 1e-5


@functools.lru_cache(maxsize=8)
def _mel_basis(sample_rate_hz: int, n_fft: int, n_mels: int) -> Any:
    import librosa
    import torch

    return torch.from_numpy(librosa.filters.mel(sr=sample_rate_hz, n_fft=n_fft, n_mels=n_mels))


def log_mel(
    x_BT: "torch.Tensor",
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    n_fft: int = MEL_FFT,
    hop: int = MEL_HOP,
    n_mels: int = MEL_BANDS,
    floor: float = MEL_FLOOR,
) -> "torch.Tensor":
    """ln(max(floor, mel magnitudes)): B F N, N = T // hop + 1 frames centred on multiples of `hop` samples."""
    import torch

    window = torch.hann_window(n_fft, device=x_BT.device)
    spectrum = torch.stft(x_BT, n_fft, hop, window=window, center=True, pad_mode="constant", return_complex=True).abs()
    basis = _mel_basis(sample_rate_hz, n_fft, n_mels).to(spectrum)
    return (basis @ spectrum).clamp_min(floor).log()


def mel_l1(a_T: np.ndarray, b_T: np.ndarray) -> float:
    """Mean absolute difference of two signals' log-mels (nepers), over the shorter one's length."""
    import torch

    n = min(len(a_T), len(b_T))
    a, b = (log_mel(torch.from_numpy(np.ascontiguousarray(x[:n], np.float32))[None]) for x in (a_T, b_T))
    return float((a - b).abs().mean())

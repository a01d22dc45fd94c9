"""Tracks for the page: MP3, which every browser plays, and a spectrogram in the stream's own colour. Files are named
by what is in them, so a truth that eight tasks share is there once. Shapes: T samples, N frames, K bins, H rows.
"""

import functools
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.contract.digests import digest_bytes
from stages.contract.files import write_atomic
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import decode_flac, resample, to_float

PIXELS_PER_S = 60
HEIGHT = 84
LOWEST_HZ, HIGHEST_HZ = 60.0, 10_000.0
RANGE_DB = 70.0
N_FFT = 1024
RATE_HZ = 22_050

# From the page's dark ground through the stream's hue to near white; the hues are those of page.css.
COLOURS = {
    "song": ((13, 17, 28), (52, 42, 112), (124, 104, 226), (236, 232, 255)),
    "vocals": ((13, 17, 28), (96, 36, 30), (240, 120, 66), (255, 240, 222)),
    "accompaniment": ((13, 17, 28), (10, 72, 80), (32, 178, 160), (228, 255, 246)),
}


@dataclass(frozen=True)
class Media:
    """One track on the page: files relative to it."""

    audio: str
    image: str
    duration_s: float


def add_track(page: Path, flac: Path, stream: str, quality: float) -> Media:
    """Write audio/DIGEST.mp3 and images/DIGEST.STREAM.jpg into the page's folder, if they are not there."""
    data = flac.read_bytes()
    name = digest_bytes(data)
    audio, image = f"audio/{name}-{round(quality * 100)}.mp3", f"images/{name}.{stream}.jpg"
    x_T = decode_flac(data)
    if not (page / audio).is_file():
        write_atomic(page / audio, mp3(x_T, quality))
    if not (page / image).is_file():
        write_atomic(page / image, jpeg(spectrogram(x_T), COLOURS[stream]))
    return Media(audio, image, len(x_T) / SAMPLE_RATE_HZ)


def mp3(x_T: np.ndarray, quality: float) -> bytes:
    """Mono, variable bit rate."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(
        buffer, x_T, SAMPLE_RATE_HZ, format="MP3", bitrate_mode="VARIABLE", compression_level=min(quality, 0.99)
    )
    return buffer.getvalue()


def spectrogram(x_T: np.ndarray) -> np.ndarray:
    """HN in 0..1, the first row the highest: power in dB below the track's loudest, on a mel axis."""
    x = resample(to_float(x_T), SAMPLE_RATE_HZ, RATE_HZ)
    n_frames = max(1, round(len(x) / RATE_HZ * PIXELS_PER_S))
    x = np.pad(x, N_FFT // 2)
    starts = np.linspace(0, len(x) - N_FFT, n_frames).astype(int)
    frames_NK = np.abs(np.fft.rfft(x[starts[:, None] + np.arange(N_FFT)] * np.hanning(N_FFT), axis=1)) ** 2
    bands_NH = frames_NK @ _bands().T
    power_db = 10 * np.log10(np.maximum(bands_NH, 1e-12))
    loudness = np.clip(1 + (power_db - max(power_db.max(), -40.0)) / RANGE_DB, 0, 1)
    return loudness.T[::-1]


@functools.cache
def _bands() -> np.ndarray:
    """HK: triangles between equidistant mels, at least a bin wide, each summing to 1."""
    mel_low, mel_high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    edges_hz = 700 * (10 ** (np.linspace(mel_low, mel_high, HEIGHT + 2) / 2595) - 1)
    bins_hz = np.fft.rfftfreq(N_FFT, 1 / RATE_HZ)
    centre, width = edges_hz[1:-1, None], np.maximum(np.diff(edges_hz)[1:, None], bins_hz[1])
    weights = np.maximum(0, 1 - np.abs(bins_hz - centre) / width)
    return weights / weights.sum(1, keepdims=True)


def jpeg(levels_HN: np.ndarray, colours: tuple[tuple[int, int, int], ...]) -> bytes:
    from PIL import Image

    stops = np.linspace(0, 1, len(colours))
    rgb = np.stack([np.interp(levels_HN, stops, channel) for channel in zip(*colours, strict=True)], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(rgb.astype(np.uint8)).save(buffer, "JPEG", quality=82)
    return buffer.getvalue()

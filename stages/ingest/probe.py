"""What a file is: decoded once, measured, fingerprinted. Thresholds are not known here, so what was measured stays
true when they change. Letters: T samples, C channels, W windows.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.contract.digests import digest_file, hasher
from stages.ingest.decode import BLOCK_S, open_stream, truncated
from stages.ingest.fingerprint import VERSION as FINGERPRINT_VERSION
from stages.ingest.fingerprint import Fingerprint, Fingerprinter
from stages.ingest.language import detect
from stages.ingest.lyrics import read_lyrics, read_text
from stages.ingest.lyrics.model import Lyrics
from stages.lib.audio import AudioError, to_int16

VERSION = (
    f"1.{FINGERPRINT_VERSION}"  # the first figure is raised when facts or lyrics come out otherwise for equal files
)
WINDOW_S = 0.4  # levels are measured over windows this long (the momentary loudness of EBU R 128)
SILENT_DBFS = -60.0  # a window under this level is silent
_FLOOR_DBFS = -120.0
_FULL_SCALE = 32766.5 / 32768
_MAX_LYRICS_BYTES = 2_000_000


@dataclass(frozen=True)
class AudioFacts:
    """`error` where the file does not decode: then `id` is the digest of its bytes. Else `id` is the digest of its
    samples in 16 bit, with rate and channels."""

    id: str
    error: str = ""
    duration_s: float = 0.0
    sample_rate_hz: int = 0
    n_channels: int = 0
    n_nonfinite: int = 0
    n_values: int = 0  # samples times channels
    loudest_dbfs: float = _FLOOR_DBFS  # RMS of the loudest window
    rms_dbfs: float = _FLOOR_DBFS
    peak_dbfs: float = _FLOOR_DBFS
    silent_fraction: float = 1.0  # of windows
    clipped_fraction: float = 0.0  # of values: at full scale beside another at full scale


@dataclass(frozen=True)
class LyricsFacts:
    """Lyrics as read, and the language they look like."""

    sentences: tuple[dict[str, Any], ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    language: str | None = None
    probability: float = 0.0
    n_letters: int = 0


def probe_audio(path: Path) -> tuple[AudioFacts, Fingerprint | None]:
    """Never raises for what a file may hold; OSError where it cannot be read at all."""
    try:
        with open_stream(path) as stream:
            meter = _Meter(stream.sample_rate_hz, stream.n_channels)
            for block_TC in stream.blocks:
                meter.add(block_TC)
        facts, fingerprint = meter.finish()
        short = truncated(stream.promised_s, facts.duration_s)
        if short or not facts.n_values:
            raise AudioError(short or "no samples: the file holds a header and nothing else")
    except AudioError as error:
        return AudioFacts(digest_file(path), error=str(error)), None
    return facts, fingerprint


class _Meter:
    def __init__(self, sample_rate_hz: int, n_channels: int):
        self._rate_hz, self._n_channels = sample_rate_hz, n_channels
        self._window = max(round(WINDOW_S * sample_rate_hz), 1)
        self._digest = hasher()
        self._digest.update(f"{sample_rate_hz} Hz, {n_channels} channels;".encode())
        self._fingerprinter = Fingerprinter(sample_rate_hz)
        self._powers: list[np.ndarray] = []
        self._n_samples = self._n_nonfinite = self._n_clipped = 0
        self._sum, self._peak = 0.0, 0.0

    def add(self, x_TC: np.ndarray) -> None:
        finite = np.isfinite(x_TC)
        if not finite.all():
            self._n_nonfinite += int((~finite).sum())
            x_TC = np.where(finite, x_TC, np.float32(0))
        self._digest.update(to_int16(x_TC).astype("<i2", copy=False).tobytes())
        self._n_samples += len(x_TC)
        peak = max(float(x_TC.max(initial=0.0)), -float(x_TC.min(initial=0.0)))
        self._peak = max(self._peak, peak)
        if peak >= _FULL_SCALE:
            full = np.abs(x_TC) >= _FULL_SCALE
            beside = np.zeros_like(full)
            beside[1:] |= full[:-1]
            beside[:-1] |= full[1:]
            self._n_clipped += int((full & beside).sum())
        mono_T, power_T = _over_channels(x_TC)
        self._sum += float(power_T.sum(dtype=np.float64))
        self._powers.append(np.add.reduceat(power_T, np.arange(0, len(power_T), self._window)) / self._window)
        self._fingerprinter.add(mono_T)

    def finish(self) -> tuple[AudioFacts, Fingerprint]:
        power_W = np.concatenate([np.zeros(0), *self._powers])
        n_values = self._n_samples * self._n_channels
        facts = AudioFacts(
            id=self._digest.hexdigest(),
            duration_s=round(self._n_samples / self._rate_hz, 6),
            sample_rate_hz=self._rate_hz,
            n_channels=self._n_channels,
            n_nonfinite=self._n_nonfinite,
            n_values=n_values,
            loudest_dbfs=_dbfs(float(power_W.max(initial=0.0))),
            rms_dbfs=_dbfs(self._sum / max(self._n_samples, 1)),
            peak_dbfs=_dbfs(self._peak**2),
            silent_fraction=round(float((power_W < 10 ** (SILENT_DBFS / 10)).mean()) if len(power_W) else 1.0, 4),
            clipped_fraction=round(self._n_clipped / max(n_values, 1), 6),
        )
        return facts, self._fingerprinter.finish()


def _over_channels(x_TC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, mean square) over the channels, one channel after another: numpy is slow along an axis of two."""
    n_channels = x_TC.shape[1]
    mono_T, power_T = x_TC[:, 0].copy(), np.square(x_TC[:, 0])
    for channel in range(1, n_channels):
        mono_T += x_TC[:, channel]
        power_T += np.square(x_TC[:, channel])
    return mono_T / np.float32(n_channels), power_T / np.float32(n_channels)


def _dbfs(power: float) -> float:
    return round(10 * float(np.log10(max(power, 10 ** (_FLOOR_DBFS / 10)))), 1)


assert round(BLOCK_S / WINDOW_S, 6).is_integer(), "a block holds whole windows"


def probe_lyrics(path: Path) -> LyricsFacts:
    """Never raises for what a file may hold."""
    if path.stat().st_size > _MAX_LYRICS_BYTES:
        return LyricsFacts(notes=(f"{path.name} is too large for lyrics: read as no lyrics",))
    return facts_of(read_lyrics(path.name, path.read_bytes()))


def facts_of(lyrics: Lyrics) -> LyricsFacts:
    """With the language the sentences look like."""
    found = detect(lyrics.text)
    sentences = tuple({"text": s.text, "start_s": s.start_s, "end_s": s.end_s} for s in lyrics.sentences)
    return LyricsFacts(sentences, lyrics.tags, lyrics.notes, found.language, found.probability, found.n_letters)


def facts_of_text(text: str) -> LyricsFacts:
    return facts_of(read_text(text))

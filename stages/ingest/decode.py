"""A file as blocks of samples, so that memory does not grow with its length: by soundfile, else by ffmpeg.

Letters: T samples, C channels.
"""

import contextlib
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from stages.lib.audio import AudioError, ffmpeg_exe

BLOCK_S = 10
_AU_HEADER_BYTES = 24
_MISSING_S = 0.5  # a file may end this much before its header says (encoders' padding)
_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d\.\d+)")


@dataclass(frozen=True)
class Stream:
    """promised_s: the length by the file's own header, None where it has none."""

    sample_rate_hz: int
    n_channels: int
    promised_s: float | None
    blocks: Iterator[np.ndarray]  # x_TC float32, BLOCK_S each, the last one shorter


@contextlib.contextmanager
def open_stream(path: Path) -> Iterator[Stream]:
    """Raises AudioError, at once or from `blocks`, with a reason fit for the ledger."""
    import soundfile

    if path.stat().st_size == 0:
        raise AudioError("the file is empty (0 bytes)")
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, RuntimeError):
        with _ffmpeg_stream(path) as stream:
            yield stream
        return
    with file:
        promised_s = wav_promise_s(path, file.samplerate) or file.frames / file.samplerate
        yield Stream(file.samplerate, file.channels, promised_s, _soundfile_blocks(file))


def _soundfile_blocks(file: "soundfile.SoundFile") -> Iterator[np.ndarray]:  # type: ignore[name-defined]  # noqa: F821
    import soundfile

    n_block, done_s = BLOCK_S * file.samplerate, 0.0
    while True:
        try:
            block = file.read(n_block, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            where = f"decoding stops between {done_s:.0f} and {done_s + BLOCK_S:.0f} s"
            raise AudioError(f"truncated or corrupt: {where} ({_short(str(error))})") from error
        if not len(block):
            return
        done_s += len(block) / file.samplerate
        yield block


def truncated(promised_s: float | None, found_s: float) -> str | None:
    """The reason where a file ends well before its header says."""
    if promised_s is None or promised_s - found_s <= _MISSING_S:
        return None
    return f"truncated: {found_s:.1f} s of {promised_s:.1f} s are there"


def wav_promise_s(path: Path, sample_rate_hz: int) -> float | None:
    """The length a RIFF header names: libsndfile silently believes the file's size instead. None for other files,
    and where the writer of a stream left the size open."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return None
        n_frame_bytes = 0
        while len(chunk := file.read(8)) == 8:
            name, n_bytes = struct.unpack("<4sI", chunk)
            if name == b"fmt ":
                n_frame_bytes = struct.unpack("<12xH", file.read(14))[0]
                n_bytes -= 14
            elif name == b"data":
                open_end = n_bytes == 0 or n_bytes >= 0xFFFFFF00 or not n_frame_bytes
                return None if open_end else n_bytes / n_frame_bytes / sample_rate_hz
            file.seek(n_bytes + n_bytes % 2, 1)
    return None


@contextlib.contextmanager
def _ffmpeg_stream(path: Path) -> Iterator[Stream]:
    """ffmpeg's samples at the file's own rate and channels, through a pipe with an AU header in front."""
    command = [ffmpeg_exe(), "-hide_banner", "-nostats", "-nostdin", "-v", "info", "-i", f"file:{path}"]
    command += ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "-"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        try:
            header = process.stdout.read(_AU_HEADER_BYTES)
            if len(header) < _AU_HEADER_BYTES:
                process.wait()
                raise AudioError(f"cannot be decoded: {_looks_like_text(path) or _complaint(log)}")
            magic, start, _, _, rate_hz, n_channels = struct.unpack(">4s5I", header)
            assert magic == b".snd", magic
            process.stdout.read(start - _AU_HEADER_BYTES)
            said = _text(log)
            duration = None if "Estimating duration" in said else _DURATION.search(said)
            promised_s = None
            if duration:
                promised_s = int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3])
            yield Stream(rate_hz, n_channels, promised_s, _pipe_blocks(process, log, rate_hz, n_channels))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _pipe_blocks(
    process: "subprocess.Popen[bytes]", log: IO[bytes], rate_hz: int, n_channels: int
) -> Iterator[np.ndarray]:
    assert process.stdout is not None
    n_frame_bytes = 4 * n_channels
    while data := process.stdout.read(BLOCK_S * rate_hz * n_frame_bytes):
        n_whole = len(data) - len(data) % n_frame_bytes
        yield np.frombuffer(data[:n_whole], ">f4").astype(np.float32).reshape(-1, n_channels)
    if process.wait() != 0:
        raise AudioError(f"truncated or corrupt: {_complaint(log)}")


def _text(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read(1 << 16).decode("utf-8", "replace")


def _looks_like_text(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(512)
    return "it is a text file" if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head) else None


def _complaint(log: IO[bytes]) -> str:
    """ffmpeg's last word that says anything, without the file's name and memory addresses."""
    lines = [line for line in _text(log).splitlines() if line.strip() and not line.startswith("Conversion failed")]
    return _short(lines[-1]) if lines else "ffmpeg gave no reason"


def _short(message: str) -> str:
    message = re.sub(r"^(\[[^\]]*\]\s*)+", "", message.strip().splitlines()[-1])
    return message.rsplit(": ", 1)[-1].rstrip(".")[:120]

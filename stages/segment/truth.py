"""Songs about which everything is known (demo_songs): stems, phonemes and sentences in time; what the VAD and the
aligner are trained on and measured against.

Shapes: T samples at 16 kHz, N frames of 20 ms, K sentences.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.lib.audio import read_audio, resample, to_int16, to_mono
from stages.lib.cli import UserError
from stages.segment.phones import phone_ids

RATE_HZ = 16_000  # of both models' input
_FILLED_PAUSE_S = 0.15  # shorter silences between two phonemes count as singing


@dataclass(frozen=True)
class KnownSong:
    """int16 mono stems at 16 kHz. `phones` are (start_s, end_s, phone id) in order; `sentences` (start_s, end_s)."""

    name: str
    language: str
    vocals_T: np.ndarray
    accompaniment_T: np.ndarray
    phones: tuple[tuple[float, float, int], ...]
    texts: tuple[str, ...]
    sentences: tuple[tuple[float, float], ...]
    separated_T: np.ndarray | None = None  # the vocals as a separator left them

    @property
    def duration_s(self) -> float:
        return len(self.vocals_T) / RATE_HZ


def find_truths(folder: Path) -> list[tuple[Path, Path]]:
    """(truth JSON, vocals) of every NAME.vocals.* below `folder` (hidden folders too) with NAME.accompaniment.* and
    NAME.truth.json or NAME.json beside it. Raises UserError where there is none."""
    found = []
    for vocals in sorted(folder.rglob("*.vocals.*")):
        name = vocals.name.rsplit(".vocals.", 1)[0]
        for truth in (vocals.with_name(f"{name}.truth.json"), vocals.with_name(f"{name}.json")):
            if truth.is_file():
                found.append((truth, vocals))
                break
    if not found:
        raise UserError(f"{folder} holds no songs with truth (NAME.vocals.flac beside NAME.json): run demo_songs first")
    return found


def read_known(truth: Path, vocals: Path) -> KnownSong:
    facts = json.loads(truth.read_text(encoding="utf-8"))
    accompaniment = vocals.with_name(vocals.name.replace(".vocals.", ".accompaniment."))
    stems = [_mono_16k(path) for path in (vocals, accompaniment)]
    n = min(map(len, stems))
    return KnownSong(
        vocals.name.rsplit(".vocals.", 1)[0],
        facts["language"],
        stems[0][:n],
        stems[1][:n],
        tuple(_phones(facts["syllables"])),
        tuple(sentence["text"] for sentence in facts["sentences"]),
        tuple((sentence["start_s"], sentence["end_s"]) for sentence in facts["sentences"]),
    )


def _mono_16k(path: Path) -> np.ndarray:
    x_CT, rate_hz = read_audio(path)
    return to_int16(resample(to_mono(x_CT), rate_hz, RATE_HZ))


def _phones(syllables: list[dict[str, Any]]) -> Iterator[tuple[float, float, int]]:
    """A phoneme written with several symbols (a diphthong, an affricate) is as many phones, sharing its time."""
    for syllable in syllables:
        for phoneme in syllable["phonemes"]:
            ids = phone_ids(phoneme["p"])
            edges = np.linspace(phoneme["start_s"], phoneme["end_s"], len(ids) + 1)
            yield from zip(edges[:-1].tolist(), edges[1:].tolist(), ids, strict=True)


def frame_labels(song: KnownSong, start_s: float, n_frames: int, frame_s: float) -> np.ndarray:
    """Phone id per frame from start_s on (0: silence); frame n is centred on start_s + n * frame_s."""
    labels_N = np.zeros(n_frames, dtype=np.int64)
    end_s = start_s + n_frames * frame_s
    for phone_start, phone_end, id in song.phones:
        if phone_end > start_s and phone_start < end_s:
            first, last = (max(0, int(np.ceil((t - start_s) / frame_s))) for t in (phone_start, phone_end))
            labels_N[first : max(last, first + 1)] = id
    return labels_N


def voice_regions(song: KnownSong) -> np.ndarray:
    """Where the lead sings, R 2 in seconds, short pauses filled."""
    regions: list[list[float]] = []
    for start_s, end_s, _ in song.phones:
        if regions and start_s - regions[-1][1] < _FILLED_PAUSE_S:
            regions[-1][1] = max(end_s, regions[-1][1])
        else:
            regions.append([start_s, end_s])
    return np.array(regions).reshape(-1, 2)

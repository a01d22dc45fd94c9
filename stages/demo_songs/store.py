"""Songs as a user would have them: `NAME.flac` with `NAME.lrc` or `NAME.txt` beside it, and what is true of them in the
hidden folder `.truth`. The truth is written last: where it is, and names this recipe, the song is complete."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from stages.contract.digests import digest
from stages.contract.files import write_atomic
from stages.contract.graph import STAGES
from stages.demo_songs.config import DemoSongsConfig
from stages.demo_songs.render import RenderedSong, engine_name
from stages.demo_songs.vocoder import SAMPLE_RATE_HZ

TRUTH = ".truth"
_NOT_OF_A_SONG = {"n_songs", "seed"}


def song_recipe(seed: int, k: int, config: DemoSongsConfig) -> str:
    """Digest of all that decides one song; how many songs there are is not part of it."""
    fields = config.model_dump(mode="json", exclude=_NOT_OF_A_SONG) | {"band": engine_name(config)}
    return digest(["demo_songs", STAGES["demo_songs"].version, seed, k, fields])


def song_files(out: Path, name: str, timed: bool) -> list[Path]:
    """Every file of a song, the truth last."""
    hidden = out / TRUTH
    return [
        out / f"{name}.flac",
        out / f"{name}{'.lrc' if timed else '.txt'}",
        hidden / f"{name}.vocals.flac",
        hidden / f"{name}.accompaniment.flac",
        hidden / f"{name}.json",
    ]


def write_song(out: Path, song: RenderedSong, recipe: str) -> None:
    mix, lyrics, vocals, accompaniment, truth = song_files(out, song.name, song.timed)
    write_atomic(mix, _flac(song.mix))
    write_atomic(lyrics, lrc(song.truth) if song.timed else plain(song.truth))
    write_atomic(vocals, _flac(song.vocals))
    write_atomic(accompaniment, _flac(song.accompaniment))
    record = {"recipe": recipe, "timed": song.timed, **song.truth}
    write_atomic(truth, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def read_truth(path: Path) -> dict[str, Any] | None:
    """The truth of one song, or nothing where it is missing or unreadable (then the song is made again)."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def is_complete(out: Path, name: str, recipe: str) -> bool:
    truth = read_truth(out / TRUTH / f"{name}.json")
    if truth is None or truth.get("recipe") != recipe:
        return False
    return all(path.is_file() for path in song_files(out, name, bool(truth.get("timed"))))


def remove_orphans(out: Path, wanted: set[str]) -> list[str]:
    """Remove songs of an earlier recipe: only what this stage made, which is what has a truth with a recipe."""
    removed = []
    for path in sorted((out / TRUTH).glob("*.json")):
        truth = read_truth(path)
        if path.stem in wanted or truth is None or "recipe" not in truth:
            continue
        for file in song_files(out, path.stem, bool(truth.get("timed"))):
            file.unlink(missing_ok=True)
        removed.append(path.stem)
    return removed


def lrc(truth: dict[str, Any]) -> str:
    """Timed lyrics, one line per sentence start."""
    head = [f"[ti:{truth['title']}]", f"[ar:{truth['singer']}]", f"[length:{_clock(truth['duration_s'])}]"]
    lines = [f"[{_clock(sentence['start_s'])}]{sentence['text']}" for sentence in truth["sentences"]]
    return "\n".join([*head, *lines]) + "\n"


def plain(truth: dict[str, Any]) -> str:
    return "\n".join(sentence["text"] for sentence in truth["sentences"]) + "\n"


def _clock(time_s: float) -> str:
    hundredths = round(time_s * 100)
    return f"{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def _flac(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()

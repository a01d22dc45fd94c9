"""What is measured: the test split's songs, clips and tokens, and the truth of demo songs. Reads only.

Truth: `SONGS/.truth/NAME.json` and `NAME.{vocals,accompaniment}.flac` beside `SONGS/NAME.flac`, as demo_songs leaves
it; a songs folder of one's own has none. Shapes: T samples at 44.1 kHz.
"""

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.contract.records import Song
from stages.contract.shards import Entry, iter_records
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.figures import NotMeasurable
from stages.lib.audio import decode_flac, read_audio, resample, to_float, to_int16, to_mono
from stages.lib.data import ClipRef, ShardReader, list_clips, list_tokens

TRUTH = ".truth"


@dataclass
class Material:
    """Folders by stage name, the songs, the settings; what is read is read once.

    params  all of params.yaml: the aligner that PER listens with and the sampler's settings stand in other sections
    models  stage name -> digest of its weights, by which the FAD's embedding is named
    """

    songs: Path
    folders: dict[str, Path]
    config: EvaluateConfig
    params: dict[str, Any] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    reader: ShardReader = field(default_factory=ShardReader)
    _truths: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    @functools.cached_property
    def song_records(self) -> dict[str, Song]:
        return {
            entry.id: Song.from_json(files[f"{entry.id}.json"]) for entry, files in iter_records(self.folders["ingest"])
        }

    def clips(self, split: str) -> list[ClipRef]:
        return self._split("clips", split)

    def tokens(self, split: str) -> list[ClipRef]:
        return self._split("tokens", split)

    def _split(self, kind: str, split: str) -> list[ClipRef]:
        refs = [ref for ref in self._listed[kind] if ref.clip.split == split]
        if not refs:
            raise NotMeasurable(f"no clip of the {split} split")
        return refs

    @functools.cached_property
    def _listed(self) -> dict[str, list[ClipRef]]:
        return {"clips": list_clips(self.folders["segment"]), "tokens": list_tokens(self.folders["tokenize"])}

    @functools.cached_property
    def clip_by_id(self) -> dict[str, ClipRef]:
        return {ref.id: ref for ref in self._listed["clips"]}

    def chosen_clips(self) -> list[ClipRef]:
        """Up to max_clips test clips, songs taking turns."""
        return spread(self.clips("test"), self.config.max_clips)

    def excerpt(self, ref: ClipRef, stream: str) -> np.ndarray:
        """The clip's first clip_s seconds, int16 T."""
        return self.reader.audio(ref, (stream,))[stream][: round(self.config.clip_s * SAMPLE_RATE_HZ)]

    def truth(self, song_id: str) -> dict[str, Any] | None:
        """What demo_songs knows of a song; None for a song of the world."""
        if song_id not in self._truths:
            path = self._truth_path(song_id, ".json")
            known = path is not None and path.is_file()
            self._truths[song_id] = json.loads(path.read_text(encoding="utf-8")) if known else None  # type: ignore[union-attr]
        return self._truths[song_id]

    def true_stems(self, song_id: str) -> dict[str, np.ndarray] | None:
        """Mono int16 stems at 44.1 kHz, where they are known."""
        stems = {}
        for stem in ("vocals", "accompaniment"):
            path = self._truth_path(song_id, f".{stem}.flac")
            if path is None or not path.is_file():
                return None
            stems[stem] = mono_44k(path)
        return stems

    def _truth_path(self, song_id: str, ending: str) -> Path | None:
        song = self.song_records.get(song_id)
        if song is None:
            return None
        path = self.songs / song.path
        return path.parent / TRUTH / f"{path.stem}{ending}"

    def stems(self) -> list[tuple[Entry, dict[str, np.ndarray]]]:
        """Separated stems of the test songs, int16 T."""
        found = []
        for entry, files in iter_records(self.folders["separate"]):
            song = self.song_records.get(entry.id)
            if song is not None and song.split == "test":
                stems = {s: decode_flac(files[f"{entry.id}.{s}.flac"]) for s in ("vocals", "accompaniment")}
                found.append((entry, stems))
        if not found:
            raise NotMeasurable("no song of the test split")
        return found


def mono_44k(path: Path) -> np.ndarray:
    """int16 T of any audio file."""
    x_CT, rate_hz = read_audio(path)
    return to_int16(resample(to_mono(x_CT), rate_hz, SAMPLE_RATE_HZ))


def spread(refs: list[ClipRef], n: int) -> list[ClipRef]:
    """Up to n of the clips, songs taking turns, in order of id within a song."""
    by_song: dict[str, list[ClipRef]] = {}
    for ref in refs:
        by_song.setdefault(ref.clip.song_id, []).append(ref)
    turns = [(place, song, ref) for song, own in by_song.items() for place, ref in enumerate(own)]
    return [ref for _, _, ref in sorted(turns, key=lambda turn: turn[:2])[:n]]


def as_float(x_T: np.ndarray) -> np.ndarray:
    return to_float(x_T) if x_T.dtype == np.int16 else x_T

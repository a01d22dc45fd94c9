"""Reading shards for training and measuring: clips, tokens and latents of a split.

Shapes: T samples or token frames, N latent frames, D latent width.
"""

import io
import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.contract.records import STREAMS, Clip, TokenClip
from stages.contract.shards import Entry, TarReader, index_paths, read_index
from stages.lib.audio import decode_flac

MAX_OPEN = 8192  # files; many systems allow a process 1,024 unless it asks


@dataclass(frozen=True)
class ClipRef:
    """Where one clip's files lie; nothing is read before it is asked for."""

    clip: Clip
    tar: Path

    @property
    def id(self) -> str:
        return self.clip.id


def list_clips(folder: Path, split: str | None = None, kind: type[Clip] = Clip) -> list[ClipRef]:
    """The clips (or TokenClips) of a split, or of all, in order of id."""
    refs = []
    for path in index_paths(folder):
        tar_path = path.with_suffix(".tar")
        with TarReader(tar_path) as tar:
            for entry in read_index(path).kept:
                for name in entry.members:
                    if name.endswith(".json"):
                        clip = kind.from_json(tar.read(name))
                        if split is None or clip.split == split:
                            refs.append(ClipRef(clip, tar_path))
    return sorted(refs, key=lambda ref: ref.id)


@dataclass
class ShardReader:
    """Random access to the members of many tars; keeps them open, over a thousand at the paper's size."""

    _open: dict[Path, TarReader] = field(default_factory=dict)

    def __post_init__(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_OPEN if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))

    def read(self, tar: Path, name: str) -> bytes:
        if tar not in self._open:
            self._open[tar] = TarReader(tar)
        return self._open[tar].read(name)

    def audio(self, ref: ClipRef, streams: Sequence[str] = STREAMS) -> dict[str, np.ndarray]:
        """int16 x_T per stream, mono 44.1 kHz; the song is the exact sum of the two stems."""
        stems = {s: decode_flac(self.read(ref.tar, f"{ref.id}.{s}.flac")) for s in stems_needed(streams)}
        return {stream: mix(stems) if stream == "song" else stems[stream] for stream in streams}

    def arrays(self, ref: ClipRef, streams: Sequence[str] = STREAMS) -> dict[str, np.ndarray]:
        """The .npy of each stream: token ids T (uint16), or latents N D (float16)."""
        return {s: np.load(io.BytesIO(self.read(ref.tar, f"{ref.id}.{s}.npy"))) for s in streams}

    def close(self) -> None:
        for tar in self._open.values():
            tar.close()
        self._open.clear()


def stems_needed(streams: Sequence[str]) -> tuple[str, ...]:
    return ("vocals", "accompaniment") if "song" in streams else tuple(streams)


def mix(stems: dict[str, np.ndarray]) -> np.ndarray:
    """The song from its stems, in int16: their sum never leaves 16 bit (separate sees to it)."""
    return (stems["vocals"].astype(np.int32) + stems["accompaniment"]).astype(np.int16)


def npy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def list_tokens(folder: Path, split: str | None = None) -> list[ClipRef]:
    return list_clips(folder, split, TokenClip)


def clips_of_entry(entry: Entry, files: dict[str, bytes], kind: type[Clip] = Clip) -> Iterator[Any]:
    """The clip records of one song's files, in order."""
    return (kind.from_json(files[name]) for name in sorted(entry.members) if name.endswith(".json"))


def song_members(folder: Path, shard: int) -> Callable[[str], tuple[Entry, dict[str, bytes]]]:
    """A function from song id to (entry, files by member name) over one shard of `folder`."""
    path = folder / f"shard-{shard:05d}.json"
    by_id = read_index(path).by_id
    tar = TarReader(path.with_suffix(".tar"))

    def read(id: str) -> tuple[Entry, dict[str, bytes]]:
        entry = by_id[id]
        return entry, {name: tar.read(name) for name in entry.members}

    return read

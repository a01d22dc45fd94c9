"""Shards: `shard-00012.tar` in webdataset layout and its index `shard-00012.json`, written last.

The tar's bytes depend on its records alone (members sorted, mtime 0, no owner), so equal records make equal files.
The index holds one entry per song: what it was made from, what became of it and why, and digests of what came out,
so that the next stage sees what changed without opening a tar.
"""

import functools
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from stages.contract.digests import digest_file
from stages.contract.files import atomic_file, write_atomic

Outcome = Literal["kept", "dropped", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("kept", "dropped", "failed")


class ShardError(ValueError):
    """A shard or an index that is not what it says: names the file and the remedy."""


@dataclass(frozen=True)
class Entry:
    """One song's line in an index.

    inputs   digest of everything it was made from     outputs  digest per named face of what came out
    audio_s  seconds of audio kept                     members  its files in the tar
    facts    figures for the ledger and the datasheet (title, n_clips, ...)
    """

    id: str
    inputs: str
    outcome: Outcome
    reason: str = ""
    audio_s: float = 0.0
    members: tuple[str, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        if self.outcome not in OUTCOMES:
            raise ShardError(f"entry {self.id}: outcome must be one of {OUTCOMES}, got {self.outcome!r}")
        if self.outcome != "kept" and not self.reason:
            raise ShardError(f"entry {self.id}: {self.outcome} without a reason")

    @property
    def kept(self) -> bool:
        return self.outcome == "kept"


@dataclass(frozen=True)
class Index:
    """What lies beside a tar. `recipe` is the digest of stage, version, params and models: with another recipe
    every record is stale."""

    stage: str
    shard: int
    recipe: str
    made_by: dict[str, Any]  # stage version, params section digest, digests of the models: the recipe, readable
    tar_digest: str
    tar_bytes: int
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        entries = tuple(e if isinstance(e, Entry) else Entry(**e) for e in self.entries)
        object.__setattr__(self, "entries", entries)

    @property
    def by_id(self) -> dict[str, Entry]:
        return {entry.id: entry for entry in self.entries}

    @property
    def kept(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kept)


def index_path(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.json"


def tar_path(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.tar"


def shard_of(path: Path) -> int:
    return int(path.stem.removeprefix("shard-"))


def index_paths(folder: Path) -> list[Path]:
    """The indexes of every complete shard in `folder`, in order."""
    return sorted(folder.glob("shard-*.json"))


def read_index(path: Path) -> Index:
    """Raises ShardError where the file is not an index. The last few are remembered by size and mtime."""
    stat = path.stat()
    return _read_index(path.absolute(), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _read_index(path: Path, n_bytes: int, mtime_ns: int) -> Index:
    try:
        return Index(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError) as error:
        raise ShardError(f"{path}: not a shard index ({error}); delete it and run its stage again") from error


def read_indexes(folder: Path) -> Iterator[Index]:
    return (read_index(path) for path in index_paths(folder))


def write_index(path: Path, index: Index) -> None:
    write_atomic(path, json.dumps(asdict(index), sort_keys=True, ensure_ascii=False, indent=0) + "\n")


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), 0, 0o644
    tar.addfile(info, io.BytesIO(data))


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (name, bytes) in the order given, which must be sorted; streams, so memory holds one member."""
    with atomic_file(path) as file:
        write_members(file, members)


def write_members(file: IO[bytes], members: Iterable[tuple[str, bytes]]) -> None:
    last = ""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members:
            if name <= last:
                raise ShardError(f"member {name} comes after {last}: members must be sorted and unique")
            last = name
            add_member(tar, name, data)


class TarReader:
    """Members of a tar by name; opens the file once and seeks. Raises ShardError where the tar is not whole."""

    def __init__(self, path: Path):
        try:
            self._tar = tarfile.open(path)  # noqa: SIM115 (closed by close())
            self._members = {info.name: info for info in self._tar.getmembers()}
        except tarfile.TarError as error:
            raise ShardError(f"{path}: not a whole tar ({error}); delete it and run its stage again") from error

    def read(self, name: str) -> bytes:
        file = self._tar.extractfile(self._members[name])
        assert file is not None, f"{name} is not a file"
        return file.read()

    def close(self) -> None:
        self._tar.close()

    def __enter__(self) -> "TarReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def iter_records(folder: Path, shard: int | None = None) -> Iterator[tuple[Entry, dict[str, bytes]]]:
    """Every kept song of one shard, or of all in order, with its files by member name."""
    paths = index_paths(folder) if shard is None else [index_path(folder, shard)]
    for path in paths:
        index = read_index(path)
        with TarReader(path.with_suffix(".tar")) as tar:
            for entry in index.kept:
                yield entry, {name: tar.read(name) for name in entry.members}


def verify(folder: Path) -> list[str]:
    """Problems found by reading every tar again: an edited or truncated file under an intact index."""
    problems = []
    for path in index_paths(folder):
        tar = path.with_suffix(".tar")
        if not tar.is_file():
            problems.append(f"{tar}: missing; delete {path.name} and run its stage again")
        elif digest_file(tar) != read_index(path).tar_digest:
            problems.append(f"{tar}: its bytes are not those its index names; delete both and run its stage again")
    return problems

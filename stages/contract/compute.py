"""Launch by shard, compute by record: the one driver under every sharded stage.

`update_shard` compares what is wanted with what the old index says, takes unchanged songs from the old tar, has the
rest made, and writes tar and index anew only when something differs. A finished song is spooled at once, so a killed
run goes on behind the last finished song; the spool is gone when the shard is complete.
"""

import contextlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages.contract.digests import digest, digest_bytes, digest_file
from stages.contract.files import remove_temporary, write_atomic
from stages.contract.shards import (
    Entry,
    Index,
    Outcome,
    ShardError,
    TarReader,
    index_path,
    read_index,
    tar_path,
    write_index,
    write_members,
    write_tar,
)

SPOOL = ".spool"


@dataclass(frozen=True)
class Recipe:
    """Everything but the songs that decides what a stage writes."""

    stage: str
    version: int
    params: str  # digest of the stage's section of params.yaml
    models: Mapping[str, str] = field(default_factory=dict)  # name -> digest of its weights

    @property
    def digest(self) -> str:
        return digest([self.stage, self.version, self.params, dict(self.models)])

    def readable(self) -> dict[str, Any]:
        return {"version": self.version, "params": self.params, "models": dict(self.models)}


@dataclass(frozen=True)
class Made:
    """What became of one song at a stage. `files` maps member names (each beginning with the song's id) to bytes;
    `outputs` names faces of the result for the next stage, default: one digest over all files."""

    outcome: Outcome
    reason: str = ""
    audio_s: float = 0.0
    files: Mapping[str, bytes] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def kept(audio_s: float, files: Mapping[str, bytes], face: str, **facts: Any) -> Made:
    """A song that came through; `face` names its output (stems, clips, tokens, latents) for the next stage."""
    content = digest([[name, digest_bytes(files[name])] for name in sorted(files)])
    return Made("kept", audio_s=round(audio_s, 6), files=files, outputs={face: content}, facts=facts)


def dropped(reason: str, **facts: Any) -> Made:
    """A song left out by a rule."""
    return Made("dropped", reason=reason, facts=facts)


def failed(reason: str, **facts: Any) -> Made:
    """A song that could not be handled."""
    return Made("failed", reason=reason, facts=facts)


Make = Callable[[Sequence[str]], Iterable[tuple[str, Made]]]


def update_shard(
    folder: Path, shard: int, recipe: Recipe, wanted: Mapping[str, str], make: Make, cheap: bool = False
) -> Index:
    """Bring one shard up to date and return its index.

    wanted  song id -> digest of its inputs, for every song that belongs here
    make    is given the ids to compute and yields (id, Made) in any order; an id it does not yield is an error
    cheap   songs are small and quickly made again: kept in memory instead of spooled one by one
    """
    folder.mkdir(parents=True, exist_ok=True)
    spool = (_MemorySpool if cheap else _Spool)(_spool_folder(folder, shard), recipe)
    if spool.index.is_file():
        _move_into_place(folder, shard, spool)
    old = _usable_index(folder, shard, recipe)
    reused = {} if old is None else {e.id: e for e in old.entries if wanted.get(e.id) == e.inputs}
    spool.keep_only(wanted)
    missing = sorted(id for id in wanted if id not in reused and id not in spool)
    if old is not None and not missing and len(reused) == len(wanted) == len(old.entries):
        spool.remove()
        return old
    if missing:
        for id, made in make(missing):
            spool.add(id, wanted[id], made)
        lost = [id for id in missing if id not in spool]
        if lost:
            raise ShardError(f"{recipe.stage} made nothing of {', '.join(lost)}")
    index = _assemble(folder, shard, recipe, wanted, reused, spool)
    spool.remove()
    remove_temporary(folder)
    return index


def stale_ids(folder: Path, shard: int, recipe: Recipe, wanted: Mapping[str, str]) -> list[str]:
    """The songs `update_shard` would have to make, the spool not counted."""
    old = _usable_index(folder, shard, recipe)
    have = {} if old is None else {e.id: e.inputs for e in old.entries}
    return sorted(id for id, inputs in wanted.items() if have.get(id) != inputs)


def is_fresh(folder: Path, shard: int, recipe: Recipe, wanted: Mapping[str, str]) -> bool:
    """Would `update_shard` find nothing to do? A spool left by a killed run counts as work."""
    if is_spooled(folder, shard):
        return False
    old = _usable_index(folder, shard, recipe)
    return old is not None and {e.id: e.inputs for e in old.entries} == dict(wanted)


def is_spooled(folder: Path, shard: int) -> bool:
    """Did a run that was killed leave songs of this shard?"""
    return _spool_folder(folder, shard).exists()


def remove_shard(folder: Path, shard: int) -> None:
    """Index first: a tar without an index is nothing."""
    shutil.rmtree(_spool_folder(folder, shard), ignore_errors=True)
    index_path(folder, shard).unlink(missing_ok=True)
    tar_path(folder, shard).unlink(missing_ok=True)


def _spool_folder(folder: Path, shard: int) -> Path:
    return folder / SPOOL / f"shard-{shard:05d}"


def _usable_index(folder: Path, shard: int, recipe: Recipe) -> Index | None:
    """The index beside a tar of the size it names, made by this very recipe; else None."""
    path, tar = index_path(folder, shard), tar_path(folder, shard)
    if not path.is_file() or not tar.is_file():
        return None
    try:
        index = read_index(path)
    except ShardError:
        return None
    same = index.recipe == recipe.digest and index.tar_bytes == tar.stat().st_size
    return index if same else None


def _assemble(
    folder: Path, shard: int, recipe: Recipe, wanted: Mapping[str, str], reused: Mapping[str, Entry], spool: "_Spool"
) -> Index:
    entries = [reused[id] if id in reused else spool.entry(id) for id in sorted(wanted)]
    with contextlib.ExitStack() as stack:
        if reused:
            old_tar = stack.enter_context(TarReader(tar_path(folder, shard)))

        def members() -> Iterator[tuple[str, bytes]]:
            for entry in entries:
                read = old_tar.read if entry.id in reused else spool.reader(entry.id)
                for name in entry.members:
                    yield name, read(name)

        write_tar(spool.tar, members())
    tar_bytes = spool.tar.stat().st_size
    index = Index(
        recipe.stage, shard, recipe.digest, recipe.readable(), digest_file(spool.tar), tar_bytes, tuple(entries)
    )
    write_index(spool.index, index)
    _move_into_place(folder, shard, spool)
    return index


def _move_into_place(folder: Path, shard: int, spool: "_Spool") -> None:
    """Two files cannot be renamed at once, so the new index waits in the spool until its tar has its final name:
    a kill between the two renames is mended by calling this again."""
    if spool.tar.is_file():
        spool.tar.replace(tar_path(folder, shard))
    spool.index.replace(index_path(folder, shard))


def _entry_of(id: str, inputs: str, made: Made) -> Entry:
    names = tuple(sorted(made.files))
    stray = [name for name in names if not name.startswith(id)]
    if stray:
        raise ShardError(f"member {stray[0]} does not begin with its song's id {id}")
    return Entry(id, inputs, made.outcome, made.reason, made.audio_s, names, dict(made.outputs), dict(made.facts))


class _Spool:
    """Finished songs of an unfinished shard: one tar per song, its entry the first member."""

    _ENTRY = "entry.json"

    def __init__(self, folder: Path, recipe: Recipe):
        self._folder = folder
        self._recipe = recipe.digest
        self.tar = folder / "assembled"  # no song's file: those end in .tar
        self.index = folder / "index.json"

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.tar"

    def __contains__(self, id: str) -> bool:
        return self._path(id).is_file()

    def add(self, id: str, inputs: str, made: Made) -> None:
        entry = _entry_of(id, inputs, made)
        head = json.dumps({"recipe": self._recipe, "entry": asdict(entry)}, ensure_ascii=False).encode()
        buffer = io.BytesIO()
        write_members(buffer, [("\x01" + self._ENTRY, head), *((name, made.files[name]) for name in entry.members)])
        write_atomic(self._path(id), buffer.getvalue())

    def _head(self, id: str) -> dict[str, Any]:
        with tarfile.open(self._path(id)) as tar:
            file = tar.extractfile(tar.next())  # type: ignore[arg-type]
            assert file is not None
            return json.loads(file.read())

    def entry(self, id: str) -> Entry:
        return Entry(**self._head(id)["entry"])

    def reader(self, id: str) -> Callable[[str], bytes]:
        def read(name: str) -> bytes:
            with TarReader(self._path(id)) as tar:
                return tar.read(name)

        return read

    def keep_only(self, wanted: Mapping[str, str]) -> None:
        """Forget songs finished under another recipe or from other inputs."""
        if not self._folder.is_dir():
            return
        remove_temporary(self._folder)
        for path in self._folder.glob("*.tar"):
            head = self._head(path.stem)
            if head["recipe"] != self._recipe or wanted.get(path.stem) != head["entry"]["inputs"]:
                path.unlink()

    def remove(self) -> None:
        """With the folder above it, once that is empty."""
        shutil.rmtree(self._folder, ignore_errors=True)
        parent = self._folder.parent
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


class _MemorySpool(_Spool):
    """Finished songs in memory; the folder holds the assembled shard alone."""

    def __init__(self, folder: Path, recipe: Recipe):
        super().__init__(folder, recipe)
        self._songs: dict[str, tuple[Entry, Mapping[str, bytes]]] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._songs

    def add(self, id: str, inputs: str, made: Made) -> None:
        self._songs[id] = (_entry_of(id, inputs, made), made.files)

    def entry(self, id: str) -> Entry:
        return self._songs[id][0]

    def reader(self, id: str) -> Callable[[str], bytes]:
        return self._songs[id][1].__getitem__

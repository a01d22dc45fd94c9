"""What is stale? One answer, by digests, for the stage commands and for Snakemake's graph alike.

Neither DVC's stage hashes nor Snakemake's mtimes are trusted for it: both are blind to what lies inside a shard
that was carried over. A shard is fresh when its index was made by the same recipe from the same inputs; a model or
result folder when its provenance names the same key.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.contract import provenance
from stages.contract.compute import Recipe, is_fresh, is_spooled, remove_shard
from stages.contract.digests import digest, digest_folder, hasher
from stages.contract.files import walk
from stages.contract.graph import STAGES, Need, Stage
from stages.contract.memo import Memo
from stages.contract.shards import index_path, index_paths, read_index, shard_of

Folders = Mapping[str, Path]  # stage name -> where its output lies
OLD_S = 1  # mtime of what is stale; Snakemake takes 0 for "unknown"
DEFAULT_FOLDERS: dict[str, Path] = {stage.name: stage.out for stage in STAGES.values()}


class MissingInputError(FileNotFoundError):
    """An upstream output that is not there: names the folder and the command that makes it."""


def section(params: Mapping[str, Any], stage: str) -> dict[str, Any]:
    return dict(params.get(stage) or {})


def recipe_of(stage: Stage, params: Mapping[str, Any], folders: Folders = DEFAULT_FOLDERS) -> Recipe:
    """The recipe of a sharded stage: its section of params.yaml and the digests of every weight it uses.
    A weight named in params counts by its bytes where it is a local path, by its name where it is a model's name."""
    own = section(params, stage.name)
    models = {name: _model_digest(name, folders) for name in stage.models}
    for key in stage.weights:
        value = str(own.get(key, ""))
        models[key] = digest_folder(Path(value)) if value and Path(value).exists() else value
    return Recipe(stage.name, stage.version, digest(own), models)


def _model_digest(stage: str, folders: Folders) -> str:
    """Digest of the weights and their config; the card beside them may be edited freely."""
    folder = folders[stage]
    files = [folder / "config.json", folder / "model.safetensors"]
    for file in files:
        if not file.is_file():
            raise MissingInputError(f"{file} is missing: run `songcreator {stage}` first")
    return digest([digest_folder(file) for file in files])


def upstream_shards(stage: Stage, folders: Folders = DEFAULT_FOLDERS) -> list[int]:
    """The shards a sharded stage should have: those of its first upstream."""
    folder = folders[stage.needs[0].stage]
    shards = [shard_of(path) for path in index_paths(folder)]
    if not shards:
        raise MissingInputError(f"{folder} holds no shards: run `songcreator {stage.needs[0].stage}` first")
    return shards


def wanted_of(stage: Stage, shard: int, folders: Folders = DEFAULT_FOLDERS) -> dict[str, str]:
    """Song id -> digest of its inputs, for every song that all upstream stages kept in this shard."""
    faces: dict[str, list[str]] = {}
    for position, need in enumerate(stage.needs):
        path = index_path(folders[need.stage], shard)
        if not path.is_file():
            raise MissingInputError(f"{path} is missing: run `songcreator {need.stage} --shard {shard}` first")
        for entry in read_index(path).kept:
            if len(faces.setdefault(entry.id, [])) == position:
                faces[entry.id].append(digest([entry.outputs.get(face, "") for face in need.faces]))
    return {id: digest(parts) for id, parts in faces.items() if len(parts) == len(stage.needs)}


def inputs_of(stage: Stage, folders: Folders = DEFAULT_FOLDERS, memo: Memo | None = None) -> dict[str, Any]:
    """What a model or a result is made from: songs upstream (`Need`), models, other results."""
    memo = memo or Memo()
    made_from: dict[str, Any] = {}
    for need in stage.needs:
        paths = index_paths(folders[need.stage])
        shards = [_songs_of_shard(need, path, memo) for path in paths]
        if need.faces and not any(shards):
            if paths:
                raise MissingInputError(f"{need.stage} kept no song: `songcreator ledger` says why")
            raise MissingInputError(f"{folders[need.stage]} holds no songs: run `songcreator {need.stage}` first")
        made_from[need.stage] = digest(shards)
    made_from.update((name, _model_digest(name, folders)) for name in stage.models)
    made_from.update((name, _result_key(name, folders)) for name in stage.results)
    return made_from


def _songs_of_shard(need: Need, path: Path, memo: Memo) -> str:
    """Digest of what a stage needs of a shard's songs; empty where there is none."""

    def songs() -> str:
        index = read_index(path)
        if need.faces:
            rows = sorted([e.id, *(e.outputs.get(face, "") for face in need.faces)] for e in index.kept)
        else:
            rows = sorted([e.id, e.outcome, e.reason] for e in index.entries)
        return digest(rows) if rows else ""

    return memo.ask(["songs", need.faces], [path], songs)


def _result_key(stage: str, folders: Folders) -> str:
    marker = marker_of(STAGES[stage], folders)
    if not marker.is_file():
        raise MissingInputError(f"{marker} is missing: run `songcreator {stage}` first")
    return str(provenance.read(marker.parent, marker.name)["key"])


def marker_of(stage: Stage, folders: Folders = DEFAULT_FOLDERS) -> Path:
    """Where a stage's provenance lies: in its output folder, or beside its output file."""
    out = folders[stage.name]
    return (out.parent if stage.out.suffix else out) / stage.marker


def key_of(
    stage: Stage, params: Mapping[str, Any], folders: Folders = DEFAULT_FOLDERS, memo: Memo | None = None
) -> str:
    """The key of a model or a result: names its training state in runs/ and its provenance."""
    return digest([stage.name, stage.version, section(params, stage.name), inputs_of(stage, folders, memo)])


def songs_digest(songs: Path) -> str:
    """Digest of what lies in the songs folder, by name, size and mtime (hidden folders left out), or of a manifest
    and the files beside it. Cheap on purpose: ingest looks at the bytes of what changed."""
    root = songs if songs.is_dir() else songs.parent
    if not songs.exists():
        raise MissingInputError(
            f"{songs}: no such folder or manifest; params.yaml: ingest.songs says where the songs are"
        )
    state = hasher()
    for file in walk(root):
        state.update(os.fsencode(file.path) + f"\0{file.size} {file.mtime_ns}\n".encode())
    return state.hexdigest()


def catalogue_key(params: Mapping[str, Any], songs: Path) -> str:
    """The key in the catalogue's provenance: with it unchanged, ingest has nothing to do."""
    stage = STAGES["ingest"]
    return digest([stage.name, stage.version, section(params, stage.name), songs_digest(songs)])


def stale(
    params: Mapping[str, Any], folders: Folders = DEFAULT_FOLDERS, memo: Memo | None = None
) -> Iterator[tuple[Stage, Path]]:
    """Every (stage, index or provenance file) that exists and is not fresh, in pipeline order; files below a stale
    one are judged by what lies there now."""
    memo = memo or Memo()
    _meet_shards(params, folders, memo)
    for stage in STAGES.values():
        marker = marker_of(stage, folders)
        if stage.kind == "shards":
            yield from ((stage, path) for path in _stale_shards(stage, params, folders, memo))
        elif marker.is_file() and not _marker_is_fresh(stage, params, folders, memo):
            yield stage, marker


def settle(params: Mapping[str, Any], folders: Folders = DEFAULT_FOLDERS, memo_file: Path | None = None) -> list[Path]:
    """Make mtimes tell Snakemake what the digests say, and return what is stale. Once, before a graph is built.

    The fresh follow each other in pipeline order, whatever mtimes a clone or a checkout left; the stale are made older
    than anything, and stay: their stages reuse the songs that did not change.
    """
    memo = Memo(memo_file)
    paths = [path for _, path in stale(params, folders, memo)]
    old = set(paths)
    memo.save()
    for stage in STAGES.values():
        out = folders[stage.name]
        shards = index_paths(out) if stage.kind in ("catalogue", "shards") else []
        for path in [*shards, marker_of(stage, folders)]:
            if path.is_file() and path not in old:
                os.utime(path)
                if out.is_file():  # a result that is a file beside its marker
                    os.utime(out)
    for path in paths:
        os.utime(path, (OLD_S, OLD_S))
    return paths


def _meet_shards(params: Mapping[str, Any], folders: Folders, memo: Memo) -> None:
    """Ask all that will be asked of a shard while its indexes are in memory: stage by stage, each would be parsed
    four times."""
    recipes = {}
    for stage in STAGES.values():
        with contextlib.suppress(FileNotFoundError):  # a model of the recipe is gone
            if stage.kind == "shards":
                recipes[stage] = recipe_of(stage, params, folders)
    needs = {need for stage in STAGES.values() if stage.kind != "shards" for need in stage.needs}
    for shard in map(shard_of, index_paths(folders["ingest"])):
        for stage, recipe in recipes.items():
            if (path := index_path(folders[stage.name], shard)).is_file():
                _shard_is_fresh(stage, path, recipe, folders, memo)
        for need in needs:
            if (path := index_path(folders[need.stage], shard)).is_file():
                _songs_of_shard(need, path, memo)


def _stale_shards(stage: Stage, params: Mapping[str, Any], folders: Folders, memo: Memo) -> Iterator[Path]:
    present = index_paths(folders[stage.name])
    if not present:
        return
    shards = _shards_or_none(stage, folders)
    try:
        recipe = recipe_of(stage, params, folders)
    except FileNotFoundError:  # a model of the recipe is gone
        yield from present
        return
    for path in present:
        if shard_of(path) not in shards or not _shard_is_fresh(stage, path, recipe, folders, memo):
            yield path


def _shard_is_fresh(stage: Stage, path: Path, recipe: Recipe, folders: Folders, memo: Memo) -> bool:
    shard = shard_of(path)

    def fresh() -> bool:
        return is_fresh(path.parent, shard, recipe, wanted_of(stage, shard, folders))

    if is_spooled(path.parent, shard):
        return False
    try:
        question = [
            "fresh",
            recipe.digest,
            [need.faces for need in stage.needs],
            path.with_suffix(".tar").stat().st_size,
        ]
        upstream = [index_path(folders[need.stage], shard) for need in stage.needs]
        return memo.ask(question, [path, *upstream], fresh)
    except FileNotFoundError:
        return False


def _shards_or_none(stage: Stage, folders: Folders) -> set[int]:
    try:
        return set(upstream_shards(stage, folders))
    except MissingInputError:
        return set()


def _marker_is_fresh(stage: Stage, params: Mapping[str, Any], folders: Folders, memo: Memo) -> bool:
    try:
        if stage.kind == "catalogue":
            key = catalogue_key(params, Path(section(params, stage.name)["songs"]))
        else:
            key = key_of(stage, params, folders, memo)
        marker = marker_of(stage, folders)
        return provenance.is_fresh(marker.parent, key, marker.name)
    except FileNotFoundError:
        return False


def remove_orphans(out: Path, upstream: Path) -> None:
    """Remove from `out` the shards that are gone from `upstream`."""
    wanted = {shard_of(path) for path in index_paths(upstream)}
    for path in index_paths(out):
        if shard_of(path) not in wanted:
            remove_shard(out, shard_of(path))


def forget_runs(stage: str, key: str, runs: Path = Path("runs")) -> None:
    """Remove training states of other keys: a finished run keeps none, an abandoned one is replaced."""
    for folder in (runs / stage).glob("*"):
        if folder.name != key and folder.is_dir():
            shutil.rmtree(folder)

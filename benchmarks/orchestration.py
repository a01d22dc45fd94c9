"""At the size of the paper: does the graph itself cost anything?

A catalogue of 270,000 songs in 512-song shards (records only, every stage's output synthetic and fresh), then
`snakemake -n` (once from nothing known, as after a clone, and again) and a no-op `dvc repro`, in seconds, against the
limits the project sets itself: 20 s and 10 s.

    python benchmarks/orchestration.py [--json FILE] [--quick]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML
from table import Row, report

from stages.contract import freshness, provenance
from stages.contract.compute import Recipe
from stages.contract.digests import digest
from stages.contract.graph import STAGES, Stage
from stages.contract.shards import Entry, Index, index_path, tar_path, write_index

ROOT = Path(__file__).parents[1]
SHARD_SIZE = 512
LIMITS_S = {"snakemake_first": 20.0, "snakemake_dag": 20.0, "dvc_noop": 10.0}


def shard_entries(stage: Stage, shard: int, n_songs: int, folders: freshness.Folders) -> tuple[Entry, ...]:
    """Entries as the stage would have written them, with the figures a real entry carries."""
    faces = {"ingest": ("audio", "lyrics"), "separate": ("stems",), "segment": ("clips",)}
    names = faces.get(stage.name, (stage.name.replace("tokenize", "tokens"),))
    if stage.kind == "catalogue":
        wanted = {digest([shard, k]): digest(["song", shard, k]) for k in range(n_songs)}
    else:
        wanted = freshness.wanted_of(stage, shard, folders)
    return tuple(
        Entry(
            id, inputs, "kept", "", 113.0, tuple(f"{id}-{k:03d}.{face}" for k in range(6) for face in names),
            {face: digest([id, face]) for face in names}, {"path": f"artist/{id}.flac", "title": id, "n_clips": 6},
        )
        for id, inputs in sorted(wanted.items())
    )  # fmt: skip


def synthesize(root: Path, params: dict, n_songs: int) -> None:
    """A fresh pipeline of `n_songs` songs: every index and every provenance, no audio."""
    folders = {name: root / stage.out for name, stage in STAGES.items()}
    songs = root / params["ingest"]["songs"]
    songs.mkdir(parents=True)
    provenance.write(songs, "demo_songs", freshness.key_of(STAGES["demo_songs"], params), STAGES["demo_songs"].marker)
    for stage in STAGES.values():
        out = folders[stage.name]
        if stage.kind in ("catalogue", "shards"):
            catalogue = stage.kind == "catalogue"
            recipe = Recipe("ingest", 1, "") if catalogue else freshness.recipe_of(stage, params, folders)
            for shard in range(-(-n_songs // SHARD_SIZE)):
                entries = shard_entries(stage, shard, min(SHARD_SIZE, n_songs - shard * SHARD_SIZE), folders)
                out.mkdir(parents=True, exist_ok=True)
                tar_path(out, shard).write_bytes(b"tar")
                index = Index(stage.name, shard, recipe.digest, recipe.readable(), "", 3, entries)
                write_index(index_path(out, shard), index)
            if catalogue:
                provenance.write(out, "ingest", freshness.catalogue_key(params, Path(params["ingest"]["songs"])))
        elif stage.kind in ("model", "result"):
            marker = freshness.marker_of(stage, folders)
            marker.parent.mkdir(parents=True, exist_ok=True)
            if stage.kind == "model":
                (out / "model.safetensors").write_bytes(b"weights")
                (out / "config.json").write_text("{}")
                (out / "metrics.json").write_text("{}")
            elif stage.out.suffix:
                out.write_text("{}")
            provenance.write(marker.parent, stage.name, freshness.key_of(stage, params, folders), marker.name)


def timed(command: list[str], root: Path, must_say: str) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    elapsed_s = time.perf_counter() - start
    if done.returncode or must_say not in done.stdout + done.stderr:
        sys.exit(f"{' '.join(command)} did not say {must_say!r}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return elapsed_s


def project(root: Path) -> dict:
    """The graphs and their parameters, without code: no command is run."""
    for name in ("dvc.yaml", "Snakefile", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "workflow", root / "workflow")
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    for folder in ("weights", "stages"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "init", "-q", root], check=True)
    return YAML(typ="safe").load((root / "params.yaml").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="5,120 songs")
    args = parser.parse_args()
    n_songs = 5_120 if args.quick else 270_000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        params = project(root)
        os.chdir(root)
        synthesize(root, params, n_songs)
        first_s, again_s = (timed(["snakemake", "-n", "--cores", "all"], root, "Nothing to be done") for _ in range(2))
        subprocess.run(["dvc", "commit", "-f", "-q"], cwd=root, check=True)
        dvc_s = timed(["dvc", "repro"], root, "up to date")
    measured = {"snakemake_first": first_s, "snakemake_dag": again_s, "dvc_noop": dvc_s}
    rows = {name: Row(seconds, LIMITS_S[name], "s", 1, "the limit we set") for name, seconds in measured.items()}
    report(f"orchestration of {n_songs:,} songs", rows, args.json)


if __name__ == "__main__":
    main()

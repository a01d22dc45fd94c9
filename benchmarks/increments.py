"""What does a change cost? Files looked at and songs recomputed per stage, and seconds, against a build from nothing.

A corpus of short made-up songs (stems beside them, so that no separator is timed) goes through ingest, separate,
segment and tokenize; then one song is added, changed, renamed, removed, one lyric is changed, one parameter of
segment. After each: the counts, and whether every shard equals a clean build's, byte for byte. Counts other than
those that must be, or other bytes, end it with an error.

    python benchmarks/increments.py [--json FILE] [--quick] [--under commands|dvc|snakemake] [--only CHANGE ...]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from ruamel.yaml import YAML
from table import Row, report

from stages.contract import freshness, provenance
from stages.contract.graph import STAGES as GRAPH
from stages.contract.shards import index_paths

ROOT = Path(__file__).parents[1]
RATE_HZ = 44_100
SONG_S = 6.0
DATA = ("catalogue", "stems", "clips", "tokens")
STAGES = ("ingest", "separate", "segment", "tokenize")
WORDS = ["river", "lantern", "winter", "morning", "silver", "harbour", "window", "summer", "shadow", "garden"]


def write_song(folder: Path, number: int, seed: int) -> Path:
    """A melody sung by a sawtooth over a bass, two timed lines; a function of (number, seed)."""
    random = np.random.default_rng([number, seed])
    time_s = np.arange(round(SONG_S * RATE_HZ)) / RATE_HZ
    midi_N = random.integers(48, 72, size=12)
    note_T = midi_N[(time_s / 0.5).astype(int)]
    phase_T = np.cumsum(440 * 2 ** ((note_T - 69) / 12)) / RATE_HZ
    envelope_T = np.minimum((time_s % 3.0) / 0.05, 1) * ((time_s % 3.0) < 2.4)
    vocals_T = 0.3 * envelope_T * (2 * (phase_T % 1) - 1)
    band_T = 0.2 * np.sin(np.pi * phase_T / 2) + 0.02 * random.standard_normal(len(time_s))
    path = folder / f"song-{number:04d}.flac"
    soundfile.write(path, vocals_T + band_T, RATE_HZ)
    soundfile.write(path.with_suffix(".vocals.flac"), vocals_T, RATE_HZ)
    soundfile.write(path.with_suffix(".accompaniment.flac"), band_T, RATE_HZ)
    lines = (" ".join(random.choice(WORDS, size=4)) for _ in range(2))
    text = "".join(f"[00:{3 * k:02d}.00]{line}\n" for k, line in enumerate(lines))
    path.with_suffix(".lrc").write_text(text)
    return path


def files_of(song: Path) -> list[Path]:
    return [song.parent / f"{song.stem}{ending}" for ending in (".flac", ".vocals.flac", ".accompaniment.flac", ".lrc")]


def add(songs: Path, n: int) -> None:
    write_song(songs, n, 0)


def change(songs: Path, n: int) -> None:
    write_song(songs, n // 2, 1)


def rename(songs: Path, n: int) -> None:
    for path in files_of(songs / "song-0003.flac"):
        path.rename(path.with_name(path.name.replace("song-0003", "song-renamed")))


def remove(songs: Path, n: int) -> None:
    for path in files_of(songs / "song-0005.flac"):
        path.unlink()


def change_lyric(songs: Path, n: int) -> None:
    path = songs / "song-0007.lrc"
    path.write_text(path.read_text().replace("]", "]oh ", 1))


def nothing(songs: Path, n: int) -> None:
    """The songs stay; a parameter of segment changes."""


@dataclass(frozen=True)
class Change:
    apply: Callable[[Path, int], None]
    must: tuple[int | None, ...]  # by STAGES: files ingest looks at (a song has four), songs recomputed; None: all
    segment: Mapping[str, float] | None = None


CHANGES = {
    "nothing": Change(nothing, (0, 0, 0, 0)),
    "add_song": Change(add, (4, 1, 1, 1)),
    "one_song": Change(change, (4, 1, 1, 1)),
    "rename_song": Change(rename, (4, 0, 0, 0)),
    "remove_song": Change(remove, (0, 0, 0, 0)),
    "one_lyric": Change(change_lyric, (1, 0, 1, 1)),
    "idle_param": Change(nothing, (0, 0, None, 0), {"min_gap_s": 0.16}),  # the same clips come out
    "one_param": Change(nothing, (0, 0, None, None), {"max_clip_s": 4}),
}


class Project:
    """A folder with songs, params.yaml and the graphs; frozen models for tokenize, since a trained one would rightly
    change with every song."""

    def __init__(self, folder: Path, n_songs: int, under: str):
        self.folder, self.under = folder, under
        self.songs = folder / "songs"
        self.songs.mkdir(parents=True)
        for number in range(n_songs):
            write_song(self.songs, number, 0)
        for name in ("dvc.yaml", "Snakefile", "params.yaml", ".dvcignore"):
            shutil.copy(ROOT / name, folder)
        for name in ("workflow", "weights", "stages", ".dvc"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp"))
        subprocess.run(["git", "init", "-q", folder], check=True)
        # near_duplicates: made-up melodies are more alike than songs are; mismatch: a sawtooth sings no words
        self.set("ingest", songs="songs", shard_size=16, near_duplicates=False, min_s=1)
        self.set("segment", mismatch="keep_audio")
        freeze_models(folder)

    def set(self, section: str, **values: object) -> None:
        yaml = YAML()
        params = yaml.load((self.folder / "params.yaml").read_text())
        params[section].update(values)
        with (self.folder / "params.yaml").open("w") as file:
            yaml.dump(params, file)

    def build(self, places_of: Path | None = None) -> tuple[dict[str, int], float]:
        """(counts per stage, seconds) of bringing everything up to date."""
        under = {"commands": self._commands, "dvc": self._dvc, "snakemake": self._snakemake}[self.under]
        commands = self._commands("--places-of", str(places_of)) if places_of else under()
        start = time.perf_counter()
        said = [self._run(command) for command in commands]
        elapsed_s = time.perf_counter() - start
        logs = self.folder / "logs"
        text = "".join([*said, *(log.read_text() for log in logs.rglob("*.log"))])
        shutil.rmtree(logs, ignore_errors=True)
        counts = dict.fromkeys(STAGES, 0)
        for stage, n in re.findall(r"^(\w+): shard \d+: (\d+) of \d+ songs to do", text, re.M):
            counts[stage] += int(n)
        counts["ingest"] = sum(map(int, re.findall(r"^ingest: .* (\d+) looked at anew", text, re.M)))
        return counts, elapsed_s

    def _commands(self, *places: str) -> Iterator[list[str]]:
        yield ["songcreator", "ingest", *places]
        yield ["songcreator", "separate", "--songs", "songs"]
        yield ["songcreator", "segment"]
        self._call_models_fresh()
        yield ["songcreator", "tokenize"]

    def _dvc(self) -> Iterator[list[str]]:
        yield ["dvc", "repro", "segment"]
        self._call_models_fresh()
        yield ["dvc", "repro", "--single-item", "tokenize"]

    def _snakemake(self) -> Iterator[list[str]]:
        """`--until` sees nothing behind a checkpoint, which ingest is: shards are asked for by name."""
        yield ["snakemake", "--cores", "2", "--until", "ingest"]
        shards = [path.name for path in index_paths(self.folder / "data/catalogue")]
        yield ["snakemake", "--cores", "2", *(f"data/clips/{name}" for name in shards)]
        self._call_models_fresh()
        yield ["snakemake", "--cores", "2", *(f"data/tokens/{name}" for name in shards)]

    def _call_models_fresh(self) -> None:
        """As if they had been trained on the clips that lie there now, to the same weights."""
        folders = {name: self.folder / stage.out for name, stage in GRAPH.items()}
        params = YAML(typ="safe").load((self.folder / "params.yaml").read_text())
        for name in ("bestrq", "codebook"):
            key = freshness.key_of(GRAPH[name], params, folders)
            provenance.write(folders[name], name, key)

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-4000:]}")
        return done.stdout + done.stderr

    def bytes(self) -> dict[str, bytes]:
        folders = [self.folder / "data" / name for name in DATA]
        return {str(p.relative_to(self.folder)): p.read_bytes() for f in folders for p in f.glob("shard-*")}

    def equals_clean_build(self) -> bool:
        """Build again from nothing, each song in the shard it has (a song keeps its shard for life), and compare."""
        before = self.bytes()
        aside = (self.folder / "data").rename(self.folder / "aside")
        shutil.rmtree(self.folder / "runs")
        self.build(aside / "catalogue")
        equal = self.bytes() == before
        shutil.rmtree(self.folder / "data")
        aside.rename(self.folder / "data")
        return equal


def freeze_models(folder: Path) -> None:
    """An untrained encoder and codebook: tokens that depend on the audio alone."""
    import torch

    from stages.bestrq.config import EncoderConfig
    from stages.bestrq.model import BestRQ
    from stages.lib.models import save_model
    from stages.tokenize.config import SavedCodebookConfig
    from stages.tokenize.vq import Codebook

    torch.manual_seed(0)
    encoder_config = EncoderConfig(
        width=32, n_layers=2, n_heads=2, mel_mean=(-5.0,) * 80, mel_std=(2.0,) * 80, n_targets=64
    )
    save_model(BestRQ(encoder_config), folder / "models/bestrq", encoder_config)
    codebook = Codebook(SavedCodebookConfig(layer=2, n_codes=64, codebook_dim=8, width=32, n_mels=80))
    frames = torch.randn(4000, 32), torch.randn(4000, 80)
    codebook.fit_projections(*frames)
    codebook(*frames)
    save_model(codebook, folder / "models/codebook", codebook.config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="24 songs")
    parser.add_argument("--under", choices=("commands", "dvc", "snakemake"), default="commands")
    parser.add_argument("--only", nargs="+", choices=CHANGES, default=list(CHANGES), help="some of the changes")
    args = parser.parse_args()
    n_songs = 24 if args.quick else 200
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rows, wrong = {}, []
    print(f"{'change':<12} " + " ".join(f"{stage:>9}" for stage in STAGES) + "  equal to a clean build")
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project", n_songs, args.under)
        _, clean_s = project.build()
        for name in args.only:
            change_ = CHANGES[name]
            change_.apply(project.songs, n_songs)
            if change_.segment:
                project.set("segment", **change_.segment)
            counts, elapsed_s = project.build()
            equal = project.equals_clean_build()
            print(f"{name:<12} " + " ".join(f"{counts[stage]:>9}" for stage in STAGES) + f"  {equal}", flush=True)
            n_now = len(list(project.songs.glob("*.lrc")))
            must = [n_now if n is None else n for n in change_.must]
            wrong += [name] if list(counts.values()) != must or not equal else []
            rows[name] = Row(elapsed_s, clean_s, "s", 1, "a build from nothing")
    report(f"increments of {n_songs} songs under {args.under}", rows, args.json)
    if wrong:
        sys.exit(f"recomputed too much or too little, or other bytes: {', '.join(wrong)}")


if __name__ == "__main__":
    main()

"""A corpus of a few short songs and the four data stages over it, in this process: a separator and token models with
random weights, the shipped voice detector, sentences spread evenly."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ingest_workshop import write_song
from tiny_demucs import tiny
from tiny_pipeline import save_models

from stages.contract.shards import verify
from stages.ingest.__main__ import main as ingest
from stages.lib.config import load_params
from stages.segment.__main__ import main as segment
from stages.separate.__main__ import main as separate
from stages.separate.small import save_repo
from stages.tokenize.__main__ import main as tokenize

ROOT = Path(__file__).parents[1]
FOLDERS = {"ingest": "catalogue", "separate": "stems", "segment": "clips", "tokenize": "tokens"}
LRC = "[00:00.50]a river in the morning\n[00:03.00]a lantern in the snow\n"
SONG_S = 6.0


@dataclass
class Corpus:
    """Songs, params.yaml, models and what the stages made of them, under one folder."""

    root: Path

    @classmethod
    def make(cls, root: Path, n_songs: int) -> "Corpus":
        corpus = cls(root)
        for number in range(n_songs):
            corpus.song(number)
        save_repo(tiny(), root / "separator")
        save_models(root / "models")
        shipped = load_params(ROOT / "params.yaml")["segment"]
        corpus.set(
            ingest={"songs": str(corpus.songs), "shard_size": 3, "near_duplicates": False, "language_letters": 1000},
            separate={"model": str(root / "separator")},
            segment={"vad": str(ROOT / "weights/vad"), "vad_digest": shipped["vad_digest"], "aligner": "uniform"},
        )
        return corpus

    @property
    def songs(self) -> Path:
        return self.root / "songs"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    def song(self, number: int, seed: int | None = None) -> None:
        path = write_song(self.songs / f"{number}.flac", number if seed is None else seed, SONG_S, 44_100)
        if not path.with_suffix(".lrc").exists():
            path.with_suffix(".lrc").write_text(LRC)

    def set(self, **sections: dict) -> None:
        params = json.loads(self.params.read_text()) if self.params.is_file() else {}
        merged = {name: {**params.get(name, {}), **sections.get(name, {})} for name in params | sections}
        self.params.write_text(json.dumps(merged))

    def folder(self, stage: str) -> Path:
        return self.data / FOLDERS[stage]

    def run(self, stage: str, *more: str) -> int:
        catalogue, stems, clips = (["--" + name, self.data / name] for name in ("catalogue", "stems", "clips"))
        out = ["--params", self.params, "--out", self.folder(stage)]
        models = ["--bestrq", self.root / "models/bestrq", "--codebook", self.root / "models/codebook"]
        command, flags = {
            "ingest": (ingest, ["--songs", self.songs, "--cache", self.root / "cache", "--workers", 2]),
            "separate": (separate, ["--songs", self.songs, *catalogue, "--device", "cpu"]),
            "segment": (segment, [*catalogue, *stems, "--device", "cpu", "--jobs", 2]),
            "tokenize": (tokenize, [*clips, *models]),
        }[stage]
        return command([*map(str, [*out, *flags]), *more])

    def build(self) -> None:
        for stage in FOLDERS:
            assert self.run(stage) == 0

    def forget(self, stage: str) -> None:
        """What the stage made, and what ingest knows of its files."""
        shutil.rmtree(self.folder(stage), ignore_errors=True)
        if stage == "ingest":
            shutil.rmtree(self.root / "cache", ignore_errors=True)

    def bytes(self, stage: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder(stage).glob("shard-*"))}

    def writings(self) -> dict[str, int]:
        """Shard file -> when it was written."""
        return {str(p.relative_to(self.data)): p.stat().st_mtime_ns for p in sorted(self.data.glob("*/shard-*"))}

    def problems(self, stage: str) -> list[str]:
        """Tars that are not what their index says, and files that no finished stage leaves."""
        folder = self.folder(stage)
        finished = {"shard-00000.tar", "shard-00000.json", "shard-00001.tar", "shard-00001.json", "provenance.json"}
        return [*verify(folder), *(p.name for p in folder.iterdir() if p.name not in finished)]

"""The graph of the pipeline as a table: what each stage is called, what it reads and where it writes.

DVC and Snakemake each spell the graph out in their own file; `freshness` and the agreement test read this one.
A stage's VERSION is raised by whoever changes what it writes for equal inputs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["songs", "catalogue", "shards", "model", "result"]


@dataclass(frozen=True)
class Need:
    """An upstream's songs: which faces of the kept ones count as input; without faces, what became of every song."""

    stage: str
    faces: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """One row of the graph.

    kind     shards: one job per shard, one entry per song; catalogue, model, result: one job, its provenance last
    needs    upstream data, by face            models   upstream models
    results  upstream results                  weights  params keys that may name local weights
    """

    name: str
    version: int
    kind: Kind
    out: Path
    needs: tuple[Need, ...] = ()
    models: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    @property
    def marker(self) -> str:
        """Name of the provenance beside or in the output; its presence means "complete"."""
        if self.kind == "songs":  # ingest looks at every file there that is not hidden
            return ".provenance.json"
        return f"{self.out.stem}.provenance.json" if self.out.suffix else "provenance.json"

    @property
    def folder(self) -> Path:
        return self.out.parent if self.out.suffix else self.out


def _need(stage: str, *faces: str) -> Need:
    return Need(stage, faces)


MODELS = ("bestrq", "codebook", "vae", "diffusion", "dslm")

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("demo_songs", 1, "songs", Path("data/demo_songs")),
        Stage("ingest", 1, "catalogue", Path("data/catalogue")),
        Stage("separate", 1, "shards", Path("data/stems"), (_need("ingest", "audio"),), weights=("model",)),
        Stage(
            "segment", 1, "shards", Path("data/clips"),
            (_need("separate", "stems"), _need("ingest", "lyrics")), weights=("vad", "aligner"),
        ),
        Stage("bestrq", 1, "model", Path("models/bestrq"), (_need("segment", "clips"),)),
        Stage("codebook", 1, "model", Path("models/codebook"), (_need("segment", "clips"),), ("bestrq",)),
        Stage(
            "tokenize", 1, "shards", Path("data/tokens"), (_need("segment", "clips"),), ("bestrq", "codebook"),
        ),
        Stage("vae", 1, "model", Path("models/vae"), (_need("segment", "clips"),)),
        Stage("latents", 1, "shards", Path("data/latents"), (_need("segment", "clips"),), ("vae",)),
        Stage(
            "diffusion", 1, "model", Path("models/diffusion"),
            (_need("tokenize", "tokens"), _need("latents", "latents")), ("codebook",),
        ),
        Stage("dslm", 1, "model", Path("models/dslm"), (_need("tokenize", "tokens"),), ("codebook",)),
        Stage(
            "generate", 1, "result", Path("results/generated"),
            (_need("segment", "clips"), _need("tokenize", "tokens")), MODELS,
        ),
        Stage(
            "evaluate", 1, "result", Path("results/metrics.json"),
            (
                _need("ingest", "audio", "lyrics"), _need("separate", "stems"), _need("segment", "clips"),
                _need("tokenize", "tokens"), _need("latents", "latents"),
            ),
            MODELS, results=("generate",),
        ),
        Stage(
            "report", 1, "result", Path("results/report"),
            (_need("ingest"), _need("separate"), _need("segment"), _need("tokenize"), _need("latents")),
            MODELS, results=("generate", "evaluate"),
        ),
    )
}  # fmt: skip

"""What the page shows, read from where the stages left it: items to listen to, models, the ledger."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.contract.freshness import Folders
from stages.contract.graph import STAGES
from stages.contract.ledger import read_ledger, totals
from stages.contract.shards import read_indexes
from stages.contract.tasks import TASKS
from stages.report.config import ReportConfig
from stages.report.meanings import TASK_WORDS
from stages.report.media import Media, add_track

STREAM_NAMES = {"song": "Song", "vocals": "Vocals", "accompaniment": "Accompaniment"}
PROMPT_NAMES = {"vocals": "Vocal prompt", "accompaniment": "Accompaniment prompt"}
KINDS = (("prompts", "prompt"), ("given", "given"), ("outputs", "made"), ("truth", "truth"))


@dataclass(frozen=True)
class Row:
    """One track of an item. `marked_s`: the stretch that is rewritten or new, where that is not all of it."""

    kind: str  # prompt, given, made, truth
    stream: str
    label: str
    media: Media
    marked_s: tuple[float, float] | None = None


@dataclass(frozen=True)
class Item:
    """One song to listen to. `lines`: lyrics, and whether the models sang that line."""

    id: str
    lines: tuple[tuple[str, bool], ...]
    facts: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def longest_s(self) -> float:
        return max(row.media.duration_s for row in self.rows)


@dataclass(frozen=True)
class TaskSection:
    name: str
    title: str
    what: str
    takes: tuple[tuple[str, bool], ...]  # name of an input, and whether it may be left out
    gives: tuple[str, ...]
    items: tuple[Item, ...]


def task_sections(generated: Path, page: Path, config: ReportConfig) -> list[TaskSection]:
    """One section per task, in the table's order; its items' tracks are written into the page's folder."""
    sections = []
    for name, task in TASKS.items():
        title, what = TASK_WORDS.get(name, (name.replace("_", " ").capitalize(), ""))
        takes = [("lyrics", task.lyrics == "optional")] if task.lyrics != "unused" else []
        takes += [(stream, False) for stream in task.given]
        takes += [
            (PROMPT_NAMES[stream].lower(), bool(task.given) or task.lyrics != "unused") for stream in task.prompts
        ]
        takes += [("a span to rewrite", False)] if task.edit else []
        items = tuple(_items(generated / name, page, config))
        sections.append(TaskSection(name, title, what, tuple(takes), task.outputs, items))
    return sections


def _items(folder: Path, page: Path, config: ReportConfig) -> Iterator[Item]:
    for path in sorted(folder.glob("*-*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        new = set(facts.get("new_lyrics", []))
        is_edit = facts.get("edit_s") is not None
        lines = tuple((line, not is_edit or line in new) for line in facts["lyrics"])
        yield Item(facts["item"], lines, facts, tuple(_rows(folder, facts, page, config)))


def _rows(folder: Path, facts: Mapping[str, Any], page: Path, config: ReportConfig) -> Iterator[Row]:
    seen = set()
    for kind, word in KINDS:
        files = facts["files"].get(kind, {})
        for stream in (stream for stream in STREAM_NAMES if stream in files):
            file = files[stream]
            media = add_track(page, folder / file, stream, config.mp3_quality)
            if media.audio in seen:  # what was given is the truth
                continue
            seen.add(media.audio)
            name = STREAM_NAMES[stream]
            labels = {"made": name, "given": f"{name}, given", "truth": f"{name}, true"}
            label = labels.get(word) or PROMPT_NAMES[stream]
            yield Row(word, stream, label, media, _marked(word, facts, media))


def _marked(kind: str, facts: Mapping[str, Any], media: Media) -> tuple[float, float] | None:
    span = facts["new_s"] if kind == "made" else facts.get("edit_s") if kind in ("given", "truth") else None
    if span is None or (span[0] <= 0 and span[1] >= media.duration_s - 0.05):
        return None
    return span[0], min(span[1], media.duration_s)


@dataclass(frozen=True)
class ModelFacts:
    name: str
    what: str
    n_parameters: int
    figures: Mapping[str, float]


MODEL_WORDS = {
    "bestrq": "hears: BEST-RQ encoder",
    "codebook": "names: learned codebook of tokens",
    "dslm": "writes: dual-sequence language model",
    "diffusion": "paints: latent diffusion",
    "vae": "sounds: audio autoencoder",
}


def model_facts(models: Path) -> list[ModelFacts]:
    """What each model is and how large, in the order in which a song passes through them."""
    found = []
    for name, what in MODEL_WORDS.items():
        weights, metrics = models / name / "model.safetensors", models / name / "metrics.json"
        if weights.is_file():
            figures = json.loads(metrics.read_text(encoding="utf-8")) if metrics.is_file() else {}
            found.append(ModelFacts(name, what, count_parameters(weights), figures))
    return found


def count_parameters(weights: Path) -> int:
    """Numbers in a safetensors file, by its header."""
    with weights.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            n = 1
            for size in tensor["shape"]:
                n *= size
            total += n
    return total


@dataclass(frozen=True)
class LedgerFacts:
    """Songs and minutes that each stage kept; how the songs ended; the lost ones by name."""

    n_songs: int
    kept: tuple[tuple[str, int, float], ...]  # stage, songs, minutes
    ends: tuple[tuple[str, str, str, int], ...]  # stage, outcome, reason, songs
    lost: tuple[tuple[str, str, str], ...]  # name, stage, reason
    n_lost: int


def ledger_facts(folders: Folders, config: ReportConfig) -> LedgerFacts:
    lines = read_ledger(folders)
    kept = []
    for stage in STAGES.values():
        if stage.kind in ("catalogue", "shards"):
            entries = [entry for index in read_indexes(folders[stage.name]) for entry in index.kept]
            if entries:
                kept.append((stage.name, len(entries), sum(entry.audio_s for entry in entries) / 60))
    lost = [(line.name, line.last[0], line.last[1].reason) for line in lines if not line.last[1].kept]
    return LedgerFacts(len(lines), tuple(kept), tuple(totals(lines)), tuple(lost[: config.listed_songs]), len(lost))


def remove_unused(page: Path, sections: Sequence[TaskSection]) -> None:
    """Remove tracks of earlier pages."""
    used = {path for s in sections for i in s.items for r in i.rows for path in (r.media.audio, r.media.image)}
    for folder in ("audio", "images"):
        for path in (page / folder).glob("*"):
            if f"{folder}/{path.name}" not in used:
                path.unlink()

"""What the datasheet tells, counted in one pass over the ledger, shard by shard."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from stages.contract.freshness import Folders
from stages.contract.ledger import SHARDED, Line, iter_ledger, kind_of
from stages.contract.records import Clip
from stages.contract.shards import Entry, TarReader, index_paths, read_index
from stages.ledger.table import notes_of

_EXAMPLES = 3
_COUNT = re.compile(r"(?<![\w.-])\d+(\.\d+)?(?! channels)(?![\w.])")


@dataclass
class Tally:
    """Songs and hours of one kind."""

    songs: int = 0
    hours: float = 0.0

    def add(self, entry: Entry) -> None:
        self.songs += 1
        self.hours += entry.audio_s / 3600


@dataclass
class Lost:
    """Songs that one stage left out for one reason, with the names of the first."""

    songs: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Figures:
    """Distributions hold a value per kept song or clip; everything else is counted."""

    n_files: int = 0
    stages: dict[str, Counter[str]] = field(default_factory=dict)  # stage -> outcome -> songs
    stage_hours: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    lost: dict[tuple[str, str, str], Lost] = field(default_factory=dict)  # stage, outcome, reason
    sentences_lost: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    groups: dict[str, dict[str, Tally]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Tally)))
    n_sentences: int = 0
    n_clips: int = 0
    n_clip_sentences: int = 0
    distributions: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def to_dict(self) -> dict[str, Any]:
        """For datasheet.json: what is counted, and five quantiles of each distribution."""
        return {
            "n_files": self.n_files,
            "stages": {stage: dict(counts) for stage, counts in self.stages.items()},
            "hours": {stage: round(hours, 4) for stage, hours in self.stage_hours.items()},
            "left_out": [
                {"stage": stage, "outcome": outcome, "reason": reason, **asdict(lost)}
                for (stage, outcome, reason), lost in self.lost.items()
            ],
            "sentences_left_out": dict(self.sentences_lost),
            "notes": dict(self.notes),
            "groups": {
                name: {value: asdict(tally) for value, tally in tallies.items()}
                for name, tallies in self.groups.items()
            },
            "n_sentences": self.n_sentences,
            "n_clips": self.n_clips,
            "n_clip_sentences": self.n_clip_sentences,
            "quantiles": {name: quantiles(values) for name, values in self.distributions.items() if values},
        }


def quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    last = len(ordered) - 1
    found = {f"p{part}": round(ordered[round(part / 100 * last)], 3) for part in (0, 10, 50, 90, 100)}
    return {"n": len(ordered), "mean": round(sum(ordered) / len(ordered), 3), **found}


def gather(folders: Folders) -> Figures:
    figures = Figures()
    for line in iter_ledger(folders):
        _song(figures, line)
    _clips(figures, folders)
    order = {stage: position for position, stage in enumerate(SHARDED)}
    figures.lost = dict(sorted(figures.lost.items(), key=lambda item: (order[item[0][0]], -item[1].songs, item[0])))
    return figures


def _song(figures: Figures, line: Line) -> None:
    figures.n_files += 1
    for stage, entry in line.entries.items():
        figures.stages.setdefault(stage, Counter())[entry.outcome] += 1
        figures.stage_hours[stage] += entry.audio_s / 3600
        if not entry.kept:
            lost = figures.lost.setdefault((stage, entry.outcome, kind_of(entry.reason)), Lost())
            lost.songs += 1
            if len(lost.examples) < _EXAMPLES:
                lost.examples.append(line.name)
    for note in notes_of(line).split("; "):
        if note:
            figures.notes[_without_figures(note)] += 1
    ingested = line.entries["ingest"]
    if ingested.kept:
        _kept(figures, line.name, ingested)
    if (segmented := line.entries.get("segment")) is not None:
        _segmented(figures, segmented)


def _without_figures(note: str) -> str:
    """Counts differ from song to song; charsets and channels are what the note is about."""
    return _COUNT.sub("N", note)


def _kept(figures: Figures, name: str, entry: Entry) -> None:
    facts = entry.facts
    n_sentences = int(facts.get("n_sentences") or 0)
    lyrics = "none" if not n_sentences else "timed" if facts.get("timed") else "untimed"
    suffix = PurePosixPath(name).suffix.lower()[1:]
    for group, value in {
        "language": facts.get("language") or ("unknown" if n_sentences else "no lyrics"),
        "split": facts.get("split"),
        "lyrics": lyrics,
        "singer": facts.get("singer") or "unknown",
        "format": f"{suffix}, {facts.get('sample_rate_hz')} Hz, {facts.get('n_channels')} ch",
        "stems": "known stems" if facts.get("stems") else "to be separated",
    }.items():
        figures.groups[group][str(value)].add(entry)
    figures.n_sentences += n_sentences
    figures.distributions["song length, s"].append(entry.audio_s)
    figures.distributions["level of a song, dBFS (RMS)"].append(float(facts.get("rms_dbfs") or 0.0))
    if n_sentences:
        figures.distributions["sentences per song"].append(n_sentences)


def _segmented(figures: Figures, entry: Entry) -> None:
    for reason, n in (entry.facts.get("dropped_sentences") or {}).items():
        figures.sentences_lost[reason] += int(n)
    if entry.facts.get("aligner"):
        figures.groups["times of sentences from"][str(entry.facts["aligner"])].add(entry)
    if entry.facts.get("median_confidence") is not None:
        figures.distributions["confidence of a song's sentence times"].append(float(entry.facts["median_confidence"]))


def _clips(figures: Figures, folders: Folders) -> None:
    for path in index_paths(folders["segment"]):
        names = [name for entry in read_index(path).kept for name in entry.members if name.endswith(".json")]
        with TarReader(path.with_suffix(".tar")) as tar:
            _clip_records(figures, (json.loads(tar.read(name)) for name in names))


def _clip_records(figures: Figures, records: Iterable[dict[str, Any]]) -> None:
    for record in records:
        clip = Clip.from_dict(record)
        figures.n_clips += 1
        figures.n_clip_sentences += len(clip.sentences)
        figures.distributions["clip length, s"].append(clip.duration_s)
        figures.distributions["sentences per clip"].append(len(clip.sentences))
        figures.distributions["sentence length, s"] += [
            s.end_s - s.start_s for s in clip.sentences if s.start_s is not None and s.end_s is not None
        ]

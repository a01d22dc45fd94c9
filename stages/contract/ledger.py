"""The ledger: for every input song, what became of it at every stage and why. Read from the indexes, never kept."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stages.contract.freshness import DEFAULT_FOLDERS, Folders
from stages.contract.graph import STAGES
from stages.contract.shards import Entry, index_path, index_paths, read_index, shard_of

SHARDED = tuple(stage.name for stage in STAGES.values() if stage.kind in ("catalogue", "shards"))


@dataclass
class Line:
    """One song: its last stage and outcome first, then every stage's entry."""

    id: str
    name: str
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def last(self) -> tuple[str, Entry]:
        """The stage that let it go, or the furthest one it came through."""
        for stage, entry in self.entries.items():
            if not entry.kept:
                return stage, entry
        return list(self.entries.items())[-1]

    def to_dict(self) -> dict[str, Any]:
        stage, entry = self.last
        return {
            "id": self.id,
            "name": self.name,
            "stage": stage,
            "outcome": entry.outcome,
            "reason": entry.reason,
            "stages": {
                name: {"outcome": e.outcome, "reason": e.reason, "audio_s": e.audio_s, "facts": e.facts}
                for name, e in self.entries.items()
            },
        }


def read_ledger(folders: Folders = DEFAULT_FOLDERS) -> list[Line]:
    """One line per song that ingest saw, in order of name."""
    return sorted(iter_ledger(folders), key=lambda line: (line.name, line.id))


def iter_ledger(folders: Folders = DEFAULT_FOLDERS) -> Iterator[Line]:
    """The same shard by shard, which is all it holds: shard numbers are equal at every stage."""
    for path in index_paths(folders["ingest"]):
        shard = shard_of(path)
        lines = {e.id: Line(e.id, str(e.facts.get("path", e.id))) for e in read_index(path).entries}
        for stage in SHARDED:
            found = index_path(folders[stage], shard)
            for entry in read_index(found).entries if found.is_file() else ():
                if entry.id in lines:
                    lines[entry.id].entries[stage] = entry
        yield from sorted(lines.values(), key=lambda line: (line.name, line.id))


def totals(lines: Iterable[Line]) -> Iterator[tuple[str, str, str, int]]:
    """(stage, outcome, reason, songs) for every way a song ended. Reasons are counted up to their first colon or
    bracket, so that figures in them do not split the count."""
    counts = Counter((stage, e.outcome, kind_of(e.reason)) for stage, e in (line.last for line in lines))
    order = {name: position for position, name in enumerate(SHARDED)}
    for (stage, outcome, reason), n in sorted(counts.items(), key=lambda item: (order[item[0][0]], item[0])):
        yield stage, outcome, reason, n


def kind_of(reason: str) -> str:
    """A reason without its figures."""
    for mark in (":", "("):
        reason = reason.split(mark, 1)[0]
    return reason.strip()

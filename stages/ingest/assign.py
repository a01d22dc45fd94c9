"""Which shard a song lies in. A song keeps its shard for life; a changed file keeps the place of what it replaced;
new songs fill the last shard, then new ones. The first build goes in order of path.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stages.contract.shards import read_indexes


@dataclass
class Places:
    """Where songs lie: by id, and by path."""

    by_id: dict[str, int] = field(default_factory=dict)
    by_path: dict[str, tuple[str, int]] = field(default_factory=dict)  # path -> (id, shard)

    @classmethod
    def read(cls, folder: Path) -> "Places":
        places = cls()
        for index in read_indexes(folder):
            for entry in index.entries:
                places.by_id[entry.id] = index.shard
                places.by_path[str(entry.facts.get("path", ""))] = (entry.id, index.shard)
        return places


def assign(songs: Sequence[tuple[str, str]], old: Places, shard_size: int) -> dict[str, int]:
    """id -> shard for every (id, path), given in order of path."""
    present = {id for id, _ in songs}
    found: dict[str, int] = {}
    new: list[str] = []
    for id, path in songs:
        before = old.by_path.get(path)
        if id in old.by_id:
            found[id] = old.by_id[id]
        elif before is not None and before[0] not in present:
            found[id] = before[1]
        else:
            new.append(id)
    filled = Counter(found.values())
    shard = max(filled, default=0)
    for id in new:
        while filled[shard] >= shard_size:
            shard += 1
        found[id] = shard
        filled[shard] += 1
    return found

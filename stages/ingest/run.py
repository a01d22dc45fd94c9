"""Songs -> catalogue: measure what is new, draft every record, find copies, give each song its shard, write.

Only what stands in `_Standing` is held for every song; records are drafted again shard by shard, from the cache.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.contract.compute import Made, Recipe, remove_shard, update_shard
from stages.contract.digests import digest
from stages.contract.files import remove_temporary
from stages.contract.graph import STAGES
from stages.contract.ledger import kind_of
from stages.contract.shards import index_paths, shard_of
from stages.ingest.assign import Places, assign
from stages.ingest.cache import Cache
from stages.ingest.config import IngestConfig
from stages.ingest.draft import Draft, content_of, draft, files_of
from stages.ingest.duplicates import exact_duplicates, near_duplicates
from stages.ingest.pool import Task, probe_all
from stages.ingest.sources import Source
from stages.lib.progress import progress_bar


@dataclass(frozen=True, slots=True)
class _Standing:
    """A song among the others: what is held of it in memory."""

    id: str
    outcome: str
    rank: tuple[object, ...]


@dataclass(frozen=True)
class Summary:
    """What the run says at its end."""

    outcomes: Mapping[str, int]
    hours: float
    n_probed: int
    reasons: Sequence[tuple[str, int]]  # by frequency, of songs not kept


def ingest(
    sources: Sequence[Source], root: Path, config: IngestConfig, out: Path, cache: Cache, workers: int, places: Places
) -> Summary:
    """Bring `out` up to date. `sources` in order of path; `root`: where their paths begin."""
    n_probed = measure(sources, cache, workers)
    standings = [_standing(source, cache, config) for source in sources]
    copies = find_copies(sources, standings, cache, config)
    ids = entry_ids(sources, standings, copies)
    shard_by_id = assign(
        [(id, source.name) for id, source in zip(ids, sources, strict=True)], places, config.shard_size
    )
    by_shard: dict[int, list[int]] = defaultdict(list)
    for number, id in enumerate(ids):
        by_shard[shard_by_id[id]].append(number)
    recipe = Recipe("ingest", STAGES["ingest"].version, config.digest)
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    kept_s = 0.0
    for shard, members in sorted(by_shard.items()):
        made = dict(_records(members, sources, ids, copies, root, cache, config))
        _write(out, shard, recipe, made)
        for song in made.values():
            outcomes[song.outcome] += 1
            kept_s += song.audio_s
            reasons[kind_of(song.reason)] += song.outcome != "kept"
    for path in index_paths(out):
        if shard_of(path) not in by_shard:
            remove_shard(out, shard_of(path))
    remove_temporary(out)
    return Summary(outcomes, kept_s / 3600, n_probed, [pair for pair in reasons.most_common() if pair[1]])


def _write(out: Path, shard: int, recipe: Recipe, made: Mapping[str, Made]) -> None:
    def make(missing: Sequence[str]) -> Iterator[tuple[str, Made]]:
        return ((id, made[id]) for id in missing)

    wanted = {id: content_of(id, song) for id, song in made.items()}
    update_shard(out, shard, recipe, wanted, make, cheap=True)


def measure(sources: Sequence[Source], cache: Cache, workers: int) -> int:
    """Decode and read every file whose facts the cache lacks; returns how many."""
    tasks = list(_tasks(sources, cache))
    if not tasks:
        return 0
    with progress_bar(len(tasks), "ingest", "files") as bar:
        for probed in probe_all(tasks, min(workers, len(tasks))):
            cache.put(probed)
            bar.update(1)
    cache.commit()
    return len(tasks)


def _tasks(sources: Sequence[Source], cache: Cache) -> Iterator[Task]:
    seen: set[str] = set()  # lyrics may stand beside two songs
    for source in sources:
        for table, file in files_of(source):
            if file.size >= 0 and file.path not in seen and not cache.has(table, file):
                seen.add(file.path)
                yield Task(table, file)


def _standing(source: Source, cache: Cache, config: IngestConfig) -> _Standing:
    song = draft(source, cache, config)
    return _Standing(song.audio.id, song.outcome, song.rank)


def find_copies(
    sources: Sequence[Source], standings: Sequence[_Standing], cache: Cache, config: IngestConfig
) -> dict[int, str]:
    """song -> the reason why it is a copy of another. Among songs that no rule left out."""
    order = sorted((n for n, s in enumerate(standings) if s.outcome == "kept"), key=lambda n: standings[n].rank)
    exact = exact_duplicates([standing.id for standing in standings], order)
    reasons = {song: f"duplicate: same samples as {sources[kept].name}" for song, kept in exact.items()}
    if config.near_duplicates:
        rest = [song for song in order if song not in exact]
        near = near_duplicates(
            rest, lambda song: cache.keys(sources[song].audio), lambda song: cache.words(sources[song].audio), config
        )
        for song, copy in near.items():
            agree = f"{copy.agreement:.0%} of the fingerprint agree"
            reasons[song] = f"near-duplicate: same recording as {sources[copy.of].name} ({agree})"
    return reasons


def entry_ids(sources: Sequence[Source], standings: Sequence[_Standing], copies: Mapping[int, str]) -> list[str]:
    """The digest of its samples (of its bytes, where it does not decode) is one song's; further songs with the same
    get one of their own, with their path in it."""
    order = sorted(range(len(standings)), key=lambda n: (n in copies, standings[n].rank))
    ids = [""] * len(standings)
    taken: set[str] = set()
    for number in order:
        id = standings[number].id
        ids[number] = id if id not in taken else digest([id, sources[number].name])
        taken.add(id)
    return ids


def _records(
    members: Sequence[int],
    sources: Sequence[Source],
    ids: Sequence[str],
    copies: Mapping[int, str],
    root: Path,
    cache: Cache,
    config: IngestConfig,
) -> Iterator[tuple[str, Made]]:
    for number in members:
        song: Draft = draft(sources[number], cache, config)
        if number in copies:
            song = song.left_out(copies[number])
        yield ids[number], song.made(ids[number], root, config)

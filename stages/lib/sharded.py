"""The loop under every sharded stage's command: which shards are stale, and bringing each up to date."""

import sys
from collections.abc import Callable
from pathlib import Path

from stages.contract.compute import Make, is_fresh, stale_ids, update_shard
from stages.contract.freshness import DEFAULT_FOLDERS, Folders, recipe_of, remove_orphans, upstream_shards, wanted_of
from stages.contract.graph import STAGES
from stages.lib.config import load_params


def run_shards(stage: str, params: Path, folders: Folders, shard: int | None, make_for: Callable[[int], Make]) -> None:
    """Update one shard of `stage`, or all (orphans of vanished shards removed).

    folders   stage name -> folder, for this stage and all it reads; the rest default
    make_for  shard -> Make; called only for stale shards, so models are loaded only when there is work
    """
    row = STAGES[stage]
    folders = {**DEFAULT_FOLDERS, **folders}
    out = folders[stage]
    recipe = recipe_of(row, load_params(params), folders)
    for number in upstream_shards(row, folders) if shard is None else [shard]:
        wanted = wanted_of(row, number, folders)
        if is_fresh(out, number, recipe, wanted):
            continue
        n_stale = len(stale_ids(out, number, recipe, wanted))
        print(f"{stage}: shard {number}: {n_stale} of {len(wanted)} songs to do", file=sys.stderr, flush=True)
        update_shard(out, number, recipe, wanted, make_for(number))
    if shard is None:
        remove_orphans(out, folders[row.needs[0].stage])

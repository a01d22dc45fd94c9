"""Freshness by digest, once, before the graph is built; and the shards a stage has."""

from pathlib import Path

from stages.contract import freshness
from stages.contract.shards import index_paths


wildcard_constraints:
    shard=r"\d{5}",


# Jobs read this file too: they must change nothing. That this is a dry run cannot be known yet, so no work is
# thrown away, only times change.
if workflow.is_main_process:
    freshness.settle(config, memo_file=Path("runs/freshness.json"))


def shard_indexes(folder):
    """An input function: the index of every shard in `folder`, known once the songs are ingested. Shards whose songs
    are all gone get no job: they are removed here, before a model could read them."""

    def indexes(wildcards):
        catalogue = Path(checkpoints.ingest.get().output.catalogue).parent
        if workflow.is_main_process and not workflow.dryrun:
            freshness.remove_orphans(Path(folder), catalogue)
        return [f"{folder}/{path.name}" for path in index_paths(catalogue)]

    return indexes


def catalogue_index(wildcards):
    """The catalogue's index of one shard: written by the checkpoint, so named by no rule."""
    catalogue = Path(checkpoints.ingest.get().output.catalogue).parent
    return catalogue / f"shard-{wildcards.shard}.json"

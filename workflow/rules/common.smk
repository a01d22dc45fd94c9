"""Freshness by digest, once, before the graph is built; and the shards a stage has."""

import sys
from pathlib import Path

from stages.contract import freshness
from stages.contract.shards import index_paths


wildcard_constraints:
    shard=r"\d{5}",


# Jobs read this file too, with --target-jobs in their command line, and so does --lint, which has no DAG: they must
# change nothing.
if "--target-jobs" not in sys.argv and workflow.dag_settings:
    stale = freshness.settle(config, dry_run=workflow.dryrun)
    workflow.dag_settings.forcerun = {*workflow.dag_settings.forcerun, *map(str, stale)}


def shard_indexes(folder):
    """An input function: the index of every shard in `folder`, known once the songs are ingested."""

    def indexes(wildcards):
        catalogue = Path(checkpoints.ingest.get().output.catalogue).parent
        return [f"{folder}/{path.name}" for path in index_paths(catalogue)]

    return indexes


def catalogue_index(wildcards):
    """The catalogue's index of one shard: written by the checkpoint, so named by no rule."""
    catalogue = Path(checkpoints.ingest.get().output.catalogue).parent
    return catalogue / f"shard-{wildcards.shard}.json"

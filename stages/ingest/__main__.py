"""Songs and lyrics as people keep them -> the catalogue.

Reads   a folder tree of songs with lyrics beside them (stages/ingest/sources.py), or a manifest (manifest.py)
Writes  data/catalogue: shards of Song records, one entry per input file with what became of it and why;
        runs/ingest: what is known of every file by size and mtime (no output; made anew when missing)
Launch  songcreator ingest --params params.yaml --songs data/demo_songs --out data/catalogue
Paper   4.1 (songs with lyrics; cleaning, duplicates and splits are ours)

A song's id is the digest of its samples in 16 bit: renaming changes nothing but the path in its record, and the same
audio twice is a duplicate. A song keeps its shard for life.
"""

import argparse
import sys
from pathlib import Path

from stages.contract import freshness, provenance
from stages.contract.shards import ShardError, index_paths
from stages.ingest.config import IngestConfig
from stages.lib.cli import UserError, add_path, stage_parser
from stages.lib.config import load_params, parse_section
from stages.lib.workers import n_cores


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("ingest", __doc__)
    parser.add_argument("--songs", type=Path, default=None, help="folder or manifest (default: ingest.songs)")
    add_path(parser, "--out", "data/catalogue", "the catalogue")
    add_path(parser, "--cache", "runs/ingest", "what is known of every file")
    parser.add_argument("--workers", type=int, default=n_cores(), help="processes that decode (default: %(default)s)")
    parser.add_argument(
        "--places-of", type=Path, default=None, help="another catalogue whose shard numbers are taken over"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    params = load_params(args.params)
    config = parse_section(params, "ingest", IngestConfig, str(args.params))
    songs = args.songs or config.songs
    key = freshness.catalogue_key(params, songs)
    if songs.is_dir() and _is_complete(args.out, key):
        print("ingest: nothing changed", file=sys.stderr)
        return 0
    return _ingest(songs, config, args, key)


def _is_complete(out: Path, key: str) -> bool:
    """A manifest may name files anywhere, so only a folder can be known unchanged by its listing."""
    found = provenance.read(out)
    indexes = index_paths(out)
    tars = all(path.with_suffix(".tar").is_file() for path in indexes)
    return found.get("key") == key and found.get("n_shards") == len(indexes) and tars


def _ingest(songs: Path, config: IngestConfig, args: argparse.Namespace, key: str) -> int:
    from stages.ingest.assign import Places
    from stages.ingest.cache import Cache
    from stages.ingest.manifest import SUFFIXES, read_manifest
    from stages.ingest.run import ingest
    from stages.ingest.sources import find_songs

    if songs.is_dir():
        sources, root = find_songs(songs), songs
    elif songs.suffix.lower() in SUFFIXES:
        sources, root = read_manifest(songs), songs.parent
    else:
        raise UserError(f"{songs}: neither a folder nor a manifest ({', '.join(sorted(SUFFIXES))})")
    try:
        places = Places.read(args.places_of or args.out)
    except ShardError as error:
        raise UserError(str(error)) from error
    with Cache(args.cache) as cache:
        summary = ingest(sources, root, config, args.out, cache, max(args.workers, 1), places)
    provenance.write(args.out, "ingest", key, n_shards=len(index_paths(args.out)))
    counts = ", ".join(f"{summary.outcomes.get(name, 0)} {name}" for name in ("kept", "dropped", "failed"))
    print(
        f"ingest: {len(sources)} files: {counts}; {summary.hours:.2f} h; {summary.n_probed} looked at anew",
        file=sys.stderr,
    )
    for reason, n in summary.reasons:
        print(f"  {n:>7} {reason}", file=sys.stderr)
    if not summary.outcomes.get("kept"):
        raise UserError(f"none of the {len(sources)} files of {songs} was kept; `songcreator ledger` says why")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Stems and lyrics -> clips of whole sentences.

Reads   data/stems (ID.vocals.flac, ID.accompaniment.flac) and data/catalogue (Song records with lyrics)
Writes  data/clips: ID-000.json (Clip), ID-000.vocals.flac, ID-000.accompaniment.flac, ...: mono 44.1 kHz 16 bit,
        song = vocals + accompaniment, starts and lengths whole token frames (882 samples)
Launch  songcreator segment --params params.yaml --catalogue data/catalogue --stems data/stems --out data/clips
Paper   §4.1 (clips of at most 30 s, whole sentences, cuts in silences found by a VAD)

Where lyrics have times and these agree with the singing, they are trusted; else the aligner finds the sentences. What
it is not sure of is dropped, with a reason on the ledger.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stages.contract.compute import Made, Make, failed
from stages.contract.records import Song
from stages.lib.cli import add_path, add_shard, stage_parser
from stages.lib.config import load_config
from stages.lib.data import song_members
from stages.lib.progress import progress
from stages.lib.sharded import run_shards
from stages.segment.config import SegmentConfig


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("segment", __doc__)
    add_path(parser, "--catalogue", "data/catalogue", "what ingest wrote")
    add_path(parser, "--stems", "data/stems", "what separate wrote")
    add_path(parser, "--out", "data/clips", "where the clips go")
    add_shard(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 (default: a GPU if there is one)")
    parser.add_argument("--jobs", type=int, default=None, help="songs at once on a CPU (default: a core each)")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    config = load_config(args.params, "segment", SegmentConfig)
    folders = {"ingest": args.catalogue, "separate": args.stems, "segment": args.out}
    load = _loader(args, config)
    run_shards("segment", args.params, folders, args.shard, lambda shard: _make(shard, args, config, load))
    return 0


def _loader(args: argparse.Namespace, config: SegmentConfig) -> Callable[[], tuple[Any, Any, str]]:
    """A function that loads (vad, aligner, device), once for all shards."""
    loaded: list[tuple[Any, Any, str]] = []

    def load() -> tuple[Any, Any, str]:
        if not loaded:
            from stages.segment.aligners import load_aligner
            from stages.segment.pool import device_name
            from stages.segment.vad import load_vad

            device = device_name(args.device)
            loaded.append((load_vad(config, device), load_aligner(config, device), device))
        return loaded[0]

    return load


def _make(
    shard: int, args: argparse.Namespace, config: SegmentConfig, load: Callable[[], tuple[Any, Any, str]]
) -> Make:
    def make(ids: Sequence[str]) -> Iterator[tuple[str, Made]]:
        from stages.segment.pool import parallel
        from stages.segment.run import segment_song

        vad, aligner, device = load()

        def one(id: str) -> tuple[str, Made]:
            # tars are opened here, in the worker: a file position is not to be shared
            song = Song.from_json(song_members(args.catalogue, shard)(id)[1][f"{id}.json"])
            stems = song_members(args.stems, shard)(id)[1]
            try:
                made = segment_song(
                    song, stems[f"{id}.vocals.flac"], stems[f"{id}.accompaniment.flac"], vad, aligner, config
                )
            except Exception as error:  # one bad song never stops the others; what went wrong is on the ledger
                made = failed(f"{type(error).__name__}: {error}")
            return id, made

        yield from progress(parallel(one, ids, device, args.jobs), len(ids), f"segment ({device})", "songs")

    return make


if __name__ == "__main__":
    raise SystemExit(main())

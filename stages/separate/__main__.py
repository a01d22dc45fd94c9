"""Catalogue -> stems: every song as vocals and accompaniment, by Demucs.

Reads   data/catalogue (Song records) and the songs they name
Writes  data/stems: ID.vocals.flac, ID.accompaniment.flac, mono 44.1 kHz 16 bit, song = vocals + accompaniment exactly
Launch  songcreator separate --params params.yaml --songs data/demo_songs --catalogue data/catalogue --out data/stems
Paper   4.1 (Demucs separates the training songs)

The model is `separate.model` of params.yaml. Chunks of several songs go through it together; decoding, encoding and
joining run beside it; memory does not grow with a song's length.
"""

import argparse
from collections.abc import Iterator, Sequence

from stages.contract.compute import Made, Make
from stages.contract.records import Song
from stages.lib.cli import UserError, add_path, add_shard, stage_parser
from stages.lib.config import load_config
from stages.lib.data import song_members
from stages.lib.progress import progress_bar
from stages.lib.sharded import run_shards
from stages.separate.config import SeparateConfig


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("separate", __doc__)
    add_path(parser, "--songs", "data/demo_songs", "folder that the catalogue's paths begin from")
    add_path(parser, "--catalogue", "data/catalogue", "what ingest wrote")
    add_path(parser, "--out", "data/stems", "where the stems go")
    add_shard(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps (default: a GPU if there is one)")
    parser.add_argument("--batch", type=int, default=None, help="chunks per pass (default: 16 on a GPU, 1 on a CPU)")
    parser.add_argument(
        "--threads", type=int, default=None, help="passes at once on a CPU (default: a core each, as memory allows)"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    config = load_config(args.params, "separate", SeparateConfig)
    if not args.songs.is_dir():
        raise UserError(f"{args.songs}: no such folder; name the one that ingest read, by --songs")

    def make_for(shard: int) -> Make:
        return _make(shard, args, config)

    run_shards("separate", args.params, {"ingest": args.catalogue, "separate": args.out}, args.shard, make_for)
    return 0


def _make(shard: int, args: argparse.Namespace, config: SeparateConfig) -> Make:
    from stages.separate.model import load_separator
    from stages.separate.run import Machine, separate_songs

    read = song_members(args.catalogue, shard)

    def make(ids: Sequence[str]) -> Iterator[tuple[str, Made]]:
        songs = [Song.from_json(read(id)[1][f"{id}.json"]) for id in ids]
        separator = load_separator(config.model)
        machine = Machine.of(args.device, args.batch, args.threads)
        total_s = sum(song.duration_s for song in songs)
        durations_s = {song.id: song.duration_s for song in songs}
        with progress_bar(round(total_s), f"separate ({machine.device})", "s of audio") as bar:
            for id, made in separate_songs(songs, args.songs, separator, config.overlap, config.known_stems, machine):
                yield id, made
                bar.update(round(durations_s[id]))

    return make


if __name__ == "__main__":
    raise SystemExit(main())

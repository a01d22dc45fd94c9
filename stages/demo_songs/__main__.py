"""Render songs to try the pipeline on: sung vocals and a band, with lyrics beside them and everything known of them.

Reads   params.yaml, section demo_songs
Writes  OUT/NAME.flac, OUT/NAME.lrc or .txt; OUT/.truth/NAME.{vocals,accompaniment}.flac, NAME.json;
        OUT/.provenance.json last
Launch  songcreator demo_songs --params params.yaml --out data/demo_songs
Paper   none: ours. The paper's 8,500 hours of songs are not public.
"""

import argparse
import sys
from pathlib import Path

from stages.lib.cli import add_path, run_main, stage_parser


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("demo_songs", __doc__)
    add_path(parser, "--out", "data/demo_songs", "where the songs go")
    parser.add_argument("--n", type=int, help="how many songs (default: demo_songs.n_songs)")
    parser.add_argument("--seed", type=int, help="seed of all songs (default: demo_songs.seed)")
    parser.add_argument("--first", type=int, default=0, help="number of the first song (default: %(default)s)")
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    from stages.contract import freshness
    from stages.contract.graph import STAGES
    from stages.demo_songs.config import DemoSongsConfig
    from stages.demo_songs.run import run
    from stages.lib.config import load_params, parse_section

    values = load_params(args.params)
    given = {"n_songs": args.n, "seed": args.seed}
    section = dict(values.get("demo_songs") or {}) | {key: value for key, value in given.items() if value is not None}
    config = parse_section({"demo_songs": section}, "demo_songs", DemoSongsConfig, str(args.params))
    key = freshness.key_of(STAGES["demo_songs"], {"demo_songs": section})
    n_rendered = run(config, Path(args.out), key, args.first, args.workers)
    print(f"demo_songs: {config.n_songs} songs in {args.out}, {n_rendered} rendered now")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))

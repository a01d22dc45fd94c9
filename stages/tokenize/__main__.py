"""Clips to semantic tokens: 50 a second, for song, vocals and accompaniment alike (PAPER A.1).

reads    data/clips, models/bestrq, models/codebook, params.yaml: tokenize
writes   data/tokens/shard-NNNNN.{tar,json}: ID.json (TokenClip), ID.{song,vocals,accompaniment}.npy (uint16)
launch   songcreator tokenize --clips data/clips --bestrq models/bestrq --codebook models/codebook --out data/tokens
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stages.contract.compute import Make
from stages.lib.cli import add_path, add_shard, stage_parser
from stages.lib.config import load_config
from stages.tokenize.config import TokenizeConfig

if TYPE_CHECKING:
    from stages.tokenize.tokenizer import Tokenizer


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser("tokenize", __doc__)
    add_path(parser, "--clips", "data/clips", "folder of clip shards")
    add_path(parser, "--bestrq", "models/bestrq", "folder of the encoder")
    add_path(parser, "--codebook", "models/codebook", "folder of the codebook")
    add_path(parser, "--out", "data/tokens", "folder of token shards")
    add_shard(parser)
    args = parser.parse_args(argv)
    config = load_config(args.params, "tokenize", TokenizeConfig)

    from stages.lib.sharded import run_shards

    folders = {"segment": args.clips, "bestrq": args.bestrq, "codebook": args.codebook, "tokenize": args.out}
    run_shards("tokenize", args.params, folders, args.shard, maker(args.clips, args.bestrq, args.codebook, config))
    return 0


def maker(clips: Path, bestrq: Path, codebook: Path, config: TokenizeConfig) -> Callable[[int], Make]:
    """shard -> Make; the models are loaded once, for the first shard that has work."""

    @functools.cache
    def tokenizer() -> "Tokenizer":
        import torch

        from stages.tokenize.tokenizer import Tokenizer

        made = Tokenizer.from_pretrained(bestrq, codebook, config.windows_per_batch)
        return made.to("cuda" if torch.cuda.is_available() else "cpu")

    def make_for(shard: int) -> Make:
        from stages.lib.data import song_members
        from stages.tokenize.run import tokenize_songs

        return lambda ids: tokenize_songs(ids, song_members(clips, shard), tokenizer())

    return make_for


if __name__ == "__main__":
    sys.exit(main())

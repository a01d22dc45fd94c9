"""Train the dual-sequence language model: lyrics, vocals, accompaniment and song as tokens (PAPER §3, §4.1).

reads    data/tokens (train split; valid and test for the figures), models/codebook, params.yaml: dslm
writes   models/dslm/: model.safetensors, config.json, README.md, metrics.json, plots/, provenance.json (last)
resumes  from runs/dslm/KEY/ when the same command was stopped
launch   songcreator dslm --tokens data/tokens --codebook models/codebook --out models/dslm
"""

import json
import sys
from pathlib import Path

from stages.contract import provenance
from stages.contract.freshness import DEFAULT_FOLDERS, inputs_of, key_of
from stages.contract.graph import STAGES
from stages.dslm.config import Config
from stages.lib.cli import UserError, add_path, stage_parser
from stages.lib.config import load_config, load_params


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser("dslm", __doc__)
    add_path(parser, "--tokens", "data/tokens", "folder of token shards")
    add_path(parser, "--codebook", "models/codebook", "folder of the codebook the tokens come from")
    add_path(parser, "--out", "models/dslm", "folder of the model")
    args = parser.parse_args(argv)
    config = load_config(args.params, "dslm", Config)
    folders = {**DEFAULT_FOLDERS, "tokenize": args.tokens, "codebook": args.codebook, "dslm": args.out}
    key = key_of(STAGES["dslm"], load_params(args.params), folders)
    if provenance.is_fresh(args.out, key):
        print(f"dslm: {args.out} is up to date", file=sys.stderr)
        return 0
    data = str(inputs_of(STAGES["dslm"], folders)["tokenize"])
    train_and_write(args.tokens, read_n_codes(args.codebook), args.out, config, key, data)
    return 0


def read_n_codes(codebook: Path) -> int:
    """The codebook's size from its config, without its libraries."""
    try:
        return int(json.loads((codebook / "config.json").read_text(encoding="utf-8"))["config"]["n_codes"])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise UserError(f"{codebook}/config.json names no n_codes; run `songcreator codebook` again") from error


def train_and_write(tokens: Path, n_codes: int, out: Path, config: Config, key: str, data: str) -> None:
    from stages.contract.digests import digest
    from stages.dslm.data import load_songs
    from stages.dslm.train import train
    from stages.lib.models import count_parameters, write_card
    from stages.lib.training import finish_model

    songs = load_songs(tokens, config.examples.max_clip_s)
    if not songs.get("train"):
        raise UserError(f"{tokens}: no clip of the train split; add songs, or another split at ingest")
    model, run, figures = train(songs, n_codes, config, out, key)
    write_card(
        out,
        "Dual-sequence language model",
        "Reads lyrics as phonemes; writes semantic tokens (50 a second) of vocals and accompaniment, which look at "
        "each other, and of the song they make. Serves all eight tasks. Figures are nats per token on songs it was "
        "not trained on, beside what counting tokens and pairs of tokens achieves.",
        "songcreator dslm",
        count_parameters(model),
        data,
        digest(config.model_dump(mode="json")),
        **figures,
    )
    finish_model(out, "dslm", key, run)


if __name__ == "__main__":
    sys.exit(main())

"""Train the codebook of the semantic tokens: a learned VQ over one layer of BEST-RQ (PAPER A.1).

reads    data/clips (train split; valid split for the figures), models/bestrq, params.yaml: codebook
writes   models/codebook/: model.safetensors, config.json, README.md, metrics.json, plots/, provenance.json (last)
resumes  from runs/codebook/KEY/ when the same command was stopped
launch   songcreator codebook --clips data/clips --bestrq models/bestrq --out models/codebook
"""

import sys
from pathlib import Path

from stages.contract import provenance
from stages.contract.freshness import DEFAULT_FOLDERS, inputs_of, key_of
from stages.contract.graph import STAGES
from stages.lib.cli import UserError, add_path, stage_parser
from stages.lib.config import load_config, load_params
from stages.tokenize.config import CodebookConfig


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser("codebook", __doc__)
    add_path(parser, "--clips", "data/clips", "folder of clip shards")
    add_path(parser, "--bestrq", "models/bestrq", "folder of the encoder")
    add_path(parser, "--out", "models/codebook", "folder of the codebook")
    args = parser.parse_args(argv)
    config = load_config(args.params, "codebook", CodebookConfig)
    folders = {**DEFAULT_FOLDERS, "segment": args.clips, "bestrq": args.bestrq, "codebook": args.out}
    key = key_of(STAGES["codebook"], load_params(args.params), folders)
    if provenance.is_fresh(args.out, key):
        print(f"codebook: {args.out} is up to date", file=sys.stderr)
        return 0
    data = str(inputs_of(STAGES["codebook"], folders)["segment"])
    train_and_write(args.clips, args.bestrq, args.out, config, key, data)
    return 0


def train_and_write(clips: Path, bestrq: Path, out: Path, config: CodebookConfig, key: str, data: str) -> None:
    from stages.bestrq.model import BestRQ
    from stages.contract.digests import digest
    from stages.lib.data import list_clips
    from stages.lib.models import count_parameters, write_card
    from stages.lib.training import finish_model
    from stages.tokenize.train import train

    refs = list_clips(clips, "train")
    if not refs:
        raise UserError(f"{clips}: no clip of the train split; add songs, or another split at ingest")
    encoder = BestRQ.from_pretrained(bestrq)
    if config.layer > encoder.config.n_layers:
        raise UserError(
            f"params.yaml: codebook.layer: {config.layer}, but the encoder in {bestrq} has {encoder.config.n_layers} "
            "layers; lower it, or raise bestrq.encoder.n_layers"
        )
    codebook, run, figures = train(refs, list_clips(clips, "valid"), encoder, config, out, key)
    write_card(
        out,
        "Semantic tokens",
        f"{config.n_codes} codes of {config.codebook_dim} dimensions over layer {config.layer} of the BEST-RQ encoder, "
        "50 tokens a second; one codebook for songs, vocals and accompaniments.",
        "songcreator codebook",
        count_parameters(codebook),
        data,
        digest(config.model_dump(mode="json")),
        **figures,
    )
    finish_model(out, "codebook", key, run)


if __name__ == "__main__":
    sys.exit(main())

"""Train the BEST-RQ encoder on songs, vocals and accompaniments alike, unlabelled (PAPER A.1).

reads    data/clips (train split; valid split for the figures), params.yaml: bestrq
writes   models/bestrq/: model.safetensors, config.json, README.md, metrics.json, plots/, provenance.json (last)
resumes  from runs/bestrq/KEY/ when the same command was stopped
launch   songcreator bestrq --clips data/clips --out models/bestrq
"""

import sys
from pathlib import Path

from stages.bestrq.config import BestRQConfig
from stages.contract import provenance
from stages.contract.freshness import DEFAULT_FOLDERS, inputs_of, key_of
from stages.contract.graph import STAGES
from stages.lib.cli import UserError, add_path, stage_parser
from stages.lib.config import load_config, load_params


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser("bestrq", __doc__)
    add_path(parser, "--clips", "data/clips", "folder of clip shards")
    add_path(parser, "--out", "models/bestrq", "folder of the model")
    args = parser.parse_args(argv)
    config = load_config(args.params, "bestrq", BestRQConfig)
    folders = {**DEFAULT_FOLDERS, "segment": args.clips, "bestrq": args.out}
    key = key_of(STAGES["bestrq"], load_params(args.params), folders)
    if provenance.is_fresh(args.out, key):
        print(f"bestrq: {args.out} is up to date", file=sys.stderr)
        return 0
    data = str(inputs_of(STAGES["bestrq"], folders)["segment"])
    train_and_write(args.clips, args.out, config, key, data)
    return 0


def train_and_write(clips: Path, out: Path, config: BestRQConfig, key: str, data: str) -> None:
    from stages.bestrq.train import train
    from stages.contract.digests import digest
    from stages.lib.data import list_clips
    from stages.lib.models import count_parameters, write_card
    from stages.lib.training import finish_model

    refs = list_clips(clips, "train")
    if not refs:
        raise UserError(f"{clips}: no clip of the train split; add songs, or another split at ingest")
    model, run, figures = train(refs, list_clips(clips, "valid"), config, out, key)
    write_card(
        out,
        "BEST-RQ encoder",
        "A Conformer over 24 kHz log-mels, 50 frames a second, trained to name the random-projection code of masked "
        "frames. Its features become SongCreator's semantic tokens.",
        "songcreator bestrq",
        count_parameters(model),
        data,
        digest(config.model_dump(mode="json")),
        **figures,
    )
    finish_model(out, "bestrq", key, run)


if __name__ == "__main__":
    sys.exit(main())

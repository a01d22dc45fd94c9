"""Train the VAE that turns 44.1 kHz audio into 32 numbers 43.07 times a second, and back.

reads   data/clips (train split: song, vocals and accompaniment of every clip)
writes  models/vae (model.safetensors, config.json, card, DVCLive metrics, provenance); runs/vae while it trains
launch  songcreator vae --clips data/clips --out models/vae
paper   A.3: Oobleck / DAC geometry, diagonal Gaussian, mel, adversarial, feature and KL losses
"""

from pathlib import Path
from typing import Any

from stages.contract import provenance
from stages.contract.freshness import DEFAULT_FOLDERS, inputs_of, key_of
from stages.contract.graph import STAGES
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.cli import UserError, add_path, stage_parser
from stages.lib.config import load_params, parse_section
from stages.vae.config import VaeConfig

HELD_OUT_CLIPS = 6
HELD_OUT_SAMPLES = 5 * SAMPLE_RATE_HZ


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser("vae", __doc__)
    add_path(parser, "--clips", "data/clips", "clips to train on")
    add_path(parser, "--out", "models/vae", "the model's folder")
    args = parser.parse_args(argv)
    params = load_params(args.params)
    config = parse_section(params, "vae", VaeConfig, str(args.params))
    folders = {**DEFAULT_FOLDERS, "segment": args.clips, "vae": args.out}
    key = key_of(STAGES["vae"], params, folders)
    if provenance.is_fresh(args.out, key):
        print(f"vae: {args.out} is up to date")
        return 0
    data = inputs_of(STAGES["vae"], folders)["segment"]
    train_folder(config, args.clips, args.out, key, data)
    return 0


def train_folder(config: VaeConfig, clips: Path, out: Path, key: str, data: str) -> None:
    """Train on a clips folder and write the model's folder, provenance last."""
    from stages.contract.digests import digest
    from stages.lib.allocator import keep_freed_memory
    from stages.lib.data import list_clips
    from stages.lib.models import count_parameters, save_model, write_card
    from stages.lib.training import MetricsLog, Run, finish_model, make_fabric
    from stages.vae.crops import Crops
    from stages.vae.train import Adversaries, train

    refs = list_clips(clips, "train")
    if not refs:
        raise UserError(f"{clips} holds no clips of the train split: give the pipeline more songs")
    keep_freed_memory()
    fabric = make_fabric(config.precision)
    crops = Crops(refs, config, fabric.global_rank)
    sides = Adversaries.new(config, fabric)
    run = Run("vae", key, sides.parts, config.checkpoint_every_s)
    log = MetricsLog(out, resume=run.step > 0)
    autoencoder = train(sides, crops, run, log)
    crops.close()
    if not fabric.is_global_zero:
        return
    figures = _held_out(autoencoder, clips)
    log.close(**figures)
    save_model(autoencoder, out, autoencoder.config)
    write_card(
        out,
        "VAE",
        "Oobleck autoencoder, mono 44.1 kHz: one latent of 32 numbers per 1024 samples.",
        f"songcreator vae --clips {clips} --out {out}",
        count_parameters(autoencoder),
        data,
        digest(config.model_dump(mode="json")),
        **figures,
    )
    finish_model(out, "vae", key, run)


def _held_out(autoencoder: Any, clips: Path) -> dict[str, float]:
    """Mel L1 over the first seconds of some clips of the valid split, mean per stream; nothing without such clips."""
    import numpy as np

    from stages.contract.records import STREAMS
    from stages.lib.audio import to_float
    from stages.lib.data import ShardReader, list_clips
    from stages.vae.measure import mel_l1_of

    refs, reader = list_clips(clips, "valid")[:HELD_OUT_CLIPS], ShardReader()
    audio = [reader.audio(ref) for ref in refs]
    reader.close()
    return {
        f"valid_mel_l1.{stream}": float(
            np.mean([mel_l1_of(autoencoder, to_float(a[stream][:HELD_OUT_SAMPLES])) for a in audio])
        )
        for stream in STREAMS
        if audio
    }


if __name__ == "__main__":
    raise SystemExit(main())

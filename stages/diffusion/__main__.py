"""Train the latent diffusion model that turns semantic tokens into VAE latents.

reads   data/tokens, data/latents (train split: song, vocals and accompaniment of every clip), models/codebook
writes  models/diffusion (model.safetensors, config.json, card, DVCLive metrics, provenance); runs/diffusion meanwhile
launch  songcreator diffusion --tokens data/tokens --latents data/latents --codebook models/codebook
                              --out models/diffusion
paper   A.3: a U-Net as in Stable Audio 1.0; ours: v-prediction, cosine schedule, tokens concatenated channel-wise
"""

import json
from pathlib import Path

from stages.contract import provenance
from stages.contract.freshness import DEFAULT_FOLDERS, inputs_of, key_of
from stages.contract.graph import STAGES
from stages.contract.shards import read_indexes
from stages.diffusion.config import DiffusionConfig, LdmConfig
from stages.lib.cli import UserError, add_path, stage_parser
from stages.lib.config import load_params, parse_section


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser("diffusion", __doc__)
    add_path(parser, "--tokens", "data/tokens", "semantic tokens")
    add_path(parser, "--latents", "data/latents", "VAE latents")
    add_path(parser, "--codebook", "models/codebook", "the codebook's folder: how many codes there are")
    add_path(parser, "--out", "models/diffusion", "the model's folder")
    args = parser.parse_args(argv)
    params = load_params(args.params)
    config = parse_section(params, "diffusion", DiffusionConfig, str(args.params))
    folders = {
        **DEFAULT_FOLDERS,
        "tokenize": args.tokens,
        "latents": args.latents,
        "codebook": args.codebook,
        "diffusion": args.out,
    }
    stage = STAGES["diffusion"]
    key = key_of(stage, params, folders)
    if provenance.is_fresh(args.out, key):
        print(f"diffusion: {args.out} is up to date")
        return 0
    train_folder(config, args.tokens, args.latents, n_codes_of(args.codebook), args.out, key, inputs_of(stage, folders))
    return 0


def n_codes_of(codebook: Path) -> int:
    """The size of the codebook, by its config.json."""
    saved = json.loads((codebook / "config.json").read_text(encoding="utf-8"))
    return int(saved["config"]["n_codes"])


def latent_geometry(latents: Path) -> tuple[int, int]:
    """(width, hop) of the latents in a folder, as their index has it."""
    for index in read_indexes(latents):
        for entry in index.kept:
            return int(entry.facts["width"]), int(entry.facts["hop"])
    raise UserError(f"{latents} holds no latents: run `songcreator latents` first")


def train_folder(
    config: DiffusionConfig, tokens: Path, latents: Path, n_codes: int, out: Path, key: str, data: dict[str, str]
) -> None:
    """Train on the folders of tokens and latents and write the model's folder, provenance last."""
    from stages.contract.digests import digest
    from stages.diffusion.examples import Windows
    from stages.diffusion.train import Denoising, train, valid_loss
    from stages.lib.allocator import keep_freed_memory
    from stages.lib.data import list_tokens
    from stages.lib.models import count_parameters, save_model, write_card
    from stages.lib.training import MetricsLog, Run, finish_model, make_fabric

    refs = list_tokens(tokens, "train")
    if not refs:
        raise UserError(f"{tokens} holds no clips of the train split: give the pipeline more songs")
    keep_freed_memory()
    fabric = make_fabric(config.precision)
    latent_width, hop = latent_geometry(latents)
    ldm = LdmConfig(unet=config.unet, n_codes=n_codes, latent_width=latent_width, hop=hop, window=config.window)
    windows = Windows(refs, latents, config, ldm, fabric.global_rank)
    denoising = Denoising.new(config, ldm, windows, fabric)
    run = Run("diffusion", key, denoising.parts, config.checkpoint_every_s)
    log = MetricsLog(out, resume=run.step > 0)
    model = train(denoising, windows, run, log)
    windows.close()
    if not fabric.is_global_zero:
        return
    held_out = list_tokens(tokens, "valid")
    figures = valid_loss(model, Windows(held_out, latents, config, ldm)) if held_out else {}
    log.close(**figures)
    save_model(model, out, ldm)
    write_card(
        out,
        "LDM",
        "Latent diffusion: semantic tokens (50 Hz) to the VAE's latents (43.07 Hz); one model for song, vocals and "
        "accompaniment.",
        f"songcreator diffusion --tokens {tokens} --latents {latents} --out {out}",
        count_parameters(model),
        digest(data),
        digest(config.model_dump(mode="json")),
        **figures,
    )
    finish_model(out, "diffusion", key, run)


if __name__ == "__main__":
    raise SystemExit(main())

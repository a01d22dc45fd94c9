"""Train the small separator of the demo: a 2-core machine's HTDemucs, on songs with known stems.

Reads   NAME.vocals.* beside NAME.accompaniment.* below --songs (demo_songs keeps them in .truth/), 44.1 kHz
Writes  --out: small.yaml, SIG.safetensors, training.json (figures for the card)
Launch  songcreator train_separator --songs data/train_songs --heldout data/other_songs --out weights/separator
Paper   none: ours. The loss is demucs' L1 on waveforms plus the logarithm of the error's power, which keeps quiet
        passages worth learning.

A killed run goes on from runs/train_separator/ with the same command. Shapes: B batch, S stem, T samples.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract.digests import digest
from stages.contract.files import write_atomic
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.cli import add_path
from stages.lib.progress import progress_bar
from stages.separate.config import TrainerConfig
from stages.separate.excerpts import KnownStems, draw_stems, find_known_stems
from stages.separate.small import ARCHITECTURE, build_small, save_repo

if TYPE_CHECKING:
    import torch

    from stages.lib.training import Run

PROBE_STEPS = 10  # timed to turn --minutes into a number of steps


class Plan:
    """The number of steps, fixed once and kept with the run: the schedule must not depend on how busy a machine is."""

    def __init__(self, n_steps: int | None):
        self.n_steps = n_steps

    def state_dict(self) -> dict[str, Any]:
        return {"n_steps": self.n_steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.n_steps = state["n_steps"]


def separation_loss(estimate_BT: "torch.Tensor", vocals_BT: "torch.Tensor") -> "torch.Tensor":
    """The error of the vocals is the error of the accompaniment, which is the rest of the song: one term serves both.
    Signals are scaled so that a mixture's deviation is 1; an error 30 dB below that is not pressed further."""
    error_BT = estimate_BT - vocals_BT
    return error_BT.abs().mean() + 0.1 * (error_BT.square().mean(dim=1) + 1e-3).log().mean()


def train(songs: list[KnownStems], config: TrainerConfig, n_steps: int | None, minutes: float) -> tuple[Any, "Run"]:
    """(model with averaged weights, its run: to be finished by whoever has put the model away)."""
    import torch

    from stages.lib.training import EMA, Run, clipped_step, make_fabric, set_learning_rate, warmup_cosine

    fabric = make_fabric()
    torch.manual_seed(config.seed)
    model = build_small()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    model, optimizer = fabric.setup(model, optimizer)
    ema, plan = EMA(model, config.ema_decay), Plan(n_steps)
    key = digest([ARCHITECTURE, config.model_dump(), n_steps or minutes, [[s.name, s.n_samples] for s in songs]])
    run = Run("train_separator", key, {"model": model, "optimizer": optimizer, "ema": ema, "plan": plan})
    n_samples = round(config.segment_s * SAMPLE_RATE_HZ)

    def draw(step: int) -> "torch.Tensor":
        seed = (config.seed, step)
        return torch.from_numpy(draw_stems(songs, config.batch, n_samples, config.cross_share, config.gain_db, seed))

    model.train()
    begun_s, first = time.monotonic(), run.step
    with ThreadPoolExecutor(1) as reader, progress_bar(plan.n_steps, "train_separator", "steps", run.step) as bar:
        ahead = reader.submit(draw, run.step)
        while plan.n_steps is None or run.step < plan.n_steps:
            stems_BST = fabric.to_device(ahead.result())
            ahead = reader.submit(draw, run.step + 1)
            mix_BT = stems_BST.sum(dim=1)
            scale_B1 = 1 / (mix_BT.std(dim=-1, keepdim=True) + 1e-4)
            set_learning_rate(
                optimizer, warmup_cosine(run.step, plan.n_steps or 10**9, config.learning_rate, config.warmup)
            )
            estimate_BT = model((mix_BT * scale_B1)[:, None])[:, 0, 0]
            loss = separation_loss(estimate_BT, stems_BST[:, 0] * scale_B1)
            optimizer.zero_grad()
            fabric.backward(loss)
            clipped_step(fabric, model, optimizer, config.clip_norm)
            ema.update(model)
            run.step += 1
            if plan.n_steps is None and run.step - first == PROBE_STEPS:
                step_s = (time.monotonic() - begun_s) / PROBE_STEPS
                plan.n_steps = max(run.step, round(minutes * 60 / step_s))
                print(f"train_separator: {plan.n_steps} steps of {step_s:.2f} s", file=sys.stderr, flush=True)
            bar.set_postfix(loss=loss.item())
            bar.update(1)
            run.save_if_due()
    run.save()
    ema.copy_to(model)
    return model.module.cpu().eval(), run


def held_out_figures(model: Any, songs: list[KnownStems]) -> dict[str, Any]:
    """Mean SI-SDR and its improvement over the mixture, in dB, of whole songs separated as the stage does it."""
    import numpy as np

    from stages.separate.measure import measure_song
    from stages.separate.model import to_separator

    separator = to_separator(model, "trained")
    rows = [measure_song(song.paths, separator) for song in songs]
    return {name: round(float(np.mean([row[name] for row in rows])), 2) for name in rows[0]} | {"n_songs": len(rows)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="songcreator train_separator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_path(parser, "--songs", "data/train_songs", "songs with known stems to train on")
    parser.add_argument("--heldout", type=Path, default=None, help="songs with known stems to measure on")
    add_path(parser, "--out", "weights/separator", "folder for the weights")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long to train (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=None, help="steps to train, instead of minutes")
    for name, field in TrainerConfig.model_fields.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=type(field.default), default=field.default, help=field.description)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    config = TrainerConfig(**{name: getattr(args, name) for name in TrainerConfig.model_fields})
    songs = find_known_stems(args.songs)
    begun_s = time.monotonic()
    model, run = train(songs, config, args.steps, args.minutes)
    facts = {
        "architecture": ARCHITECTURE,
        "config": config.model_dump(),
        "n_steps": run.step,
        "n_songs": len(songs),
        "minutes_of_last_run": round((time.monotonic() - begun_s) / 60, 1),
        "weights": save_repo(model, args.out),
    }
    if args.heldout:
        facts["heldout"] = held_out_figures(model, find_known_stems(args.heldout))
    write_atomic(args.out / "training.json", json.dumps(facts, indent=1) + "\n")
    run.finish()
    print(json.dumps(facts.get("heldout", {})))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

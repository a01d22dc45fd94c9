"""Training the DSLM (paper §3.4, §4.1): all tasks in one mixture, the plain sum of three cross-entropies, Adam under
Noam's schedule. One visible loop.

Reads clips in memory; writes `model.safetensors`, `config.json` and DVCLive's metrics into the model's folder, and
its state into `runs/` as it goes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from stages.dslm.config import Config, DSLMConfig
from stages.dslm.data import TrainingBatches
from stages.dslm.examples import TokenSong
from stages.dslm.model import DSLM
from stages.dslm.nll import compare, cross_entropies, nll
from stages.lib.models import save_model
from stages.lib.phonemes import engine_name
from stages.lib.progress import progress_bar
from stages.lib.training import RUNS, MetricsLog, Run, clipped_step, make_fabric, noam, seed_step, set_learning_rate


def build(config: Config, n_codes: int) -> DSLM:
    """The model at its seeded beginning."""
    torch.manual_seed(config.training.seed)
    return DSLM(DSLMConfig(**config.model.model_dump(), n_codes=n_codes, phonemes=engine_name()))


def train(
    songs: Mapping[str, Sequence[TokenSong]], n_codes: int, config: Config, out: Path, key: str, runs: Path = RUNS
) -> tuple[DSLM, Run, dict[str, float]]:
    """Train on songs["train"], save into `out`; return the model, its run (state still on disk) and the figures."""
    settings = config.training
    fabric = make_fabric(settings.precision)
    module = build(config, n_codes)
    module.attention = settings.attention if fabric.device.type == "cuda" else "dense"  # no other backward
    adam = torch.optim.Adam(module.parameters(), betas=(0.9, 0.98), eps=1e-9)
    model, optimizer = fabric.setup(module, adam)
    run = Run("dslm", key, {"model": module, "optimizer": optimizer}, settings.checkpoint_s, runs)
    metrics = MetricsLog(out, resume=run.step > 0) if fabric.is_global_zero else None
    batches = TrainingBatches(
        songs["train"], config.examples, settings, module.special, fabric.global_rank, fabric.world_size
    )
    valid = songs.get("valid", [])[: settings.valid_clips]

    model.train()
    with progress_bar(settings.n_steps, "dslm", "steps", initial=run.step) as bar:
        for batch in batches.from_step(run.step):
            run.step += 1
            seed_step(settings.seed + fabric.global_rank, run.step)  # dropout
            set_learning_rate(
                optimizer, noam(run.step, config.model.width, settings.warmup_steps, settings.noam_factor)
            )
            batch = batch.to(fabric.device)
            logits = model(batch.tokens_SBT, batch.own_SB, batch.other_SB, batch.lyrics_BL)
            losses = cross_entropies(logits, batch, settings.label_smoothing)
            loss = torch.stack(list(losses.values())).sum()
            fabric.backward(loss)
            clipped_step(fabric, model, optimizer, settings.clip_gradient)
            optimizer.zero_grad(set_to_none=True)

            last = run.step == settings.n_steps
            if metrics and (last or run.step % settings.log_every == 0):
                shown = {f"train/{name}": float(value.detach()) for name, value in losses.items()}
                if valid and (last or run.step % settings.valid_every == 0):
                    shown |= {f"valid/{name}": value for name, value in nll(module, valid).items()}
                metrics.log(run.step, loss=loss.item(), **shown)
                bar.set_postfix(loss=loss.item())
            if metrics:
                run.save_if_due()
            bar.update(1)

    figures: dict[str, float] = {}
    if metrics:
        run.save()
        save_model(module, out, module.config)
        figures = final_figures(module, songs)
        metrics.close(**figures)
    return module, run, figures


def final_figures(model: DSLM, songs: Mapping[str, Sequence[TokenSong]]) -> dict[str, float]:
    """NLL on the test split beside the baselines', flat; empty where there is no test split."""
    if not songs.get("test"):
        return {}
    compared = compare(model, songs["train"], songs.get("valid", []), songs["test"])
    return {f"nll/{stream}/{who}": value for stream, row in compared.items() for who, value in row.items()}

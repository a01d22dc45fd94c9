"""Training BEST-RQ: cross-entropy between masked frames and their random codes (PAPER A.1), one visible loop.

Reads clips of the train and valid splits; writes `model.safetensors`, `config.json`, the card and DVCLive's metrics.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from stages.bestrq.config import BestRQConfig, EncoderConfig
from stages.bestrq.data import Batch, Crops, MelBank, MelStatistics, fill, measure_statistics
from stages.bestrq.masking import span_mask, valid_frames
from stages.bestrq.model import BestRQ
from stages.lib.cli import UserError
from stages.lib.data import ClipRef
from stages.lib.models import save_model
from stages.lib.progress import progress, progress_bar
from stages.lib.training import (
    RUNS,
    MetricsLog,
    Run,
    clipped_step,
    make_fabric,
    seed_step,
    set_learning_rate,
    warmup_cosine,
)


@dataclass(frozen=True)
class TargetUsage:
    """How the random codes of some frames spread: a collapsed projection shows here before any training."""

    counts_V: Tensor

    @property
    def probability_V(self) -> Tensor:
        return self.counts_V / self.counts_V.sum().clamp_min(1)

    @property
    def used_fraction(self) -> float:
        return float((self.counts_V > 0).double().mean())

    @property
    def perplexity(self) -> float:
        p_V = self.probability_V
        return float(torch.exp(-torch.xlogy(p_V, p_V).sum()))

    def unigram(self, targets_M: Tensor) -> tuple[float, float]:
        """(nats per frame, accuracy) of always predicting by these counts, add-one smoothed."""
        smoothed_V = (self.counts_V + 1) / (self.counts_V.sum() + len(self.counts_V))
        nll = -smoothed_V.log()[targets_M].mean()
        return float(nll), float((targets_M == self.counts_V.argmax()).double().mean())


def prepare(bank: MelBank, config: BestRQConfig) -> tuple[BestRQ, TargetUsage]:
    """Measure the mel statistics, build the model around them, and see that its targets are worth learning."""
    n_clips = min(config.n_statistics_clips, len(bank.refs))
    sample = list(progress(fill(bank, n_clips, config.seed, torch.get_num_threads()), n_clips, "mels", "clips"))
    model = build(config, measure_statistics(sample))
    usage = count_targets(model, [mel_TF for streams in sample for mel_TF in streams.values()])
    check_targets(usage, config)
    return model, usage


def count_targets(model: BestRQ, mels: Sequence[Tensor]) -> TargetUsage:
    counts_V = torch.zeros(model.config.n_targets, dtype=torch.float64)
    for mel_TF in mels:
        counts_V += torch.bincount(model.targets(mel_TF.float()[None])[0], minlength=len(counts_V))
    return TargetUsage(counts_V)


def build(config: BestRQConfig, statistics: MelStatistics) -> BestRQ:
    """The seeded model, the measured statistics in its config."""
    torch.manual_seed(config.seed)
    values = {**config.encoder.model_dump(), "mel_mean": statistics.mean, "mel_std": statistics.std}
    return BestRQ(EncoderConfig.model_validate(values))


def check_targets(usage: TargetUsage, config: BestRQConfig) -> None:
    """Refuse to learn from collapsed targets. Raises UserError."""
    if usage.used_fraction < config.min_targets_used:
        raise UserError(
            f"bestrq: the clips reach {usage.used_fraction:.1%} of the {config.encoder.n_targets} random codes, fewer "
            f"than bestrq.min_targets_used ({config.min_targets_used:.1%}): are the clips silent? With very little "
            "audio, lower bestrq.encoder.n_targets"
        )


class Scored(NamedTuple):
    """The loss of a batch, and what was said of its masked frames."""

    loss: Tensor
    logits_MV: Tensor
    targets_M: Tensor


def score(model: Any, batch: Batch, config: BestRQConfig, generator: torch.Generator) -> Scored:
    """Cross-entropy at masked frames, plus `unmasked_weight` times that at the others, under masks drawn from
    `generator` (on the CPU, so that every machine draws alike)."""
    mel_BTF = batch.mel_BTF
    n_rows, n_frames, _ = mel_BTF.shape
    mask_BT = span_mask(n_rows, n_frames, config.masked_fraction, config.mask_span_frames, generator)
    noise_BTF = torch.randn(mel_BTF.shape, generator=generator) * config.mask_noise_std
    mask_BT = mask_BT.to(mel_BTF.device)
    scored_BT = torch.ones_like(mask_BT) if config.unmasked_weight else mask_BT
    valid_BT = valid_frames(batch.n_frames_B, n_frames)
    scored_BT = scored_BT if valid_BT is None else scored_BT & valid_BT
    logits_NV, targets_N = model(mel_BTF, batch.n_frames_B, mask_BT, noise_BTF.to(mel_BTF), scored_BT)
    entropy_N = F.cross_entropy(logits_NV.float(), targets_N, reduction="none")
    masked_N = mask_BT[scored_BT]
    loss = _mean(entropy_N[masked_N]) + config.unmasked_weight * _mean(entropy_N[~masked_N])
    return Scored(loss, logits_NV[masked_N], targets_N[masked_N])


def _mean(x_M: Tensor) -> Tensor:
    """0 of nothing: a batch of very short clips may escape every mask."""
    return x_M.sum() / max(len(x_M), 1)


def accuracy(logits_MV: Tensor, targets_M: Tensor) -> float:
    return float((logits_MV.argmax(-1) == targets_M).double().mean())


@torch.no_grad()
def validate(fabric: Any, model: BestRQ, crops: Crops, config: BestRQConfig, usage: TargetUsage) -> dict[str, float]:
    """Loss and accuracy at masked frames of unseen songs, beside what the code frequencies alone would give."""
    model.eval()
    generator = torch.Generator().manual_seed(config.seed)
    logits, targets = [], []
    for step in range(config.n_valid_batches):
        scored = score(model, fabric.to_device(crops[step]), config, generator)
        logits.append(scored.logits_MV.float().cpu())
        targets.append(scored.targets_M.cpu())
    logits_MV, targets_M = torch.cat(logits), torch.cat(targets)
    unigram_nll, unigram_accuracy = usage.unigram(targets_M)
    return {
        "valid_loss": float(F.cross_entropy(logits_MV, targets_M)),
        "valid_accuracy": accuracy(logits_MV, targets_M),
        "valid_unigram_loss": unigram_nll,
        "valid_unigram_accuracy": unigram_accuracy,
    }


def batches(fabric: Any, crops: Crops, config: BestRQConfig, first_step: int) -> Iterator[Batch]:
    """Batches from `first_step` on, each a function of its step alone."""
    loader = DataLoader(crops, batch_size=None, sampler=range(first_step, config.n_steps), num_workers=config.n_workers)
    return (fabric.to_device(batch) for batch in loader)


def make_optimizer(model: BestRQ, config: BestRQConfig) -> torch.optim.Optimizer:
    """AdamW; matrices decay, biases and norms do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def train(
    train_refs: Sequence[ClipRef],
    valid_refs: Sequence[ClipRef],
    config: BestRQConfig,
    out: Path,
    key: str,
    runs: Path = RUNS,
) -> tuple[BestRQ, Run, dict[str, float]]:
    """Train, save into `out`; return it with its run (state still on disk) and the figures for the card."""
    fabric = make_fabric(config.precision)
    window = config.encoder.window_frames
    bank = MelBank(train_refs, config.encoder, config.cache_gb)
    model, usage = prepare(bank, config)
    bank.close()

    module = model
    model, optimizer = fabric.setup(module, make_optimizer(module, config))
    run = Run("bestrq", key, {"model": module, "optimizer": optimizer}, config.checkpoint_interval_s, runs)
    metrics = MetricsLog(out, resume=run.step > 0)
    crops = Crops(bank, config.batch_size, window, config.seed, fabric.global_rank)
    model.train()
    with progress_bar(config.n_steps, "bestrq", "steps", initial=run.step) as bar:
        for batch in batches(fabric, crops, config, run.step):
            generator = seed_step(config.seed + fabric.global_rank, run.step)
            set_learning_rate(
                optimizer, warmup_cosine(run.step, config.n_steps, config.learning_rate, config.warmup_steps)
            )
            scored = score(model, batch, config, generator)
            fabric.backward(scored.loss)
            clipped_step(fabric, model, optimizer, config.grad_clip)
            optimizer.zero_grad(set_to_none=True)
            run.step += 1
            if run.step % config.log_every == 0 or run.step == config.n_steps:
                loss = scored.loss.item()
                metrics.log(run.step, loss=loss, masked_accuracy=accuracy(scored.logits_MV, scored.targets_M))
                bar.set_postfix(loss=loss)
            run.save_if_due()
            bar.update(1)
    run.save()

    figures = {"targets_used_fraction": usage.used_fraction, "targets_perplexity": usage.perplexity}
    if valid_refs:
        valid_bank = MelBank(valid_refs, config.encoder, config.cache_gb)
        figures |= validate(fabric, model, Crops(valid_bank, config.batch_size, window, config.seed), config, usage)
    metrics.close(**figures)
    save_model(module, out, module.config)
    return module, run, figures

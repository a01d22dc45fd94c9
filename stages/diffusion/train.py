"""The training of the latent diffusion model (PAPER A.3). Shapes: B batch, N latent frames, Z latent width."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stages.diffusion.config import DiffusionConfig, LdmConfig
from stages.diffusion.examples import Batch, Windows, mean_latents
from stages.diffusion.model import LatentDiffusion
from stages.diffusion.schedule import add_noise, stratified_times
from stages.lib.parts import Parts, mean_figures
from stages.lib.progress import progress_bar
from stages.lib.training import EMA, MetricsLog, Run, clipped_step, seed_step, set_learning_rate, warmup_cosine

VALID_BATCHES = 4


class Question(NamedTuple):
    """Noisy latents and all that helps to answer, and the answer: v."""

    noisy_BZN: Tensor
    t_B: Tensor
    left_BN: Tensor
    right_BN: Tensor
    weight_BN: Tensor
    velocity_BZN: Tensor
    mask_BN: Tensor


def question(batch: Batch, null: int, dropout: float, generator: torch.Generator) -> Question:
    """Times, noise, and some examples without their tokens. All randomness is drawn on the CPU, so that a seed means
    the same everywhere."""
    z_BZN, n = batch.z_BZN, len(batch.z_BZN)
    t_B = stratified_times(n, generator).to(z_BZN)
    noise_BZN = torch.randn(z_BZN.shape, generator=generator).to(z_BZN)
    without_B1 = (torch.rand(n, 1, generator=generator) < dropout).to(z_BZN.device)
    left_BN, right_BN = batch.left_BN.masked_fill(without_B1, null), batch.right_BN.masked_fill(without_B1, null)
    noisy_BZN, velocity_BZN = add_noise(z_BZN, noise_BZN, t_B)
    return Question(noisy_BZN, t_B, left_BN, right_BN, batch.weight_BN, velocity_BZN, batch.mask_BN)


def velocity_loss(model: Any, q: Question) -> Tensor:
    """Mean squared error of v over the frames that exist."""
    error_BZN = model(q.noisy_BZN, q.t_B, q.left_BN, q.right_BN, q.weight_BN) - q.velocity_BZN
    mask_B1N = q.mask_BN[:, None]
    return (error_BZN.square() * mask_B1N).sum() / (mask_B1N.sum() * error_BZN.shape[1]).clamp_min(1)


@dataclass
class Denoising:
    """The model, its optimizer and its average."""

    config: DiffusionConfig
    fabric: Any
    model: Any
    optimizer: Any
    ema: EMA
    parts_of_batch: Parts

    @classmethod
    def new(cls, config: DiffusionConfig, ldm: LdmConfig, windows: Windows, fabric: Any) -> "Denoising":
        torch.manual_seed(config.seed)
        model = LatentDiffusion(ldm)
        model.begin_embedding(*mean_latents(windows.tracks(0), ldm.n_codes))
        ema = EMA(model, config.ema_decay)
        optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        model_on_device, optimizer_on_device = fabric.setup(model, optimizer)
        return cls(config, fabric, model_on_device, optimizer_on_device, ema, Parts(fabric))

    @property
    def parts(self) -> dict[str, Any]:
        """Everything a checkpoint holds."""
        return {"model": self.model, "optimizer": self.optimizer, "ema": self.ema}

    def step(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, float]:
        config = self.config
        rate = warmup_cosine(
            step, config.n_steps, config.learning_rate, config.warmup_steps, config.final_learning_rate
        )
        asked = question(batch, self.model.module.null, config.condition_dropout, generator)
        parts = [Question(*tensors) for tensors in zip(*map(self.parts_of_batch.split, asked), strict=True)]
        frames = [int(part.mask_BN.sum()) for part in parts]
        losses = [torch.zeros(()) for _ in parts]

        def loss(part: int) -> Tensor:
            loss = velocity_loss(self.model, parts[part])
            losses[part] = loss.detach()
            return loss

        self.parts_of_batch.backward(loss, range(len(parts)), frames, self.model)
        set_learning_rate(self.optimizer, rate)
        clipped_step(self.fabric, self.model, self.optimizer, config.gradient_clip)
        self.ema.update(self.model.module)
        return mean_figures([{"loss": loss} for loss in losses], frames) | {"learning_rate": rate}


def train(denoising: Denoising, windows: Windows, run: Run, log: MetricsLog) -> LatentDiffusion:
    """Train from wherever the run stands to n_steps; returns the averaged model."""
    config, fabric = denoising.config, denoising.fabric
    with progress_bar(config.n_steps, "diffusion", "steps", initial=run.step) as bar:
        while run.step < config.n_steps:
            generator = seed_step(config.seed + fabric.global_rank, run.step)
            batch = Batch(*fabric.to_device(list(vars(windows.batch(run.step)).values())))
            figures = denoising.step(batch, run.step, generator)
            if run.step % config.log_every_steps == 0:
                log.log(run.step, **figures)
                bar.set_postfix(refresh=False, loss=figures["loss"])
            run.step += 1
            run.save_if_due()
            bar.update(1)
    run.save()
    denoising.ema.copy_to(denoising.model.module)
    return denoising.model.module.eval()


@torch.inference_mode()
def valid_loss(model: LatentDiffusion, windows: Windows) -> dict[str, float]:
    """The loss on windows of the valid split, with their tokens and without."""
    losses: dict[str, float] = {}
    device = model.embedding.weight.device
    for name, dropout in (("valid_loss", 0.0), ("valid_loss_without_tokens", 1.0)):
        total = 0.0
        for step in range(VALID_BATCHES):
            batch = Batch(*(tensor.to(device) for tensor in vars(windows.batch(step)).values()))
            asked = question(batch, model.null, dropout, torch.Generator().manual_seed(step))
            total += velocity_loss(model, asked).item()
        losses[name] = total / VALID_BATCHES
    return losses

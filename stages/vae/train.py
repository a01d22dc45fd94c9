"""The adversarial training of the autoencoder (PAPER A.3). Shapes: B batch, T samples, Z latent width."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import to_float
from stages.lib.parts import Parts, mean_figures
from stages.lib.progress import progress_bar
from stages.lib.training import EMA, MetricsLog, Run, clipped_step, seed_step, set_learning_rate, warmup_cosine
from stages.vae.config import VaeConfig
from stages.vae.crops import Crops
from stages.vae.discriminators import Discriminators
from stages.vae.layers import bake_weight_norm
from stages.vae.losses import adversarial_loss, discriminator_loss, feature_loss, mel_distance, waveform_distance
from stages.vae.model import Autoencoder
from stages.vae.oobleck import Gaussian

Heard = tuple[Tensor, Tensor, Gaussian]  # true audio, made audio, posterior
STATISTICS_S = 300.0  # audio over which the latents' mean and std are measured


@dataclass
class Adversaries:
    """Both sides: networks, their optimizers, the average of the one that is kept, and the losses between them."""

    config: VaeConfig
    fabric: Any
    autoencoder: Any
    autoencoder_optimizer: Any
    discriminators: Any
    discriminators_optimizer: Any
    ema: EMA
    parts_of_batch: Parts

    @classmethod
    def new(cls, config: VaeConfig, fabric: Any) -> "Adversaries":
        torch.manual_seed(config.seed)
        autoencoder, discriminators = Autoencoder(config.model), Discriminators(config.discriminators)
        ema = EMA(autoencoder, config.ema_decay)

        def with_optimizer(side: torch.nn.Module) -> tuple[Any, Any]:
            optimizer = torch.optim.AdamW(side.parameters(), lr=config.learning_rate, betas=config.betas, fused=True)
            return fabric.setup(side, optimizer)

        return cls(config, fabric, *with_optimizer(autoencoder), *with_optimizer(discriminators), ema, Parts(fabric))

    @property
    def parts(self) -> dict[str, Any]:
        """Everything a checkpoint holds."""
        return {
            "autoencoder": self.autoencoder,
            "autoencoder_optimizer": self.autoencoder_optimizer,
            "discriminators": self.discriminators,
            "discriminators_optimizer": self.discriminators_optimizer,
            "ema": self.ema,
        }

    def step(self, x_BT: Tensor, step: int, generator: torch.Generator) -> dict[str, float]:
        """One step of either side; the discriminators join at adversarial_from_step."""
        config = self.config
        rate = warmup_cosine(
            step, config.n_steps, config.learning_rate, config.warmup_steps, config.final_learning_rate
        )
        playing = step >= config.adversarial_from_step
        true = self.parts_of_batch.split(x_BT)
        sizes = [len(part) for part in true]
        noise = [torch.Generator().manual_seed(generator.initial_seed() + i) for i in range(len(true))]
        heard = self.parts_of_batch.map(
            lambda pair: (pair[0], *self.autoencoder(*pair)), list(zip(true, noise, strict=True))
        )
        logged = self._discriminate(heard, sizes, rate) if playing else {}
        return logged | self._generate(heard, sizes, rate, playing)

    def _discriminate(self, heard: list[Heard], sizes: list[int], rate: float) -> dict[str, float]:
        """The discriminators' side: the true to 1, the made to 0."""
        figures: list[dict[str, Tensor]] = [{} for _ in heard]

        def loss(part: int) -> Tensor:
            true_BT, made_BT, _ = heard[part]
            loss = discriminator_loss(self.discriminators(true_BT), self.discriminators(made_BT.detach()))
            figures[part] = {"discriminator": loss.detach()}
            return loss

        self.parts_of_batch.backward(loss, range(len(heard)), sizes, self.discriminators)
        set_learning_rate(self.discriminators_optimizer, rate)
        self.discriminators_optimizer.step()
        return mean_figures(figures, sizes)

    def _generate(self, heard: list[Heard], sizes: list[int], rate: float, playing: bool) -> dict[str, float]:
        """The autoencoder's side. Gradients pass through the discriminators, which stay as they are."""
        config = self.config
        figures: list[dict[str, Tensor]] = [{} for _ in heard]

        def loss(part: int) -> Tensor:
            true_BT, made_BT, posterior = heard[part]
            losses = {
                "mel": mel_distance(made_BT, true_BT, config.losses.mel_fft_sizes, config.losses.mel_bands),
                "waveform": waveform_distance(made_BT, true_BT),
                "kl": posterior.kl(),
            }
            if playing:
                losses |= self._judge(true_BT, made_BT)
            figures[part] = {name: loss.detach() for name, loss in losses.items()}
            weighted = [getattr(config.losses, name) * loss for name, loss in losses.items()]
            return sum(weighted[1:], weighted[0])

        self.discriminators.requires_grad_(False)
        self.parts_of_batch.backward(loss, range(len(heard)), sizes, self.autoencoder)
        self.discriminators.requires_grad_(True)
        set_learning_rate(self.autoencoder_optimizer, rate)
        clipped_step(self.fabric, self.autoencoder, self.autoencoder_optimizer, config.gradient_clip)
        self.ema.update(self.autoencoder.module)
        return mean_figures(figures, sizes)

    def _judge(self, true_BT: Tensor, made_BT: Tensor) -> dict[str, Tensor]:
        """By the bare module: what wraps it for several processes is for its own training."""
        discriminators = self.discriminators.module
        with self.fabric.autocast():
            made = discriminators(made_BT)
            with torch.no_grad():
                true = discriminators(true_BT)
        return {"adversarial": adversarial_loss(made), "features": feature_loss(true, made)}


def train(sides: Adversaries, crops: Crops, run: Run, log: MetricsLog) -> Autoencoder:
    """Train from wherever the run stands to n_steps; returns the averaged model, latents' statistics measured."""
    config, fabric = sides.config, sides.fabric
    with progress_bar(config.n_steps, "vae", "steps", initial=run.step) as bar:
        while run.step < config.n_steps:
            generator = seed_step(config.seed + fabric.global_rank, run.step)
            x_BT = fabric.to_device(crops.batch(run.step))
            losses = sides.step(x_BT, run.step, generator)
            if run.step % config.log_every_steps == 0:
                log.log(run.step, **losses)
                bar.set_postfix(refresh=False, mel=losses["mel"])
            run.step += 1
            run.save_if_due()
            bar.update(1)
    run.save()
    autoencoder = sides.autoencoder.module
    sides.ema.copy_to(autoencoder)
    bake_weight_norm(autoencoder)
    return with_statistics(autoencoder.eval(), crops)


@torch.no_grad()
def with_statistics(autoencoder: Autoencoder, crops: Crops) -> Autoencoder:
    """The same model, its config told the latents' mean and std per channel over some of the training audio."""
    clips = crops.clips(0)
    streams = [clip[stream] for clip in clips for stream in ("song", "vocals", "accompaniment")]
    n_samples = int(STATISTICS_S * SAMPLE_RATE_HZ / len(streams))
    device = autoencoder.mean_1Z1.device
    pieces = []
    for k, x_T in enumerate(streams):  # from early in one clip to late in another: clips begin and end in rests
        start = max(len(x_T) - n_samples, 0) * k // max(len(streams) - 1, 1)
        x_1T = torch.from_numpy(to_float(x_T[start : start + n_samples]))[None].to(device)
        pieces.append(autoencoder.encode(x_1T)[0])
    z_ZN = torch.cat(pieces, 1)
    config = autoencoder.config.model_copy(
        update={
            "weight_norm": False,
            "latent_mean": tuple(round(value, 6) for value in z_ZN.mean(1).tolist()),
            "latent_std": tuple(round(value, 6) for value in z_ZN.std(1).clamp_min(1e-3).tolist()),
        }
    )
    finished = Autoencoder(config).to(device)
    finished.load_state_dict(autoencoder.state_dict())
    return finished.eval()

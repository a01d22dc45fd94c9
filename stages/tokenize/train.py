"""Training the codebook: a reservoir of features, k-means, then a few hundred steps that move codes and projections
together (PAPER A.1 names the VQ and its size; the training is ours).

Shapes: N frames, D width, F mel bands, V codes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from stages.bestrq.data import MelBank, fill
from stages.bestrq.model import BestRQ
from stages.lib.data import ClipRef
from stages.lib.models import save_model
from stages.lib.progress import progress, progress_bar
from stages.lib.training import RUNS, MetricsLog, Run, make_fabric, seed_step, set_learning_rate, warmup_cosine
from stages.tokenize.config import CodebookConfig, QuantizerConfig, SavedCodebookConfig
from stages.tokenize.figures import code_counts, codebook_used_fraction, perplexity
from stages.tokenize.vq import Codebook
from stages.tokenize.windows import encode

FIT_FRAMES = 200_000  # behind the first projections: more do not move them, and cost 26 bytes a value
SEED_OF_VALID = 1  # added to the seed: another draw of frames


class Reservoir:
    """An even sample of `size` rows of a stream of any length: the rows with the smallest random keys. Rows whose key
    cannot stay are not kept; the others are sorted out when there are twice `size`, not at every addition."""

    def __init__(self, size: int, seed: int):
        self._size, self._limit = size, 1.0
        self._generator = torch.Generator().manual_seed(seed)
        self._keys: list[Tensor] = []
        self._rows: list[Tensor] = []

    def add(self, rows_ND: Tensor) -> None:
        keys_N = torch.rand(len(rows_ND), generator=self._generator)
        stays_N = keys_N < self._limit
        self._keys.append(keys_N[stays_N])
        self._rows.append(rows_ND[stays_N.to(rows_ND.device)].cpu())
        if sum(map(len, self._keys)) >= 2 * self._size:
            self._sort_out()

    def _sort_out(self) -> None:
        keys_N, rows_ND = torch.cat(self._keys), torch.cat(self._rows)
        if len(keys_N) > self._size:
            keys_N, chosen_N = keys_N.topk(self._size, largest=False)
            rows_ND, self._limit = rows_ND[chosen_N], float(keys_N.max())
        self._keys, self._rows = [keys_N], [rows_ND]

    @property
    def rows_ND(self) -> Tensor:
        assert self._rows, "nothing was added"
        self._sort_out()
        return self._rows[0]


class Frames(NamedTuple):
    """Features of one layer, and the standardised log-mels of the same frames."""

    features_ND: Tensor
    mel_NF: Tensor

    def sample(self, n: int, seed: int) -> "Frames":
        chosen_N = torch.randperm(len(self.mel_NF), generator=torch.Generator().manual_seed(seed))[:n]
        return Frames(self.features_ND[chosen_N], self.mel_NF[chosen_N])


@dataclass(frozen=True)
class Listener:
    """A trained encoder over clips: the features of one layer."""

    encoder: BestRQ
    layer: int
    windows_per_batch: int

    def frames(self, refs: Sequence[ClipRef], n_clips: int, n_frames: int, seed: int) -> Frames:
        """An even sample of the frames of up to `n_clips` clips, song, vocals and accompaniment alike."""
        bank = MelBank(refs, self.encoder.config, cache_gb=0)
        reservoir = Reservoir(n_frames, seed)
        n_clips = min(n_clips, len(refs))
        for mels in progress(fill(bank, n_clips, seed, n_threads=2), n_clips, "features", "clips"):
            features = encode(self.encoder, list(mels.values()), self.layer, self.windows_per_batch)
            for features_TD, mel_TF in zip(features, mels.values(), strict=True):
                heard_TF = self.encoder.standardise(mel_TF.to(features_TD))
                reservoir.add(torch.cat([features_TD, heard_TF], 1))
        bank.close()
        width = self.encoder.config.width
        return Frames(reservoir.rows_ND[:, :width], reservoir.rows_ND[:, width:])


def build(config: CodebookConfig, encoder: BestRQ) -> Codebook:
    """The seeded codebook over an encoder's features."""
    torch.manual_seed(config.seed)
    fields = {name: getattr(config, name) for name in QuantizerConfig.model_fields}
    return Codebook(SavedCodebookConfig(**fields, width=encoder.config.width, n_mels=encoder.config.n_mels))


def batches(frames: Frames, config: CodebookConfig, first_step: int) -> Iterator[tuple[int, Frames]]:
    """(step, frames): each step's frames are a function of (seed, step) alone."""
    for step in range(first_step, config.n_steps):
        generator = seed_step(config.seed, step)
        chosen_N = torch.randint(len(frames.mel_NF), (config.batch_size,), generator=generator)
        yield step, Frames(frames.features_ND[chosen_N], frames.mel_NF[chosen_N])


@torch.no_grad()
def initialise_codes(codebook: Codebook, frames: Frames, config: CodebookConfig) -> None:
    """k-means: the library's, on the first batch that it sees, which therefore is a large one."""
    codebook(*frames.sample(config.kmeans_frames, config.seed))


@torch.no_grad()
def measure(codebook: Codebook, frames: Frames, prefix: str = "") -> dict[str, float]:
    """What codes explain of the variance of features and log-mels, and how they are used."""
    codebook.eval()
    codes_N = codebook.encode(frames.features_ND)
    counts_V = code_counts([codes_N.cpu().numpy()], codebook.n_codes)
    told_ND, told_NF = codebook.decode(codes_N)
    return {
        f"{prefix}explained_features": _explained(told_ND, codebook.standardise(frames.features_ND)),
        f"{prefix}explained_mel": _explained(told_NF, frames.mel_NF),
        f"{prefix}used_fraction": codebook_used_fraction(counts_V),
        f"{prefix}perplexity": perplexity(counts_V),
    }


def _explained(told: Tensor, true: Tensor) -> float:
    """R squared over all dimensions together."""
    return 1 - ((told - true).square().sum() / (true - true.mean(0)).square().sum()).item()


def train(
    train_refs: Sequence[ClipRef],
    valid_refs: Sequence[ClipRef],
    encoder: BestRQ,
    config: CodebookConfig,
    out: Path,
    key: str,
    runs: Path = RUNS,
) -> tuple[Codebook, Run, dict[str, float]]:
    """Train, save into `out`; return the codebook with its run (state still on disk) and the figures for the card."""
    fabric = make_fabric(config.precision)
    listener = Listener(encoder.eval().to(fabric.device), config.layer, config.windows_per_batch)
    frames = listener.frames(train_refs, config.n_clips, config.n_features, config.seed)
    codebook = build(config, encoder)
    codebook.fit_projections(*frames.sample(FIT_FRAMES, config.seed))
    frames = fabric.to_device(frames)
    parameters = [p for p in codebook.parameters() if p.requires_grad]
    model, optimizer = fabric.setup(codebook, torch.optim.Adam(parameters, lr=config.learning_rate))
    run = Run("codebook", key, {"model": codebook, "optimizer": optimizer}, runs=runs)
    metrics = MetricsLog(out, resume=run.step > 0)
    model.train()
    if run.step == 0:
        initialise_codes(codebook, frames, config)
    with progress_bar(config.n_steps, "codebook", "steps", initial=run.step) as bar:
        for step, batch in batches(frames, config, run.step):
            set_learning_rate(optimizer, warmup_cosine(step, config.n_steps, config.learning_rate, 1))
            losses = model(*batch)
            fabric.backward(codebook.weighted(losses))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            run.step = step + 1
            if run.step % config.log_every == 0 or run.step == config.n_steps:
                values = {name: value.item() for name, value in losses._asdict().items()}
                metrics.log(run.step, **values)
                bar.set_postfix(**values)
            run.save_if_due()
            bar.update(1)
    run.save()
    figures = measure(codebook, frames)
    if valid_refs:
        n_valid = max(config.n_features // 10, config.n_codes)
        valid = listener.frames(valid_refs, config.n_clips, n_valid, config.seed + SEED_OF_VALID)
        figures |= measure(codebook, fabric.to_device(valid), "valid_")
    metrics.close(**figures)
    save_model(codebook, out, codebook.config)
    return codebook, run, figures

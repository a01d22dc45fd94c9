"""Training the codebook: a reservoir of features, k-means, then a few hundred steps that move codes and projections
together (PAPER A.1 names the VQ and its size; the training is ours).

Shapes: N frames, D width, V codes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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

SEED_OF_VALID = 1  # added to the seed: another draw of frames


class Reservoir:
    """An even sample of `size` rows of a stream of any length: the rows with the smallest random keys."""

    def __init__(self, size: int, seed: int):
        self._size = size
        self._generator = torch.Generator().manual_seed(seed)
        self._keys_N = torch.empty(0)
        self._rows_ND: Tensor | None = None

    def add(self, rows_ND: Tensor) -> None:
        keys_N = torch.cat([self._keys_N, torch.rand(len(rows_ND), generator=self._generator)])
        rows_ND = rows_ND.cpu() if self._rows_ND is None else torch.cat([self._rows_ND, rows_ND.cpu()])
        if len(keys_N) > self._size:
            keys_N, chosen_N = keys_N.topk(self._size, largest=False)
            rows_ND = rows_ND[chosen_N]
        self._keys_N, self._rows_ND = keys_N, rows_ND

    @property
    def rows_ND(self) -> Tensor:
        assert self._rows_ND is not None, "nothing was added"
        return self._rows_ND


@dataclass(frozen=True)
class Listener:
    """A trained encoder over clips: the features of one layer."""

    encoder: BestRQ
    layer: int
    windows_per_batch: int

    def features(self, refs: Sequence[ClipRef], n_clips: int, n_features: int, seed: int) -> Tensor:
        """ND: an even sample of the frames of up to `n_clips` clips, song, vocals and accompaniment alike."""
        bank = MelBank(refs, self.encoder.config, cache_gb=0)
        reservoir = Reservoir(n_features, seed)
        n_clips = min(n_clips, len(refs))
        for mels in progress(fill(bank, n_clips, seed, n_threads=2), n_clips, "features", "clips"):
            for features_TD in encode(self.encoder, list(mels.values()), self.layer, self.windows_per_batch):
                reservoir.add(features_TD)
        bank.close()
        return reservoir.rows_ND


def build(config: CodebookConfig, encoder: BestRQ) -> Codebook:
    """The seeded codebook over an encoder's features."""
    torch.manual_seed(config.seed)
    fields = {name: getattr(config, name) for name in QuantizerConfig.model_fields}
    return Codebook(SavedCodebookConfig(**fields, width=encoder.config.width))


def batches(features_ND: Tensor, config: CodebookConfig, first_step: int) -> Iterator[tuple[int, Tensor]]:
    """(step, frames): each step's frames are a function of (seed, step) alone."""
    for step in range(first_step, config.n_steps):
        generator = seed_step(config.seed, step)
        yield step, features_ND[torch.randint(len(features_ND), (config.batch_size,), generator=generator)]


@torch.no_grad()
def initialise_codes(codebook: Codebook, features_ND: Tensor, config: CodebookConfig) -> None:
    """k-means: the library's, on the first batch that it sees, which therefore is a large one."""
    generator = torch.Generator().manual_seed(config.seed)
    chosen_N = torch.randperm(len(features_ND), generator=generator)[: config.kmeans_frames]
    codebook(features_ND[chosen_N])


@torch.no_grad()
def measure(codebook: Codebook, features_ND: Tensor, prefix: str = "") -> dict[str, float]:
    """Explained variance of the features, and how the codes are used."""
    codebook.eval()
    codes_N = codebook.encode(features_ND)
    counts_V = code_counts([codes_N.cpu().numpy()], codebook.n_codes)
    missed_ND = codebook.standardise(codebook.decode(codes_N)) - codebook.standardise(features_ND)
    return {
        f"{prefix}explained_variance": 1 - missed_ND.square().mean().item(),
        f"{prefix}used_fraction": codebook_used_fraction(counts_V),
        f"{prefix}perplexity": perplexity(counts_V),
    }


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
    features_ND = fabric.to_device(listener.features(train_refs, config.n_clips, config.n_features, config.seed))
    codebook = build(config, encoder)
    codebook.fit_projections(features_ND.cpu())
    parameters = [p for p in codebook.parameters() if p.requires_grad]
    model, optimizer = fabric.setup(codebook, torch.optim.Adam(parameters, lr=config.learning_rate))
    run = Run("codebook", key, {"model": codebook, "optimizer": optimizer}, runs=runs)
    metrics = MetricsLog(out, resume=run.step > 0)
    model.train()
    if run.step == 0:
        initialise_codes(codebook, features_ND, config)
    with progress_bar(config.n_steps, "codebook", "steps", initial=run.step) as bar:
        for step, batch_ND in batches(features_ND, config, run.step):
            set_learning_rate(optimizer, warmup_cosine(step, config.n_steps, config.learning_rate, 1))
            losses = model(batch_ND)
            fabric.backward(losses.reconstruction + losses.commitment)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            run.step = step + 1
            if run.step % config.log_every == 0 or run.step == config.n_steps:
                metrics.log(run.step, reconstruction=losses.reconstruction.item(), commitment=losses.commitment.item())
                bar.set_postfix(reconstruction=losses.reconstruction.item())
            run.save_if_due()
            bar.update(1)
    run.save()
    figures = measure(codebook, features_ND)
    if valid_refs:
        n_valid = max(config.n_features // 10, config.n_codes)
        valid_ND = listener.features(valid_refs, config.n_clips, n_valid, config.seed + SEED_OF_VALID)
        figures |= measure(codebook, fabric.to_device(valid_ND), "valid_")
    metrics.close(**figures)
    save_model(codebook, out, codebook.config)
    return codebook, run, figures

"""The training of the aligner's phone model: cross entropy against the phone of each frame (one of CTC's paths, the one
with the right times), on vocals with the band leaking in. Ours; the paper (§4.1) names an ASR and no more.

Shapes: B batch, T samples, F mels, M mel frames, N output frames (50 Hz), V phones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from stages.lib.training import EMA, seed_step, set_learning_rate, warmup_cosine
from stages.segment.acoustic import FRAME_S, AcousticModel, features, loudness
from stages.segment.augment import draw_excerpt
from stages.segment.pace import Pace
from stages.segment.truth import KnownSong, frame_labels

EXCERPT_S = 5.0
BATCH = 6
PEAK_RATE = 4e-3
WARMUP = 100
MAX_SPEED = 1.25
_LABEL_SMOOTHING = 0.05


@dataclass(frozen=True)
class Batch:
    mel_BFM: torch.Tensor
    labels_BN: torch.Tensor


def draw_batch(songs: Sequence[KnownSong], loudness_of: Sequence[float], seed: int, step: int) -> Batch:
    rng = np.random.default_rng([seed, step])
    chosen = rng.integers(len(songs), size=BATCH)
    n_frames = int(EXCERPT_S / FRAME_S)
    x_BT, labels_BN, reference_B = [], [], []
    for i in chosen:
        excerpt = draw_excerpt(rng, songs[i], EXCERPT_S, MAX_SPEED)
        x_BT.append(excerpt.x_T)
        labels_BN.append(frame_labels(songs[i], excerpt.start_s, n_frames, FRAME_S * excerpt.speed))
        reference_B.append(loudness_of[i] + rng.uniform(-0.7, 0.7))
    mel_BFM = features(torch.from_numpy(np.stack(x_BT)), torch.tensor(reference_B, dtype=torch.float32))
    return Batch(_masked(rng, mel_BFM[:, :, : 2 * n_frames]), torch.from_numpy(np.stack(labels_BN)))


def _masked(rng: np.random.Generator, mel_BFM: torch.Tensor) -> torch.Tensor:
    """Two bands of up to 12 mels and two stretches of up to 0.12 s silenced per excerpt."""
    mel_BFM = mel_BFM.clone()
    for mel_FM in mel_BFM:
        for _ in range(2):
            f, m = int(rng.integers(mel_FM.shape[0] - 12)), int(rng.integers(mel_FM.shape[1] - 12))
            mel_FM[f : f + int(rng.integers(13))] = -1
            mel_FM[:, m : m + int(rng.integers(13))] = -1
    return mel_BFM


def loss_of(logits_BNV: torch.Tensor, labels_BN: torch.Tensor) -> torch.Tensor:
    """Cross entropy per frame (nats). CTC, which leaves the times free, was tried beside it: it only held the model
    on the plateau where everything is silence."""
    return nn.functional.cross_entropy(logits_BNV.transpose(1, 2), labels_BN, label_smoothing=_LABEL_SMOOTHING)


def train(songs: Sequence[KnownSong], model: AcousticModel, pace: Pace, seed: int, peak_rate: float) -> EMA:
    """Train in place; returns the averaged weights."""
    loudness_of = [loudness(song.vocals_T.astype(np.float32) / 32768) for song in songs]
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak_rate, betas=(0.9, 0.98), weight_decay=0.01)
    average = EMA(model, 0.995)
    model.train()
    for step, done in pace.steps("train_aligner"):
        seed_step(seed, step)
        batch = draw_batch(songs, loudness_of, seed, step)
        set_learning_rate(
            optimizer, min((step + 1) / WARMUP, 1.0) * warmup_cosine(round(done * 1000), 1000, peak_rate, 0)
        )
        loss = loss_of(model(batch.mel_BFM), batch.labels_BN)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model)
        pace.show(loss=loss.item())
    return average

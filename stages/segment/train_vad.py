"""Train the small PyanNet that finds singing on separated vocal stems.

Reads   NAME.vocals.*, NAME.accompaniment.*, NAME.json (truth with phonemes in time) below --songs
Writes  OUT/pytorch_model.bin, as pyannote.audio loads it; prints the SHA-256 for `segment.vad_digest`
Run     songcreator train_vad --songs DIR --out weights/vad --minutes 10   (or --steps N: reproducible)
Paper   §4.1 names a VAD and no more; model and training are ours: binary cross entropy per frame (17 ms) on vocals
        with the band leaking in, as our small Demucs leaves it.

Shapes: B batch, T samples, N frames.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.segment.pace import Pace, trainer_parser
from stages.segment.separated import training_songs
from stages.segment.truth import RATE_HZ, KnownSong, voice_regions
from stages.segment.vad import import_pyannote, weights_sha256

BATCH = 8
PEAK_RATE = 3e-3
WARMUP = 30
MAX_SPEED = 1.2


def frame_targets(regions_R2: np.ndarray, centres_s: np.ndarray) -> np.ndarray:
    """1.0 where a frame's centre (song time) lies in a region."""
    inside_N = np.zeros(len(centres_s), dtype=np.float32)
    for start_s, end_s in regions_R2:
        inside_N[(centres_s >= start_s) & (centres_s < end_s)] = 1.0
    return inside_N


def train(songs: Sequence[KnownSong], model: Any, pace: Pace, seed: int, peak_rate: float = PEAK_RATE) -> Any:
    """Train in place; returns the averaged weights (EMA)."""
    import torch

    from stages.lib.training import EMA, seed_step, set_learning_rate, warmup_cosine
    from stages.segment.augment import draw_excerpt
    from stages.segment.pyannet import WINDOW_S

    regions = [voice_regions(song) for song in songs]
    n_frames = model.num_frames(int(WINDOW_S * RATE_HZ))
    centres_s = np.array([model.receptive_field[n].middle for n in range(n_frames)])
    optimizer = torch.optim.Adam(model.parameters(), lr=peak_rate)
    average = EMA(model, 0.99)
    model.train()
    for step, done in pace.steps("train_vad"):
        seed_step(seed, step)
        rng = np.random.default_rng([seed, step])
        chosen = rng.integers(len(songs), size=BATCH)
        excerpts = [draw_excerpt(rng, songs[i], WINDOW_S, MAX_SPEED) for i in chosen]
        target_BN = np.stack(
            [frame_targets(regions[i], e.start_s + centres_s * e.speed) for i, e in zip(chosen, excerpts, strict=True)]
        )
        gain_B = 10 ** (rng.uniform(-12, 6, size=BATCH) / 20)
        x_BT = torch.from_numpy(np.stack([e.x_T for e in excerpts]) * gain_B[:, None].astype(np.float32))
        set_learning_rate(
            optimizer, min((step + 1) / WARMUP, 1.0) * warmup_cosine(round(done * 1000), 1000, peak_rate, 0)
        )
        p_BN = model(x_BT[:, None])[..., 0]
        loss = torch.nn.functional.binary_cross_entropy(p_BN, torch.from_numpy(target_BN))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model)
        pace.show(loss=loss.item())
    return average


def main(argv: list[str] | None = None) -> int:
    arguments = trainer_parser("train_vad", __doc__, Path("weights/vad"), minutes=10).parse_args(argv)
    import_pyannote()
    import torch

    from stages.segment.pyannet import build_pyannet, load_pyannet, save_pyannet

    songs = training_songs(arguments.songs, arguments.separator, arguments.separated)
    torch.manual_seed(arguments.seed)
    model = build_pyannet()
    if arguments.resume:  # of weights that this command wrote: --out is trusted
        model.load_state_dict(load_pyannet(arguments.out).state_dict())
    pace = Pace(arguments.steps, arguments.minutes)
    rate = PEAK_RATE * (0.4 if arguments.resume else 1.0)
    train(songs, model, pace, arguments.seed, rate).copy_to(model)
    arguments.out.mkdir(parents=True, exist_ok=True)
    save_pyannet(model, arguments.out)
    print(f"{pace.n_done} steps, {len(songs)} songs, {sum(s.duration_s for s in songs) / 3600:.2f} h: {arguments.out}")
    print(f"segment.vad_digest: {weights_sha256(arguments.out)}")
    return 0

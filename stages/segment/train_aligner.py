"""Train the aligner's phone model on songs with truth.

Reads   NAME.vocals.*, NAME.accompaniment.*, NAME.json (truth with phonemes in time) below --songs
Writes  OUT/model.safetensors, OUT/config.json
Run     songcreator train_aligner --songs DIR --out weights/aligner --minutes 20   (or --steps N: reproducible)
"""

from pathlib import Path

from stages.segment.pace import Pace, trainer_parser
from stages.segment.separated import training_songs


def main(argv: list[str] | None = None) -> int:
    arguments = trainer_parser("train_aligner", __doc__, Path("weights/aligner"), minutes=20).parse_args(argv)
    import torch

    from stages.segment.acoustic import AcousticConfig, AcousticModel, load_acoustic, save_acoustic
    from stages.segment.aligner_training import PEAK_RATE, train

    songs = training_songs(arguments.songs, arguments.separator, arguments.separated)
    torch.manual_seed(arguments.seed)
    model = load_acoustic(arguments.out) if arguments.resume else AcousticModel(AcousticConfig.model_validate({}))
    rate = PEAK_RATE * (0.4 if arguments.resume else 1.0)
    pace = Pace(arguments.steps, arguments.minutes)
    train(songs, model, pace, arguments.seed, rate).copy_to(model)
    arguments.out.mkdir(parents=True, exist_ok=True)
    save_acoustic(model, arguments.out)
    print(f"{pace.n_done} steps, {len(songs)} songs, {sum(s.duration_s for s in songs) / 3600:.2f} h: {arguments.out}")
    return 0

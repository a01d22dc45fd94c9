"""How well a separator does on a song whose stems are known: whole songs, through the stage's own code.

Shapes: T samples.
"""

from pathlib import Path

import numpy as np

from stages.separate.batcher import Batcher
from stages.separate.metrics import si_sdr, si_sdr_improvement
from stages.separate.model import Separator
from stages.separate.run import Machine, separate_stream
from stages.separate.sources import Source, open_source
from stages.separate.stems import split


def measure_song(stem_paths: tuple[Path, ...], separator: Separator, overlap: float = 0.25) -> dict[str, float]:
    """{si_sdr_db, si_sdr_improvement_db}.{vocals, accompaniment} of the mono stems, as they would be written."""
    vocals_TC, accompaniment_TC = (np.concatenate([b.T for b in open_source(path).blocks()]) for path in stem_paths)
    mix_TC = vocals_TC + accompaniment_TC
    mono_T = mix_TC.mean(axis=1)
    source = Source(len(mix_TC), float(mono_T.mean()), float(mono_T.std(ddof=1)), lambda: iter([mix_TC.T]))
    machine = Machine.of("cpu")
    with Batcher(separator, machine.device, machine.batch, machine.n_model_threads) as batcher:
        blocks = list(separate_stream(source, separator, overlap, batcher))
    song, *estimates = split(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
    figures = {}
    for stem, true_TC, estimate in zip(
        ("vocals", "accompaniment"), (vocals_TC, accompaniment_TC), estimates, strict=True
    ):
        true_T = true_TC.mean(axis=1)
        figures[f"si_sdr_db.{stem}"] = si_sdr(true_T, estimate)
        figures[f"si_sdr_improvement_db.{stem}"] = si_sdr_improvement(true_T, estimate, song)
    return figures

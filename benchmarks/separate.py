"""Our separation against stock demucs with the same weights, in the same run.

Rows (stock: demucs.api, shifts=0, song after song, its own threads; vocals and remainder written by soundfile):
  songs              files to FLAC stems with `separate.model` of params.yaml (or --model): seconds of wall clock
  songs_jobs         the same against stock with a job per core (its -j)
  full_songs         as `songs`, the full htdemucs shape (random weights)
  sdr                SDR of the vocals against the truth, dB: ours should equal stock's
  memory_5, memory_40   peak memory of a process that separates so many minutes with the full htdemucs shape, MB
                     (every pass is laid out, one in 20 is computed, on both sides: it is the memory that is measured)

    python benchmarks/separate.py [--json FILE] [--quick] [--model FOLDER]
"""

import argparse
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from table import Row, report

from stages.contract.records import Song
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.cli import quiet_environment
from stages.lib.config import load_params
from stages.separate.metrics import sdr

ROOT = Path(__file__).parents[1]
SEED = 40_402  # of songs nobody trains on
FULL = {"sources": ["drums", "bass", "other", "vocals"], "bottom_channels": 512, "t_sin_random_shift": 0}
FULL_NAME = "full htdemucs"
COMPUTED = 20  # in the memory rows one pass in so many is computed


def full_htdemucs() -> Any:
    """The published model's shape (41.5 M parameters), untrained."""
    import fractions

    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(0)
    return HTDemucs(**FULL, segment=fractions.Fraction(39, 5)).eval()


def render(folder: Path, n_songs: int) -> list[Path]:
    from stages.demo_songs.config import DemoSongsConfig
    from stages.demo_songs.render import render_song
    from stages.demo_songs.store import write_song

    config = DemoSongsConfig.model_validate({})
    for k in range(n_songs):
        write_song(folder, render_song(SEED, k, config), "benchmark")
    return sorted(folder.glob("*.flac"))


def as_song(path: Path) -> Song:
    info = soundfile.info(path)
    return Song(path.stem, path.name, path.stem, info.duration, info.samplerate, info.channels, "test")


def run_ours(model: Any, paths: list[Path], out: Path) -> None:
    from stages.separate.model import to_separator
    from stages.separate.run import Machine, separate_songs

    songs = [as_song(path) for path in paths]
    for _, made in separate_songs(songs, paths[0].parent, to_separator(model, "ours"), 0.25, False, Machine.of("cpu")):
        for name, data in made.files.items():
            (out / name).write_bytes(data)


def stock_separator(model: Any, n_jobs: int) -> Any:
    """demucs.api.Separator over weights in hand (its constructor loads by name only)."""
    from demucs.api import Separator

    separator = Separator.__new__(Separator)
    separator._model, separator._audio_channels, separator._samplerate = model, model.audio_channels, SAMPLE_RATE_HZ
    separator.update_parameter(
        device="cpu", shifts=0, overlap=0.25, split=True, segment=None, jobs=n_jobs, progress=False, callback=None,
        callback_arg=None,
    )  # fmt: skip
    return separator


def run_stock(model: Any, paths: list[Path], out: Path, n_jobs: int = 0) -> None:
    separator = stock_separator(model, n_jobs)
    for path in paths:
        mix, sources = separator.separate_audio_file(path)
        for stem, x_CT in (("vocals", sources["vocals"]), ("accompaniment", mix - sources["vocals"])):
            soundfile.write(out / f"{path.stem}.{stem}.flac", x_CT.mean(0).numpy(), SAMPLE_RATE_HZ)


SIDES: dict[str, Callable[[Any, list[Path], Path], None]] = {
    "ours": run_ours,
    "stock": run_stock,
    "stock_jobs": functools.partial(run_stock, n_jobs=os.cpu_count() or 1),
}


@dataclass(frozen=True)
class Run:
    """What a side needed for some songs."""

    seconds: float
    peak_mb: float


def run(side: str, model: str, paths: list[Path], folder: Path, computed: int = 1) -> Run:
    """A side in a process of its own: neither finds the memory, the threads or the allocator of the other."""
    out = folder / side
    out.mkdir(exist_ok=True)
    command = [sys.executable, __file__, "--child", side, model, str(computed), str(out), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return Run(*json.loads(done.stdout.splitlines()[-1]))


def child(side: str, model_name: str, computed: str, out: str, *paths: str) -> None:
    from stages.separate.model import load_stock

    model = full_htdemucs() if model_name == FULL_NAME else load_stock(model_name)
    if int(computed) > 1:
        skip_passes(int(computed))
    begun_s = time.perf_counter()
    SIDES[side](model, [Path(path) for path in paths], Path(out))
    print(json.dumps([time.perf_counter() - begun_s, peak_mb()]))


def peak_mb() -> float:
    """Of this process; what `resource` says counts the parent's memory at the fork."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def skip_passes(computed: int) -> None:
    """Of the passes through either side's model compute one in so many, and answer the others with zeros."""
    from demucs.htdemucs import HTDemucs

    forward, passes = HTDemucs.forward, itertools.count(1)

    def sometimes(self: Any, mix_BCT: Any) -> Any:
        if next(passes) % computed < 2:  # two threads, two passes
            return forward(self, mix_BCT)
        return mix_BCT[:, None].repeat(1, len(self.sources), 1, 1) * 0

    HTDemucs.forward = sometimes


def noise(folder: Path, minutes: int) -> Path:
    path = folder / f"{minutes}.wav"
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 2, "PCM_16") as file:
        for _ in range(minutes * 60):
            file.write((rng.standard_normal((SAMPLE_RATE_HZ, 2)) * 3000).astype(np.int16))
    return path


def alternate(sides: Sequence[str], model: str, paths: list[Path], folder: Path, n_repeats: int) -> list[float]:
    """Median seconds of each side, run by turns."""
    rounds = [[run(side, model, paths, folder).seconds for side in sides] for _ in range(n_repeats)]
    return [statistics.median(seconds) for seconds in zip(*rounds, strict=True)]


def measure(model: str, quick: bool) -> dict[str, Row]:
    n_songs, n_repeats = (3, 2) if quick else (8, 3)
    rows = {}
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        paths = render(folder, n_songs)
        ours_s, stock_s, jobs_s = alternate(list(SIDES), model, paths, folder, n_repeats)
        rows["songs"] = Row(ours_s, stock_s, "s", n_songs, "stock demucs")
        rows["songs_jobs"] = Row(ours_s, jobs_s, "s", n_songs, "stock demucs with a job per core")
        figures = [mean_sdr(folder / side, folder / ".truth", paths) for side in ("ours", "stock")]
        rows["sdr"] = Row(*figures, "dB", n_songs, "stock demucs", lower_is_better=False)

        short = [cut(path, 16.0, folder) for path in paths[:3]]
        ours_s, stock_s = alternate(["ours", "stock"], FULL_NAME, short, folder, 1 if quick else n_repeats)
        rows["full_songs"] = Row(ours_s, stock_s, "s", len(short), "stock demucs, htdemucs shape")
        for minutes in (5, 40):
            paths = [noise(folder, minutes)]
            ours, stock = (run(side, FULL_NAME, paths, folder, COMPUTED) for side in ("ours", "stock"))
            rows[f"memory_{minutes}"] = Row(ours.peak_mb, stock.peak_mb, "MB", 1, "stock demucs, htdemucs shape")
    return rows


def mean_sdr(out: Path, truth: Path, paths: list[Path]) -> float:
    def vocals_T(folder: Path, path: Path) -> np.ndarray:
        return soundfile.read(folder / f"{path.stem}.vocals.flac", always_2d=True)[0].mean(axis=1)

    return float(np.mean([sdr(vocals_T(truth, path), vocals_T(out, path)) for path in paths]))


def cut(path: Path, duration_s: float, folder: Path) -> Path:
    x_TC, rate_hz = soundfile.read(path, frames=round(duration_s * SAMPLE_RATE_HZ))
    soundfile.write(folder / f"short-{path.name}", x_TC, rate_hz)
    return folder / f"short-{path.name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", default=None, help="a folder of weights or a name (default: separate.model)")
    parser.add_argument("--child", nargs="+", default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    quiet_environment()
    if args.child:
        child(*args.child)
        return
    model = args.model or (load_params(ROOT / "params.yaml").get("separate") or {})["model"]
    report("Separation against stock demucs", measure(str(model), args.quick), args.json)


if __name__ == "__main__":
    main()

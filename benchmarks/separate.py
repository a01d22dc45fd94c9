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
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from table import Row, report

from stages.contract.records import Song
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import decode_flac
from stages.lib.cli import quiet_environment
from stages.lib.config import load_params
from stages.separate.metrics import sdr

ROOT = Path(__file__).parents[1]
SEED = 40_402  # of songs nobody trains on
FULL = {"sources": ["drums", "bass", "other", "vocals"], "bottom_channels": 512, "t_sin_random_shift": 0}
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


def run_ours(model: Any, paths: list[Path], out: Path) -> dict[str, np.ndarray]:
    """vocals_T by song; stems written as FLAC."""
    from stages.separate.model import to_separator
    from stages.separate.run import Machine, separate_songs

    vocals = {}
    songs = [as_song(path) for path in paths]
    for id, made in separate_songs(songs, paths[0].parent, to_separator(model, "ours"), 0.25, False, Machine.of("cpu")):
        for name, data in made.files.items():
            (out / name).write_bytes(data)
        vocals[id] = decode_flac(made.files[f"{id}.vocals.flac"]) / 32768
    return vocals


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


def run_stock(model: Any, paths: list[Path], out: Path, n_jobs: int = 0) -> dict[str, np.ndarray]:
    separator = stock_separator(model, n_jobs)
    vocals = {}
    for path in paths:
        mix, sources = separator.separate_audio_file(path)
        for stem, x_CT in (("vocals", sources["vocals"]), ("rest", mix - sources["vocals"])):
            soundfile.write(out / f"{path.stem}.{stem}.flac", x_CT.mean(0).numpy(), SAMPLE_RATE_HZ)
        vocals[path.stem] = sources["vocals"].mean(0).numpy()
    return vocals


def alternate(sides: list[Callable[[], Any]], n_repeats: int) -> tuple[list[float], list[Any]]:
    """Median seconds of each side, run by turns, and what each returned last."""
    seconds: list[list[float]] = [[] for _ in sides]
    results: list[Any] = [None] * len(sides)
    for _ in range(n_repeats):
        for k, side in enumerate(sides):
            begun_s = time.perf_counter()
            results[k] = side()
            seconds[k].append(time.perf_counter() - begun_s)
    return [statistics.median(s) for s in seconds], results


def peak_mb(side: str, minutes: float, folder: Path) -> float:
    """Peak resident memory of a child process, MB."""
    path = folder / f"{minutes:g}.wav"
    if not path.is_file():
        rng = np.random.default_rng(0)
        with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 2, "PCM_16") as file:
            for _ in range(round(minutes * 60)):
                file.write((rng.standard_normal((SAMPLE_RATE_HZ, 2)) * 3000).astype(np.int16))
    command = [sys.executable, __file__, "--child", side, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return float(json.loads(done.stdout.splitlines()[-1]))


def child(side: str, path: Path) -> None:
    import torch

    model = full_htdemucs()
    forward, n_passes = model.forward, 0

    def sometimes(mix_BCT: torch.Tensor) -> torch.Tensor:
        nonlocal n_passes
        n_passes += 1
        if n_passes % COMPUTED == 1:
            return forward(mix_BCT)
        return torch.zeros(mix_BCT.shape[0], len(FULL["sources"]), *mix_BCT.shape[1:])

    with tempfile.TemporaryDirectory() as out:
        if side == "stock":
            model.forward = sometimes
            run_stock(model, [path], Path(out))
        else:
            run_ours_sometimes(model, path, Path(out))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def run_ours_sometimes(model: Any, path: Path, out: Path) -> None:
    """`run_ours` with one pass in COMPUTED computed: the skipping is put under our folded copy of the model."""
    import torch

    from stages.separate.model import VocalsOf

    forward, n_passes = VocalsOf.forward, 0

    def sometimes(self: VocalsOf, mix_BCT: torch.Tensor) -> torch.Tensor:
        nonlocal n_passes
        n_passes += 1
        return forward(self, mix_BCT) if n_passes % COMPUTED < 2 else mix_BCT[:, 0] * 0  # two threads, two passes

    VocalsOf.forward = sometimes  # type: ignore[method-assign]
    run_ours(model, [path], out)


def measure(model_name: str, quick: bool) -> dict[str, Row]:
    import torch

    from stages.separate.model import load_stock

    n_songs, n_repeats = (3, 2) if quick else (8, 3)
    rows = {}
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        out = folder / "out"
        out.mkdir()
        paths = render(folder, n_songs)
        model = load_stock(model_name)
        n_jobs = torch.get_num_threads()
        sides = [
            lambda: run_ours(model, paths, out),
            lambda: run_stock(model, paths, out),
            lambda: run_stock(model, paths, out, n_jobs),
        ]
        (ours_s, stock_s, jobs_s), (ours, stock, _) = alternate(sides, n_repeats)
        rows["songs"] = Row(ours_s, stock_s, "s", n_songs, "stock demucs")
        rows["songs_jobs"] = Row(ours_s, jobs_s, "s", n_songs, f"stock demucs -j {n_jobs}")
        truth = {p.stem: soundfile.read(folder / ".truth" / f"{p.stem}.vocals.flac")[0].mean(axis=1) for p in paths}
        figures = [np.mean([sdr(truth[name], x[name]) for name in truth]) for x in (ours, stock)]
        rows["sdr"] = Row(float(figures[0]), float(figures[1]), "dB", n_songs, "stock demucs", lower_is_better=False)

        full = full_htdemucs()
        short = [cut(path, 20.0, folder) for path in paths[:2]]
        seconds, (ours, stock) = alternate(
            [lambda: run_ours(full, short, out), lambda: run_stock(full, short, out)], 1 if quick else n_repeats
        )
        rows["full_songs"] = Row(seconds[0], seconds[1], "s", len(short), "stock demucs, htdemucs shape")
        for minutes in (5, 40):
            sizes = [peak_mb(side, minutes, folder) for side in ("ours", "stock")]
            rows[f"memory_{minutes}"] = Row(sizes[0], sizes[1], "MB", 1, "stock demucs, htdemucs shape")
    return rows


def cut(path: Path, duration_s: float, folder: Path) -> Path:
    x_TC, rate_hz = soundfile.read(path, frames=round(duration_s * SAMPLE_RATE_HZ))
    soundfile.write(folder / f"short-{path.name}", x_TC, rate_hz)
    return folder / f"short-{path.name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", default=None, help="a folder of weights or a name (default: separate.model)")
    parser.add_argument("--child", nargs=2, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    quiet_environment()
    if args.child:
        child(args.child[0], Path(args.child[1]))
        return
    model = args.model or (load_params(ROOT / "params.yaml").get("separate") or {})["model"]
    report("Separation against stock demucs", measure(str(model), args.quick), args.json)


if __name__ == "__main__":
    main()

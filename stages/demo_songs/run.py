"""Many songs on all cores: what is missing is rendered, what is complete stays, what is no longer wanted goes."""

import concurrent.futures
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.contract import provenance
from stages.contract.files import remove_temporary
from stages.contract.graph import STAGES
from stages.demo_songs.config import DemoSongsConfig
from stages.demo_songs.render import render_song, song_name, song_title
from stages.demo_songs.store import TRUTH, is_complete, remove_orphans, song_recipe, write_song
from stages.lib.progress import progress_bar
from stages.lib.workers import n_cores

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run(config: DemoSongsConfig, out: Path, key: str, first: int = 0, n_workers: int | None = None) -> int:
    """Bring `out` to songs `first` ... `first + n_songs - 1` of the config's seed; returns how many were rendered.
    `key` names what asked for them, for freshness."""
    numbers = range(first, first + config.n_songs)
    names = {k: song_name(k, song_title(config.seed, k, config)) for k in numbers}
    recipes = {k: song_recipe(config.seed, k, config) for k in numbers}
    (out / TRUTH).mkdir(parents=True, exist_ok=True)
    for folder in (out, out / TRUTH):
        remove_temporary(folder)
    for name in remove_orphans(out, set(names.values())):
        print(f"demo_songs: removed {name}, of an earlier recipe", file=sys.stderr)
    missing = [k for k in numbers if not is_complete(out, names[k], recipes[k])]
    if len(missing) < len(numbers):
        print(f"demo_songs: {len(numbers) - len(missing)} of {len(numbers)} songs are there already", file=sys.stderr)
    with progress_bar(len(missing), "demo_songs", "songs") as bar:
        for _ in _render(missing, config, out, recipes, n_workers or n_cores()):
            bar.update(1)
    stage = STAGES["demo_songs"]
    provenance.write(out, stage.name, key, stage.marker, songs=[names[k] for k in numbers])
    return len(missing)


def _render(
    missing: list[int], config: DemoSongsConfig, out: Path, recipes: dict[int, str], n_workers: int
) -> Iterator[int]:
    """Song numbers as they are done. Processes are started afresh (spawn): the voice library keeps state."""
    if n_workers == 1 or len(missing) <= 1:
        for k in missing:
            yield make_song(k, config, out, recipes[k])
        return
    kept = {name: os.environ.get(name) for name in _THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(_THREAD_SETTINGS, "1"))
    try:
        with concurrent.futures.ProcessPoolExecutor(
            min(n_workers, len(missing)), mp_context=multiprocessing.get_context("spawn")
        ) as pool:
            jobs = [pool.submit(make_song, k, config, out, recipes[k]) for k in missing]
            try:
                for job in concurrent.futures.as_completed(jobs):
                    yield job.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def make_song(k: int, config: DemoSongsConfig, out: Path, recipe: str) -> int:
    """Render and write one song: what a worker does."""
    write_song(out, render_song(config.seed, k, config), recipe)
    return k

"""All tasks over the test split: chooses items, makes what is missing, item by item resumable."""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stages.contract.digests import digest
from stages.contract.tasks import TASKS
from stages.generate.config import GenerateConfig
from stages.generate.engine import Engine
from stages.generate.items import TestMaterial, choose_windows, items_of
from stages.generate.make import make_songs
from stages.generate.results import is_done, remove_strangers, write_item
from stages.lib.progress import progress_bar


def generate_tests(
    tasks: Sequence[str],
    clips: Path,
    tokens: Path,
    out: Path,
    config: GenerateConfig,
    recipe: str,
    load: Callable[[], Engine],
) -> str:
    """Write out/TASK/ for each task; returns the split the items came from.

    recipe  digest of the settings, models and stage version: an item is kept while it and the item's inputs agree
    load    makes the engine; called only when there is work. Items go through the models in groups of config.batch,
            a group being made whole or not at all, so that a killed run goes on to the same bytes.
    """
    split, windows = choose_windows(clips, config)
    if split != "test":
        print(f"generate: there is no test song; items are taken from the {split} split", file=sys.stderr)
    material = TestMaterial(clips, tokens)
    plan = {name: items_of(TASKS[name], windows, material, config) for name in tasks}
    engine = None
    with progress_bar(sum(map(len, plan.values())), "generate", "items") as bar:
        for name, items in plan.items():
            folder = out / name
            folder.mkdir(parents=True, exist_ok=True)
            remove_strangers(folder, {item.id for item in items})
            for first in range(0, len(items), config.batch):
                group = items[first : first + config.batch]
                keys = [digest([recipe, item.inputs, [g.id for g in group]]) for item in group]
                if not all(is_done(folder, item, key) for item, key in zip(group, keys, strict=True)):
                    engine = engine or load()
                    songs = make_songs(engine, [item.request for item in group], config)
                    for item, song, key in zip(group, songs, keys, strict=True):
                        write_item(folder, item, song, split, key)
                bar.update(len(group))
    material.close()
    return split


def remove_other_tasks(out: Path) -> None:
    """Folders of tasks that are no more."""
    for folder in out.iterdir():
        if folder.is_dir() and folder.name not in TASKS:
            shutil.rmtree(folder)

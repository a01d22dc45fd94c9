"""`results/generated/TASK/`: one item's audio, what it was made from and the truth beside it, its JSON last.

ITEM.{song,vocals,accompaniment}.flac       what the task puts out
ITEM.given_{vocals,accompaniment}.flac      tracks handed in
ITEM.prompt_{vocals,accompaniment}.flac     prompts handed in
ITEM.truth_{song,vocals,accompaniment}.flac what was really sung and played there
ITEM.json                                   written last: the item is complete
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages.contract.files import remove_temporary, write_atomic
from stages.contract.tokens import FRAME_RATE_HZ
from stages.generate.items import Item
from stages.generate.request import Generated
from stages.lib.audio import encode_flac


def is_done(folder: Path, item: Item, key: str) -> bool:
    path = folder / f"{item.id}.json"
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("key") == key


def write_item(folder: Path, item: Item, made: Generated, split: str, key: str) -> None:
    files = write_audio(folder, item, made)
    request, clip = item.request, item.window.clip
    facts = {
        "task": request.task.name,
        "item": item.id,
        "key": key,
        "clip_id": clip.id,
        "song_id": clip.song_id,
        "split": split,
        "language": request.language,
        "singer": clip.singer,
        "lyrics": list(request.lyrics),
        "new_lyrics": list(item.new_lyrics),
        "window_start_s": item.window.start / FRAME_RATE_HZ,
        "duration_s": made.duration_s,
        "edit_s": request.edit_s,
        "new_s": made.new_s,
        "seed": request.seed,
        "wall_s": round(made.wall_s, 4),
        "rtf": round(made.rtf, 4),
        "files": files,
    }
    write_atomic(folder / f"{item.id}.json", json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def write_audio(folder: Path, item: Item, made: Generated) -> dict[str, dict[str, str]]:
    """Write every track; return {outputs, given, prompts, truth}: stream -> file name."""
    request = item.request
    kinds: dict[str, tuple[str, Mapping[str, np.ndarray]]] = {
        "outputs": ("", made.audio),
        "given": ("given_", {s: t.x_T for s, t in request.given.items()}),
        "prompts": ("prompt_", {s: t.x_T for s, t in request.prompts.items()}),
        "truth": ("truth_", {s: item.truth[s] for s in request.task.outputs}),
    }
    files: dict[str, dict[str, str]] = {}
    for kind, (prefix, tracks) in kinds.items():
        files[kind] = {stream: f"{item.id}.{prefix}{stream}.flac" for stream in tracks}
        for stream, x_T in tracks.items():
            write_atomic(folder / files[kind][stream], encode_flac(x_T))
    return files


def read_items(folder: Path) -> list[dict[str, Any]]:
    """The items of one task's folder, in order of id."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*-*.json"))]


def remove_strangers(folder: Path, items: Collection[str]) -> None:
    """Remove what belongs to no current item: another choice of clips, another split."""
    remove_temporary(folder)
    for path in folder.iterdir():
        if path.name.split(".", 1)[0] not in items:
            path.unlink()

"""The Python face: one method per task, made from the task table.

    from stages.generate.api import SongCreator
    creator = SongCreator.from_pretrained("models")
    song = creator.lyrics_to_song("Shine on\\nyou crazy diamond", vocal_prompt="voice.wav", seconds=20)
    song.save("song.flac")            # the song; song.vocals.flac and song.accompaniment.flac beside it
    song.audio["vocals"]              # int16, mono, song.sample_rate_hz
    help(creator.song_editing)        # what a task takes

Audio goes in as a file of any format and rate, or as (samples, sample_rate_hz).
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from stages.contract.tasks import TASKS, Task
from stages.generate.config import GenerateConfig
from stages.generate.engine import Engine
from stages.generate.inputs import Input, inputs_of
from stages.generate.make import make_songs
from stages.generate.request import Generated
from stages.generate.user import to_request


class SongCreator:
    """The trained models, and the eight tasks as methods."""

    def __init__(self, engine: Engine, config: GenerateConfig | None = None):
        self.engine = engine
        self.config = config or GenerateConfig()

    @classmethod
    def from_pretrained(
        cls, models: str | Path = "models", config: GenerateConfig | None = None, device: str | None = None
    ) -> Self:
        """From a folder with bestrq, codebook, dslm, diffusion and vae in it. `config` is the `generate` section."""
        return cls(Engine.from_folder(Path(models), device), config)

    def generate(
        self, task: str | Task, inputs: dict[str, Any], language: str | None = None, seed: int | None = None
    ) -> Generated:
        """Any task by name, its inputs by theirs. Raises RequestError (a ValueError) where they do not fit."""
        row = TASKS[task] if isinstance(task, str) else task
        request = to_request(row, inputs, language, self.config.seed if seed is None else seed)
        return make_songs(self.engine, [request], self.config)[0]


_ANNOTATIONS = {
    "text": "str | Path | Sequence[str]",
    "audio": "str | Path | tuple[np.ndarray, int]",
    "seconds": "float",
}


def _method(task: Task) -> Callable[..., Generated]:
    """The task's method: keyword inputs as in the table, those it cannot use left out; needed ones have no default."""
    rows = sorted((row for row in inputs_of(task) if row.need != "unused"), key=lambda row: row.need != "needed")
    signature = _signature(task, rows)

    def method(self: SongCreator, *args: Any, **kwargs: Any) -> Generated:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        values = dict(bound.arguments)
        for name in ("self", "language", "seed"):
            values.pop(name, None)
        return self.generate(task, values, bound.arguments.get("language"), bound.arguments["seed"])

    method.__name__ = task.name
    method.__qualname__ = f"SongCreator.{task.name}"
    method.__doc__ = _doc(task, rows)
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


def _signature(task: Task, rows: list[Input]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("self", kind)]
    for row in rows:
        needed = row.need == "needed"
        default = inspect.Parameter.empty if needed else None
        annotation = _ANNOTATIONS[row.kind] + ("" if needed else " | None")
        parameters.append(inspect.Parameter(row.name, kind, default=default, annotation=annotation))
    keyword = inspect.Parameter.KEYWORD_ONLY
    if task.lyrics != "unused":
        parameters.append(inspect.Parameter("language", keyword, default="en", annotation="str"))
    parameters.append(inspect.Parameter("seed", keyword, default=None, annotation="int | None"))
    return inspect.Signature(parameters, return_annotation=Generated)


def _doc(task: Task, rows: list[Input]) -> str:
    lines = [f"{task.name.replace('_', ' ').capitalize()}: puts out {', '.join(task.outputs)}.", ""]
    width = max(len(row.name) for row in rows)
    lines += [f"{row.name:<{width}}  {row.what}{'' if row.need == 'needed' else ' (optional)'}" for row in rows]
    return "\n".join([*lines, "", "Raises RequestError, a ValueError, naming what does not fit."])


for _task in TASKS.values():
    setattr(SongCreator, _task.name, _method(_task))

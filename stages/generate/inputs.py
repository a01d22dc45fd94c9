"""What each task takes, read off the task table: one row per input, for the command line, the Python API and the
check that a request is complete. Nothing here knows a task by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stages.contract.tasks import DECODER_STREAMS, Need, RequestError, Task

Kind = Literal["text", "audio", "seconds"]


@dataclass(frozen=True)
class Input:
    """One thing a user may hand in: `name` in Python, `flag` on the command line."""

    name: str
    kind: Kind
    need: Need
    what: str

    @property
    def flag(self) -> str:
        return "--" + self.name.removesuffix("_s").replace("_", "-")


def inputs_of(task: Task) -> tuple[Input, ...]:
    """Every input in the table's sense, the unused ones too (so that they can be refused by name)."""
    return tuple(_rows(task))


def _rows(task: Task) -> Iterator[Input]:
    yield Input("lyrics", "text", task.lyrics, _LYRICS[task.edit])
    # With neither words nor a track there is nothing to go on but the prompt.
    prompt: Need = "optional" if task.given or task.lyrics != "unused" else "needed"
    for stream in DECODER_STREAMS:
        need: Need = "needed" if stream in task.given else "unused"
        yield Input(stream, "audio", need, f"the {stream} track")
    for stream in DECODER_STREAMS:
        need = prompt if stream in task.prompts else "unused"
        yield Input(f"{_adjective(stream)}_prompt", "audio", need, f"a few seconds of {stream} to go on from")
    for end, which in (("from", "starts"), ("to", "ends")):
        need = "needed" if task.edit else "unused"
        yield Input(f"edit_{end}_s", "seconds", need, f"where the rewritten span {which}, in seconds")
    yield Input("seconds", "seconds", "unused" if task.fixed_length else "optional", _SECONDS[task.edit])


_LYRICS = {
    False: "the words, one sentence per line",
    True: "all words of the track, the new ones in their place, one sentence per line",  # as in training
}
_SECONDS = {
    False: "how long the result lasts (default: until the model ends it)",
    True: "how long the rewritten span lasts (default: as long as what it replaces)",
}
_ADJECTIVES = {"vocals": "vocal", "accompaniment": "accompaniment"}


def _adjective(stream: str) -> str:
    return _ADJECTIVES[stream]


def prompt_name(stream: str) -> str:
    return f"{_adjective(stream)}_prompt"


def check(task: Task, values: Mapping[str, Any]) -> None:
    """Raise RequestError unless `values` (by input name; None or empty: not given) is what the task takes."""
    rows = inputs_of(task)
    unknown = sorted(set(values) - {row.name for row in rows})
    if unknown:
        raise RequestError(f"{task.name}: no such input: {', '.join(unknown)}")
    present = {name for name, value in values.items() if not _is_absent(value)}
    missing = [row for row in rows if row.need == "needed" and row.name not in present]
    superfluous = [row for row in rows if row.need == "unused" and row.name in present]
    problems = [f"needs {row.flag} ({row.what})" for row in missing]
    problems += [f"cannot use {row.flag}" for row in superfluous]
    if problems:
        takes = ", ".join(f"[{r.flag}]" if r.need == "optional" else r.flag for r in rows if r.need != "unused")
        raise RequestError(f"{task.name} {'; '.join(problems)}. It takes {takes}")


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, str | tuple | list) and len(value) == 0)

"""What a user asks of the language model, checked against the task's row and laid out as in training.

S streams   T time, 50 token frames a second
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stages.contract.tasks import DECODER_STREAMS, RequestError, Stream, Task
from stages.contract.tokens import SpecialTokens
from stages.dslm.examples import NO_LYRICS_IDS, Array, lay_out


@dataclass(frozen=True)
class Request:
    """One item to generate; which fields are read is said by the task's row.

    lyrics    phoneme ids (`PhonemeVocab.encode(lyrics_symbols(...))`); none: without lyrics
    given     whole tracks as token ids by stream, all equally long (to be accompanied, or to be edited)
    prompts   a few seconds of example by stream; not part of the result
    starts    the same, but continued: the result begins with them (both predicted streams equally long)
    edit      (start, stop) in frames: what is rewritten of the given tracks
    n_frames  length of the result, exactly; None: as long as the given track beside it, else until <EOS>
    seed      of this item's sampling, whatever stands beside it in the batch
    """

    lyrics: Sequence[int] = NO_LYRICS_IDS
    given: Mapping[Stream, Array] = field(default_factory=dict)
    prompts: Mapping[Stream, Array] = field(default_factory=dict)
    starts: Mapping[Stream, Array] = field(default_factory=dict)
    edit: tuple[int, int] | None = None
    n_frames: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """A request laid out: `prefix SEPARATOR body` per stream, the body as far as it is known.

    rows      input tokens by stream of the task        n_prefix  tokens before the separator
    right     what follows the body in the result       n_known   frames of a predicted stream's body that are fixed
    n_frames  frames its body gets in all; None: until <EOS>
    """

    rows: Mapping[Stream, Array]
    n_prefix: int
    right: Mapping[Stream, Array]
    n_known: int
    n_frames: int | None


def whole_streams(task: Task) -> tuple[Stream, ...]:
    """The streams that are given whole (NC) and only looked at."""
    return tuple(stream for stream in task.used if task.attention[stream] == "full")


def plan(task: Task, request: Request, special: SpecialTokens) -> Plan:
    """Raises RequestError where the request does not fit the task."""
    _check(task, request, special)
    whole = whole_streams(task)
    prefixes: Mapping[Stream, Array] = request.prompts
    bodies: dict[Stream, Array] = {s: request.starts.get(s, np.empty(0, np.int64)) for s in task.predicted}
    bodies |= {s: request.given[s] for s in whole}
    right: dict[Stream, Array] = {}
    if request.edit is not None:
        start, stop = request.edit
        right = {s: request.given[s][stop:] for s in task.used}
        prefixes = right
        bodies = {s: request.given[s][: stop if s in whole else start] for s in task.used}
    elif task.lyrics == "unused":  # without lyrics a prompt can only be continued
        bodies |= request.prompts
        prefixes = {}
    rows = lay_out(prefixes, special.edit if task.edit else special.bos, bodies, special)
    n_known = len(bodies[task.predicted[0]])
    n_right = len(next(iter(right.values()), ()))
    n_frames = len(bodies[whole[0]]) if whole else None if request.n_frames is None else request.n_frames - n_right
    if n_frames is not None and n_frames < n_known:
        raise RequestError(f"n_frames: {n_frames + n_right} is less than the {n_known + n_right} that are given")
    n_prefix = len(rows[task.predicted[0]]) - 1 - n_known
    return Plan({s: rows[s] for s in task.used}, n_prefix, right, n_known, n_frames)


def _check(task: Task, request: Request, special: SpecialTokens) -> None:
    _expect(set(request.given) == set(task.given), "given", f"{task.name} wants {_names(task.given)}")
    _expect(set(request.prompts) <= set(task.prompts), "prompts", f"{task.name} takes {_names(task.prompts)}")
    _expect(not request.starts or not task.edit, "starts", f"{task.name} begins with its left context")
    _expect(
        not request.starts or set(request.starts) == set(task.predicted),
        "starts", f"{task.name} continues {_names(task.predicted)}, together",
    )  # fmt: skip
    for name in ("given", "starts", "prompts" if task.lyrics == "unused" else "given"):
        lengths = {len(tokens) for tokens in getattr(request, name).values()}
        _expect(len(lengths) <= 1, name, f"streams must be equally long, they have {sorted(lengths)} frames")
        _expect(0 not in lengths, name, "a track must not be empty")
    for name in ("given", "starts", "prompts"):
        for stream, tokens in getattr(request, name).items():
            codes = np.asarray(tokens)
            in_range = codes.ndim == 1 and bool(((codes >= 0) & (codes < special.n_codes)).all())
            _expect(in_range, f"{name}.{stream}", f"must be a row of codes 0..{special.n_codes - 1}")
    _expect((request.edit is not None) == task.edit, "edit", f"{task.name} {'needs' if task.edit else 'has no'} span")
    if request.edit is not None:
        n_frames = len(next(iter(request.given.values())))
        start, stop = request.edit
        _expect(0 <= start < stop <= n_frames, "edit", f"must be a span within 0..{n_frames} frames")
    _expect(len(request.lyrics) > 0, "lyrics", "must not be empty; leave them out instead")


def _expect(holds: bool, name: str, message: str) -> None:
    if not holds:
        raise RequestError(f"{name}: {message}")


def _names(streams: Sequence[str]) -> str:
    return " and ".join(streams) if streams else "none"


def streams_slice(streams: Sequence[Stream]) -> slice:
    """Neighbouring streams as a slice of the model's stream axis."""
    places = [DECODER_STREAMS.index(stream) for stream in streams]
    return slice(min(places), max(places) + 1)

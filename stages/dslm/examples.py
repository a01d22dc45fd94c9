"""Clips to training examples (paper §3.4, App. B): which task, what is given, what stands in front, what is learned.

Every sequence has one form, `prefix SEPARATOR body`, and both streams share it step by step:

    prompted     [prompt] <BOS> [target]             a missing or shorter prompt is filled up with EMPTY in front
    edited       [right context] <EDIT> [left context -> middle]
    plain        <BOS> [target]

Inputs are the tokens, a target is the input's successor, <EOS> the last; nothing in the prefix is a target. A song's
token is the target where both streams' tokens of its frame went in.

    S streams (0 vocals, 1 accompaniment)   B batch   T time   L phonemes
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from stages.contract.records import STREAMS
from stages.contract.tasks import DECODER_STREAMS, TASKS, Bca, Task
from stages.contract.tokens import FRAME_RATE_HZ, SpecialTokens
from stages.dslm.config import ExamplesConfig
from stages.dslm.masks import SELF, cross_of
from stages.lib.phonemes import NO_LYRICS, PhonemeVocab

IGNORED = -100  # a position without a target
NO_LYRICS_IDS = tuple(PhonemeVocab().encode([NO_LYRICS]))

Array = np.ndarray  # one-dimensional token ids
Name = TypeVar("Name", bound=str)  # a stream's, or "song"

_PREDICT_BOTH = (TASKS["lyrics_to_song"],)
_PREDICT_ONE = (TASKS["accompaniment_to_song"], TASKS["vocals_to_song"])
OBJECTIVES: dict[str, tuple[Task, ...]] = {  # the names of config.Mixture -> the rows drawn from
    "lyrics_to_song": _PREDICT_BOTH,
    "given_track": _PREDICT_ONE,
    "editing": tuple(replace(row, edit=True, prompts=()) for row in (*_PREDICT_BOTH, *_PREDICT_BOTH, *_PREDICT_ONE)),
}


@dataclass(frozen=True)
class TokenSong:
    """A clip in memory: its tokens by stream, all n_frames long, and its lyrics as phoneme ids."""

    id: str
    song_id: str
    tokens: Mapping[str, Array]
    lyrics: tuple[int, ...]

    @property
    def n_frames(self) -> int:
        return len(self.tokens["song"])


@dataclass(frozen=True)
class Example:
    """One clip in one task. own_S and other_S say what each stream sees (masks.NOTHING, CAUSAL or FULL)."""

    tokens_ST: Array
    targets_ST: Array
    song_T: Array
    own_S: tuple[int, int]
    other_S: tuple[int, int]
    lyrics_L: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Examples side by side, padded at the end: tokens with PAD, targets with IGNORED, lyrics with 0."""

    tokens_SBT: Tensor
    targets_SBT: Tensor
    song_BT: Tensor
    own_SB: Tensor
    other_SB: Tensor
    lyrics_BL: Tensor

    def to(self, device: Any) -> "Batch":
        return Batch(**{f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)})


def lay_out(
    prefixes: Mapping[Name, Array], separator: int, bodies: Mapping[Name, Array], special: SpecialTokens
) -> dict[Name, Array]:
    """`prefix SEPARATOR body` of every stream in `bodies`, prefixes brought to one length by EMPTY in front."""
    n_prefix = max(map(len, prefixes.values()), default=0)
    rows = {}
    for stream, body in bodies.items():
        prefix = prefixes.get(stream, np.empty(0, np.int64))
        empty = np.full(n_prefix - len(prefix), special.empty)
        rows[stream] = np.concatenate([empty, prefix, [separator], body]).astype(np.int64)
    return rows


def splice(body: Array, right: Array) -> Array:
    """Undo the editing layout: [left context, middle] and [right context] in the order of time."""
    return np.concatenate([body, right])


def make_example(
    clip: TokenSong,
    task: Task,
    special: SpecialTokens,
    *,
    bca: Bca | None = None,
    prompts: Mapping[str, Array] | None = None,
    n_right: int = 0,
    with_lyrics: bool = True,
    masked: Mapping[str, Array] | None = None,
    given_loss: str = "all",
) -> Example:
    """One clip as `task` sees it, nothing left to chance.

    bca      instead of the task's own                 prompts  token prefixes by stream (a task without `edit`)
    n_right  frames at the clip's end that become the right context (a task with `edit`)
    masked   by given stream: which frames of its input are masked, boolean, as long as the clip
    """
    separator = special.edit if task.edit else special.bos
    n_left = clip.n_frames - n_right
    prefixes = {s: clip.tokens[s][n_left:] for s in STREAMS} if task.edit else dict(prompts or {})
    truth = lay_out(prefixes, separator, {s: clip.tokens[s][:n_left] for s in STREAMS}, special)
    n_prefix = len(truth["song"]) - 1 - n_left

    rows, targets = [], []
    for stream in DECODER_STREAMS:
        hidden = np.zeros(len(truth[stream]), bool)
        if masked and stream in masked:
            hidden[n_prefix + 1 :] = masked[stream][:n_left]
            if task.edit:
                hidden[:n_prefix] = masked[stream][n_left:]
        rows.append(np.where(hidden, special.mask, truth[stream]))
        target = np.append(truth[stream][1:], special.eos)
        target[:n_prefix] = IGNORED
        if given_loss == "masked" and task.attention[stream] == "full":
            target[~np.append(hidden[1:], False)] = IGNORED
        targets.append(target)

    song = truth["song"].copy()
    song[n_prefix] = IGNORED
    if not task.edit:
        song[:n_prefix] = IGNORED
    own_S = tuple(SELF[task.attention[stream]] for stream in DECODER_STREAMS)
    lyrics = clip.lyrics if with_lyrics else NO_LYRICS_IDS
    return Example(np.stack(rows), np.stack(targets), song, own_S, cross_of(bca or task.bca), lyrics)  # type: ignore[arg-type]


def draw_example(
    clip: TokenSong,
    mates: Sequence[TokenSong],
    config: ExamplesConfig,
    special: SpecialTokens,
    rng: np.random.Generator,
) -> Example:
    """One clip in a task drawn by the mixture. `mates` are other clips of its song, where prompts come from."""
    weights = np.array([getattr(config.mixture, name) for name in OBJECTIVES])
    rows = list(OBJECTIVES.values())[rng.choice(len(weights), p=weights / weights.sum())]
    task = rows[rng.integers(len(rows))]
    given = [stream for stream in DECODER_STREAMS if task.attention[stream] == "full"]
    return make_example(
        clip,
        task,
        special,
        bca="none" if task.bca == "BR" and rng.random() >= config.br_share else None,
        prompts=_draw_prompts(task, mates, config, rng),
        n_right=int(rng.integers(3 * clip.n_frames // 4 + 1)) if task.edit else 0,
        with_lyrics=rng.random() >= config.lyrics_dropped,
        masked={stream: rng.random(clip.n_frames) < config.given_masked for stream in given},
        given_loss=config.given_loss,
    )


def max_prompt_frames(config: ExamplesConfig) -> int:
    return round(config.prompt_s * FRAME_RATE_HZ)


def _draw_prompts(
    task: Task, mates: Sequence[TokenSong], config: ExamplesConfig, rng: np.random.Generator
) -> dict[str, Array]:
    """A stretch of another clip of the same song (ours), the same for both streams where both have a prompt."""
    wanted = [stream for stream in task.prompts if rng.random() < config.prompt_share]
    if not wanted or not mates:
        return {}
    mate = mates[int(rng.integers(len(mates)))]
    longest = max_prompt_frames(config)
    n_frames = min(int(rng.integers(longest // 2, longest + 1)), mate.n_frames)
    start = int(rng.integers(mate.n_frames - n_frames + 1))
    return {stream: mate.tokens[stream][start : start + n_frames] for stream in wanted}


def pad_rows(rows: Sequence[Array | Sequence[int]], fill: int) -> Tensor:
    """Rows of different lengths as one tensor, filled up at the end."""
    out = np.full((len(rows), max(map(len, rows))), fill, np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return torch.from_numpy(out)


def collate(examples: Sequence[Example], special: SpecialTokens) -> Batch:
    by_stream = range(len(DECODER_STREAMS))
    return Batch(
        torch.stack([pad_rows([e.tokens_ST[s] for e in examples], special.pad) for s in by_stream]),
        torch.stack([pad_rows([e.targets_ST[s] for e in examples], IGNORED) for s in by_stream]),
        pad_rows([e.song_T for e in examples], IGNORED),
        torch.tensor([e.own_S for e in examples]).T,
        torch.tensor([e.other_S for e in examples]).T,
        pad_rows([e.lyrics_L for e in examples], 0),
    )

"""The eight tasks (paper Table 2, App. B), one row each. Training, generation, evaluation and both graphs read
this table; nobody branches on a task's name."""

from dataclasses import dataclass
from typing import Literal

Stream = Literal["vocals", "accompaniment"]
Attention = Literal["causal", "full"]
Bca = Literal["BR", "A2V", "V2A", "none"]
Need = Literal["needed", "optional", "unused"]

DECODER_STREAMS: tuple[Stream, ...] = ("vocals", "accompaniment")


@dataclass(frozen=True)
class Task:
    """What goes in, what comes out, and how the two decoders attend.

    given            whole tracks the user hands in
    prompts          streams that may begin with a few seconds of example audio
    predicted        decoder streams the model writes
    outputs          what the user gets
    attention        self-attention per decoder stream: "causal" (C), "full" (NC), None: stream unused
    bca              bidirectional cross-attention: who sees whom (§3.3)
    edit             a span of the tracks in hand is rewritten: [right context] <EDIT> [left context -> middle]
    """

    name: str
    lyrics: Need
    given: tuple[Stream, ...]
    prompts: tuple[Stream, ...]
    predicted: tuple[Stream, ...]
    outputs: tuple[str, ...]
    attention_vocals: Attention | None
    attention_accompaniment: Attention | None
    bca: Bca
    edit: bool
    metrics: tuple[str, ...]

    @property
    def attention(self) -> dict[Stream, Attention | None]:
        return {"vocals": self.attention_vocals, "accompaniment": self.attention_accompaniment}

    @property
    def used(self) -> tuple[Stream, ...]:
        """The decoder streams that take part."""
        return tuple(stream for stream in DECODER_STREAMS if self.attention[stream])

    @property
    def fixed_length(self) -> bool:
        """Is the output as long as the given track, sample for sample? (An edited span may change its length,
        unless a track given in whole runs beside it.)"""
        return "full" in self.attention.values()


class RequestError(ValueError):
    """A request that does not fit its task: it lacks something, brings what cannot be used, or a value is out of
    range. Names the input and the remedy."""


_SONG = ("song", "vocals", "accompaniment")
_ALL = ("fad", "mcd", "secs", "per", "harmony", "rtf")

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        # name, lyrics, given, prompts, predicted, outputs, SA vocals, SA accompaniment, BCA, edit, metrics
        Task("lyrics_to_song", "needed", (), ("vocals", "accompaniment"), ("vocals", "accompaniment"), _SONG,
             "causal", "causal", "BR", False, _ALL),
        Task("lyrics_to_vocals", "needed", (), ("vocals",), ("vocals", "accompaniment"), ("vocals",),
             "causal", "causal", "BR", False, ("fad", "mcd", "secs", "per", "rtf")),
        Task("accompaniment_to_song", "needed", ("accompaniment",), ("vocals",), ("vocals",), ("song", "vocals"),
             "causal", "full", "A2V", False, _ALL),
        Task("vocals_to_song", "optional", ("vocals",), ("accompaniment",), ("accompaniment",),
             ("song", "accompaniment"), "full", "causal", "V2A", False, ("fad", "mcd", "harmony", "rtf")),
        Task("music_continuation", "unused", (), ("accompaniment",), ("accompaniment",), ("accompaniment",),
             None, "causal", "none", False, ("fad", "mcd", "rtf")),
        Task("song_editing", "needed", ("vocals", "accompaniment"), (), ("vocals", "accompaniment"), _SONG,
             "causal", "causal", "BR", True, _ALL),
        Task("vocals_editing", "needed", ("vocals",), (), ("vocals",), ("vocals",),
             "causal", None, "none", True, ("fad", "mcd", "secs", "per", "rtf")),
        Task("vocals_editing_in_song", "needed", ("vocals", "accompaniment"), (), ("vocals",), ("song", "vocals"),
             "causal", "full", "A2V", True, _ALL),
    )
}  # fmt: skip

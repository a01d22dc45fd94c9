"""What is asked of the models and what comes back. Shapes: T samples at 44.1 kHz, N token frames at 50 Hz."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.contract.files import atomic_file
from stages.contract.tasks import TASKS, RequestError, Stream, Task
from stages.contract.tokens import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_TOKEN, n_frames_of
from stages.generate.inputs import check, prompt_name

MIN_TRACK_S = 0.5
MAX_S = 600.0  # ten minutes: beyond it is a mistyped number, which would fill the memory
FORMATS = (".flac", ".wav", ".ogg", ".mp3")


@dataclass(frozen=True)
class Track:
    """Mono 44.1 kHz int16 audio, trimmed to whole token frames, and its tokens where they are known already."""

    x_T: np.ndarray
    tokens_N: np.ndarray | None = None

    def __post_init__(self) -> None:
        x_T = self.x_T[: n_frames_of(len(self.x_T)) * SAMPLES_PER_TOKEN]
        object.__setattr__(self, "x_T", x_T)
        if self.tokens_N is not None:
            object.__setattr__(self, "tokens_N", self.tokens_N[: self.n_frames])
        if len(x_T) < MIN_TRACK_S * SAMPLE_RATE_HZ:
            raise RequestError(f"a track of {len(x_T) / SAMPLE_RATE_HZ:.2f} s is too short; at least {MIN_TRACK_S} s")

    @property
    def n_frames(self) -> int:
        return len(self.x_T) // SAMPLES_PER_TOKEN

    @property
    def duration_s(self) -> float:
        return len(self.x_T) / SAMPLE_RATE_HZ

    def part(self, start: int, end: int) -> "Track":
        """Frames start..end."""
        tokens = None if self.tokens_N is None else self.tokens_N[start:end]
        return Track(self.x_T[start * SAMPLES_PER_TOKEN : end * SAMPLES_PER_TOKEN], tokens)


@dataclass(frozen=True)
class Request:
    """One song asked for. Complete and consistent once built: raises RequestError otherwise.

    given, prompts   tracks by stream; given tracks are cut to the shortest, so that they stay in step
    edit_s           (from, to) of the span to rewrite, seconds; in whole token frames: `edit_frames`
    seconds          length of the result (a continued prompt included), or of the rewritten span; None: as long as
                     what it replaces or stands beside, else until the model ends it
    seed             of this song's draws, whatever it is made beside
    """

    task: Task
    lyrics: tuple[str, ...] = ()
    language: str | None = None
    given: Mapping[Stream, Track] = field(default_factory=dict)
    prompts: Mapping[Stream, Track] = field(default_factory=dict)
    edit_s: tuple[float, float] | None = None
    seconds: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        start_s, end_s = self.edit_s or (None, None)
        values: dict[str, Any] = {"lyrics": self.lyrics, "edit_from_s": start_s, "edit_to_s": end_s}
        values |= {str(stream): track for stream, track in self.given.items()}
        values |= {prompt_name(stream): track for stream, track in self.prompts.items()}
        check(self.task, {**values, "seconds": self.seconds})
        if self.seconds is not None and not 0 < self.seconds <= MAX_S:
            raise RequestError(f"{self.task.name}: --seconds must lie in 0..{MAX_S:g}, got {self.seconds:g}")
        if self.given:
            shortest = min(track.n_frames for track in self.given.values())
            object.__setattr__(self, "given", {s: track.part(0, shortest) for s, track in self.given.items()})
        if self.edit_s is not None:
            self._check_edit(*self.edit_s)
        if self.n_frames is not None and self.n_frames <= self.new_frames[0]:
            raise RequestError(
                f"{self.task.name}: --seconds {self.seconds:g} leaves nothing to add to the {self.n_continued} frames "
                "(0.02 s each) of the prompt that is continued; ask for more, or hand in a shorter prompt"
            )

    def _check_edit(self, start_s: float, end_s: float) -> None:
        if not 0 <= start_s < end_s <= self.given_s + 1e-6:
            raise RequestError(
                f"{self.task.name}: the span {start_s:g}..{end_s:g} s must lie within the {self.given_s:.2f} s of "
                "the tracks, and --edit-from before --edit-to"
            )
        start, end = self.edit_frames or (0, 0)
        if end - start < 1:
            raise RequestError(f"{self.task.name}: the span {start_s:g}..{end_s:g} s is shorter than one token, 0.02 s")

    @property
    def n_given(self) -> int:
        """Frames of the given tracks, 0 where there are none."""
        return min((track.n_frames for track in self.given.values()), default=0)

    @property
    def given_s(self) -> float:
        return self.n_given * SAMPLES_PER_TOKEN / SAMPLE_RATE_HZ

    @property
    def edit_frames(self) -> tuple[int, int] | None:
        if self.edit_s is None:
            return None
        start, end = (round(s * FRAME_RATE_HZ) for s in self.edit_s)
        return start, min(end, self.n_given)

    @property
    def n_continued(self) -> int:
        """Frames of the prompt that the result begins with: only where there is nothing but a prompt to go on."""
        return max((p.n_frames for p in self.prompts.values()), default=0) if continues_prompt(self.task) else 0

    @property
    def n_frames(self) -> int | None:
        """Frames of the whole result where that is settled beforehand."""
        if self.task.fixed_length:
            return self.n_given
        wanted = None if self.seconds is None else max(round(self.seconds * FRAME_RATE_HZ), 1)
        if self.edit_frames is None:
            return wanted
        start, end = self.edit_frames
        return self.n_given - (end - start) + (wanted or end - start)

    @property
    def new_frames(self) -> tuple[int, int | None]:
        """Which frames of the result are the model's; the end is None where it is the result's own."""
        if self.edit_frames is None or self.n_frames is None:
            return self.n_continued, None
        start, end = self.edit_frames
        return start, self.n_frames - (self.n_given - end)


def continues_prompt(task: Task) -> bool:
    """With neither words nor a track, a prompt is not an example but a beginning."""
    return task.lyrics == "unused" and not task.given


@dataclass(frozen=True)
class Generated:
    """One song made: int16 x_T and tokens per stream, the seconds it took, and where the new part lies."""

    task: str
    audio: Mapping[str, np.ndarray]
    tokens: Mapping[str, np.ndarray]
    wall_s: float
    new_s: tuple[float, float]  # the part that came from the models, seconds within the audio
    seed: int
    sample_rate_hz: int = SAMPLE_RATE_HZ

    @property
    def duration_s(self) -> float:
        return max(len(x) for x in self.audio.values()) / self.sample_rate_hz

    def save(self, path: str | Path) -> list[Path]:
        """Write the task's first output (the song, where there is one) to `path`, the other streams beside it as
        STEM.STREAM.SUFFIX; the format is the suffix's: flac, wav, ogg, mp3."""
        path = Path(path)
        places = [path, *(path.with_name(f"{path.stem}.{s}{path.suffix}") for s in list(self.audio)[1:])]
        for place, x_T in zip(places, self.audio.values(), strict=True):
            write_audio(place, x_T, self.sample_rate_hz)
        return places

    @property
    def rtf(self) -> float:
        """Seconds of work per second of new audio."""
        return self.wall_s / max(self.new_s[1] - self.new_s[0], 1e-9)


def task_named(name: str) -> Task:
    if name not in TASKS:
        raise RequestError(f"no task {name!r}; the tasks are {', '.join(TASKS)}")
    return TASKS[name]


def check_format(path: Path) -> None:
    """Raises RequestError where audio cannot be written under that name."""
    if path.suffix.lower() not in FORMATS:
        raise RequestError(f"{path}: the format must be one of {', '.join(FORMATS)}")


def write_audio(path: Path, x_T: np.ndarray, sample_rate_hz: int) -> None:
    import soundfile

    check_format(path)
    with (
        atomic_file(path) as file,
        soundfile.SoundFile(file, "w", sample_rate_hz, 1, format=path.suffix[1:].upper()) as sound,
    ):
        for start in range(0, len(x_T), sample_rate_hz):  # a long array at once crashes libsndfile's Vorbis
            sound.write(x_T[start : start + sample_rate_hz])

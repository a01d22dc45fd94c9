"""Test clips as requests: which stretch of which clip, what is handed in, and the truth beside it. Deterministic.

Every task gets the same stretches, so that its page and its figures compare. An edit keeps the words: the truth is
then the original, and figures against it mean something. Shapes: T samples, N token frames.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.contract.digests import digest, digest_bytes
from stages.contract.records import SPLITS, STREAMS, Clip, Sentence
from stages.contract.tasks import Stream, Task
from stages.contract.tokens import FRAME_RATE_HZ
from stages.generate.config import GenerateConfig
from stages.generate.request import Request, Track, continues_prompt
from stages.lib.data import ClipRef, ShardReader, list_clips, list_tokens

LEAD_S = 0.3  # before the first sentence
MIN_WINDOW_S = 2.0
MIN_PROMPT_S = 1.0


@dataclass(frozen=True)
class Window:
    """Frames start..end of a clip, with the sentences inside it and where prompts can be had: another stretch of the
    same song, as (clip, start frame, end frame). `cut`: its only sentence goes on beyond its end."""

    ref: ClipRef
    start: int
    end: int
    sentences: tuple[Sentence, ...]
    prompt: tuple[ClipRef, int, int] | None
    cut: bool = False

    @property
    def clip(self) -> Clip:
        return self.ref.clip


@dataclass(frozen=True)
class Item:
    """A request with its truth: the window's true audio by stream."""

    id: str
    window: Window
    request: Request
    truth: Mapping[str, np.ndarray]

    @property
    def new_lyrics(self) -> tuple[str, ...]:
        """The words of the part that the models make."""
        return (_edited(self.window).text,) if self.request.task.edit else self.request.lyrics

    @property
    def inputs(self) -> str:
        """Digest of everything but the models and settings that decides what is made."""
        request = self.request
        tracks = {f"given_{stream}": track for stream, track in request.given.items()}
        tracks |= {f"prompt_{stream}": track for stream, track in request.prompts.items()}
        sounds = {name: digest_bytes(np.ascontiguousarray(track.x_T).data) for name, track in tracks.items()}
        words = [list(request.lyrics), request.language, request.edit_s, request.seconds, request.seed]
        return digest([request.task.name, self.id, words, sounds, [self.window.start, self.window.end]])


def choose_windows(clips: Path, config: GenerateConfig) -> tuple[str, list[Window]]:
    """(split, windows): those of the test split, or of the best split there is; songs take turns, sung ones first."""
    refs, split = list_clips(clips), ""
    for split in reversed(SPLITS):
        if chosen := [ref for ref in refs if ref.clip.split == split]:
            return split, list(_in_turns(chosen, config))
    raise FileNotFoundError(f"{clips} holds no clips: run `songcreator segment` first")


def _in_turns(refs: Sequence[ClipRef], config: GenerateConfig) -> Iterator[Window]:
    songs: dict[str, list[ClipRef]] = {}
    for ref in refs:
        songs.setdefault(ref.clip.song_id, []).append(ref)
    queues = []
    for _, mates in sorted(songs.items()):
        windows = [window_of(ref, mates, config) for ref in mates]
        good = [w for w in windows if w.end - w.start >= MIN_WINDOW_S * FRAME_RATE_HZ]
        queues.append(
            sorted(good, key=lambda w: (not w.sentences, w.cut, w.prompt is None, w.start - w.end, w.clip.id))
        )
    turns = [(place, queue[place]) for place in range(max(map(len, queues))) for queue in queues if place < len(queue)]
    yield from (w for _, w in turns if w.sentences)
    yield from (w for _, w in turns if not w.sentences)


def window_of(ref: ClipRef, mates: Sequence[ClipRef], config: GenerateConfig) -> Window:
    """The longest stretch of whole sentences from the clip's first one on that fits into max_s; a first sentence that
    is longer is cut. Without sentences: the clip's beginning."""
    clip = ref.clip
    sentences = sorted(clip.sentences, key=lambda s: s.start_s or 0.0)
    start_s = max(0.0, (sentences[0].start_s or 0.0) - LEAD_S) if sentences else 0.0
    inside = [s for s in sentences if (s.end_s or 0.0) <= start_s + config.max_s] or sentences[:1]
    following = sentences[len(inside)] if len(inside) < len(sentences) else None
    end_s = clip.duration_s
    if following is not None:
        end_s = ((inside[-1].end_s or 0.0) + (following.start_s or 0.0)) / 2
    end_s = min(end_s, start_s + config.max_s, clip.duration_s)
    start, end = round(start_s * FRAME_RATE_HZ), int(end_s * FRAME_RATE_HZ)
    is_cut = bool(inside) and (inside[-1].end_s or 0.0) > end_s + 0.1
    return Window(ref, start, end, tuple(inside), _prompt_for(ref, end, mates, config), is_cut)


def _prompt_for(
    ref: ClipRef, end: int, mates: Sequence[ClipRef], config: GenerateConfig
) -> tuple[ClipRef, int, int] | None:
    """prompt_s of the same song from elsewhere, sung where possible: another clip's first sentence, or what follows
    the window in its own clip."""
    others = [mate for mate in mates if mate.id != ref.id]
    others.sort(key=lambda mate: (not mate.clip.sentences, mate.id))
    places = [(mate, round((mate.clip.sentences[0].start_s or 0.0) * FRAME_RATE_HZ) if mate.clip.sentences else 0)
              for mate in others]  # fmt: skip
    for mate, start in [*places, (ref, end)]:
        n_frames = int(mate.clip.duration_s * FRAME_RATE_HZ)
        stop = min(start + round(config.prompt_s * FRAME_RATE_HZ), n_frames)
        if stop - start >= MIN_PROMPT_S * FRAME_RATE_HZ:
            return mate, start, stop
    return None


class TestMaterial:
    """Reads the audio and tokens of chosen windows, each once."""

    def __init__(self, clips: Path, tokens: Path):
        self._reader = ShardReader()
        self._token_refs = {ref.id: ref for ref in list_tokens(tokens)} if tokens.is_dir() else {}
        self._tracks: dict[str, dict[str, Track]] = {}

    def tracks(self, ref: ClipRef) -> dict[str, Track]:
        """The whole clip by stream; tokens too where it was tokenized."""
        if ref.id not in self._tracks:
            audio = self._reader.audio(ref)
            token_ref = self._token_refs.get(ref.id)
            tokens = self._reader.arrays(token_ref) if token_ref else dict.fromkeys(STREAMS)
            self._tracks[ref.id] = {s: Track(audio[s], tokens[s]) for s in STREAMS}
        return self._tracks[ref.id]

    def close(self) -> None:
        self._reader.close()


def items_of(task: Task, windows: Sequence[Window], material: TestMaterial, config: GenerateConfig) -> list[Item]:
    """The first items_per_task windows that the task can use."""
    usable = [w for w in windows if w.sentences or task.lyrics != "needed"]
    return [_item(task, window, material, config) for window in usable[: config.items_per_task]]


def _item(task: Task, window: Window, material: TestMaterial, config: GenerateConfig) -> Item:
    whole = material.tracks(window.ref)
    end = min(window.end, whole["song"].n_frames)
    tracks = {stream: whole[stream].part(window.start, end) for stream in STREAMS}
    n_frames = end - window.start
    request = Request(
        task,
        lyrics=tuple(s.text for s in window.sentences) if task.lyrics != "unused" else (),
        language=window.clip.language,
        given={stream: tracks[stream] for stream in task.given},
        prompts=_prompts(task, tracks, window, material, config),
        edit_s=_edit_span(window, n_frames) if task.edit else None,
        seconds=None if task.edit or task.fixed_length else n_frames / FRAME_RATE_HZ,
        seed=int(digest([config.seed, task.name, window.clip.id])[:7], 16),
    )
    return Item(window.clip.id, window, request, {stream: tracks[stream].x_T for stream in STREAMS})


def _prompts(
    task: Task, tracks: Mapping[str, Track], window: Window, material: TestMaterial, config: GenerateConfig
) -> dict[Stream, Track]:
    if continues_prompt(task):
        n_prompt = min(round(config.prompt_s * FRAME_RATE_HZ), tracks["song"].n_frames // 2)
        return {stream: tracks[stream].part(0, n_prompt) for stream in task.prompts}
    if window.prompt is None:
        return {}
    ref, start, end = window.prompt
    return {stream: material.tracks(ref)[stream].part(start, end) for stream in task.prompts}


def _edited(window: Window) -> Sentence:
    """The sentence that an edit sings again: the middle one."""
    return window.sentences[len(window.sentences) // 2]


def _edit_span(window: Window, n_frames: int) -> tuple[float, float]:
    """Where it lies, seconds from the window's start."""
    offset_s, sentence = window.start / FRAME_RATE_HZ, _edited(window)
    start_s = max((sentence.start_s or 0.0) - offset_s, 0.0)
    return round(start_s, 2), round(min((sentence.end_s or 0.0) - offset_s, n_frames / FRAME_RATE_HZ), 2)

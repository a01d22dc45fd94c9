"""A user's files and words as a Request: audio of any rate and format, lyrics as text or a file, a mixed song by way
of the separator. Shapes: C channels, T samples at 44.1 kHz."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.contract.tasks import DECODER_STREAMS, Stream, Task
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.generate.inputs import RequestError, check, inputs_of, prompt_name
from stages.generate.request import Request, Track
from stages.lib.audio import AudioError, decode_flac, read_audio, resample, to_int16, to_mono

Audio = str | Path | tuple[np.ndarray, int]  # a file, or (samples T or CT, sample_rate_hz)
MARKED_UP = (".lrc", ".srt", ".vtt", ".json")  # lyrics among times and tags


def to_request(task: Task, values: Mapping[str, Any], language: str | None = None, seed: int = 0) -> Request:
    """A Request from inputs by name (inputs.inputs_of), checked before any file is opened. Raises RequestError."""
    known: dict[str, Any] = {row.name: values.get(row.name) for row in inputs_of(task)}
    strays = sorted(set(values) - set(known))
    if strays:
        raise RequestError(f"{task.name}: no such input: {', '.join(strays)}")
    check(task, known)
    edit = (known["edit_from_s"], known["edit_to_s"])
    return Request(
        task,
        lyrics=read_lyrics(known["lyrics"]),
        language=language,
        given=in_headroom({s: read_track(known[s], s) for s in task.given}),
        prompts=_prompts(task, known),
        edit_s=edit if task.edit else None,
        seconds=known["seconds"],
        seed=seed,
    )


def _prompts(task: Task, values: Mapping[str, Any]) -> dict[Stream, Track]:
    named = {stream: values[prompt_name(stream)] for stream in task.prompts}
    return {stream: read_track(audio, prompt_name(stream)) for stream, audio in named.items() if audio is not None}


def read_lyrics(lyrics: str | Path | Sequence[str] | None) -> tuple[str, ...]:
    """Sentences, one per line: of a text, of a text file named by a path, or as they are in a list."""
    if lyrics is None:
        return ()
    if isinstance(lyrics, str | Path):
        is_file = isinstance(lyrics, Path) or _names_a_file(lyrics)
        lines = (_text_of(Path(lyrics)) if is_file else str(lyrics)).splitlines()
    else:
        lines = list(lyrics)
    sentences = tuple(line.strip() for line in lines if line.strip())
    if not sentences:
        raise RequestError("the lyrics hold no words: one sentence per line, please")
    return sentences


def _names_a_file(lyrics: str) -> bool:
    """Words that end like a file's name are one, mistyped perhaps: nobody wants it sung."""
    is_there = os.path.isfile(lyrics)  # noqa: PTH113 (Path.is_file raises for a verse, too long for a name)
    return is_there or ("\n" not in lyrics and lyrics.lower().endswith((".txt", *MARKED_UP)))


def _text_of(path: Path) -> str:
    if path.suffix.lower() in MARKED_UP:
        raise RequestError(f"--lyrics {path}: its times and tags would be sung; hand in plain text, line by line")
    if not path.is_file():
        raise RequestError(f"--lyrics {path}: no such file")
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"--lyrics {path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error


def read_track(audio: Audio, name: str) -> Track:
    """Mono 44.1 kHz int16 from a file or an array. Raises RequestError naming the input."""
    try:
        if isinstance(audio, str | Path) and not Path(audio).is_file():
            raise AudioError("no such file")
        x_CT, rate_hz = read_audio(Path(audio)) if isinstance(audio, str | Path) else _from_array(*audio)
        if not np.isfinite(x_CT).all():
            raise AudioError("holds samples that are not numbers")
        x_T = resample(to_mono(x_CT), rate_hz, SAMPLE_RATE_HZ)
        if not np.abs(x_T).max(initial=0.0) > 0:
            raise AudioError("is silent")
        return Track(to_int16(x_T))
    except (AudioError, RequestError) as error:
        label = audio if isinstance(audio, str | Path) else "the array"
        raise RequestError(f"--{name.replace('_', '-')} {label}: {error}") from error


def _from_array(x: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, int]:
    x = np.atleast_2d(np.asarray(x))
    if x.shape[0] > x.shape[1]:
        x = x.T
    is_integer = np.issubdtype(x.dtype, np.integer)
    return (x.astype(np.float32) / np.iinfo(x.dtype).max if is_integer else x.astype(np.float32)), sample_rate_hz


def in_headroom(tracks: Mapping[Stream, Track]) -> dict[Stream, Track]:
    """The tracks, turned down together where their sum, the song, would leave 16 bit."""
    if len(tracks) < 2:
        return dict(tracks)
    n = min(len(track.x_T) for track in tracks.values())
    peak = int(np.abs(np.sum([t.x_T[:n].astype(np.int32) for t in tracks.values()], axis=0)).max(initial=0))
    if peak <= 32767:
        return dict(tracks)
    gain = 32767 / peak
    return {s: Track((t.x_T * gain).astype(np.int16)) for s, t in tracks.items()}


def with_song(
    task: Task, values: Mapping[str, Any], song: Path | None, separator: str, overlap: float
) -> dict[str, Any]:
    """`values` with the task's given tracks taken out of a mixed song. Raises RequestError."""
    if song is None:
        return dict(values)
    if not task.given:
        raise RequestError(f"{task.name} cannot use --song: it takes no track")
    both = [stream for stream in task.given if values.get(stream) is not None]
    if both:
        raise RequestError(f"--song and --{both[0]} exclude each other: the song is separated into its tracks")
    if not song.is_file():
        raise RequestError(f"--song {song}: no such file")
    stems = separate_file(song, separator, overlap)
    return {**values, **{stream: (stems[stream], SAMPLE_RATE_HZ) for stream in task.given}}


def separate_file(song: Path, model: str, overlap: float) -> dict[Stream, np.ndarray]:
    """Vocals and accompaniment of a song file, int16 T, by the separator that `separate` uses."""
    from stages.contract.records import Song
    from stages.separate.model import load_separator
    from stages.separate.run import Machine, separate_songs

    try:
        x_CT, rate_hz = read_audio(song)
    except AudioError as error:
        raise RequestError(f"--song {song}: {error}") from error
    n_channels, n_samples = x_CT.shape
    record = Song("song", str(song.resolve()), song.stem, n_samples / rate_hz, rate_hz, n_channels, "test")
    made = dict(separate_songs([record], Path("/"), load_separator(model), overlap, False, Machine.of()))["song"]
    if made.outcome != "kept":
        raise RequestError(f"--song {song}: {made.reason}")
    return {stream: decode_flac(made.files[f"song.{stream}.flac"]) for stream in DECODER_STREAMS}

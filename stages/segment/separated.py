"""Known songs' vocals as our separator really leaves them, to train the VAD and the aligner on what they will hear."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.contract.files import write_atomic
from stages.contract.records import Song
from stages.lib.audio import decode_flac, encode_flac, read_audio, resample, to_float, to_int16
from stages.lib.progress import progress
from stages.segment.truth import RATE_HZ, KnownSong, find_truths, read_known


def training_songs(folder: Path, separator: str | None, kept_in: Path) -> list[KnownSong]:
    """The songs with truth below `folder`; with their vocals as `separator` leaves them, where one is named."""
    truths = find_truths(folder)
    songs = [read_known(*paths) for paths in truths]
    if separator is None:
        return songs
    vocals = separated_vocals(truths, separator, kept_in)
    return [replace(song, separated_T=vocals[song.name]) for song in songs]


def separated_vocals(truths: Sequence[tuple[Path, Path]], model: str, folder: Path) -> dict[str, np.ndarray]:
    """int16 mono vocals at 16 kHz by song name, out of the sum of each song's true stems. Kept in `folder` as
    NAME.vocals.flac (44.1 kHz), so that a second training need not separate again."""
    folder.mkdir(parents=True, exist_ok=True)
    todo = [vocals for _, vocals in truths if not _kept(folder, _name(vocals)).is_file()]
    if todo:
        _separate(todo, model, folder)
    found = {}
    for _, vocals in truths:
        x_T = to_float(decode_flac(_kept(folder, _name(vocals)).read_bytes()))
        found[_name(vocals)] = to_int16(resample(x_T, 44_100, RATE_HZ))
    return found


def _name(vocals: Path) -> str:
    return vocals.name.rsplit(".vocals.", 1)[0]


def _kept(folder: Path, name: str) -> Path:
    return folder / f"{name}.vocals.flac"


def _separate(stems: Sequence[Path], model: str, folder: Path) -> None:
    from stages.separate.model import load_separator
    from stages.separate.run import Machine, separate_songs

    songs = []
    for vocals in stems:
        mix = folder / f"{_name(vocals)}.mix.flac"
        (a_CT, rate_hz), (b_CT, _) = (
            read_audio(path) for path in (vocals, vocals.with_name(vocals.name.replace(".vocals.", ".accompaniment.")))
        )
        mix.write_bytes(encode_flac(a_CT + b_CT, rate_hz))
        songs.append(Song(_name(vocals), mix.name, mix.stem, a_CT.shape[1] / rate_hz, rate_hz, len(a_CT), "train"))
    made = separate_songs(songs, folder, load_separator(model), 0.25, False, Machine.of())
    for id, result in progress(made, len(songs), "separate", "songs"):
        if result.outcome != "kept":
            raise RuntimeError(f"{id} was not separated: {result.reason}")
        write_atomic(_kept(folder, id), result.files[f"{id}.vocals.flac"])
        (folder / f"{id}.mix.flac").unlink()

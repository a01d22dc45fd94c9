"""What lies in a songs folder: which files are songs, which are lyrics and stems beside them.

Beside `NAME.flac` (or any of AUDIO_SUFFIXES):
  lyrics  `NAME.json`, `.lrc`, `.srt`, `.vtt`, `.txt`
  stems   `NAME.vocals.flac` and `NAME.accompaniment.flac` (or `.instrumental`, `.no_vocals`), or the same in a folder
          `NAME.stems/` as `vocals.flac`, ...: these are no songs of their own, and stand in for separation
Hidden files and folders are left out.
"""

import os
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from stages.contract.files import FoundFile, walk
from stages.ingest.lyrics import PARSERS
from stages.lib.cli import UserError

AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in re.split(r"\W+", "wav wave flac mp3 ogg oga opus m4a aac aif aiff aifc caf au wma ape wv mka mp4 webm")
)
STEM_NAMES = {
    "vocals": "vocals",
    "accompaniment": "accompaniment", "instrumental": "accompaniment", "no_vocals": "accompaniment",
}  # fmt: skip
STEMS_FOLDER = ".stems"
_LYRICS_RANK = {suffix: rank for rank, suffix in enumerate(PARSERS)}


@dataclass(frozen=True, slots=True)
class Source:
    """A song's files and what is declared about it. `name` is the ledger's: the path from the songs folder."""

    name: str
    audio: FoundFile
    lyrics: tuple[FoundFile, ...] = ()
    stems: tuple[tuple[str, FoundFile], ...] = ()
    declared: dict[str, str] = field(default_factory=dict)  # title, singer, language, split, text
    error: str = ""  # a reason why it cannot even be tried


def relative(path: str, root: Path) -> str:
    """From the songs folder where it lies inside, else absolute."""
    prefix = os.path.join(root, "")  # noqa: PTH118 (270,000 files)
    return path.removeprefix(prefix) if path.startswith(prefix) else os.path.abspath(path)  # noqa: PTH100


def readable(name: str) -> str:
    """A name that can be written down: bytes that are no UTF-8 become \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def find_songs(root: Path) -> list[Source]:
    """Every song under `root`, in order of path. Raises UserError where there is none."""
    audio: dict[str, list[FoundFile]] = defaultdict(list)  # stem (a path without suffix) -> files
    lyrics: dict[str, list[FoundFile]] = defaultdict(list)
    for file in walk(root):
        stem, suffix = _split_suffix(file.path)
        if suffix in AUDIO_SUFFIXES:
            audio[_key(stem)].append(file)
        elif suffix in PARSERS:
            lyrics[_key(stem)].append(file)
    stems = _take_stems(audio)
    sources = [
        _source(file, root, lyrics.get(key, []), stems.get(key, {})) for key, files in audio.items() for file in files
    ]
    if not sources:
        raise UserError(f"{root}: no audio files below it ({', '.join(sorted(AUDIO_SUFFIXES))})")
    return sorted(sources, key=lambda source: source.name)


def _split_suffix(path: str) -> tuple[str, str]:
    stem, suffix = os.path.splitext(path)  # noqa: PTH122 (270,000 files)
    return stem, suffix.lower()


def _key(stem: str) -> str:
    """One spelling for names that a Mac wrote in another Unicode form than its user's editor."""
    return stem if stem.isascii() else unicodedata.normalize("NFC", stem)


def _owner_of(stem: str) -> tuple[str, str] | None:
    """(the song's stem, which part of it) where a stem is named like a part of a song."""
    folder, name = os.path.split(stem)
    owner, ending = _split_suffix(folder)
    if ending == STEMS_FOLDER and name.lower() in STEM_NAMES:
        return owner, STEM_NAMES[name.lower()]
    owner, part = _split_suffix(stem)
    return (owner, STEM_NAMES[part[1:]]) if part[1:] in STEM_NAMES else None


def _take_stems(audio: dict[str, list[FoundFile]]) -> dict[str, dict[str, FoundFile]]:
    """Song's stem -> its parts, taken out of `audio`. Of two files for one part the first in order of name counts."""
    stems: dict[str, dict[str, FoundFile]] = defaultdict(dict)
    owned = {key: owner for key in audio if (owner := _owner_of(key)) is not None and owner[0] in audio}
    for key, (song, part) in owned.items():
        stems[song].setdefault(part, min(audio.pop(key)))
    return stems


def _source(file: FoundFile, root: Path, lyrics: list[FoundFile], stems: dict[str, FoundFile]) -> Source:
    name = relative(file.path, root)
    if readable(name) != name:
        return Source(readable(name), file, error="its name is not UTF-8: rename it")
    ranked = sorted(lyrics, key=lambda found: _LYRICS_RANK[_split_suffix(found.path)[1]])
    return Source(name, file, tuple(ranked), tuple(sorted(stems.items())))

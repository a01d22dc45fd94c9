"""espeak-ng as a source of sung syllables: speech with the place of every phoneme in it.

The only module here that touches GPL code (the library that the wheel `espeakng-loader` carries, extra
`songcreator[phonemes]`). It is bound by ctypes: the wheels that wrap espeak read text but give no audio. Synchronous
mode: the callback has been called for every buffer when `espeak_Synth` returns.
"""

import _ctypes
import contextlib
import ctypes
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.lib.cli import UserError

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 0x0001, 0x0002, 0x8000  # espeak_Initialize options
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE, _WORD_GAP = 1, 7  # espeak_PARAMETER
_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Phoneme:
    """One phoneme of espeak: IPA (with stress and length marks), its place, and the word it belongs to."""

    ipa: str
    start_sample: int
    word: int  # index of the word in the text as espeak counts


@dataclass(frozen=True)
class Speech:
    """What espeak said. `words` are the characters [start, end) of the text that each word covers."""

    samples: np.ndarray  # float64, mono
    sample_rate_hz: int
    phonemes: tuple[Phoneme, ...]
    words: tuple[tuple[int, int], ...]


def _files() -> tuple[Path, str]:
    """The library and its data folder."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise UserError("demo_songs needs espeak-ng to sing: pip install 'songcreator[phonemes]'") from error
    return Path(espeakng_loader.get_library_path()), espeakng_loader.get_data_path()


@contextlib.contextmanager
def _fresh_library() -> Iterator[tuple[Any, int]]:
    """espeak as nobody has used it before, and its sample rate. It keeps noise and the sign of its waves from call to
    call in static variables that nothing resets; a copy of the file is loaded with its own (some 10 ms)."""
    file, data = _files()
    with tempfile.NamedTemporaryFile(prefix="espeak-", suffix=file.suffix) as copy:
        copy.write(file.read_bytes())
        copy.flush()
        library = ctypes.CDLL(copy.name)
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
        ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    try:
        rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT)
        if rate_hz <= 0:
            raise UserError("espeak-ng does not start; reinstall it: pip install --force-reinstall espeakng-loader")
        yield library, rate_hz
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def speak(text: str, voice: str, *, words_per_minute: int = 130, f0_hz: int = 140) -> Speech:
    """Speak one line at a constant pitch. `voice` is espeak's name with a variant, such as `en-us+f2`. What comes out
    depends on nothing said before, in any process."""
    with _fresh_library() as (library, rate_hz):
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UserError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in ((_RATE, words_per_minute), (_WORD_GAP, 0)):
            library.espeak_SetParameter(parameter, value, 0)
        library.espeak_ng_SetConstF0(f0_hz)
        library.espeak_ng_SetRandSeed(1)
        samples, phonemes, words = _synthesize(library, text)
    return Speech(samples, rate_hz, tuple(phonemes), tuple(words))


def _synthesize(library: Any, text: str) -> tuple[np.ndarray, list[Phoneme], list[tuple[int, int]]]:
    buffers: list[np.ndarray] = []
    phonemes: list[Phoneme] = []
    words: list[tuple[int, int]] = []

    def receive(samples: Any, n_samples: int, events: Any) -> int:
        if samples and n_samples > 0:
            buffers.append(np.ctypeslib.as_array(samples, (n_samples,)).astype(np.float64) / 32768)
        i = 0
        while events[i].type != _EVENT_END:
            event = events[i]
            if event.type == _EVENT_WORD:
                words.append((event.text_position - 1, event.text_position - 1 + event.length))
            elif event.type == _EVENT_PHONEME:
                ipa = event.id.string.decode("utf-8", "ignore")
                phonemes.append(Phoneme(ipa, event.sample, len(words) - 1))
            i += 1
        return 0

    callback = _Callback(receive)
    library.espeak_SetSynthCallback(callback)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
    return (np.concatenate(buffers) if buffers else np.zeros(0)), phonemes, words

"""espeak-ng behind one door: the only module that touches GPL code (phonemizer-fork, espeakng-loader).

Both come with the extra `songcreator[phonemes]` and can be left out: `is_available()` then says no, and
`stages.lib.phonemes` spells instead.
"""

import functools
import importlib.util
import logging
import unicodedata
from typing import Any

_VOICES = {"en": "en-us", "zh": "cmn", "cmn": "cmn", "yue": "yue"}  # our language code -> espeak's voice
_DEFAULT_VOICE = "en-us"

# espeak's cmn voice prints some sounds in ASCII, the rising tone as the vowel letter that looks like a 3.
_MANDARIN_IPA = (("ɜ", "3"), ("s.", "ʂ"), ("i.", "ɨ"), ("o-", "ɤ"), ("nɡ", "ŋ"))


@functools.cache
def is_available() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("phonemizer", "espeakng_loader"))


@functools.cache
def _library() -> Any:
    """phonemizer's espeak backend class, bound to the library that espeakng_loader carries."""
    import espeakng_loader
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    return EspeakBackend


@functools.cache
def voice_of(language: str) -> str:
    """espeak's voice for a language code (`en`, `zh`, `pt-BR`, ...); a language it does not know is read as English."""
    known = _library().supported_languages()
    lowered = language.lower().replace("_", "-")
    base = lowered.split("-")[0]
    regional = sorted(voice for voice in known if voice.startswith(f"{base}-"))  # "fr" is "fr-be", "fr-ch", "fr-fr"
    candidates = (_VOICES.get(lowered), lowered, _VOICES.get(base), base, f"{base}-{base}", *regional)
    return next((voice for voice in candidates if voice in known), _DEFAULT_VOICE)


@functools.cache
def _backend(voice: str) -> Any:
    """One speaker per voice and process: starting one takes longer than a song's lyrics."""
    quiet = logging.getLogger("stages.lib.espeak")
    quiet.setLevel(logging.ERROR)  # phonemizer warns whenever espeak joins two words ("of the")
    return _library()(voice, with_stress=True, language_switch="remove-flags", logger=quiet)


def words(text: str, language: str) -> list[str]:
    """IPA of each word of `text`, in context, decomposed (NFD); espeak joins some neighbours ("of the")."""
    voice = voice_of(language)
    ipa = " ".join(_backend(voice).phonemize([text], strip=True))
    for wrong, right in _MANDARIN_IPA if voice == "cmn" else ():
        ipa = ipa.replace(wrong, right)
    return unicodedata.normalize("NFD", ipa.replace("-", "")).split()

"""Which language lyrics are in: by script where the script says it, else by py3langid among that script's languages."""

import functools
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Any

MIN_LETTERS = 20  # fewer say nothing

# first word of a character's Unicode name -> script
_SCRIPTS = {
    "CJK": "han", "HIRAGANA": "kana", "KATAKANA": "kana", "HANGUL": "hangul", "LATIN": "latin",
    "CYRILLIC": "cyrillic", "ARABIC": "arabic", "DEVANAGARI": "devanagari", "GREEK": "greek", "HEBREW": "hebrew",
    "THAI": "thai", "GEORGIAN": "georgian", "ARMENIAN": "armenian", "TAMIL": "tamil", "TELUGU": "telugu",
    "BENGALI": "bengali", "GUJARATI": "gujarati", "KANNADA": "kannada", "MALAYALAM": "malayalam", "KHMER": "khmer",
    "GURMUKHI": "gurmukhi", "MYANMAR": "myanmar", "LAO": "lao", "SINHALA": "sinhala", "ETHIOPIC": "ethiopic",
}  # fmt: skip

# A script that is written by one language of songs alone.
_OF_SCRIPT = {
    "kana": "ja", "hangul": "ko", "han": "zh", "greek": "el", "hebrew": "he", "thai": "th", "georgian": "ka",
    "armenian": "hy", "tamil": "ta", "telugu": "te", "bengali": "bn", "gujarati": "gu", "kannada": "kn",
    "malayalam": "ml", "khmer": "km", "gurmukhi": "pa", "myanmar": "my", "lao": "lo", "sinhala": "si",
    "ethiopic": "am",
}  # fmt: skip

# Scripts that many share: the languages py3langid chooses among (its rarer ones attract verse).
_AMONG = {
    "latin": "en es fr de it pt nl sv no da fi is pl cs sk hr sl hu ro tr vi id ms tl sw ca gl eu lt lv et sq af ga cy",
    "cyrillic": "ru uk bg sr mk be kk mn",
    "arabic": "ar fa ur",
    "devanagari": "hi mr ne",
}
_JAPANESE_KANA = 0.1  # Japanese mixes kana with Han; Chinese has none
_MIN_HAN = 0.3  # one Han character says as much as several letters

_NAMES = {
    "english": "en", "eng": "en", "mandarin": "zh", "chinese": "zh", "cmn": "zh", "zho": "zh", "chi": "zh",
    "中文": "zh", "国语": "zh", "國語": "zh", "普通话": "zh",
    "cantonese": "yue", "japanese": "ja", "jpn": "ja", "日本語": "ja",
    "korean": "ko", "kor": "ko", "한국어": "ko", "german": "de", "deutsch": "de", "deu": "de", "ger": "de",
    "french": "fr", "français": "fr", "fra": "fr", "fre": "fr", "spanish": "es", "español": "es", "spa": "es",
    "italian": "it", "italiano": "it", "ita": "it", "portuguese": "pt", "português": "pt", "por": "pt",
    "russian": "ru", "русский": "ru", "rus": "ru", "dutch": "nl", "nederlands": "nl", "nld": "nl", "dut": "nl",
    "swedish": "sv", "svenska": "sv", "swe": "sv", "norwegian": "no", "norsk": "no", "nor": "no", "nb": "no",
    "nn": "no", "danish": "da", "dansk": "da", "dan": "da", "finnish": "fi", "suomi": "fi", "fin": "fi",
    "polish": "pl", "polski": "pl", "pol": "pl", "czech": "cs", "čeština": "cs", "ces": "cs", "cze": "cs",
    "turkish": "tr", "türkçe": "tr", "tur": "tr", "greek": "el", "ell": "el", "gre": "el", "ukrainian": "uk",
    "ukr": "uk", "hungarian": "hu", "magyar": "hu", "hun": "hu", "romanian": "ro", "ron": "ro", "rum": "ro",
    "croatian": "hr", "hrvatski": "hr", "hrv": "hr", "slovak": "sk", "slk": "sk", "hindi": "hi", "hin": "hi",
    "arabic": "ar", "ara": "ar", "hebrew": "he", "heb": "he", "thai": "th", "tha": "th", "vietnamese": "vi",
    "vie": "vi", "indonesian": "id", "ind": "id", "latin": "la", "lat": "la", "catalan": "ca", "cat": "ca",
    "icelandic": "is", "isl": "is", "bulgarian": "bg", "bul": "bg", "serbian": "sr", "srp": "sr",
}  # fmt: skip


@dataclass(frozen=True)
class Detected:
    """language None: too few letters to say. probability 0..1, and over how many letters it was judged."""

    language: str | None
    probability: float
    n_letters: int


def code_of(declared: str | None) -> str | None:
    """ "English", "en-GB", "eng", "zh_CN" -> "en", "en", "en", "zh"; a tag nobody knows stays as it is, lower case."""
    name = (declared or "").strip().lower().replace("_", "-")
    name = name.split("-")[0].split("(")[0].split(",")[0].strip()
    return _NAMES.get(name, name) or None


def detect(text: str) -> Detected:
    scripts = Counter(script for char in text if char.isalpha() and (script := _script(char)))
    n_letters = scripts.total()
    weight = n_letters + 2 * (scripts["han"] + scripts["hangul"])
    if weight < MIN_LETTERS:
        return Detected(None, 0.0, n_letters)
    if scripts["kana"] > _JAPANESE_KANA * n_letters:
        return Detected("ja", 1.0, n_letters)
    script, count = scripts.most_common(1)[0]
    if scripts["han"] > _MIN_HAN * n_letters:
        script, count = "han", n_letters
    if script in _OF_SCRIPT:
        return Detected(_OF_SCRIPT[script], round(count / n_letters, 4), n_letters)
    language, probability = _identifier(script).classify(text)
    return Detected(language, round(float(probability), 4), n_letters)


@functools.lru_cache(maxsize=65536)
def _script(char: str) -> str | None:
    return _SCRIPTS.get(unicodedata.name(char, "").split(" ")[0])


@functools.cache
def _identifier(script: str) -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_AMONG[script].split())
    return identifier

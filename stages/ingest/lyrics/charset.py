"""Bytes to text when nobody says in which charset: UTF-8 and UTF-16 by rule, older ones by what their bytes look like.

Multi-byte charsets are told apart by how many of their two-byte characters fall into the rows of everyday characters
(GB 2312 level 1, Big5 level 1, kana, common Hangul): text read in a wrong charset scatters over the rare rows.
"""

import codecs
import re
from collections.abc import Callable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)
_MIN_COMMON = 0.9  # of two-byte characters that must be everyday ones
_MIN_CYRILLIC = 0.5  # of letters that must be Cyrillic
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def _lead_bytes(charset: str, text: str) -> list[tuple[int, int]]:
    pairs = (char.encode(charset) for char in text if ord(char) > 0x7F)
    return [(pair[0], pair[1]) if len(pair) == 2 else (0, 0) for pair in pairs]


def _share(hits: list[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


def _common_gb18030(text: str) -> float:
    return _share([(0xB0 <= a <= 0xD7 and b >= 0xA1) or 0xA1 <= a <= 0xA3 for a, b in _lead_bytes("gb18030", text)])


def _common_big5(text: str) -> float:
    return _share([0xA1 <= a <= 0xC6 for a, _ in _lead_bytes("big5", text)])


def _common_shift_jis(text: str) -> float:
    """Japanese text is about half kana; anything less is another charset."""
    pairs = _lead_bytes("shift_jis", text)
    kana = _share([a in (0x82, 0x83) for a, _ in pairs])
    return _share([0x81 <= a <= 0x97 for a, _ in pairs]) if kana > 0.3 else 0.0


def _common_euc_kr(text: str) -> float:
    return _share([0xB0 <= a <= 0xC8 or a == 0xA1 for a, _ in _lead_bytes("euc_kr", text)])


def _spread(text: str) -> float:
    """Hangul in EUC-KR and Han in GB 2312 share bytes; Korean puts spaces between words, Chinese does not."""
    high = sum(ord(char) > 0x7F for char in text)
    return text.count(" ") / max(high, 1)


def _cyrillic(text: str) -> float:
    return _share(["\u0400" <= char <= "\u04ff" for char in text if char.isalpha()])


# Tried in this order; the first that decodes and passes its test is taken.
_GUESSES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("shift_jis", lambda text: _common_shift_jis(text) >= _MIN_COMMON),
    ("euc_kr", lambda text: _common_euc_kr(text) >= _MIN_COMMON and _spread(text) > 0.1),
    ("gb18030", lambda text: _common_gb18030(text) >= _MIN_COMMON),
    ("big5", lambda text: _common_big5(text) >= _MIN_COMMON),
    ("cp1251", lambda text: _cyrillic(text) >= _MIN_CYRILLIC),
    ("cp1252", lambda text: True),
)


def decode(data: bytes) -> tuple[str | None, str]:
    """(text, charset); text None where the bytes are no text at all. Line ends become \\n."""
    for bom, codec, name in _BOMS:
        if data.startswith(bom):
            return _lines(data.decode(codec, errors="replace")), name
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text, charset = _guess(data)
    else:
        charset = "utf-8"
    return (None if len(_CONTROL.findall(text)) > len(text) // 100 else _lines(text)), charset


def _guess(data: bytes) -> tuple[str, str]:
    for charset, passes in _GUESSES:
        try:
            text = data.decode(charset)
        except UnicodeDecodeError:
            continue
        if passes(text):
            return text, charset
    return data.decode("latin-1"), "latin-1"


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")

"""Lyrics to phonemes, and phonemes to ids (PAPER "Sizes": the lyrics encoder is there for pronunciation; that it reads
phonemes is ours, the paper names no tokenizer).

One symbol is one IPA letter or mark (NFD): "night" is n ˈ a ɪ t. The inventory is fixed, so ids never move, whatever
the corpus. Runs of Chinese characters are read as Mandarin and the rest in the song's language, so a line may mix both.
Without espeak (an optional, GPL part) words are spelled: Latin letters, and pinyin with tone digits for Chinese.

    vocab = PhonemeVocab()
    ids = vocab.encode(lyrics_symbols(["Shine on", "you crazy diamond"], "en"))
"""

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence

from stages.lib import espeak
from stages.lib.cli import UserError

PAD = "<pad>"  # id 0: padding of a batch, and the blank of a CTC model
UNKNOWN = "<unk>"
NO_LYRICS = "<none>"  # the whole lyrics of a song without any, and of one whose lyrics were dropped in training
WORD = " "  # between two words
SENTENCE = "\n"  # between two sentences
SPECIALS = (PAD, UNKNOWN, NO_LYRICS, WORD, SENTENCE)

STRESS = "ˈˌ"
LENGTH = "ːˑ"
TONES = "123456789"
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_IPA_BLOCK = "".join(map(chr, range(0x0250, 0x02B0)))
_IPA_ELSEWHERE = "æðøħŋœβθχᵻᵊ"
_MODIFIERS = "ʰʲʷˠˤ˞ᵝ"
_DIACRITICS = (0x0303, 0x0308, 0x030A, 0x0318, 0x0319, *range(0x031A, 0x0331), 0x0339, 0x033A, 0x033B, 0x0361)
_COMBINING = "".join(map(chr, _DIACRITICS))
_SYMBOLS = (*SPECIALS, *STRESS, *LENGTH, *TONES, *_LATIN, *_IPA_BLOCK, *_IPA_ELSEWHERE, *_MODIFIERS, *_COMBINING)

_PROSODY = frozenset(STRESS + LENGTH + TONES)
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0002ffff]")
_RUNS = re.compile(rf"{_HAN.pattern}+|(?:(?!{_HAN.pattern}).)+", re.DOTALL)


class PhonemizerError(UserError):
    """A model trained on phonemes asked for without espeak, or the reverse: names both and the remedy."""


class PhonemeVocab:
    """The fixed inventory of symbols and their ids. `engine` says who reads: "espeak" or "spelling"; a model keeps it
    in its config, for the two read differently."""

    def __init__(self, engine: str | None = None):
        here = engine_name()
        if engine is not None and engine != here:
            raise PhonemizerError(
                f"this model was trained on lyrics read by {engine}, here they are read by {here}; "
                "install or leave out espeak alike: pip install 'songcreator[phonemes]'"
            )
        self.engine = here
        self.symbols = _SYMBOLS
        self._ids = {symbol: id for id, symbol in enumerate(_SYMBOLS)}

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def pad_id(self) -> int:
        return self._ids[PAD]

    def encode(self, symbols: Iterable[str]) -> list[int]:
        """Ids of symbols; one the inventory lacks becomes <unk>."""
        return [self._ids.get(symbol, self._ids[UNKNOWN]) for symbol in symbols]

    def decode(self, ids: Iterable[int]) -> list[str]:
        return [self.symbols[id] for id in ids]


def engine_name() -> str:
    return "espeak" if espeak.is_available() else "spelling"


@functools.lru_cache(maxsize=65536)
def _words(text: str, language: str) -> tuple[tuple[str, ...], ...]:
    read = espeak.words if espeak.is_available() else _spell
    found: list[tuple[str, ...]] = []
    for run in _RUNS.findall(text):
        spoken = "zh" if _HAN.match(run) else "en" if language.lower().startswith(("zh", "cmn")) else language
        found += [tuple(word) for word in read(run, spoken) if word]
    return tuple(found)


def to_phonemes(text: str, language: str | None = None) -> list[list[str]]:
    """The symbols of each spoken word of one sentence. Words follow speech, not spelling: "24" is two of them, and
    espeak joins some neighbours ("of the"). `language` is a record's code (`en`, `zh`, ...), None: English."""
    return [list(word) for word in _words(text, language or "en")]


def flat_phonemes(text: str, language: str | None = None, *, prosody: bool = True) -> list[str]:
    """The symbols of one sentence in a row, without word boundaries; `prosody=False` drops stress, length and tone,
    which leaves what a recogniser can hear in singing."""
    symbols = [symbol for word in to_phonemes(text, language) for symbol in word]
    return symbols if prosody else [symbol for symbol in symbols if symbol not in _PROSODY]


def lyrics_symbols(sentences: Sequence[str], language: str | None = None) -> list[str]:
    """A song's lyrics as the lyrics encoder reads them: words parted by WORD, sentences by SENTENCE; no lyrics at all
    are the one symbol NO_LYRICS, so that there is always something to attend to."""
    symbols: list[str] = []
    for sentence in sentences:
        for i, word in enumerate(to_phonemes(sentence, language)):
            if i or symbols:
                symbols.append(WORD if i else SENTENCE)
            symbols += word
    return symbols or [NO_LYRICS]


def _spell(text: str, language: str) -> list[str]:
    """Words by their letters, accents dropped; Chinese by pinyin with tone digits."""
    if language == "zh":
        from pypinyin import Style, lazy_pinyin

        return lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True)
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return re.findall(rf"[{_LATIN}]+|\d", plain)

"""The broad phones the aligner hears: IPA folded to what singing leaves apart (ours).

Voices, accents and notations differ in more symbols than a small model can tell apart in singing; what is folded
together here (r-sounds, taps, dental and retroflex variants) costs an alignment nothing, and lets a model trained on
two languages read the lyrics of others. Tone, stress and length are dropped; an affricate is two phones.
"""

from collections.abc import Iterable

from stages.lib.phonemes import flat_phonemes

BLANK_PHONE = "_"  # id 0: silence, no voice

PHONES: tuple[str, ...] = (
    BLANK_PHONE,
    *"pbtdkɡmnŋfvθðszʃʒhxɹlwj",
    *"iyɨɪeɛæaɑɔoʊuʌəɤɚø",
)
_ID = {phone: id for id, phone in enumerate(PHONES)}

# phone -> the other symbols heard as it
_FOLDED = {
    "p": "ɸ", "b": "ʙɓ", "d": "ɾɖɗ", "t": "ʈ", "k": "cq", "ɡ": "gɟɢɠʛ", "m": "ɱ", "n": "ɲɳ", "ŋ": "ɴ",
    "v": "βʋ", "ð": "ɮ", "s": "ɬ", "ʃ": "ɕʂ", "ʒ": "ʑʐ", "h": "ɦʰ", "x": "χçɣħ", "ɹ": "rɻʁʀɽɺ", "l": "ɫʎɭʟ",
    "w": "ʍɰʷ", "j": "ʝɥʲ", "y": "ʏ", "ɪ": "ᵻ", "a": "ɶ", "ɑ": "ɒ", "u": "ʉɯ", "ʌ": "ɐ", "ə": "ᵊɘ",
    "ɚ": "ɜɝɞ", "ø": "œɵ",
}  # fmt: skip
_ID |= {symbol: _ID[phone] for phone, symbols in _FOLDED.items() for symbol in symbols}


def phone_ids(symbols: Iterable[str]) -> list[int]:
    """Ids of IPA symbols; marks and what no voice says (ʔ, diacritics, digits) are left out."""
    return [_ID[symbol] for symbol in symbols if symbol in _ID and symbol != BLANK_PHONE]


def sentence_ids(text: str, language: str | None) -> list[int]:
    """The broad phones of a sentence, as the aligner aligns them and the PER counts them."""
    return phone_ids(flat_phonemes(text, language, prosody=False))

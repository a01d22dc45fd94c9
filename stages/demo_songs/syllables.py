"""Phonemes of espeak -> syllables that can each carry a note: onset consonants, one nucleus, coda consonants."""

import itertools
import re
from dataclasses import dataclass

from stages.demo_songs.espeak import Speech

_MARKS = str.maketrans("", "", "ˈˌː")
_NUCLEUS = re.compile("[aeiouyæɑɐɒɔəɚɛɜɝɪʊʌøœɨɤɯᵻᵊ\u0329]")
# espeak's cmn voice writes some sounds in ASCII
_MANDARIN_IPA = (("s.", "ʂ"), ("z.", "ʐ"), ("i.", "ɨ"), ("i[", "ɨ"), ("o-", "ɤ"), ("nɡ", "ŋ"))
_ONSETS = frozenset(
    {"skw", "spl", "spɹ", "stɹ", "skɹ", "spj", "kw", "ɡw", "sw", "tw", "dw"}
    | {consonant + "ɹ" for consonant in "pbtdkɡfθʃ"}
    | {consonant + "l" for consonant in "pbkɡfs"}
    | {consonant + "j" for consonant in "hmfkpbnv"}
    | {"s" + consonant for consonant in "ptkmn"}
)


@dataclass(frozen=True)
class Segment:
    """One phoneme and where it stands in the speech."""

    ipa: str
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class Syllable:
    """What one note sings. `segments[nucleus]` is the vowel; `text` is its share of the word's spelling."""

    text: str
    word: int
    stressed: bool
    segments: tuple[Segment, ...]
    nucleus: int


def plain_ipa(raw: str) -> str:
    """IPA without stress and length, Mandarin's ASCII spellings mended."""
    plain = raw.translate(_MARKS)
    for wrong, right in _MANDARIN_IPA:
        plain = plain.replace(wrong, right)
    return plain


def is_vowel(ipa: str) -> bool:
    return bool(_NUCLEUS.search(ipa))


def syllabify(speech: Speech, text: str) -> list[Syllable]:
    """Syllables of one spoken line. Consonants between two vowels of a word go to the second as far as English lets a
    syllable begin with them; a word's first consonants never join the word before."""
    ends = [*(p.start_sample for p in speech.phonemes[1:]), len(speech.samples)]
    phones = [
        (Segment(plain_ipa(p.ipa), p.start_sample, end), p.word, "ˈ" in p.ipa)
        for p, end in zip(speech.phonemes, ends, strict=True)
        if p.ipa and end > p.start_sample
    ]
    nuclei = [i for i, (segment, _, _) in enumerate(phones) if is_vowel(segment.ipa)]
    if not nuclei:
        return []
    starts = [0]
    for before, after in itertools.pairwise(nuclei):
        starts.append(_boundary(phones, before, after))
    stops = [*starts[1:], len(phones)]
    words = [phones[i][1] for i in nuclei]
    spellings = _spellings(words, speech.words, text)
    return [
        Syllable(spelling, words[j], phones[i][2], tuple(p[0] for p in phones[start:stop]), i - start)
        for j, (i, start, stop, spelling) in enumerate(zip(nuclei, starts, stops, spellings, strict=True))
    ]


def _boundary(phones: list[tuple[Segment, int, bool]], before: int, after: int) -> int:
    """Index of the phoneme that opens the syllable of the vowel `after`."""
    start = after
    while start - 1 > before and phones[start - 1][1] == phones[after][1]:
        cluster = "".join(phones[i][0].ipa for i in range(start - 1, after))
        if after - start + 1 > 1 and phones[before][1] == phones[after][1] and cluster not in _ONSETS:
            break
        if phones[start - 1][0].ipa == "ŋ":
            break
        start -= 1
    return start


def _spellings(words: list[int], spans: tuple[tuple[int, int], ...], text: str) -> list[str]:
    """Each syllable's share of its word's letters, equal shares: which letters make which sound is nobody's concern."""
    found = []
    for j, word in enumerate(words):
        start, end = spans[word] if 0 <= word < len(spans) else (0, 0)
        count, rank = words.count(word), words[:j].count(word)
        letters = text[start:end]
        found.append(letters[len(letters) * rank // count : len(letters) * (rank + 1) // count])
    return found

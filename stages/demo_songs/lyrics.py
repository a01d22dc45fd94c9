"""Words of a song: verses that differ, a chorus that comes back, now and then with its last line changed."""

import re
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from stages.demo_songs import lyrics_en, lyrics_zh

BANKS: dict[str, ModuleType] = {"en": lyrics_en, "zh": lyrics_zh}
_CHANGED_CHORUS_SHARE = 0.3  # choruses after the first whose last line is new: near-repeats, as people write them


@dataclass(frozen=True)
class Lyrics:
    """`sections[i]` are the lines of the i-th section, empty where nobody sings."""

    title: str
    language: str
    sections: tuple[tuple[str, ...], ...]


def write_title(rng: np.random.Generator, language: str) -> str:
    bank = BANKS[language]
    first, second = str(rng.choice(bank.TITLE_FIRST)), str(rng.choice(bank.TITLE_SECOND))
    return f"{first} {second}" if language == "en" else first + second


def write_lyrics(rng: np.random.Generator, language: str, title: str, form: tuple[str, ...], n_lines: int) -> Lyrics:
    """Lines for each section of `form` that is sung (V verse, C chorus)."""
    bank = BANKS[language]
    chorus: tuple[str, ...] = ()
    sections: list[tuple[str, ...]] = []
    for letter in form:
        if letter == "V":
            sections.append(_verse(rng, bank, n_lines))
        elif letter == "C" and not chorus:
            chorus = _chorus(rng, bank, title, n_lines)
            sections.append(chorus)
        elif letter == "C":
            changed = n_lines > 1 and rng.random() < _CHANGED_CHORUS_SHARE
            sections.append((*chorus[:-1], _verse(rng, bank, 2)[1]) if changed else chorus)
        else:
            sections.append(())
    return Lyrics(title, language, tuple(sections))


def _fill(rng: np.random.Generator, bank: ModuleType, template: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: str(rng.choice(bank.SLOTS[match[1]])), template)


def _endings(rng: np.random.Generator, bank: ModuleType, n_lines: int) -> list[str]:
    """Endings in rhyming couplets, no rhyme used twice within a section while there is another."""
    rhymes = rng.permutation(len(bank.RHYMES))
    found: list[str] = []
    for couplet in range((n_lines + 1) // 2):
        row = bank.RHYMES[rhymes[couplet % len(rhymes)]]
        found += [str(ending) for ending in rng.permutation(row)[:2]]
    return found[:n_lines]


def _line(bank: ModuleType, opening: str, ending: str) -> str:
    return f"{opening} {ending}" if bank is lyrics_en else f"{opening}，{ending}"


def _verse(rng: np.random.Generator, bank: ModuleType, n_lines: int) -> tuple[str, ...]:
    openings = rng.permutation(len(bank.OPENINGS))
    return tuple(
        _line(bank, _fill(rng, bank, bank.OPENINGS[openings[i % len(openings)]]), ending)
        for i, ending in enumerate(_endings(rng, bank, n_lines))
    )


def _chorus(rng: np.random.Generator, bank: ModuleType, title: str, n_lines: int) -> tuple[str, ...]:
    """Hooks with the title; the hook often opens both halves."""
    hooks = [str(hook) for hook in rng.permutation(bank.HOOKS)]
    if rng.random() < 0.6:  # the hook returns within the chorus
        hooks[2] = hooks[0]
    lines = [
        hooks[i % len(hooks)].format(title=title, ending=ending)
        for i, ending in enumerate(_endings(rng, bank, n_lines))
    ]
    return tuple(line[0].upper() + line[1:] for line in lines)

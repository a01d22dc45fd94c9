"""The sentences of a song with times that can be believed: given ones checked, missing ones aligned, doubtful ones
dropped with a reason (rules and thresholds ours)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stages.contract.records import Sentence, Song
from stages.segment.aligners import Aligner
from stages.segment.config import SegmentConfig
from stages.segment.timed import Times, are_trusted, complete_ends, voiced_share

GIVEN = "given"
_LEAST_VOICED = 0.25  # a line of which the VAD hears less than this was not sung there

# reasons for which a sentence is dropped
NOT_FOUND = "not found in the singing"
UNSURE = "low confidence"
UNVOICED = "nobody sings there"
TOO_LONG = "longer than a clip"
ACROSS_SILENCE = "spans a silence of the song"


@dataclass(frozen=True)
class Timing:
    """Sentences in order, not overlapping. `aligner` says where the times come from."""

    sentences: tuple[Sentence, ...]
    n_given: int  # sentences the song came with
    aligner: str | None = None
    dropped: Counter[str] = field(default_factory=Counter)
    matched: float = 1.0  # share of the song's sentences that were found with confidence

    @property
    def median_confidence(self) -> float | None:
        values = [s.confidence for s in self.sentences if s.confidence is not None]
        return round(float(np.median(values)), 3) if values else None


def time_sentences(
    song: Song,
    vocals_T: np.ndarray,
    sample_rate_hz: int,
    regions_R2: np.ndarray,
    silences: Sequence[Times],
    aligner: Aligner,
    config: SegmentConfig,
) -> Timing:
    """Times for all sentences of a song, those without one left out.

    regions_R2  where somebody sings    silences  where the whole song is silent (both in seconds)
    """
    if not song.sentences:
        return Timing((), 0)
    timed, source = _given(song, regions_R2, config), GIVEN
    knows = True
    if timed is None:
        texts = [sentence.text for sentence in song.sentences]
        found = aligner.align(vocals_T, sample_rate_hz, texts, song.language, regions_R2)
        timed = [
            None if place is None else Sentence(text, place.start_s, place.end_s, round(place.confidence, 3))
            for text, place in zip(texts, found, strict=True)
        ]
        source, knows = aligner.name, aligner.knows
    dropped: Counter[str] = Counter()
    kept = []
    for sentence in timed:
        reason = _doubt(sentence, regions_R2, silences, knows, config)
        if sentence is None or reason:
            dropped[reason] += 1
        else:
            kept.append(sentence)
    doubted = sum(dropped[reason] for reason in (NOT_FOUND, UNSURE, UNVOICED, ACROSS_SILENCE))
    matched = 1 - doubted / len(song.sentences)
    return Timing(tuple(_in_order(kept)), len(song.sentences), source, dropped, matched)


def _given(song: Song, regions_R2: np.ndarray, config: SegmentConfig) -> list[Sentence | None] | None:
    """The times the lyrics came with, ends filled in, where all lines have one and they agree with the singing."""
    if not all(sentence.is_timed for sentence in song.sentences):
        return None
    ordered = sorted(song.sentences, key=lambda s: s.start_s or 0.0)
    times = complete_ends(ordered, regions_R2, song.duration_s)
    if not are_trusted(times, regions_R2, song.duration_s, config.timed_agreement):
        return None
    return [
        Sentence(s.text, start, end, round(voiced_share(start, end, regions_R2), 3))
        for s, (start, end) in zip(ordered, times, strict=True)
    ]


def _doubt(
    sentence: Sentence | None,
    regions_R2: np.ndarray,
    silences: Sequence[Times],
    knows: bool,
    config: SegmentConfig,
) -> str:
    """Why a sentence is to be dropped; empty: it is not."""
    if sentence is None:
        return NOT_FOUND
    start_s, end_s = sentence.start_s or 0.0, sentence.end_s or 0.0
    if knows and (sentence.confidence or 0.0) < config.min_confidence:
        return UNSURE
    if voiced_share(start_s, end_s, regions_R2) < _LEAST_VOICED:
        return UNVOICED
    if any(start_s < silent_start and silent_end < end_s for silent_start, silent_end in silences):
        return ACROSS_SILENCE
    if end_s - start_s > config.max_clip_s - 0.1:  # room for its edges to fall on frames
        return TOO_LONG
    return ""


def _in_order(sentences: Sequence[Sentence]) -> list[Sentence]:
    """Ends clipped at the next start, so that there is a place to cut between any two."""
    ordered = sorted(sentences, key=lambda s: (s.start_s or 0.0, s.end_s or 0.0))
    out = []
    for sentence, later in zip(ordered, [*ordered[1:], None], strict=True):
        if later is not None and later.start_s is not None and (sentence.end_s or 0.0) > later.start_s:
            if later.start_s <= (sentence.start_s or 0.0):
                continue  # two lines at one time: the later one is kept
            sentence = replace(sentence, end_s=later.start_s)
        out.append(sentence)
    return out

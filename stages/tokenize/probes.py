"""Do tokens carry content? Probes from a token to what is sung or played in its frame, against the demo songs' truth.

The probe is a majority vote: each token says the label it most often stood for in the train split, and is right or
wrong in the test split. It has no width to tune, so what it reads was in the token.

Shapes: T frames (50 a second), V tokens, C labels.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.contract.tokens import FRAME_RATE_HZ

_MARKS = str.maketrans("", "", "ˈˌːˑ̩̯͡‿")  # stress, length, ties: one phoneme's variants count as one
UNLABELLED = ""

Truth = Mapping[str, Any]


def _phonemes(truth: Truth) -> Iterator[tuple[float, float, str]]:
    for syllable in truth["syllables"]:
        for phoneme in syllable["phonemes"]:
            yield phoneme["start_s"], phoneme["end_s"], phoneme["p"].translate(_MARKS)


def _notes(truth: Truth) -> Iterator[tuple[float, float, str]]:
    return ((note["start_s"], note["end_s"], str(round(note["midi"]))) for note in truth["notes"])


def _chords(truth: Truth) -> Iterator[tuple[float, float, str]]:
    return ((chord["start_s"], chord["end_s"], chord["name"]) for chord in truth["chords"])


@dataclass(frozen=True)
class Probe:
    """What is read, in which stream."""

    stream: str
    spans: Callable[[Truth], Iterable[tuple[float, float, str]]]


PROBES = {
    "phoneme": Probe("vocals", _phonemes),
    "pitch": Probe("vocals", _notes),  # the note's MIDI number
    "chord": Probe("accompaniment", _chords),
}


def frame_labels(spans: Iterable[tuple[float, float, str]], start_s: float, n_frames: int) -> np.ndarray:
    """T strings: the label at each frame's centre, counted from `start_s` of the song; "" where there is none."""
    labels_T = np.full(n_frames, UNLABELLED, dtype=object)
    for from_s, to_s, label in spans:
        # the first frame whose centre (t + 1/2) / 50 is not before the span, and the first not before its end
        first, last = (int(np.ceil((s - start_s) * FRAME_RATE_HZ - 0.5)) for s in (from_s, to_s))
        labels_T[max(first, 0) : max(last, 0)] = label
    return labels_T


@dataclass(frozen=True)
class Frames:
    """Tokens and the labels of their frames, over many clips."""

    tokens: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> "Frames":
        """From (tokens_T, labels_T) per clip; frames without a label are left out."""
        tokens = np.concatenate([tokens_T for tokens_T, _ in pairs] or [np.empty(0, np.int64)]).astype(np.int64)
        labels = np.concatenate([labels_T for _, labels_T in pairs] or [np.empty(0, object)])
        labelled = labels != UNLABELLED
        return cls(tokens[labelled], labels[labelled])


def chance(train: Frames, test: Frames) -> float | None:
    """Share of test frames that bear the most frequent label of the train split."""
    if not len(train.labels) or not len(test.labels):
        return None
    names, counts = np.unique(train.labels.astype(str), return_counts=True)
    return float(np.mean(test.labels.astype(str) == names[counts.argmax()]))


def majority_vote(train: Frames, test: Frames, n_tokens: int) -> float | None:
    """Accuracy on the test frames of the label each token most often bore in the train frames; a token that was not
    seen there says the most frequent label of all."""
    if not len(train.labels) or not len(test.labels):
        return None
    names, label_N = np.unique(train.labels.astype(str), return_inverse=True)
    counts_VC = np.zeros((n_tokens, len(names)), np.int64)
    np.add.at(counts_VC, (train.tokens, label_N), 1)
    fallback = counts_VC.sum(0).argmax()
    answer_V = np.where(counts_VC.sum(1) > 0, counts_VC.argmax(1), fallback)
    return float(np.mean(names[answer_V[test.tokens]] == test.labels.astype(str)))

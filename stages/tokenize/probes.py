"""Do tokens carry content? Probes from tokens to what is sung or played in a frame, against the demo songs' truth.

The probe is a vote: naive Bayes over the tokens in and around a frame, counted on the train split, right or wrong on
the test split. It is counted, not trained, so what it reads was in the tokens. With no context it is a majority vote:
each token says the label it most often stood for.

Shapes: T frames (50 a second), V tokens, C labels.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.contract.records import STREAMS
from stages.contract.tokens import FRAME_RATE_HZ
from stages.tokenize.kmeans import kmeans, nearest

_MARKS = str.maketrans("", "", "ˈˌːˑ̩̯͡‿")  # stress, length, ties: one phoneme's variants count as one
UNLABELLED = ""

Truth = Mapping[str, Any]
Span = tuple[float, float, str]  # start and end in seconds of the song, label
Labelled = tuple[np.ndarray, np.ndarray]  # tokens_T and labels_T of one clip


def _phonemes(truth: Truth) -> Iterator[Span]:
    for syllable in truth["syllables"]:
        for phoneme in syllable["phonemes"]:
            yield phoneme["start_s"], phoneme["end_s"], phoneme["p"].translate(_MARKS)


def _notes(truth: Truth) -> Iterator[Span]:
    return ((note["start_s"], note["end_s"], str(round(note["midi"]))) for note in truth["notes"])


def _chords(truth: Truth) -> Iterator[Span]:
    return ((chord["start_s"], chord["end_s"], chord["name"]) for chord in truth["chords"])


@dataclass(frozen=True)
class Probe:
    """What is read, in which stream, from tokens how many frames away."""

    stream: str
    spans: Callable[[Truth], Iterable[Span]]
    context_frames: int


PROBES = {
    "phoneme": Probe("vocals", _phonemes, 0),
    "pitch": Probe("vocals", _notes, 2),  # the note's MIDI number
    "chord": Probe("accompaniment", _chords, 25),  # spread over the notes of half a second
}


def frame_labels(spans: Iterable[Span], start_s: float, n_frames: int) -> np.ndarray:
    """T strings: the label at each frame's centre, counted from `start_s` of the song; "" where there is none."""
    labels_T = np.full(n_frames, UNLABELLED, dtype=object)
    for from_s, to_s, label in spans:
        # the first frame whose centre (t + 1/2) / 50 is not before the span, and the first not before its end
        first, last = (int(np.ceil((s - start_s) * FRAME_RATE_HZ - 0.5)) for s in (from_s, to_s))
        labels_T[max(first, 0) : max(last, 0)] = label
    return labels_T


def chance(train: Sequence[Labelled], test: Sequence[Labelled]) -> float | None:
    """Share of labelled test frames that bear the most frequent label of the train split."""
    train_N, test_N = (_all_labels(clips) for clips in (train, test))
    if not len(train_N) or not len(test_N):
        return None
    names, counts = np.unique(train_N, return_counts=True)
    return float(np.mean(test_N == names[counts.argmax()]))


def vote(train: Sequence[Labelled], test: Sequence[Labelled], n_tokens: int, context_frames: int = 0) -> float | None:
    """Accuracy of naive Bayes on the labelled frames of `test`, counted on `train`: a frame's label is told by the
    tokens up to `context_frames` to either side of it, add-one smoothed. None where nothing is labelled."""
    train_N = _all_labels(train)
    if not len(train_N) or not len(_all_labels(test)):
        return None
    names, prior_C = np.unique(train_N, return_counts=True)
    number = {name: c for c, name in enumerate(names)}
    counts_VC = np.zeros((n_tokens, len(names)))
    for tokens_T, labels_T in train:
        at = np.flatnonzero(labels_T != UNLABELLED)
        label_N = np.array([number[name] for name in labels_T[at]], np.int64)
        for offset in range(-context_frames, context_frames + 1):
            inside = (at + offset >= 0) & (at + offset < len(tokens_T))
            np.add.at(counts_VC, (tokens_T[at[inside] + offset], label_N[inside]), 1)
    score_VC = np.log((counts_VC + 1) / (counts_VC.sum(0) + n_tokens))
    right = [_is_right(clip, score_VC, np.log(prior_C / prior_C.sum()), names, context_frames) for clip in test]
    return float(np.mean(np.concatenate(right)))


def _is_right(
    clip: Labelled, score_VC: np.ndarray, prior_C: np.ndarray, names: np.ndarray, context_frames: int
) -> np.ndarray:
    """For every labelled frame: is the best label the true one?"""
    tokens_T, labels_T = clip
    sums_TC = np.concatenate([np.zeros((1, len(names))), np.cumsum(score_VC[tokens_T], axis=0)])
    t = np.flatnonzero(labels_T != UNLABELLED)
    first, last = np.maximum(t - context_frames, 0), np.minimum(t + context_frames + 1, len(tokens_T))
    best = (sums_TC[last] - sums_TC[first] + prior_C).argmax(1)
    return names[best] == labels_T[t].astype(str)


def _all_labels(clips: Sequence[Labelled]) -> np.ndarray:
    labels = np.concatenate([labels_T for _, labels_T in clips] or [np.empty(0, object)])
    return labels[labels != UNLABELLED].astype(str)


@dataclass(frozen=True)
class ProbeClip:
    """One clip with all that the probes need: its truth, and per stream tokens T and log-mels TF."""

    split: str
    start_s: float
    truth: Truth
    tokens: Mapping[str, np.ndarray]
    mels: Mapping[str, np.ndarray]


def probe_figures(clips: Sequence[ProbeClip], n_tokens: int, seed: int = 0) -> dict[str, float | None]:
    """`LABEL.ours`, `LABEL.logmel_kmeans` and `LABEL.chance` for every probe, on the test clips.

    The rival is k-means over log-mels with as many codes; like ours it serves all three streams.
    """
    rival = kmeans_tokens(clips, n_tokens, seed)
    figures: dict[str, float | None] = {}
    for name, probe in PROBES.items():
        labels = [frame_labels(probe.spans(c.truth), c.start_s, len(c.tokens[probe.stream])) for c in clips]
        for who, tokens in (("ours", [c.tokens for c in clips]), ("logmel_kmeans", rival)):
            pairs = [(own[probe.stream], labels_T) for own, labels_T in zip(tokens, labels, strict=True)]
            train, test = ([p for p, c in zip(pairs, clips, strict=True) if c.split == s] for s in ("train", "test"))
            figures[f"{name}.{who}"] = vote(train, test, n_tokens, probe.context_frames)
        figures[f"{name}.chance"] = chance(train, test)
    return figures


def kmeans_tokens(
    clips: Sequence[ProbeClip], n_tokens: int, seed: int, frames_per_token: int = 100
) -> list[dict[str, np.ndarray]]:
    """Per clip and stream, tokens by k-means over the log-mels of the train clips."""
    frames_NF = np.concatenate([c.mels[stream] for c in clips if c.split == "train" for stream in STREAMS])
    chosen_N = np.random.default_rng(seed).permutation(len(frames_NF))[: frames_per_token * n_tokens]
    centres_VF = kmeans(frames_NF[chosen_N], min(n_tokens, len(chosen_N)), seed)
    return [{stream: nearest(c.mels[stream], centres_VF) for stream in STREAMS} for c in clips]

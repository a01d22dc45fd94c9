import numpy as np
import pytest
from sklearn.naive_bayes import MultinomialNB

from stages.contract.records import STREAMS
from stages.tokenize.probes import PROBES, ProbeClip, chance, frame_labels, probe_figures, vote

TRUTH = {
    "syllables": [
        {"phonemes": [{"p": "ˈaː", "start_s": 0.0, "end_s": 0.1}, {"p": "n", "start_s": 0.1, "end_s": 0.14}]},
        {"phonemes": [{"p": "a", "start_s": 0.2, "end_s": 0.3}]},
    ],
    "notes": [{"midi": 60, "start_s": 0.0, "end_s": 0.14}, {"midi": 62, "start_s": 0.2, "end_s": 0.3}],
    "chords": [{"name": "Am", "start_s": 0.0, "end_s": 0.3}],
}


def labels(name: str, start_s: float, n_frames: int) -> list[str]:
    return frame_labels(PROBES[name].spans(TRUTH), start_s, n_frames).tolist()


def test_labels_stand_at_frame_centres():
    assert labels("phoneme", 0.0, 16) == ["a"] * 5 + ["n"] * 2 + [""] * 3 + ["a"] * 5 + [""]
    assert labels("pitch", 0.1, 11) == ["60"] * 2 + [""] * 3 + ["62"] * 5 + [""]
    assert labels("chord", 0.25, 4) == ["Am", "Am", "", ""]


def clip(tokens, names):
    return [(np.array(tokens, np.uint16), np.array(names, object))]


def test_majority_vote_by_hand():
    train = clip([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2], ["a", "a", "a", "b", "b", "b", "b", "c", "c", "c", ""])
    test = clip([0, 0, 1, 2, 3, 3], ["a", "b", "b", "c", "b", "a"])
    # 0 -> a, 1 -> b, 2 -> c; 3 was never seen: b, the most frequent
    assert vote(train, test, 4) == pytest.approx(4 / 6)
    assert chance(train, test) == pytest.approx(3 / 6)


@pytest.mark.parametrize("context", [0, 1, 7])
def test_the_vote_is_sklearns_naive_bayes(context):
    draw = np.random.default_rng(context)

    def make(n_clips):
        clips = []
        for n in draw.integers(5, 60, size=n_clips):
            label_T = draw.integers(4, size=n)
            token_T = np.where(draw.random(n) < 0.5, label_T * 2, draw.integers(10, size=n)).astype(np.uint16)
            clips.append((token_T, np.array(["", "x", "y", "z"], object)[label_T]))
        return clips

    def bags(clips):
        """Token counts around every labelled frame, one frame at a time."""
        counts, names = [], []
        for token_T, label_T in clips:
            for t, name in enumerate(label_T):
                if name:
                    around = token_T[max(t - context, 0) : t + context + 1]
                    counts.append(np.bincount(around, minlength=10))
                    names.append(name)
        return np.array(counts), np.array(names)

    train, test = make(20), make(10)
    theirs = MultinomialNB().fit(*bags(train)).score(*bags(test))
    assert vote(train, test, 10, context) == pytest.approx(theirs)
    assert theirs > 0.36  # one label in three


def test_nothing_to_probe_is_none():
    empty, some = clip([], []), clip([1], ["a"])
    assert vote(empty, some, 2) is None
    assert chance(some, clip([1], [""])) is None


def test_figures_of_tokens_that_know_and_of_mels_that_do_not():
    """Tokens that are the chord itself read it; log-mels of noise do not."""
    draw = np.random.default_rng(0)
    names = ["A:maj", "B:min", "C:maj", "D:maj"]
    clips = []
    for number in range(8):
        order = draw.permutation(4)
        truth = {
            "syllables": [], "notes": [],
            "chords": [{"name": names[c], "start_s": 2.0 * k, "end_s": 2.0 * k + 2} for k, c in enumerate(order)],
        }  # fmt: skip
        tokens = {s: np.repeat(order, 100)[100:].astype(np.uint16) for s in STREAMS}
        mels = {s: draw.normal(size=(300, 6)) for s in STREAMS}
        clips.append(ProbeClip("test" if number % 2 else "train", 2.0, truth, tokens, mels))
    figures = probe_figures(clips, 4)
    assert figures["chord.ours"] > 0.8
    assert figures["chord.logmel_kmeans"] < 0.5
    assert figures["phoneme.ours"] is None and figures["pitch.chance"] is None
    assert set(figures) == {f"{p}.{who}" for p in PROBES for who in ("ours", "logmel_kmeans", "chance")}

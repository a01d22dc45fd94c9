import numpy as np
import pytest

from stages.tokenize.probes import PROBES, Frames, chance, frame_labels, majority_vote

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


def frames(tokens, names):
    return Frames.of([(np.array(tokens, np.uint16), np.array(names, object))])


def test_majority_vote_by_hand():
    train = frames([0, 0, 0, 1, 1, 2, 2], ["a", "a", "b", "b", "b", "c", ""])
    test = frames([0, 0, 1, 2, 3, 3], ["a", "b", "b", "c", "b", "a"])
    # 0 -> a, 1 -> b, 2 -> c; 3 was never seen: b, the most frequent
    assert majority_vote(train, test, 4) == pytest.approx(4 / 6)
    assert chance(train, test) == pytest.approx(3 / 6)


def test_perfect_and_useless_tokens():
    draw = np.random.default_rng(0)
    names = np.array(["a", "b", "c", "d"], object)
    truth = draw.integers(4, size=4000)
    know = frames(truth, names[truth])
    guess = frames(draw.integers(4, size=4000), names[truth])
    assert majority_vote(know, know, 4) == 1.0
    assert majority_vote(guess, guess, 4) == pytest.approx(0.25, abs=0.04)


def test_nothing_to_probe_is_none():
    empty, some = frames([], []), frames([1], ["a"])
    assert majority_vote(empty, some, 2) is None
    assert chance(some, frames([1], [""])) is None

"""The counted rivals against a naive loop, and the NLL against probabilities multiplied out by hand."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from dslm_parts import N_CODES, SPECIAL, make_clip, random_model

from stages.dslm import baselines
from stages.dslm.nll import compare, cross_entropies, nll, teacher_forced


@pytest.fixture(scope="module")
def rows():
    """A process with memory: mostly the predecessor plus one."""
    rng = np.random.default_rng(0)
    found = []
    for n in (400, 300, 200):
        jumps = np.where(rng.random(n) < 0.8, 1, rng.integers(0, 8, n))
        found.append(np.cumsum(jumps) % 8)
    return found


def test_unigram_and_bigram_are_a_naive_loops(rows):
    train, valid, test = ([row] for row in rows)
    grams = baselines.fit(train, valid, 8)
    (a,) = [a for a in baselines.UNIGRAM_WEIGHTS if np.allclose(grams.unigram_V, naive_unigram(train, a))]
    matching = [
        m for m in baselines.BIGRAM_WEIGHTS if math.isclose(grams.nll(test)["bigram"], naive_bigram(train, test, a, m))
    ]
    assert len(matching) == 1
    assert math.isclose(grams.nll(test)["unigram"], -np.mean([naive_unigram(train, a)[x] for x in test[0]]))
    assert grams.nll(test)["bigram"] < grams.nll(test)["unigram"] < math.log(8) + 0.05


def naive_unigram(train, a):
    counts = Counter(x for row in train for x in row.tolist())
    n = sum(counts.values())
    return [math.log((counts[x] + a) / (n + 8 * a)) for x in range(8)]


def naive_bigram(train, test, a, m):
    pairs, befores = Counter(), Counter()
    for row in train:
        for before, x in zip(["start", *row.tolist()], row.tolist(), strict=False):
            pairs[before, x] += 1
            befores[before] += 1
    total, n = 0.0, 0
    for row in test:
        for before, x in zip(["start", *row.tolist()], row.tolist(), strict=False):
            p1 = math.exp(naive_unigram(train, a)[x])
            total -= math.log((pairs[before, x] + m * p1) / (befores[before] + m))
            n += 1
    return total / n


def test_they_are_distributions(rows):
    grams = baselines.fit([rows[0]], [rows[1]], 8)
    assert np.isclose(np.exp(grams.unigram_V).sum(), 1)
    assert np.allclose(np.exp(grams.bigram_UV).sum(1), 1)


def test_smoothing_is_what_suits_the_valid_split(rows):
    """Of all weights tried none does better on valid; without a valid split there still is an answer."""
    grams = baselines.fit([rows[0]], [rows[1]], 8)
    others = [naive_bigram([rows[0]], [rows[1]], a, m) for a in (0.01, 3.0) for m in baselines.BIGRAM_WEIGHTS]
    assert grams.nll([rows[1]])["bigram"] <= min(others) + 1e-3
    assert np.isfinite(list(baselines.fit([rows[0]], [], 8).nll([rows[2]]).values())).all()


def test_nll_is_the_mean_over_every_token_and_nothing_else():
    """One clip at a time, log-probabilities picked by hand: no <EOS>, no padding, song tokens frame by frame."""
    model = random_model()
    clips = [make_clip(seed, n) for seed, n in ((0, 5), (1, 9), (2, 3))]
    total, n_tokens = {"vocals": 0.0, "accompaniment": 0.0, "song": 0.0}, 0
    for clip in clips:
        (batch,) = teacher_forced([clip], SPECIAL)
        with torch.no_grad():
            out = model(batch.tokens_SBT, batch.own_SB, batch.other_SB, batch.lyrics_BL)
        for t in range(clip.n_frames):
            for s, stream in enumerate(("vocals", "accompaniment")):
                total[stream] -= float(out.streams_SBTV[s, 0, t].log_softmax(-1)[clip.tokens[stream][t]])
            total["song"] -= float(out.song_BTV[0, t + 1].log_softmax(-1)[clip.tokens["song"][t]])
        n_tokens += clip.n_frames
    measured = nll(model, clips, frames_at_once=20)
    assert all(math.isclose(measured[s], total[s] / n_tokens, rel_tol=1e-4) for s in total)


def test_cross_entropy_is_the_mean_over_targets():
    model, clip = random_model(), make_clip(3, 6)
    (batch,) = teacher_forced([clip], SPECIAL)
    with torch.no_grad():
        out = model(batch.tokens_SBT, batch.own_SB, batch.other_SB, batch.lyrics_BL)
    mean, total = (cross_entropies(out, batch, mean=mean) for mean in (True, False))
    assert all(math.isclose(float(mean[s]) * 6, float(total[s]), rel_tol=1e-6) for s in mean)


def test_compare_gives_every_stream_three_figures():
    clips = [make_clip(seed, 20) for seed in range(6)]
    figures = compare(random_model(), clips[:3], clips[3:4], clips[4:])
    assert set(figures) == {"vocals", "accompaniment", "song"}
    assert all(set(row) == {"ours", "bigram", "unigram"} for row in figures.values())
    assert all(0 < value < 10 * math.log(N_CODES) for row in figures.values() for value in row.values())

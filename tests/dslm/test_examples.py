"""Clips to examples: layouts, targets, masks on a given stream, and the mixture's shares."""

from dataclasses import replace

import numpy as np
import pytest
from dslm_parts import N_CODES, SPECIAL, make_clip

from stages.contract.tasks import TASKS
from stages.dslm.config import ExamplesConfig, Mixture
from stages.dslm.examples import (
    IGNORED,
    NO_LYRICS_IDS,
    OBJECTIVES,
    TokenSong,
    collate,
    draw_example,
    lay_out,
    make_example,
    splice,
)
from stages.dslm.masks import CAUSAL, FULL, NOTHING

BOS, EOS, EDIT, EMPTY, MASK, PAD = (getattr(SPECIAL, n) for n in ("bos", "eos", "edit", "empty", "mask", "pad"))
CLIP = TokenSong(
    "song-000",
    "song",
    {"vocals": np.array([1, 2, 3, 4]), "accompaniment": np.array([5, 6, 7, 8]), "song": np.array([9, 10, 11, 12])},
    (30, 31),
)
__ = IGNORED


def test_a_plain_example_predicts_the_next_token():
    example = make_example(CLIP, TASKS["lyrics_to_song"], SPECIAL)
    assert example.tokens_ST.tolist() == [[BOS, 1, 2, 3, 4], [BOS, 5, 6, 7, 8]]
    assert example.targets_ST.tolist() == [[1, 2, 3, 4, EOS], [5, 6, 7, 8, EOS]]
    assert example.song_T.tolist() == [__, 9, 10, 11, 12]
    assert (example.own_S, example.other_S) == ((CAUSAL, CAUSAL), (CAUSAL, CAUSAL))
    assert example.lyrics_L == CLIP.lyrics


def test_prompts_share_a_prefix_filled_with_empty():
    prompts = {"vocals": np.array([20, 21]), "accompaniment": np.array([22])}
    example = make_example(CLIP, TASKS["lyrics_to_song"], SPECIAL, prompts=prompts)
    assert example.tokens_ST.tolist() == [[20, 21, BOS, 1, 2, 3, 4], [EMPTY, 22, BOS, 5, 6, 7, 8]]
    assert example.targets_ST.tolist() == [[__, __, 1, 2, 3, 4, EOS], [__, __, 5, 6, 7, 8, EOS]]
    assert example.song_T.tolist() == [__, __, __, 9, 10, 11, 12]


def test_an_edit_puts_the_right_context_in_front():
    example = make_example(CLIP, TASKS["song_editing"], SPECIAL, n_right=1)
    assert example.tokens_ST.tolist() == [[4, EDIT, 1, 2, 3], [8, EDIT, 5, 6, 7]]
    assert example.targets_ST.tolist() == [[__, 1, 2, 3, EOS], [__, 5, 6, 7, EOS]]
    assert example.song_T.tolist() == [12, __, 9, 10, 11]


def test_an_edit_reorders_the_given_track_alike():
    row = TASKS["vocals_editing_in_song"]
    example = make_example(CLIP, row, SPECIAL, n_right=2)
    assert example.tokens_ST.tolist() == [[3, 4, EDIT, 1, 2], [7, 8, EDIT, 5, 6]]
    assert (example.own_S, example.other_S) == ((CAUSAL, FULL), (FULL, NOTHING))


def test_loss_on_a_given_stream():
    """All of its targets by default, as the paper says; by option only those whose token was masked in the input."""
    masked = {"accompaniment": np.array([False, True, False, True])}
    row = TASKS["accompaniment_to_song"]
    literal = make_example(CLIP, row, SPECIAL, masked=masked)
    assert literal.tokens_ST.tolist() == [[BOS, 1, 2, 3, 4], [BOS, 5, MASK, 7, MASK]]
    assert literal.targets_ST.tolist() == [[1, 2, 3, 4, EOS], [5, 6, 7, 8, EOS]]
    option = make_example(CLIP, row, SPECIAL, masked=masked, given_loss="masked")
    assert option.targets_ST.tolist() == [[1, 2, 3, 4, EOS], [__, 6, __, 8, __]]
    in_edit = make_example(CLIP, replace(row, edit=True), SPECIAL, n_right=1, masked=masked, given_loss="masked")
    assert in_edit.tokens_ST.tolist() == [[4, EDIT, 1, 2, 3], [MASK, EDIT, 5, MASK, 7]]
    assert in_edit.targets_ST.tolist() == [[__, 1, 2, 3, EOS], [__, __, 6, __, __]]


@pytest.mark.parametrize("n_right", range(5))
def test_splice_undoes_the_layout(n_right):
    tokens, n_left = CLIP.tokens["vocals"], 4 - n_right
    rows = lay_out({"vocals": tokens[n_left:]}, EDIT, {"vocals": tokens[:n_left]}, SPECIAL)
    (separator,) = np.flatnonzero(rows["vocals"] == EDIT)
    assert np.array_equal(splice(rows["vocals"][separator + 1 :], rows["vocals"][:separator]), tokens)


def test_dropped_lyrics_are_one_symbol():
    assert make_example(CLIP, TASKS["lyrics_to_song"], SPECIAL, with_lyrics=False).lyrics_L == NO_LYRICS_IDS


def test_collate_pads_each_field_with_its_own_mark():
    short = replace(CLIP, tokens={s: t[:2] for s, t in CLIP.tokens.items()}, lyrics=(30,))
    batch = collate([make_example(c, TASKS["lyrics_to_song"], SPECIAL) for c in (CLIP, short)], SPECIAL)
    assert batch.tokens_SBT[0, 1].tolist() == [BOS, 1, 2, PAD, PAD]
    assert batch.targets_SBT[0, 1].tolist() == [1, 2, EOS, __, __]
    assert batch.song_BT[1].tolist() == [__, 9, 10, __, __]
    assert batch.lyrics_BL.tolist() == [[30, 31], [30, 0]]


def drawn(config: ExamplesConfig, n: int = 4000):
    clip, mate = make_clip(0, 40), make_clip(1, 300)
    rng = np.random.default_rng(0)
    return [draw_example(clip, [mate], config, SPECIAL, rng) for _ in range(n)]


def share(examples, holds) -> float:
    return float(np.mean([holds(example) for example in examples]))


def test_the_mixture_has_the_papers_shares():
    """§3.4: thirds (ours), BR 80 %, lyrics dropped 20 %, 20 % of a given stream's tokens masked; 3 sigma is 0.025."""
    examples = drawn(ExamplesConfig())
    assert abs(share(examples, lambda e: EDIT in e.tokens_ST) - 1 / 3) < 0.025
    assert abs(share(examples, lambda e: e.lyrics_L == NO_LYRICS_IDS) - 0.2) < 0.025
    given = [e for e in examples if FULL in e.own_S]
    assert abs(len(given) / len(examples) - (1 / 3 + 1 / 6)) < 0.025  # half of the edits have a track beside them
    assert abs(share(given, lambda e: e.own_S == (CAUSAL, FULL)) - 0.5) < 0.04
    free = [e for e in examples if FULL not in e.own_S]
    assert abs(share(free, lambda e: e.other_S == (CAUSAL, CAUSAL)) - 0.8) < 0.03
    rows = np.concatenate([e.tokens_ST[e.own_S.index(FULL)] for e in given])
    assert abs((rows == MASK).sum() / ((rows < N_CODES) | (rows == MASK)).sum() - 0.2) < 0.01
    assert not any(MASK in e.tokens_ST for e in free)


def test_prompts_come_from_another_clip_and_stay_within_their_length():
    config = ExamplesConfig(mixture=Mixture(lyrics_to_song=1, given_track=0, editing=0), prompt_s=1.0, prompt_share=0.5)
    examples = drawn(config, 400)
    lengths = [int(np.flatnonzero(e.tokens_ST[0] == BOS)[0]) for e in examples]
    assert {0} < set(lengths) <= {0, *range(25, 51)}
    assert abs(np.mean([n > 0 for n in lengths]) - 0.75) < 0.07  # either stream, each by half
    mate = make_clip(1, 300).tokens["vocals"].tolist()
    for example, n in zip(examples, lengths, strict=True):
        prompt = [t for t in example.tokens_ST[0, :n].tolist() if t != EMPTY]
        assert not prompt or any(mate[i : i + len(prompt)] == prompt for i in range(len(mate)))


def test_objectives_are_the_names_of_the_mixture():
    assert set(OBJECTIVES) == set(Mixture.model_fields)
    with pytest.raises(ValueError, match="must not all be 0"):
        Mixture(lyrics_to_song=0, given_track=0, editing=0)


def test_the_same_seed_draws_the_same():
    pairs = zip(drawn(ExamplesConfig(), 20), drawn(ExamplesConfig(), 20), strict=True)
    assert all(np.array_equal(a.tokens_ST, b.tokens_ST) for a, b in pairs)

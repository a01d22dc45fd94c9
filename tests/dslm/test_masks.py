"""Masks against the paper's Table 2 and §3.3, written down as pictures: a row per query, x where it sees the key."""

import numpy as np
import pytest
import torch

from stages.contract.tasks import DECODER_STREAMS, TASKS
from stages.dslm import masks
from stages.dslm.masks import CAUSAL, FULL, NOTHING

LOWER = ["x...", "xx..", "xxx.", "xxxx"]
ALL = ["xxxx"] * 4
NONE = ["...."] * 4

# BCA (§3.3): what vocals see of the accompaniment, what the accompaniment sees of the vocals.
PAPER_BCA = {"BR": (LOWER, LOWER), "A2V": (ALL, NONE), "V2A": (NONE, ALL), "none": (NONE, NONE)}

# Table 2: self-attention of vocals and accompaniment, BCA. "-": the stream is not there.
PAPER_TASKS = {
    "lyrics_to_song": ("C", "C", "BR"),
    "lyrics_to_vocals": ("C", "C", "BR"),
    "accompaniment_to_song": ("C", "NC", "A2V"),
    "vocals_to_song": ("NC", "C", "V2A"),
    "music_continuation": ("-", "C", "none"),
    "song_editing": ("C", "C", "BR"),
    "vocals_editing": ("C", "-", "none"),
    "vocals_editing_in_song": ("C", "NC", "A2V"),
}
PICTURES = {"C": LOWER, "NC": ALL, "-": NONE}


def picture(rows: list[str]) -> torch.Tensor:
    return torch.tensor([[mark == "x" for mark in row] for row in rows])


def written_out(kind: int, valid: str = "1111") -> torch.Tensor:
    """The mask of one row of the given kind over four keys, of which `valid` hold something."""
    valid_NK = torch.tensor([[mark == "1" for mark in valid]])
    return masks.dense(masks.by_kind(torch.tensor([kind]), valid_NK), 1, range(4), 4)[0, 0]


@pytest.mark.parametrize("strategy", PAPER_BCA)
def test_bca_is_the_papers(strategy):
    for kind, drawn in zip(masks.cross_of(strategy), PAPER_BCA[strategy], strict=True):
        assert torch.equal(written_out(kind), picture(drawn))


@pytest.mark.parametrize("name", PAPER_TASKS)
def test_every_task_attends_as_in_table_2(name):
    *attention, bca = PAPER_TASKS[name]
    task = TASKS[name]
    assert task.bca == bca
    for stream, mark in zip(DECODER_STREAMS, attention, strict=True):
        assert torch.equal(written_out(masks.SELF[task.attention[stream]]), picture(PICTURES[mark]))


def test_padding_and_empty_places_are_seen_by_nobody():
    assert torch.equal(written_out(FULL, "0110"), picture([".xx."] * 4))
    assert torch.equal(written_out(CAUSAL, "0110"), picture(["....", ".x..", ".xx.", ".xx."]))
    assert torch.equal(written_out(NOTHING, "1111"), picture(NONE))


def test_rows_of_different_kinds_stand_side_by_side():
    kinds = torch.tensor([CAUSAL, NOTHING, FULL])
    mask = masks.dense(masks.by_kind(kinds, torch.ones(3, 4, dtype=torch.bool)), 3, range(4), 4)
    assert mask.shape == (3, 1, 4, 4)
    assert torch.equal(mask[:, 0], torch.stack([picture(LOWER), picture(NONE), picture(ALL)]))


def test_a_step_of_decoding_is_a_row_of_the_mask():
    predicate = masks.by_kind(torch.tensor([CAUSAL]), torch.ones(1, 4, dtype=torch.bool))
    assert torch.equal(masks.dense(predicate, 1, range(2, 3), 4)[0, 0], picture(LOWER)[2:3])


def test_composition_is_and_and_or():
    def odd_key(n, q, k):
        return k % 2 == 1

    q, k = np.mgrid[:4, :4]
    both = masks.dense(masks.both(masks.causal, odd_key), 1, range(4), 4)[0, 0]
    either = masks.dense(masks.either(masks.causal, odd_key), 1, range(4), 4)[0, 0]
    assert np.array_equal(both, (q >= k) & (k % 2 == 1))
    assert np.array_equal(either, (q >= k) | (k % 2 == 1))


def test_flex_attention_sees_the_same():
    """The same predicate through FlexAttention's BlockMask and through a dense mask; forward, on CPU."""
    from stages.lib.transformer import Veil, attend

    torch.manual_seed(0)
    kinds = torch.tensor([CAUSAL, NOTHING, FULL, CAUSAL])
    valid_NK = torch.rand(4, 40) > 0.2
    predicate = masks.by_kind(kinds, valid_NK)
    q, k, v = torch.randn(3, 4, 2, 40, 16)
    by_flex = attend(q, k, v, masks.block_mask(predicate, 4, 40, 40, q.device))
    by_dense = attend(q, k, v, Veil.over(masks.dense(predicate, 4, range(40), 40)))
    torch.testing.assert_close(by_flex, by_dense)

import pytest
import torch

from stages.bestrq.masking import span_mask, valid_frames


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def runs(row: list[bool]) -> list[tuple[int, int]]:
    """(start, stop) of every stretch of True, by walking along."""
    found, start = [], None
    for t, masked in enumerate([*row, False]):
        if masked and start is None:
            start = t
        elif not masked and start is not None:
            found.append((start, t))
            start = None
    return found


@pytest.mark.parametrize(("fraction", "span"), [(0.4, 20), (0.1, 5), (0.8, 20), (0.5, 1)])
def test_the_share_of_masked_frames_is_what_was_asked_for(fraction, span):
    mask_BT = span_mask(400, 500, fraction, span, generator())
    assert mask_BT.float().mean().item() == pytest.approx(fraction, abs=0.02)


def test_every_frame_is_masked_equally_often():
    """Also the first and the last: spans may begin before the clip and end behind it."""
    share_T = span_mask(20_000, 60, 0.4, 20, generator()).float().mean(0)
    assert (share_T - 0.4).abs().max() < 0.02


def test_inner_spans_are_whole():
    mask_BT = span_mask(50, 400, 0.3, 20, generator())
    inner = [stop - start for row in mask_BT.tolist() for start, stop in runs(row) if start > 0 and stop < 400]
    assert inner and min(inner) == 20
    assert max(inner) > 20  # spans overlap


def test_masks_follow_their_seed():
    assert torch.equal(span_mask(4, 100, 0.4, 20, generator(3)), span_mask(4, 100, 0.4, 20, generator(3)))
    assert not torch.equal(span_mask(4, 100, 0.4, 20, generator(3)), span_mask(4, 100, 0.4, 20, generator(4)))


def test_valid_frames():
    assert valid_frames(torch.tensor([5, 5]), 5) is None
    assert valid_frames(torch.tensor([5, 2]), 5).tolist() == [[True] * 5, [True, True, False, False, False]]

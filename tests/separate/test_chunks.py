"""The stream's cut, window and join against demucs' own apply_model, and against whole-array arithmetic."""

import numpy as np
import pytest
import torch
from demucs.apply import TensorChunk

from stages.separate.chunks import OverlapAdd, Window, cut, triangle


@pytest.mark.parametrize("n_samples", [1, 99, 100, 101, 175, 1000, 1001])
def test_chunks_see_what_demucs_pads_them_to(n_samples: int) -> None:
    """Each chunk's window is demucs' TensorChunk.padded of the same segment."""
    mix_CT = np.random.default_rng(0).standard_normal((2, n_samples)).astype(np.float32)
    window = Window(iter(np.array_split(mix_CT, 7, axis=1)), 2)
    offsets = []
    for chunk in cut(n_samples, 100, 75, lambda length: 120):
        theirs = TensorChunk(torch.from_numpy(mix_CT), chunk.offset, 100)
        assert chunk.length == theirs.length
        seen_CT = window.take(chunk.start, chunk.size)
        np.testing.assert_array_equal(seen_CT, theirs.padded(120).numpy())
        np.testing.assert_array_equal(seen_CT[:, chunk.answer], mix_CT[:, chunk.offset : chunk.offset + chunk.length])
        offsets.append(chunk.offset)
        window.forget(chunk.offset - 60)
    assert offsets == list(range(0, n_samples, 75))


def test_window_forgets_what_it_was_told_to() -> None:
    window = Window(iter([np.ones((1, 10), np.float32)]), 1)
    window.take(0, 10)
    window.forget(5)
    np.testing.assert_array_equal(window.take(5, 7), [[1, 1, 1, 1, 1, 0, 0]])
    with pytest.raises(ValueError, match="gone"):
        window.take(4, 2)


@pytest.mark.parametrize("stride", [100, 75, 50, 30])
@pytest.mark.parametrize("n_samples", [40, 230, 1000])
def test_join_is_the_weighted_mean(stride: int, n_samples: int) -> None:
    rng = np.random.default_rng(3)
    join, given = OverlapAdd(100), []
    total_T, weight_T = np.zeros(n_samples), np.zeros(n_samples)
    for chunk in cut(n_samples, 100, stride, lambda length: length):
        answer_T = rng.standard_normal(chunk.length).astype(np.float32)
        given.append(join.add(chunk.offset, answer_T))
        place = slice(chunk.offset, chunk.offset + chunk.length)
        total_T[place] += triangle(100)[: chunk.length] * answer_T
        weight_T[place] += triangle(100)[: chunk.length]
    given.append(join.end(n_samples))
    np.testing.assert_allclose(np.concatenate(given), total_T / weight_T, atol=1e-5)

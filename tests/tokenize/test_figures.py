import numpy as np
import pytest

from stages.tokenize.figures import code_counts, codebook_used_fraction, mean_run_frames, perplexity


def tokens(*rows):
    return [np.array(row, np.uint16) for row in rows]


def test_counts():
    assert code_counts(tokens([0, 0, 3], [3, 1]), 5).tolist() == [2, 1, 0, 2, 0]
    assert codebook_used_fraction(code_counts(tokens([0, 0, 3], [3, 1]), 5)) == pytest.approx(0.6)


def test_perplexity():
    assert perplexity(np.array([5, 5, 0, 5, 5])) == pytest.approx(4)
    assert perplexity(np.array([0, 7])) == pytest.approx(1)
    p = np.array([0.5, 0.25, 0.25])
    assert perplexity(np.array([50, 25, 25])) == pytest.approx(2 ** -(p * np.log2(p)).sum())


def test_runs():
    assert mean_run_frames(tokens([4, 4, 4, 1], [2, 2], [])) == pytest.approx(6 / 3)

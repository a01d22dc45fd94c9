"""How well audio is made from tokens: pure functions of two signals. Shapes: T samples, N frames."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import mel_l1, resample

PITCH_RATE_HZ = 16_000
PITCH_PERIOD_MS = 10.0
PITCH_RANGE_HZ = (65.0, 1000.0)


class Example(NamedTuple):
    """Semantic tokens and the audio they were taken from."""

    tokens_T: np.ndarray
    true_T: np.ndarray


def f0_hz(x_T: np.ndarray) -> np.ndarray:
    """Pitch per 10 ms, 0 where unvoiced: WORLD's DIO, refined by StoneMask, at 16 kHz."""
    import pyworld

    x = resample(np.ascontiguousarray(x_T, np.float32), SAMPLE_RATE_HZ, PITCH_RATE_HZ).astype(np.float64)
    low, high = PITCH_RANGE_HZ
    f0, at_s = pyworld.dio(x, PITCH_RATE_HZ, f0_floor=low, f0_ceil=high, frame_period=PITCH_PERIOD_MS)
    return pyworld.stonemask(x, f0, at_s, PITCH_RATE_HZ)


def pitch_error_cents(made_T: np.ndarray, true_T: np.ndarray) -> float | None:
    """Median absolute pitch error over the frames that are voiced in both; None where there are none."""
    n = min(len(made_T), len(true_T))
    made_N, true_N = f0_hz(made_T[:n]), f0_hz(true_T[:n])
    voiced_N = (made_N > 0) & (true_N > 0)
    if not voiced_N.any():
        return None
    return float(np.median(np.abs(1200 * np.log2(made_N[voiced_N] / true_N[voiced_N]))))


def measure(
    make: Callable[[np.ndarray], np.ndarray], examples: Sequence[Example], seed: int = 0
) -> dict[str, list[float]]:
    """Per example: mel L1 of what `make` (tokens -> audio) makes of its own tokens, and of the tokens of another
    example cut or repeated to its length (shuffled: a permutation without fixed points)."""
    rows: dict[str, list[float]] = {"mel_l1_true_tokens": [], "mel_l1_shuffled_tokens": []}
    shift = 1 + int(np.random.default_rng(seed).integers(max(len(examples) - 1, 1)))
    for i, example in enumerate(examples):
        other_T = np.resize(examples[(i + shift) % len(examples)].tokens_T, len(example.tokens_T))
        for name, tokens_T in (("true", example.tokens_T), ("shuffled", other_T)):
            rows[f"mel_l1_{name}_tokens"].append(mel_l1(make(tokens_T), example.true_T))
    return rows

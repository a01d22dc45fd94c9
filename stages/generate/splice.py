"""Putting a rewritten span back into the track it came from. Shapes: T samples, any integer or float type."""

import numpy as np


def splice(original_T: np.ndarray, new_T: np.ndarray, start: int, end: int, fade: int) -> np.ndarray:
    """`original_T` with its samples start..end replaced by `new_T` (of any length), the seams crossfaded.

    The crossfades lie inside the replaced span, so that every sample outside it is the original's, bit for bit.
    Equal-power fades: the two sides are different performances, hence uncorrelated. At the track's very ends there
    is nothing to fade to.
    """
    if not 0 <= start <= end <= len(original_T):
        raise ValueError(f"the span {start}..{end} does not lie in a track of {len(original_T)} samples")
    middle = new_T.astype(np.float64)
    fade = min(fade, len(new_T) // 2, end - start)
    if fade > 0:
        rise = np.sin(np.linspace(0, np.pi / 2, fade + 2)[1:-1])
        fall = rise[::-1]
        if start > 0:
            middle[:fade] = middle[:fade] * rise + original_T[start : start + fade] * fall
        if end < len(original_T):
            middle[-fade:] = middle[-fade:] * fall + original_T[end - fade : end] * rise
    if np.issubdtype(original_T.dtype, np.integer):
        limits = np.iinfo(original_T.dtype)
        middle = np.clip(np.rint(middle), limits.min, limits.max)
    return np.concatenate([original_T[:start], middle.astype(original_T.dtype), original_T[end:]])

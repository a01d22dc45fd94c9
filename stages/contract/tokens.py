"""Semantic tokens: 50 a second, one token to 882 samples at 44.1 kHz; the codes first, the special tokens after."""

from dataclasses import dataclass

SAMPLE_RATE_HZ = 44_100
FRAME_RATE_HZ = 50
SAMPLES_PER_TOKEN = SAMPLE_RATE_HZ // FRAME_RATE_HZ  # 882


def n_frames_of(n_samples: int) -> int:
    """Whole token frames in `n_samples` at 44.1 kHz; what is left over is trimmed (PAPER: one token is 882 samples)."""
    return n_samples // SAMPLES_PER_TOKEN


@dataclass(frozen=True)
class SpecialTokens:
    """Ids above the `n_codes` of the codebook. <EDIT> is the paper's; the others are ours."""

    n_codes: int

    def __post_init__(self) -> None:
        if not 1 <= self.n_codes <= 2**16 - 6:
            raise ValueError(f"n_codes must lie in 1..{2**16 - 6}, so that every token fits uint16, got {self.n_codes}")

    @property
    def bos(self) -> int:
        return self.n_codes

    @property
    def eos(self) -> int:
        return self.n_codes + 1

    @property
    def pad(self) -> int:
        return self.n_codes + 2

    @property
    def mask(self) -> int:
        """Stands for a masked input token on a given (non-causal) stream."""
        return self.n_codes + 3

    @property
    def edit(self) -> int:
        return self.n_codes + 4

    @property
    def empty(self) -> int:
        """Fills the place of a prompt that one stream has and the other has not."""
        return self.n_codes + 5

    @property
    def n_vocab(self) -> int:
        return self.n_codes + 6

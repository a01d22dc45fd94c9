"""Who sees whom (paper §3.3, Table 2), as predicates.

A predicate answers "may query q of row n see key k?" for whole grids of indices at once: (n, q, k) -> bool, with any
integer tensors that broadcast. `both` and `either` compose them. `dense` writes one out for SDPA, `block_mask` hands
the same predicate to FlexAttention.

    N rows, S * B, stream-major   Q queries   K keys   S streams (0 vocals, 1 accompaniment)   B batch
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stages.contract.tasks import DECODER_STREAMS, Attention, Bca, Stream

Predicate = Callable[[Tensor, Tensor, Tensor], Tensor]
NOTHING, CAUSAL, FULL = range(3)  # what a row may see of a sequence

# Self-attention of a stream: C, NC; None: the stream is not there.
SELF: dict[Attention | None, int] = {"causal": CAUSAL, "full": FULL, None: NOTHING}

# Bidirectional cross-attention: what each stream sees of the other.
CROSS: dict[Bca, dict[Stream, int]] = {
    "BR": {"vocals": CAUSAL, "accompaniment": CAUSAL},
    "A2V": {"vocals": FULL, "accompaniment": NOTHING},
    "V2A": {"vocals": NOTHING, "accompaniment": FULL},
    "none": {"vocals": NOTHING, "accompaniment": NOTHING},
}


def cross_of(bca: Bca) -> tuple[int, int]:
    """CROSS of a strategy, in the order of the streams."""
    vocals, accompaniment = (CROSS[bca][stream] for stream in DECODER_STREAMS)
    return vocals, accompaniment


def causal(n: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """Keys up to and including the query's own position; of the other stream too (BR: positions <= t)."""
    return q >= k


def of_kind(kind_N: Tensor, kind: int) -> Predicate:
    """Rows of one kind."""
    return lambda n, q, k: kind_N[n] == kind


def key_is_valid(valid_NK: Tensor) -> Predicate:
    """Keys that hold something: neither padding nor EMPTY."""
    return lambda n, q, k: valid_NK[n, k]


def both(a: Predicate, b: Predicate) -> Predicate:
    return lambda n, q, k: a(n, q, k) & b(n, q, k)


def either(a: Predicate, b: Predicate) -> Predicate:
    return lambda n, q, k: a(n, q, k) | b(n, q, k)


def by_kind(kind_N: Tensor, valid_NK: Tensor) -> Predicate:
    """The mask of a batch whose rows are each NOTHING, CAUSAL or FULL: rows of several tasks may stand side by side."""
    seen = either(both(of_kind(kind_N, CAUSAL), causal), of_kind(kind_N, FULL))
    return both(seen, key_is_valid(valid_NK))


def dense(predicate: Predicate, n_rows: int, queries: range, n_keys: int, device: torch.device | None = None) -> Tensor:
    """The predicate written out, boolean N1QK, ready for SDPA."""
    n = torch.arange(n_rows, device=device)[:, None, None]
    q = torch.arange(queries.start, queries.stop, device=device)[:, None]
    k = torch.arange(n_keys, device=device)
    return predicate(n, q, k).expand(n_rows, len(queries), n_keys)[:, None]


def block_mask(predicate: Predicate, n_rows: int, n_queries: int, n_keys: int, device: torch.device) -> Any:
    """The predicate as FlexAttention's BlockMask: blocks that nobody sees are skipped, no mask is written out."""
    from torch.nn.attention.flex_attention import create_block_mask

    return create_block_mask(lambda b, h, q, k: predicate(b, q, k), n_rows, None, n_queries, n_keys, device=str(device))

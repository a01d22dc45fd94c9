"""One step of decoding after another, with everything that does not change kept: the lyrics' keys and values, the
past's, and those of a stream given whole, which is encoded once. Gives the same logits as the uncached model (tested
for every task).

Items of a batch may begin with rows of different lengths: they are aligned at their end by PAD in front, and every
item counts its positions from its own first token.

    S predicted streams   B batch   N = S * B   T time   K keys   D width   V vocabulary   L phonemes
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from stages.contract.tasks import Task
from stages.dslm import masks
from stages.dslm.examples import pad_rows
from stages.dslm.model import DSLM, Sight
from stages.dslm.requests import Plan, streams_slice, whole_streams
from stages.lib.transformer import Mask, Veil, rotation


class Steps:
    """Decodes the predicted streams of a batch of plans. `start()`, then `step(tokens_SB)` as often as wanted; each
    returns logits_SBV of the next token. What the song decoder will read is gathered on the way."""

    def __init__(self, model: DSLM, task: Task, plans: Sequence[Plan], lyrics: Sequence[Sequence[int]]):
        self._model, self._task, self._plans = model, task, plans
        self._device = model.decoders.embedding_SVD.device
        self._streams, self._n_streams = streams_slice(task.predicted), len(task.predicted)
        rows = [[plan.rows[stream][::-1] for plan in plans] for stream in task.predicted]
        tokens_SBT = torch.stack([pad_rows(row, model.special.pad).flip(-1) for row in rows])
        self._tokens_SBT = tokens_SBT.to(self._device)
        self._first_B = [tokens_SBT.shape[-1] - len(plan.rows[task.predicted[0]]) for plan in plans]
        self._first_N = torch.tensor(self._first_B * self._n_streams, device=self._device)
        self._valid_NT = model.is_valid(self._tokens_SBT).flatten(0, 1)
        self._all_valid = bool(self._valid_NT.all())
        self._lyrics_1BLD, lyrics_valid_BL = model.read_lyrics(pad_rows(lyrics, 0).to(self._device))
        self._lyrics_mask = lyrics_valid_BL.repeat(self._n_streams, 1)[:, None, None]
        lyrics_SBLD = self._lyrics_1BLD.expand(self._n_streams, -1, -1, -1)
        self._states = model.decoders.begin(lyrics_SBLD, self._streams)
        self._embedded: list[Tensor] = []
        self._whole_SBTD: Tensor | None = None
        self._whole_mask: Tensor | None = None
        if whole_streams(task):
            self._encode_whole()

    def start(self) -> Tensor:
        """Read what is known of the predicted streams."""
        n_rows, n_tokens = self._valid_NT.shape
        causal = masks.both(masks.causal, masks.key_is_valid(self._valid_NT))
        return self._run(self._tokens_SBT, masks.dense(causal, n_rows, range(n_tokens), n_tokens, self._device))

    def step(self, tokens_SB: Tensor) -> Tensor:
        """Read one more token of every predicted stream. An item that has ended may be fed anything."""
        self._valid_NT = torch.cat((self._valid_NT, self._valid_NT.new_ones(len(self._valid_NT), 1)), 1)
        return self._run(tokens_SB[..., None], None if self._all_valid else self._valid_NT[:, None, None])

    def embeddings(self, item: int, n_frames: int) -> Tensor:
        """E_STD of both streams of one item: prefix, separator and the first n_frames of its body."""
        if len(self._embedded) > 1:
            self._embedded = [torch.cat(self._embedded, 2)]
        first, n_tokens = self._first_B[item], self._plans[item].n_prefix + 1 + n_frames
        own_STD = self._embedded[0][:, item, first : first + n_tokens]
        if self._whole_SBTD is None:
            return own_STD
        whole_STD = self._whole_SBTD[:, item, :n_tokens]
        return torch.cat((own_STD, whole_STD) if self._streams.start == 0 else (whole_STD, own_STD))

    def _run(self, tokens_SBT: Tensor, own: Tensor | None) -> Tensor:
        """Logits after the last of `tokens`, which follow those read before."""
        n_read = self._valid_NT.shape[1]
        places_T = torch.arange(n_read - tokens_SBT.shape[2], n_read, device=self._device)
        by = rotation(places_T - self._first_N[:, None], self._model.head_width)
        given = self._whole_SBTD is not None
        sight = Sight(
            by,
            None if own is None else Veil.over(own),
            other=self._whole_mask if given else self._across(own),
            lyrics=self._lyrics_mask,
            bca=given or (self._task.bca != "none" and self._n_streams > 1),
            streams=self._streams,
        )
        e_SBTD, _ = self._model.decoders(tokens_SBT, self._lyrics_1BLD, sight, self._states)
        self._embedded.append(e_SBTD)
        return self._model.decoders.head(e_SBTD[:, :, -1:], self._streams)[:, :, 0]

    def _across(self, own: Tensor | None) -> Mask:
        """BR: a stream sees of the other what the other sees of itself."""
        return None if own is None else Veil.over(own.unflatten(0, (self._n_streams, -1)).flip(0).flatten(0, 1))

    def _encode_whole(self) -> None:
        """Encode the stream that is given whole: it sees itself (NC) and nothing of the other (A2V, V2A)."""
        (stream,) = whole_streams(self._task)
        decoders = self._model.decoders
        tokens_BT = pad_rows([plan.rows[stream] for plan in self._plans], self._model.special.pad).to(self._device)
        self._whole_mask = self._model.is_valid(tokens_BT)[:, None, None]
        by = rotation(torch.arange(tokens_BT.shape[1], device=self._device)[None], self._model.head_width)
        sight = Sight(by, self._whole_mask, None, self._lyrics_mask, bca=False, streams=streams_slice([stream]))
        self._whole_SBTD, entered = decoders(tokens_BT[None], self._lyrics_1BLD, sight)
        for layer, state, x_SBTD in zip(decoders.dslm_layers, self._states, entered, strict=True):
            state.given = layer.keys_values_of_other(x_SBTD, by, self._streams)

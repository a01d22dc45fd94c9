"""The dual-sequence language model (paper §3, Fig. 2): a lyrics encoder, two decoders that look at each other, and a
song decoder over both.

    lyrics -> LyricsEncoder -> memory
    vocals, accompaniment -> Decoders: layers of self-attention, lyrics, bidirectional cross-attention, feed-forward
    E_vocals, E_accompaniment -> SongDecoder -> song tokens, all at once

    S streams (0 vocals, 1 accompaniment)   B batch   N = S * B   T time, 50 a second   L phonemes   D width
    V vocabulary (codes and special tokens)   K Q keys, queries
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from stages.contract.tokens import SpecialTokens
from stages.dslm import masks
from stages.dslm.config import DSLMConfig
from stages.lib.phonemes import PhonemeVocab
from stages.lib.transformer import (
    ALL,
    Attention,
    Encoder,
    FeedForward,
    KeysValues,
    KeyValueCache,
    Mask,
    RMSNorm,
    Rotation,
    StreamLinear,
    Veil,
    rotation,
    sinusoids,
)

N_STREAMS = 2


@dataclass
class LayerState:
    """What a layer keeps between two steps of decoding: its own past, the lyrics, and the other stream, which either
    grows beside it or was given whole."""

    lyrics: KeysValues
    own: KeyValueCache = field(default_factory=KeyValueCache)
    other: KeyValueCache = field(default_factory=KeyValueCache)
    given: KeysValues | None = None


class Sight(NamedTuple):
    """Where each position stands and whom it sees; the same in all layers."""

    by: Rotation
    own: Mask  # of itself
    other: Mask  # of the other stream
    lyrics: Mask
    bca: bool = True  # False: the bidirectional cross-attention is skipped
    streams: slice = ALL  # the streams at work


class DSLMLayer(nn.Module):
    """SA -> CA(lyrics) -> BCA -> FFN, each on a residual, for both streams at once (Eq. 1-3).

    BCA is two cross-attentions with projections of their own: queries from one decoder, keys and values from the
    other decoder's previous-layer output, that is, from what entered this layer there.
    """

    def __init__(self, config: DSLMConfig):
        super().__init__()
        gain = (4 * config.decoder_layers) ** -0.5
        self.own, self.lyrics, self.other = (Attention(N_STREAMS, config.width, config.n_heads, gain) for _ in range(3))
        self.feed_forward = FeedForward(N_STREAMS, config.width, config.hidden, gain)
        names = ("own", "lyrics", "other", "other_keys", "feed_forward")
        self.norms = nn.ModuleDict({name: RMSNorm(N_STREAMS, config.width) for name in names})
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_SBTD: Tensor, lyrics_SBLD: Tensor, sight: Sight, state: LayerState | None = None) -> Tensor:
        streams = sight.streams
        q, k, v = self.own.queries_keys_values(self.norms["own"](x_SBTD, streams), sight.by, streams)
        own = state.own.extend((k, v)) if state else (k, v)
        h_SBTD = x_SBTD + self.dropout(self.own.attend(q, own, sight.own, streams))

        q = self.lyrics.queries(self.norms["lyrics"](h_SBTD, streams), None, streams)
        lyrics = state.lyrics if state else self.lyrics.keys_values(lyrics_SBLD, None, streams)
        h_SBTD = h_SBTD + self.dropout(self.lyrics.attend(q, lyrics, sight.lyrics, streams))

        if sight.bca:
            q = self.other.queries(self.norms["other"](h_SBTD, streams), sight.by, streams)
            other = self._other(x_SBTD, sight, state)
            h_SBTD = h_SBTD + self.dropout(self.other.attend(q, other, sight.other, streams))

        return h_SBTD + self.dropout(self.feed_forward(self.norms["feed_forward"](h_SBTD, streams), streams))

    def _other(self, x_SBTD: Tensor, sight: Sight, state: LayerState | None) -> KeysValues:
        if state and state.given:
            return state.given
        fresh = self.keys_values_of_other(x_SBTD.flip(0), sight.by, sight.streams)
        return state.other.extend(fresh) if state else fresh

    def keys_values_of_other(self, other_SBTD: Tensor, by: Rotation, readers: slice) -> KeysValues:
        """Keys and values through which the streams `readers` see what entered this layer on the other side."""
        return self.other.keys_values(self.norms["other_keys"](other_SBTD, readers), by, readers)


class Decoders(nn.Module):
    """The vocal and the accompaniment decoder, side by side."""

    def __init__(self, config: DSLMConfig):
        super().__init__()
        n_vocab = SpecialTokens(config.n_codes).n_vocab
        self.embedding_SVD = nn.Parameter(torch.empty(N_STREAMS, n_vocab, config.width).normal_())
        self.layers = nn.ModuleList(DSLMLayer(config) for _ in range(config.decoder_layers))
        self.norm = RMSNorm(N_STREAMS, config.width)
        self.head = StreamLinear(N_STREAMS, config.width, n_vocab, gain=0.0)  # begins at equal odds
        self.dropout = nn.Dropout(config.dropout)

    @property
    def dslm_layers(self) -> list[DSLMLayer]:
        return cast(list[DSLMLayer], list(self.layers))

    def begin(self, lyrics_SBLD: Tensor, streams: slice) -> list[LayerState]:
        """Fresh states for decoding step by step: only the lyrics have been read."""
        return [LayerState(layer.lyrics.keys_values(lyrics_SBLD, None, streams)) for layer in self.dslm_layers]

    def embed(self, tokens_SBT: Tensor, streams: slice = ALL) -> Tensor:
        tables_SVD = self.embedding_SVD[streams]
        shift_S11 = torch.arange(len(tables_SVD), device=tokens_SBT.device)[:, None, None] * tables_SVD.shape[1]
        return self.dropout(F.embedding(tokens_SBT + shift_S11, tables_SVD.flatten(0, 1)))

    def forward(
        self,
        tokens_SBT: Tensor,
        lyrics_SBLD: Tensor,
        sight: Sight,
        states: Sequence[LayerState] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """(E_SBTD, what entered each layer): the streams' embeddings, and the inputs of all layers."""
        x_SBTD, entered = self.embed(tokens_SBT, sight.streams), []
        for i, layer in enumerate(self.dslm_layers):
            entered.append(x_SBTD)
            x_SBTD = layer(x_SBTD, lyrics_SBLD, sight, states[i] if states else None)
        return self.norm(x_SBTD, sight.streams), entered


class LyricsEncoder(nn.Module):
    """Phonemes -> memory. Absolute positions too (ours): rotary ones do not reach the cross-attention, by which a
    decoder must tell how far it has sung."""

    def __init__(self, config: DSLMConfig):
        super().__init__()
        self.embedding = nn.Embedding(len(PhonemeVocab().symbols), config.width)
        self.encoder = Encoder(config.lyrics_layers, config.width, config.n_heads, config.hidden, config.dropout)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, lyrics_BL: Tensor, valid_BL: Tensor) -> Tensor:
        n_phonemes, device = lyrics_BL.shape[1], lyrics_BL.device
        x_BLD = self.embedding(lyrics_BL)
        x_BLD = x_BLD + sinusoids(n_phonemes, x_BLD.shape[-1], device)
        return self.encoder(self.dropout(x_BLD)[None], valid_BL, torch.arange(n_phonemes, device=device)[None])


class SongDecoder(nn.Module):
    """Both decoders' embeddings -> the song's tokens, all at once, every frame seeing every valid frame (§3.3). It
    stands on the frame whose token went in, so it has read both streams' token there."""

    def __init__(self, config: DSLMConfig):
        super().__init__()
        self.join = StreamLinear(1, N_STREAMS * config.width, config.width)
        self.encoder = Encoder(config.song_layers, config.width, config.n_heads, config.hidden, config.dropout)
        self.head = StreamLinear(1, config.width, SpecialTokens(config.n_codes).n_vocab, gain=0.0)

    def forward(self, e_SBTD: Tensor, valid_BT: Tensor, positions_BT: Tensor) -> Tensor:
        joined_1BTE = torch.cat(tuple(e_SBTD), -1)[None]
        return self.head(self.encoder(self.join(joined_1BTE), valid_BT, positions_BT))[0]


class Logits(NamedTuple):
    streams_SBTV: Tensor
    song_BTV: Tensor | None  # None where a single stream is at work


class DSLM(nn.Module, PyTorchModelHubMixin):
    """The whole model. `attention` is "dense" (SDPA, anywhere) or "flex" (FlexAttention, for training on a GPU)."""

    def __init__(self, config: DSLMConfig | Mapping[str, Any]):
        super().__init__()
        self.config = config if isinstance(config, DSLMConfig) else DSLMConfig.model_validate(config)
        self.special = SpecialTokens(self.config.n_codes)
        self.lyrics_encoder = LyricsEncoder(self.config)
        self.decoders = Decoders(self.config)
        self.song_decoder = SongDecoder(self.config)
        self.attention = "dense"

    @property
    def head_width(self) -> int:
        return self.config.width // self.config.n_heads

    def is_valid(self, tokens: Tensor) -> Tensor:
        """What may be seen: all but padding and the place of a prompt that is not there."""
        return (tokens != self.special.pad) & (tokens != self.special.empty)

    def read_lyrics(self, lyrics_BL: Tensor) -> tuple[Tensor, Tensor]:
        """(memory_1BLD, valid_BL) of phoneme ids, padded with the vocabulary's 0."""
        valid_BL = lyrics_BL != 0
        return self.lyrics_encoder(lyrics_BL, valid_BL), valid_BL

    def forward(
        self, tokens_SBT: Tensor, own_SB: Tensor, other_SB: Tensor, lyrics_BL: Tensor, streams: slice = ALL
    ) -> Logits:
        """Logits of the next token of every stream, and of the song's token at every frame.

        tokens_SBT  input tokens, aligned in time          lyrics_BL  phoneme ids
        own_SB, other_SB  what each row sees of itself and of the other stream: masks.NOTHING, CAUSAL or FULL
        streams     the streams the rows stand for, when there is only one
        """
        n_streams, _, n_frames = tokens_SBT.shape
        memory_1BLD, lyrics_valid_BL = self.read_lyrics(lyrics_BL)
        valid_SBT = self.is_valid(tokens_SBT)
        positions_1T = torch.arange(n_frames, device=tokens_SBT.device)[None]
        # In training always, were it for nothing: with several processes every weight must take part in every step.
        bca = n_streams > 1 and (self.training or bool((other_SB != masks.NOTHING).any()))
        sight = Sight(
            rotation(positions_1T, self.head_width),
            own=self._mask(own_SB, valid_SBT),
            other=self._mask(other_SB, valid_SBT.flip(0)) if bca else None,
            lyrics=lyrics_valid_BL.repeat(n_streams, 1)[:, None, None],
            bca=bca,
            streams=streams,
        )
        e_SBTD, _ = self.decoders(tokens_SBT, memory_1BLD.expand(n_streams, -1, -1, -1), sight)
        song_BTV = self.song_decoder(e_SBTD, valid_SBT.all(0), positions_1T) if n_streams > 1 else None
        return Logits(self.decoders.head(e_SBTD, streams), song_BTV)

    def _mask(self, kind_SB: Tensor, key_valid_SBT: Tensor) -> Mask:
        kind_N, valid_NT = kind_SB.flatten(), key_valid_SBT.flatten(0, 1)
        predicate, n_frames, device = masks.by_kind(kind_N, valid_NT), valid_NT.shape[1], valid_NT.device
        if self.attention == "flex":
            return masks.block_mask(predicate, len(kind_N), n_frames, n_frames, device)
        return Veil.over(masks.dense(predicate, len(kind_N), range(n_frames), n_frames, device))

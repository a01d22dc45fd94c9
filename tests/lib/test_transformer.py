"""The shared transformer parts against torch's own layers and naive loops."""

import pytest
import torch
from torch import nn

from stages.lib import transformer
from stages.lib.transformer import Attention, Encoder, FeedForward, KeyValueCache, RMSNorm, StreamLinear

S, B, T, D, H = 2, 3, 7, 16, 4


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def test_stream_linear_is_one_linear_per_stream():
    layer, x_SBTD = StreamLinear(S, D, 5), torch.randn(S, B, T, D)
    each = [nn.functional.linear(x_SBTD[s], layer.weight_SED[s]) for s in range(S)]
    torch.testing.assert_close(layer(x_SBTD), torch.stack(each))
    for s in range(S):
        torch.testing.assert_close(layer(x_SBTD[s : s + 1], slice(s, s + 1))[0], each[s])


def test_rms_norm_is_torchs():
    ours, theirs = RMSNorm(1, D), nn.RMSNorm(D)
    with torch.no_grad():
        theirs.weight.normal_()
        ours.gain_S11D.copy_(theirs.weight.expand_as(ours.gain_S11D))
    x_1BTD = torch.randn(1, B, T, D)
    torch.testing.assert_close(ours(x_1BTD), theirs(x_1BTD))


def torch_attention(ours: Attention, stream: int) -> nn.MultiheadAttention:
    """torch's own layer with the weights of one of our streams."""
    theirs = nn.MultiheadAttention(D, H, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight_SED[stream])
        theirs.out_proj.weight.copy_(ours.out.weight_SED[stream])
    return theirs


@pytest.mark.parametrize("stream", range(S))
def test_attention_is_torchs(stream):
    ours, x_SBTD, memory_SBKD = Attention(S, D, H), torch.randn(S, B, T, D), torch.randn(S, B, 5, D)
    theirs = torch_attention(ours, stream)
    seen_N1QK = torch.ones(S * B, 1, T, T, dtype=torch.bool).tril()

    q, k, v = ours.queries_keys_values(x_SBTD)
    expected, _ = theirs(*[x_SBTD[stream]] * 3, attn_mask=~seen_N1QK[0, 0], need_weights=False)
    torch.testing.assert_close(ours.attend(q, (k, v), seen_N1QK)[stream], expected)

    across = ours.attend(ours.queries(x_SBTD), ours.keys_values(memory_SBKD))
    expected, _ = theirs(x_SBTD[stream], *[memory_SBKD[stream]] * 2, need_weights=False)
    torch.testing.assert_close(across[stream], expected)


def test_one_stream_of_two_is_that_stream_alone():
    ours, x_SBTD = Attention(S, D, H), torch.randn(S, B, T, D)
    q, k, v = ours.queries_keys_values(x_SBTD)
    together, alone = ours.attend(q, (k, v)), slice(1, 2)
    q, k, v = ours.queries_keys_values(x_SBTD[alone], streams=alone)
    torch.testing.assert_close(ours.attend(q, (k, v), streams=alone), together[alone])


def test_a_query_without_keys_gets_zeros_and_finite_gradients():
    q, k, v = (torch.randn(1, 2, T, 8, requires_grad=True) for _ in range(3))
    seen = torch.ones(1, 1, T, T, dtype=torch.bool).tril(-1)  # the first query sees nothing
    out = transformer.attend(q, k, v, transformer.Veil.over(seen))
    out.square().sum().backward()
    assert torch.equal(out[:, :, 0], torch.zeros(1, 2, 8))
    torch.testing.assert_close(out[:, :, 1], v[:, :, 0])  # the second sees the first key alone
    assert all(x.grad.isfinite().all() for x in (q, k, v))


def test_rotation_is_a_complex_product_and_sees_distances_only():
    positions = torch.tensor([[0, 3, 5, 1000]])
    x_NHTC = torch.randn(1, H, 4, 8)
    turned = transformer.rotate(x_NHTC, transformer.rotation(positions, 8))
    angles = positions[0][:, None] * 10_000.0 ** (-torch.arange(4) / 4)
    expected = torch.complex(x_NHTC[..., :4], x_NHTC[..., 4:]) * torch.polar(torch.ones(4, 4), angles.float())
    torch.testing.assert_close(turned, torch.cat((expected.real, expected.imag), -1))

    def score(query_at: int, key_at: int) -> torch.Tensor:
        q, k = (transformer.rotation(torch.tensor([[at]]), 8) for at in (query_at, key_at))
        return (transformer.rotate(x_NHTC[:, :, :1], q) * transformer.rotate(x_NHTC[:, :, 1:2], k)).sum()

    torch.testing.assert_close(score(9, 4), score(1009, 1004), rtol=1e-4, atol=1e-4)


def test_cache_returns_all_that_went_in():
    cache, rows = KeyValueCache(), torch.randn(2, S * B, H, 150, 4)
    for start, stop in ((0, 60), (60, 61), (61, 140), (140, 150)):
        k, v = cache.extend((rows[0, :, :, start:stop], rows[1, :, :, start:stop]))
        torch.testing.assert_close(k, rows[0, :, :, :stop])
        torch.testing.assert_close(v, rows[1, :, :, :stop])


def test_feed_forward_is_torchs():
    ours, x_1BTD = FeedForward(1, D, 24), torch.randn(1, B, T, D)
    up, down = (layer.weight_SED[0] for layer in (ours.up, ours.down))
    theirs = nn.functional.gelu(x_1BTD @ up.T, approximate="tanh") @ down.T
    torch.testing.assert_close(ours(x_1BTD), theirs)


def test_encoder_does_not_see_padding():
    encoder, x_1BTD = Encoder(2, D, H, 32), torch.randn(1, B, T, D)
    positions, valid_BT = torch.arange(T)[None], torch.ones(B, T, dtype=torch.bool)
    valid_BT[1, 4:] = False
    alone = encoder(x_1BTD[:, 1:2, :4], None, positions[:, :4])
    torch.testing.assert_close(encoder(x_1BTD, valid_BT, positions)[:, 1:2, :4], alone)

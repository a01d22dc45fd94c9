import itertools

import pytest
import torch
from ldm_tiny import LDM

from stages.diffusion import synthesize as module
from stages.diffusion.model import LatentDiffusion
from stages.diffusion.synthesize import synthesize, synthesize_latents, windows
from stages.vae.config import AutoencoderConfig
from stages.vae.model import Autoencoder


@pytest.fixture(scope="module")
def diffusion():
    torch.manual_seed(0)
    model = LatentDiffusion(LDM).eval()
    for p in model.parameters():
        p.data += 0.05 * torch.randn_like(p)
    return model


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    widths, units = (2, 2, 4, 4, 8), (0, 0, 0, 1)
    config = AutoencoderConfig(
        latent_width=4, encoder_widths=widths, decoder_widths=widths, encoder_units=units, decoder_units=units
    )
    return Autoencoder(config).eval()


def tokens(n_tokens, batch=1):
    return torch.randint(10, (batch, n_tokens), generator=torch.Generator().manual_seed(n_tokens))


@pytest.mark.parametrize("n_tokens", [1, 7, 18, 19, 80, 129])
def test_exactly_882_samples_a_token(diffusion, vae, n_tokens):
    x_BT = synthesize(diffusion, vae, tokens(n_tokens, 2), 2, 2.0, torch.Generator().manual_seed(0))
    assert x_BT.shape == (2, 882 * n_tokens) and x_BT.dtype == torch.float32 and x_BT.isfinite().all()


def test_a_seed_names_the_sound(diffusion, vae):
    one, again, other = (
        synthesize(diffusion, vae, tokens(30), 2, 2.0, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, again) and not torch.allclose(one, other)


def test_special_tokens_have_no_sound(diffusion, vae):
    with pytest.raises(ValueError, match="codes below 10"):
        synthesize(diffusion, vae, torch.tensor([[3, 10]]), 2, 1.0, torch.Generator())


@pytest.mark.parametrize(("n_frames", "length"), [(5, 16), (16, 16), (17, 16), (100, 16), (1000, 128)])
def test_windows_cover_everything_and_their_shares_sum_to_one(n_frames, length):
    begins, share_WL = windows(n_frames, length)
    total_N = torch.zeros(n_frames)
    for begin, share_L in zip(begins, share_WL, strict=True):
        total_N[begin : begin + length] += share_L
    torch.testing.assert_close(total_N, torch.ones(n_frames))
    assert all(b - a <= 0.75 * length + 1 for a, b in itertools.pairwise(begins))


class Pointwise(torch.nn.Module):
    """A model without context: every frame's v from that frame alone."""

    def __init__(self):
        super().__init__()
        self.config, self.null, self.calls = LDM, 10, []
        self.embedding = torch.nn.Embedding(11, 4)

    def forward(self, z_BZN, t_B, left_BN, right_BN, weight_BN):
        self.calls.append(tuple(z_BZN.shape))
        return 0.5 * z_BZN + torch.lerp(
            self.embedding(left_BN), self.embedding(right_BN), weight_BN[..., None]
        ).transpose(1, 2)


def test_windows_leave_no_seam(monkeypatch):
    """Where nothing outside a frame counts, a long signal in windows is the same signal in one."""
    model = Pointwise()
    ids = tokens(100, 3)
    windowed = synthesize_latents(model, ids, 5, 1.5, torch.Generator().manual_seed(0))
    monkeypatch.setattr(model, "config", LDM.model_copy(update={"window": 1000}))
    torch.testing.assert_close(synthesize_latents(model, ids, 5, 1.5, torch.Generator().manual_seed(0)), windowed)


def test_memory_is_bounded_at_any_length(monkeypatch):
    monkeypatch.setattr(module, "FRAMES_AT_ONCE", 32)
    model = Pointwise()
    synthesize_latents(model, tokens(300, 5), 1, 2.0, torch.Generator())
    assert max(batch * length for batch, _, length in model.calls) <= 32


def test_guidance_is_a_line_through_null_and_tokens(diffusion):
    """At 1 the tokens alone; at 0 as if there were none, whatever the tokens; beyond, straight on."""
    ids = tokens(12)
    z_BZN = torch.randn(1, 4, 11)

    def velocity(guidance, ids=ids):
        with torch.no_grad():
            return module._Velocity(diffusion, ids, guidance)(z_BZN, 0.5)

    torch.testing.assert_close(velocity(0, ids), velocity(0, (ids + 1) % 10))
    assert not torch.allclose(velocity(1, ids), velocity(1, (ids + 1) % 10))
    torch.testing.assert_close(velocity(3), velocity(0) + 3 * (velocity(1) - velocity(0)), atol=1e-5, rtol=1e-4)

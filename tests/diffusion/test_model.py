import numpy as np
import pytest
import torch
from ldm_tiny import LDM, UNET

from stages.diffusion.config import UnetConfig
from stages.diffusion.model import LatentDiffusion, alignment, n_latents
from stages.diffusion.unet import Unet


@pytest.mark.parametrize("n_frames", [1, 2, 5, 16, 33])
def test_any_length_in_the_same_length_out(n_frames):
    out = Unet(UNET, 5, 3)(torch.randn(2, 5, n_frames), torch.rand(2))
    assert out.shape == (2, 3, n_frames)


@pytest.mark.parametrize("factors", [(1, 2), (3, 4), (2, 5)])
def test_any_factors_meet_their_skips(factors):
    config = UNET.model_copy(update={"factors": factors})
    assert Unet(config, 5, 3)(torch.randn(1, 5, 41), torch.rand(1)).shape == (1, 3, 41)


def test_the_papers_unet_is_stable_audios_without_the_text():
    """Stable Audio 1.0's has 907 M, over 100 M of them in cross-attention to text; ours takes its settings."""
    with torch.device("meta"):
        unet = Unet(UnetConfig(), 32 + 256, 32)
    assert 0.75e9 < sum(p.numel() for p in unet.parameters()) < 0.85e9


@pytest.mark.parametrize("n_tokens", [1, 2, 50, 333])
def test_alignment_is_linear_interpolation_between_centres(n_tokens):
    left_N, right_N, weight_N = alignment(n_tokens, 1024)
    assert len(left_N) == n_latents(n_tokens, 1024) == -(-882 * n_tokens // 1024)
    values_T = np.random.default_rng(0).normal(size=n_tokens)
    token_s, latent_s = (np.arange(n_tokens) + 0.5) * 0.02, (np.arange(len(left_N)) + 0.5) * 1024 / 44_100
    ours_N = (1 - weight_N.numpy()) * values_T[left_N] + weight_N.numpy() * values_T[right_N]
    np.testing.assert_allclose(ours_N, np.interp(latent_s, token_s, values_T), atol=1e-6)


def test_tokens_and_time_matter_and_the_null_is_an_id_of_its_own():
    torch.manual_seed(0)
    model = LatentDiffusion(LDM)
    for p in model.parameters():  # what begins at zero
        p.data += 0.1 * torch.randn_like(p)
    z_BZN, weight_BN = torch.randn(1, 4, 8), torch.full((1, 8), 0.5)
    ids = torch.arange(8)[None] % 3

    def out(t=0.5, left=ids, right=ids):
        with torch.no_grad():
            return model(z_BZN, torch.tensor([t]), left, right, weight_BN)

    null = torch.full_like(ids, model.null)
    assert model.null == 10 == model.embedding.num_embeddings - 1
    for other in (out(t=0.6), out(left=null, right=null), out(right=ids + 1)):
        assert (other - out()).abs().max() > 1e-3


def test_embedding_begins_with_the_mean_latents():
    model = LatentDiffusion(LDM)
    before_VE = model.embedding.weight.detach().clone()
    mean_VZ = torch.randn(10, 4)
    seen_V = torch.arange(10) != 7
    model.begin_embedding(mean_VZ, seen_V)
    after_VE = model.embedding.weight.detach()
    torch.testing.assert_close(after_VE[:10, :4], mean_VZ * seen_V[:, None])
    assert torch.equal(after_VE[:, 4:], before_VE[:, 4:]) and (after_VE[10, :4] == 0).all()


def test_saved_and_loaded_alike(tmp_path):
    model = LatentDiffusion(LDM).eval()
    model.save_pretrained(tmp_path, config={"config": LDM.model_dump(mode="json")})
    loaded = LatentDiffusion.from_pretrained(str(tmp_path))
    assert loaded.config == LDM
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))

import pytest
import torch
from diffusers import AutoencoderOobleck
from torch.nn.utils import parametrize
from vae_tiny import MODEL

from stages.vae.config import AutoencoderConfig
from stages.vae.layers import ConvTranspose, bake_weight_norm
from stages.vae.model import Autoencoder
from stages.vae.oobleck import decoder_context, encoder_context

STRIDES = (2, 4, 8)


def ours_and_diffusers() -> tuple[Autoencoder, AutoencoderOobleck]:
    """Equal settings: diffusers ties the encoder's output to its width, so latents are half of it."""
    torch.manual_seed(0)
    theirs = AutoencoderOobleck(
        encoder_hidden_size=16,
        downsampling_ratios=list(STRIDES),
        channel_multiples=[1, 2, 4],
        decoder_channels=12,
        decoder_input_channels=8,
        audio_channels=1,
    )
    ours = Autoencoder(
        AutoencoderConfig(
            latent_width=8,
            strides=STRIDES,
            encoder_widths=(16, 16, 32, 64),
            decoder_widths=(12, 12, 24, 48),
            encoder_units=(3, 3, 3),
            decoder_units=(3, 3, 3),
        )
    )
    return ours, theirs


def test_as_many_parameters_as_diffusers_oobleck():
    ours, theirs = ours_and_diffusers()
    for side in ("encoder", "decoder"):
        counts = [sum(p.numel() for p in getattr(model, side).parameters()) for model in (ours, theirs)]
        assert counts[0] == counts[1]


def test_same_function_as_diffusers_oobleck_with_the_same_weights():
    """Both list their parameters in order of use, so weights go over one to one; g and v of weight norm swap none."""
    ours, theirs = ours_and_diffusers()
    bake_weight_norm(ours)
    for module in theirs.modules():
        if hasattr(module, "weight_g"):
            torch.nn.utils.remove_weight_norm(module)
    for side in ("encoder", "decoder"):
        mine, other = ([*ordered(getattr(model, side))] for model in (ours, theirs))
        assert len(mine) == len(other)
        for to, source in zip(mine, other, strict=True):
            assert to.shape == source.shape
            to.data.copy_(source + 0.05 * torch.randn_like(source))
            source.data.copy_(to)
    ours, theirs = ours.double(), theirs.double()  # in single precision the snakes blow rounding up
    x_BT = torch.randn(2, 64 * 5, dtype=torch.float64)
    with torch.no_grad():
        posterior, expected = ours.encoder(x_BT), theirs.encode(x_BT[:, None]).latent_dist
        torch.testing.assert_close(posterior.mean_BZN, expected.mean)
        torch.testing.assert_close(posterior.std_BZN, expected.std)
        torch.testing.assert_close(posterior.kl(), expected.kl())
        made_BT = ours.decoder(posterior.mean_BZN)
        torch.testing.assert_close(made_BT, theirs.decode(expected.mean).sample[:, 0])


def ordered(side: torch.nn.Module):
    """Parameters in order of use, each layer's by name: modules were registered in that order on either side but for
    diffusers' blocks, which stand behind the layers around them."""
    children = dict(side.named_children())
    blocks = children.pop("block", None)
    if blocks is None:
        yield from layerwise(side)
        return
    before = [children[name] for name in ("conv1",)]
    after = [children[name] for name in ("snake1", "conv2")]
    for block in blocks:
        parts = dict(block.named_children())
        up = [parts[name] for name in ("snake1", "conv_t1") if "conv_t1" in parts]
        units = [parts[f"res_unit{i}"] for i in (1, 2, 3)]
        down = [parts[name] for name in ("snake1", "conv1") if "conv1" in parts]
        before += [*up, *[part for unit in units for part in unit_in_order(unit)], *down]
    for module in [*before, *after]:
        yield from layerwise(module)


def unit_in_order(unit: torch.nn.Module):
    return [unit.snake1, unit.conv1, unit.snake2, unit.conv2]


def layerwise(module: torch.nn.Module):
    for layer in module.modules():
        own = dict(layer.named_parameters(recurse=False))
        yield from (own[name] for name in ("alpha", "beta", "weight", "bias") if name in own and own[name] is not None)


@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_lengths_align_to_the_hop(n_frames):
    model = Autoencoder(MODEL)
    assert MODEL.hop == 32
    x_BT = torch.randn(2, n_frames * 32)
    assert model.encoder(x_BT).mean_BZN.shape == (2, 4, n_frames)
    assert model.decoder(torch.randn(2, 4, n_frames)).shape == (2, n_frames * 32)


@pytest.mark.parametrize("n_samples", [1, 31, 32, 33, 882, 8820])
def test_any_length_has_a_latent_per_begun_hop(n_samples):
    z_BZN = Autoencoder(MODEL).encode(torch.randn(1, n_samples))
    assert z_BZN.shape == (1, 4, -(-n_samples // 32))


def test_chunks_cannot_be_told_from_the_whole():
    torch.manual_seed(0)
    model = Autoencoder(MODEL).double()
    x_BT = torch.randn(1, 32 * 150 + 5, dtype=torch.float64)
    whole_BZN = model.encode(x_BT, chunk_frames=1000)
    torch.testing.assert_close(model.encode(x_BT, chunk_frames=20), whole_BZN)
    torch.testing.assert_close(model.decode(whole_BZN, chunk_frames=17), model.decode(whole_BZN, chunk_frames=1000))


def test_contexts_cover_what_outputs_depend_on():
    """By gradient: how far from an output the inputs that move it lie."""
    torch.manual_seed(0)
    model = Autoencoder(MODEL)
    x_BT = torch.randn(1, 32 * 101, requires_grad=True)
    model.encoder(x_BT).mean_BZN[0, :, 50].sum().backward()
    touched = x_BT.grad[0].nonzero()
    reach = encoder_context(MODEL.strides, MODEL.encoder_units)
    assert 50 * 32 - reach <= touched.min() and touched.max() < 51 * 32 + reach
    z_BZN = torch.randn(1, 4, 101, requires_grad=True)
    model.decoder(z_BZN)[0, 50 * 32 : 51 * 32].sum().backward()
    touched = z_BZN.grad[0].abs().sum(0).nonzero()
    reach = decoder_context(MODEL.strides, MODEL.decoder_units)
    assert 50 - reach <= touched.min() and touched.max() <= 50 + reach


def test_variance_survives_the_encoder_and_comes_back_as_audio():
    torch.manual_seed(0)
    model = Autoencoder(MODEL)
    latents = model.encoder(0.1 * torch.randn(4, 32 * 64))
    assert 0.3 < latents.mean_BZN.std() < 5 > latents.std_BZN.mean() * 10
    assert 0.02 < model.decoder(torch.randn(4, 4, 64)).std() < 0.5


def test_baking_weight_norm_changes_no_output_and_the_saved_model_loads(tmp_path):
    torch.manual_seed(0)
    model = Autoencoder(MODEL).eval()
    x_BT = torch.randn(1, 320)
    before = model.encode(x_BT)
    bake_weight_norm(model)
    assert not any(parametrize.is_parametrized(m) for m in model.modules())
    torch.testing.assert_close(model.encode(x_BT), before)
    config = MODEL.model_copy(update={"weight_norm": False, "latent_mean": (1.0,) * 4, "latent_std": (2.0,) * 4})
    finished = Autoencoder(config)
    finished.load_state_dict(model.state_dict())
    finished.save_pretrained(tmp_path, config={"config": config.model_dump(mode="json")})
    loaded = Autoencoder.from_pretrained(str(tmp_path))
    torch.testing.assert_close(loaded.encode(x_BT), (before - 1) / 2)
    torch.testing.assert_close(loaded.decode(loaded.encode(x_BT)), model.decode(before))


def test_transposed_convolution_is_torchs_own():
    torch.manual_seed(0)
    layer = ConvTranspose(3, 5, 8, stride=4, padding=2)
    x_BCT = torch.randn(2, 3, 9)
    torch.testing.assert_close(layer(x_BCT.unsqueeze(2)).squeeze(2), torch.nn.ConvTranspose1d.forward(layer, x_BCT))

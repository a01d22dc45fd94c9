import pytest

from stages.lib.cli import UserError
from stages.lib.config import load_config, parse_section
from stages.vae.config import LatentsConfig, VaeConfig


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model": {"encoder_widths": [8, 16]}}, "encoder_widths needs 5 values"),
        ({"model": {"strides": [4, 3, 8, 8]}}, "strides"),
        ({"crop_samples": 5000}, "crop_samples must be a multiple of the hop 1024"),
        ({"losses": {"mel_bands": [5]}}, "mel_bands needs 7 values"),
        ({"discriminators": {"band_edges": [0, 0.5, 0.2]}}, "band_edges must rise"),
        ({"leraning_rate": 1}, "leraning_rate"),
    ],
)
def test_a_bad_value_is_named(values, said):
    with pytest.raises(UserError, match=said):
        parse_section({"vae": values}, "vae", VaeConfig)


def test_defaults_are_the_papers_geometry():
    model = VaeConfig().model
    assert model.hop == 1024 and model.latent_width == 32
    assert model.encoder_widths[0] == 128 and model.decoder_widths[-1] == 1536
    assert model.latent_rate_hz == pytest.approx(43.07, abs=0.01)


def test_the_projects_own_sections_parse(pytestconfig):
    params = pytestconfig.rootpath / "params.yaml"
    assert load_config(params, "vae", VaeConfig).model.hop == 1024
    assert load_config(params, "latents", LatentsConfig).chunk_s > 0

"""Every model of every scale is built (on the meta device) from the very sections its stage will read."""

from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from stages.bestrq.config import BestRQConfig
from stages.bestrq.model import BestRQ
from stages.diffusion.config import DiffusionConfig, LdmConfig
from stages.diffusion.model import LatentDiffusion
from stages.dslm.config import Config, DSLMConfig
from stages.dslm.model import DSLM
from stages.lib.config import load_params, parse_section
from stages.lib.models import count_parameters
from stages.scale import main, overlay
from stages.vae.config import VaeConfig
from stages.vae.model import Autoencoder

ROOT = Path(__file__).parents[2]
SCALES = ("tiny", "small", "paper")
PAPER_MILLIONS = {"bestrq": (550, 700), "dslm": (450, 640)}  # PAPER: about 0.6 B; 631 M stated, 522 M counted


def params_of(scale):
    params = load_params(ROOT / "params.yaml")
    if scale != "tiny":
        overlay(params, YAML(typ="safe").load((ROOT / f"workflow/scales/{scale}.yaml").read_text()))
    return params


def models_of(params):
    n_codes = params["codebook"].get("n_codes", 256)
    bestrq = parse_section(params, "bestrq", BestRQConfig).encoder
    vae = parse_section(params, "vae", VaeConfig).model
    diffusion = parse_section(params, "diffusion", DiffusionConfig)
    dslm = parse_section(params, "dslm", Config).model
    ldm = LdmConfig(unet=diffusion.unet, window=diffusion.window, n_codes=n_codes, latent_width=vae.latent_width)
    return {
        "bestrq": lambda: BestRQ(bestrq),
        "vae": lambda: Autoencoder(vae),
        "diffusion": lambda: LatentDiffusion(ldm),
        "dslm": lambda: DSLM(DSLMConfig(**dslm.model_dump(), n_codes=n_codes, phonemes="espeak")),
    }


@pytest.mark.parametrize("scale", SCALES)
def test_every_model_of_a_scale_builds(scale, capsys):
    params = params_of(scale)
    counts = {}
    for name, build in models_of(params).items():
        with torch.device("meta"):
            counts[name] = count_parameters(build()) / 1e6
    with capsys.disabled():
        print(f"\n{scale}: " + ", ".join(f"{name} {millions:.2f} M" for name, millions in counts.items()))
    if scale == "tiny":
        assert max(counts.values()) < 10
    if scale == "paper":
        for name, (low, high) in PAPER_MILLIONS.items():
            assert low < counts[name] < high


def test_every_section_of_a_scale_is_a_stages(tmp_path):
    from stages.contract.graph import STAGES

    for scale in SCALES:
        assert set(params_of(scale)) <= set(STAGES)


def test_the_scale_verb_keeps_comments(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    copy = tmp_path / "params.yaml"
    copy.write_text((ROOT / "params.yaml").read_text())
    assert main(["paper", "--params", str(copy)]) == 0
    assert load_params(copy)["dslm"]["model"]["width"] == 1024
    assert "#" in copy.read_text()

import pytest
import torch
import torch.nn.functional as F

from stages.bestrq.config import BestRQConfig, EncoderConfig
from stages.bestrq.conformer import Convolution
from stages.bestrq.data import Batch
from stages.bestrq.masking import span_mask
from stages.bestrq.model import BestRQ
from stages.bestrq.train import score

SMALL = EncoderConfig(n_mels=20, width=32, n_layers=2, n_heads=2, n_targets=64, target_dim=8, window_s=2, margin_s=0.2)
PAPER = EncoderConfig(width=1024, n_layers=24, n_heads=16, conv_kernel=5, n_targets=1024, dropout=0.1, window_s=30)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return BestRQ(SMALL).eval()


def mels(n_rows: int, n_frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n_rows, n_frames, SMALL.n_mels, generator=torch.Generator().manual_seed(seed))


def full(mel_BTF: torch.Tensor) -> torch.Tensor:
    return torch.full((len(mel_BTF),), mel_BTF.shape[1])


def test_targets_are_the_librarys(model):
    mel_BTF = mels(3, 50)
    assert torch.equal(model.targets(mel_BTF), model.quantizer(model.standardise(mel_BTF)))


def test_targets_know_no_loudness(model):
    """The trap: without the quantizer's norm loud frames would collapse onto a few codes."""
    mel_BTF = mels(2, 200)
    assert torch.equal(model.targets(mel_BTF), model.targets(mel_BTF * 7 + 3))
    assert len(model.targets(mel_BTF).unique()) > 0.5 * SMALL.n_targets


def test_the_quantizer_never_learns(model):
    assert not [name for name, p in model.named_parameters() if p.requires_grad and name.startswith("quantizer")]
    before = {name: value.clone() for name, value in model.quantizer.state_dict().items()}
    model.train()
    mel_BTF = mels(2, 60)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    score(model, Batch(mel_BTF, full(mel_BTF)), BestRQConfig(encoder=SMALL), torch.Generator()).loss.backward()
    optimizer.step()
    assert all(torch.equal(before[name], value) for name, value in model.quantizer.state_dict().items())


def test_targets_are_those_of_full_precision(model):
    mel_BTF = mels(4, 200)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = model.targets(mel_BTF)
    assert torch.equal(under, model.targets(mel_BTF))


def test_saved_and_loaded_alike(model, tmp_path):
    from stages.lib.models import save_model

    save_model(model, tmp_path, model.config)
    loaded = BestRQ.from_pretrained(tmp_path).eval()
    mel_BTF = mels(2, 40)
    assert torch.equal(loaded.targets(mel_BTF), model.targets(mel_BTF))
    assert torch.equal(loaded.encode(mel_BTF, full(mel_BTF)), model.encode(mel_BTF, full(mel_BTF)))
    theirs = model.quantizer.state_dict()
    assert {name for name, value in theirs.items() if value.ndim > 1} == {
        "rand_projs", "vq._codebook.cluster_size", "vq._codebook.embed_avg", "vq._codebook.embed"
    }  # fmt: skip
    assert all(torch.equal(value, theirs[name]) for name, value in loaded.quantizer.state_dict().items())


def test_statistics_travel_in_the_config(tmp_path):
    from stages.lib.models import save_model

    config = SMALL.model_copy(update={"mel_mean": (-5.0,) * 20, "mel_std": (2.0,) * 20})
    save_model(BestRQ(config), tmp_path, config)
    loaded = BestRQ.from_pretrained(tmp_path)
    assert torch.equal(loaded.standardise(torch.full((1, 1, 20), -3.0)), torch.ones(1, 1, 20))


@pytest.mark.parametrize("layer", [0, 1, None])
def test_padding_changes_nothing(model, layer):
    mel_BTF = mels(3, 80)
    lengths = torch.tensor([80, 33, 7])
    garbage = mel_BTF.clone()
    for row, n in enumerate(lengths):
        garbage[row, n:] = 1e3
    together = model.encode(garbage, lengths, layer)
    for row, n in enumerate(lengths.tolist()):
        alone = model.encode(mel_BTF[row : row + 1, :n], torch.tensor([n]), layer)
        torch.testing.assert_close(together[row, :n], alone[0], atol=2e-5, rtol=1e-4)


def test_layers_are_counted_from_the_input(model):
    mel_BTF = mels(1, 30)
    h0 = model.encode(mel_BTF, full(mel_BTF), 0)
    torch.testing.assert_close(h0, model.input(model.standardise(mel_BTF)))
    h1 = model.encode(mel_BTF, full(mel_BTF), 1)
    h2 = model.encode(mel_BTF, full(mel_BTF), 2)
    torch.testing.assert_close(h2, model.encode(mel_BTF, full(mel_BTF)))
    assert not torch.allclose(h1, h2)


def test_features_do_not_depend_on_where_the_window_begins(model):
    """Positions are relative: the same sounds between long equal pauses give the same features anywhere."""
    mel_BTF = torch.zeros(1, 100, SMALL.n_mels)
    x_TF = mels(1, 20)[0]
    a_BTF, b_BTF = mel_BTF.clone(), mel_BTF.clone()
    a_BTF[0, 30:50], b_BTF[0, 45:65] = x_TF, x_TF
    h_a, h_b = (model.encode(x_BTF, full(x_BTF))[0] for x_BTF in (a_BTF, b_BTF))
    near, far = (h_a[30:50] - h_b[45:65]).norm(), (h_a[30:50] - h_b[30:50]).norm()
    assert near < 0.2 * far


def test_loss_counts_masked_real_frames_only(model):
    config = BestRQConfig(encoder=SMALL, mask_span_s=0.1)
    mel_BTF, lengths = mels(2, 50), torch.tensor([50, 30])
    scored = score(model, Batch(mel_BTF, lengths), config, torch.Generator().manual_seed(1))
    mask_BT = span_mask(2, 50, config.masked_fraction, 5, torch.Generator().manual_seed(1))
    chosen = [(b, t) for b in range(2) for t in range(lengths[b]) if mask_BT[b, t]]
    assert scored.targets_M.tolist() == [model.targets(mel_BTF)[b, t].item() for b, t in chosen]
    likelihood_M = scored.logits_MV.softmax(-1)[range(len(chosen)), scored.targets_M]
    assert scored.loss.item() == pytest.approx(-likelihood_M.log().mean().item(), rel=1e-5)
    both = score(
        model, Batch(mel_BTF, lengths), config.model_copy(update={"unmasked_weight": 0.5}),
        torch.Generator().manual_seed(1),
    )  # fmt: skip
    assert both.targets_M.tolist() == scored.targets_M.tolist()
    assert both.loss > scored.loss


def test_what_lies_under_the_mask_is_not_seen(model):
    mel_BTF = mels(2, 50)
    mask_BT = span_mask(2, 50, 0.4, 5, torch.Generator().manual_seed(1))

    def logits_MV(mel_BTF):
        return model(mel_BTF, full(mel_BTF), mask_BT, torch.zeros_like(mel_BTF), mask_BT)[0]

    hidden_BTF = mel_BTF.clone()
    hidden_BTF[mask_BT] = 9.0
    torch.testing.assert_close(logits_MV(hidden_BTF), logits_MV(mel_BTF))
    beside_BTF = mel_BTF + (~mask_BT)[..., None].float()
    assert not torch.allclose(logits_MV(beside_BTF), logits_MV(mel_BTF))


def test_the_convolution_is_conv1d():
    torch.manual_seed(0)
    module = Convolution(16, 5, 0.0)
    h_BTD = torch.randn(3, 21, 16)
    plain = F.conv1d(
        h_BTD.transpose(1, 2), module.depthwise.weight, module.depthwise.bias, padding=2, groups=16
    ).transpose(1, 2)
    torch.testing.assert_close(module._along_time(h_BTD), plain)


def test_the_papers_size():
    """0.6 B parameters (PAPER A.1), counted without memory."""
    with torch.device("meta"):
        model = BestRQ(PAPER)
    n_parameters = sum(p.numel() for p in model.parameters())
    print(f"{n_parameters:,} parameters at the paper's scale")
    assert 0.55e9 < n_parameters < 0.65e9


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("hop", 512, "hop must be"),
        ("n_heads", 3, "width must be a multiple"),
        ("conv_kernel", 4, "conv_kernel must be odd"),
        ("margin_s", 5.0, "margin_s must stay under"),
        ("n_fft", 1023, "n_fft must be"),
        ("mel_mean", (0.0,), "mel_mean"),
        ("width", 4, "width"),
        ("colour", 4, "colour"),
    ],
)
def test_bad_configs_die_by_name(field, value, says):
    with pytest.raises(ValueError, match=says):
        EncoderConfig.model_validate({field: value})

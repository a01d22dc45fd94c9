import librosa
import numpy as np
import pytest
import torch
from vae_tiny import DISCRIMINATORS

from stages.vae.discriminators import Discriminators
from stages.vae.losses import adversarial_loss, discriminator_loss, feature_loss, mel_distance, waveform_distance


def naive_log_mel(x_T: np.ndarray, size: int, n_bands: int) -> np.ndarray:
    """log10 of mel magnitudes, floor 1e-5: frames centred on multiples of size / 4, zeros beyond the ends."""
    padded = np.pad(x_T, size // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    starts = range(0, len(x_T) + 1, size // 4)
    magnitudes = np.array([np.abs(np.fft.rfft(padded[start : start + size] * window)) for start in starts])
    return np.log10(np.maximum(magnitudes @ librosa.filters.mel(sr=44_100, n_fft=size, n_mels=n_bands).T, 1e-5))


def test_mel_distance_is_dacs():
    """The mean absolute difference of log10 mels, summed over scales."""
    rng = np.random.default_rng(0)
    made_T, true_T = rng.normal(size=(2, 4096)).astype(np.float32) * 0.1
    expected = sum(
        np.abs(naive_log_mel(made_T, size, bands) - naive_log_mel(true_T, size, bands)).mean()
        for size, bands in ((512, 20), (128, 8))
    )
    ours = mel_distance(torch.from_numpy(made_T)[None], torch.from_numpy(true_T)[None], (512, 128), (20, 8))
    assert ours.item() == pytest.approx(expected, rel=1e-4)


def test_waveform_distance_is_relative():
    x_BT = torch.randn(2, 100)
    assert waveform_distance(x_BT, x_BT) == 0
    assert waveform_distance(torch.zeros(2, 100), x_BT).item() == pytest.approx(1)


def test_least_squares_losses_on_numbers():
    true = [[torch.tensor([1.0, 2.0]), torch.tensor([1.0])], [torch.tensor([0.5])]]
    made = [[torch.tensor([1.0, 4.0]), torch.tensor([0.0])], [torch.tensor([0.5])]]
    assert discriminator_loss(true, made).item() == pytest.approx(0 + 0 + 0.25 + 0.25)
    assert adversarial_loss(made).item() == pytest.approx(1 + 0.25)
    assert feature_loss(true, made).item() == pytest.approx(1.0)  # the judgements are no features


@pytest.mark.parametrize("n_samples", [2048, 2049, 3000])
def test_discriminators_judge_any_length_and_ignore_loudness(n_samples):
    torch.manual_seed(0)
    discriminators = Discriminators(DISCRIMINATORS)
    x_BT = torch.randn(2, n_samples)
    judged = discriminators(x_BT)
    assert len(judged) == 3  # periods 2 and 3, one STFT
    assert len(judged[0]) == 3 and len(judged[2]) == 2 * 5 + 1
    for features, again in zip(judged, discriminators(0.1 * x_BT + 0.5), strict=True):
        torch.testing.assert_close(features[-1], again[-1], atol=1e-4, rtol=1e-3)


def test_a_period_discriminator_never_mixes_columns():
    """Samples of one residue class modulo the period reach no other column."""
    torch.manual_seed(0)
    period = Discriminators(DISCRIMINATORS).all[1]
    x_BT = torch.randn(1, 300, requires_grad=True)
    period(x_BT)[-1][0, 0, :, 1].sum().backward()
    touched = x_BT.grad[0].nonzero()[:, 0] % period.period
    assert set(touched.tolist()) == {1}

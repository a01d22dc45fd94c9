import librosa
import numpy as np
import pytest
import torch

from stages.bestrq.config import EncoderConfig
from stages.bestrq.mel import LogMel, hz_to_mel, mel_filters, mel_to_hz

CONFIG = EncoderConfig()


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.1, size=n_samples).astype(np.float32)


@pytest.mark.parametrize(("rate_hz", "n_fft", "n_mels"), [(24_000, 1024, 80), (16_000, 512, 40)])
def test_filters_are_librosas(rate_hz, n_fft, n_mels):
    theirs = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels, norm=None)
    np.testing.assert_allclose(mel_filters(rate_hz, n_fft, n_mels), theirs, atol=1e-6)


def test_the_mel_scale_goes_there_and_back():
    hz = np.array([0.0, 20, 440, 999, 1000, 1001, 8000, 12000])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, rtol=1e-12)


def test_log_mel_is_librosas():
    x_T = noise(480 * 30)
    side = (CONFIG.n_fft - CONFIG.hop) // 2
    spectrum = np.abs(librosa.stft(np.pad(x_T, side), n_fft=CONFIG.n_fft, hop_length=CONFIG.hop, center=False))
    spectrum *= 2 / librosa.filters.get_window("hann", CONFIG.n_fft).sum()
    basis = librosa.filters.mel(sr=24_000, n_fft=CONFIG.n_fft, n_mels=80, norm=None)
    theirs = np.log(np.maximum(basis @ spectrum, 1e-4)).T
    ours = LogMel(CONFIG)(torch.from_numpy(x_T)[None])[0].numpy()
    assert ours.shape == (30, 80)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_a_full_scale_sine_is_0_db_and_silence_the_floor():
    bin_hz = 24_000 / CONFIG.n_fft
    t = np.arange(24_000) / 24_000
    mel = LogMel(CONFIG)
    loud = mel(torch.from_numpy(np.sin(2 * np.pi * 40 * bin_hz * t).astype(np.float32))[None])[0, 10:-10]
    basis = mel_filters(24_000, CONFIG.n_fft, 80)
    assert loud.amax() == pytest.approx(np.log((basis[:, 39:42] @ [0.5, 1, 0.5]).max()), abs=0.01)
    assert torch.allclose(mel(torch.zeros(1, 4800)), torch.tensor(np.log(1e-4), dtype=torch.float32))


@pytest.mark.parametrize("n_samples", [882, 883, 1763, 1764, 44_100, 44_101, 100_001, 132_299, 1_323_000])
def test_one_frame_to_882_samples(n_samples):
    assert LogMel(CONFIG).of_signal(noise(n_samples)).shape == (n_samples // 882, 80)


def test_frame_n_hears_token_n():
    """A click in the middle of token 20's samples is loudest in frame 20."""
    x_T = np.zeros(882 * 40, np.float32)
    x_T[882 * 20 + 441] = 1
    energy_N = LogMel(CONFIG).of_signal(x_T).exp().sum(-1)
    assert int(energy_N.argmax()) == 20


def test_integers_and_floats_are_the_same_audio():
    x_T = (noise(20_000) * 3000).astype(np.int16)
    mel = LogMel(CONFIG)
    assert torch.equal(mel.of_signal(x_T), mel.of_signal(x_T.astype(np.float32) / 32768))


def test_zeros_behind_a_signal_change_nothing():
    mel = LogMel(CONFIG)
    x_T = torch.from_numpy(noise(480 * 10))
    longer = torch.nn.functional.pad(x_T, (0, 480 * 5))
    np.testing.assert_allclose(mel(longer[None])[0, :10], mel(x_T[None])[0], atol=1e-4)

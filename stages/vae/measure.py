"""How well audio comes back: pure functions of two signals, and Griffin-Lim as the reference at an equal rate.

Shapes: B batch, T samples, F frequency bins, N frames. Audio is float, mono, 44.1 kHz.
"""

import functools
from collections.abc import Iterable

import numpy as np
import torch

from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import log_mel, mel_l1
from stages.vae.model import Autoencoder

STFT_SIZES = (512, 1024, 2048)
# 32 numbers every 1024 samples: as many per second as the autoencoder's latents.
GRIFFIN_LIM_BANDS, GRIFFIN_LIM_HOP, GRIFFIN_LIM_FFT = 32, 1024, 4096


def stft_distance(made_T: np.ndarray, true_T: np.ndarray) -> float:
    """Spectral convergence plus L1 of log magnitudes (floor 1e-5, nepers), mean over three STFT sizes, hop a quarter
    (the multi-resolution distance of Parallel WaveGAN, arXiv 1910.11480)."""
    distances = []
    for size in STFT_SIZES:
        made_FN, true_FN = (_magnitude(x_T, size) for x_T in _equal(made_T, true_T))
        convergence = (true_FN - made_FN).norm() / true_FN.norm().clamp_min(1e-5)
        distances.append(convergence + (true_FN.clamp_min(1e-5).log() - made_FN.clamp_min(1e-5).log()).abs().mean())
    return float(sum(distances) / len(distances))


def _magnitude(x_T: np.ndarray, size: int) -> torch.Tensor:
    x = torch.from_numpy(np.ascontiguousarray(x_T, np.float32))
    window = torch.hann_window(size)
    return torch.stft(x, size, size // 4, window=window, pad_mode="constant", return_complex=True).abs()


def _equal(*signals: np.ndarray) -> list[np.ndarray]:
    n = min(map(len, signals))
    return [x_T[:n] for x_T in signals]


def si_sdr_db(made_T: np.ndarray, true_T: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019), both signals without their mean."""
    made, true = (x_T - x_T.mean(dtype=np.float64) for x_T in _equal(made_T, true_T))
    target = true * (made @ true) / max(true @ true, 1e-12)
    return float(10 * np.log10(max(target @ target, 1e-12) / max(np.sum((made - target) ** 2), 1e-12)))


@torch.inference_mode()
def griffin_lim(x_T: np.ndarray, n_iterations: int = 32, seed: int = 0) -> np.ndarray:
    """What Griffin-Lim makes of x's log-mel: magnitudes by least squares from the mel bands, phases from noise."""
    x_1T = torch.from_numpy(np.ascontiguousarray(x_T, np.float32))[None]
    mel_FN = log_mel(x_1T, n_fft=GRIFFIN_LIM_FFT, hop=GRIFFIN_LIM_HOP, n_mels=GRIFFIN_LIM_BANDS)[0].exp()
    magnitude_FN = (_inverse_mel() @ mel_FN).clamp_min(0)
    window = torch.hann_window(GRIFFIN_LIM_FFT)
    angles = torch.rand(magnitude_FN.shape, generator=torch.Generator().manual_seed(seed)) * 2 * torch.pi
    spectrum_FN = torch.polar(magnitude_FN, angles)
    for _ in range(n_iterations):
        y_T = torch.istft(spectrum_FN, GRIFFIN_LIM_FFT, GRIFFIN_LIM_HOP, window=window, length=len(x_T))
        again_FN = torch.stft(
            y_T, GRIFFIN_LIM_FFT, GRIFFIN_LIM_HOP, window=window, pad_mode="constant", return_complex=True
        )
        spectrum_FN = torch.polar(magnitude_FN, again_FN.angle())
    return torch.istft(spectrum_FN, GRIFFIN_LIM_FFT, GRIFFIN_LIM_HOP, window=window, length=len(x_T)).numpy()


@functools.lru_cache(maxsize=1)
def _inverse_mel() -> torch.Tensor:
    import librosa

    basis = librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=GRIFFIN_LIM_FFT, n_mels=GRIFFIN_LIM_BANDS)
    return torch.linalg.pinv(torch.from_numpy(basis))


def reconstruct(autoencoder: Autoencoder, x_T: np.ndarray) -> np.ndarray:
    """What the autoencoder makes of x_T (float), as long as it."""
    x_1T = torch.from_numpy(np.ascontiguousarray(x_T, np.float32))[None].to(autoencoder.mean_1Z1.device)
    return autoencoder.decode(autoencoder.encode(x_1T))[0, : len(x_T)].cpu().numpy()


def mel_l1_of(autoencoder: Autoencoder, x_T: np.ndarray) -> float:
    return mel_l1(reconstruct(autoencoder, x_T), x_T)


def measure(autoencoder: Autoencoder, signals: Iterable[np.ndarray]) -> dict[str, list[float]]:
    """Per signal x_T (float): the autoencoder's distances from it, and Griffin-Lim's mel L1."""
    rows: dict[str, list[float]] = {"mel_l1": [], "stft_distance": [], "si_sdr_db": [], "griffin_lim.mel_l1": []}
    for x_T in signals:
        made_T = reconstruct(autoencoder, x_T)
        rows["mel_l1"].append(mel_l1(made_T, x_T))
        rows["stft_distance"].append(stft_distance(made_T, x_T))
        rows["si_sdr_db"].append(si_sdr_db(made_T, x_T))
        rows["griffin_lim.mel_l1"].append(mel_l1(griffin_lim(x_T), x_T))
    return rows

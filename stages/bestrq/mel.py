"""44.1 kHz audio to log-mel frames, one per token: frame n sees the audio around token n's 882 samples.

Shapes: B batch, T samples, N frames, F mel bands, K spectrum bins.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.bestrq.config import EncoderConfig
from stages.contract.tokens import SAMPLE_RATE_HZ, SAMPLES_PER_TOKEN, n_frames_of
from stages.lib.audio import resample, to_float

# Slaney's mel scale (Auditory Toolbox): linear up to 1 kHz, logarithmic above.
_LINEAR_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27


def hz_to_mel(hz: np.ndarray) -> np.ndarray:
    above = _BREAK_HZ / _LINEAR_HZ_PER_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ_PER_MEL, above)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    break_mel = _BREAK_HZ / _LINEAR_HZ_PER_MEL
    above = _BREAK_HZ * np.exp(_LOG_STEP * np.maximum(mel - break_mel, 0))
    return np.where(mel < break_mel, mel * _LINEAR_HZ_PER_MEL, above)


def mel_filters(sample_rate_hz: int, n_fft: int, n_mels: int) -> np.ndarray:
    """FK: triangles of height 1 between equidistant mels from 0 to half the sample rate."""
    edges_hz = mel_to_hz(np.linspace(0, hz_to_mel(np.array(sample_rate_hz / 2)), n_mels + 2))
    bins_hz = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz)
    low, mid, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    return np.maximum(0, np.minimum((bins_hz - low) / (mid - low), (high - bins_hz) / (high - mid)))


class LogMel(nn.Module):
    """ln of mel magnitudes, a full-scale sine being 1, no less than `floor_db`."""

    window: Tensor
    filters_KF: Tensor

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.hop, self.n_fft = config.hop, config.n_fft
        self.sample_rate_hz = config.sample_rate_hz
        self.floor = 10 ** (config.floor_db / 20)
        # periodic Hann; in numpy, so that a model built on the meta device still has the values
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.n_fft) / config.n_fft)
        filters_KF = mel_filters(config.sample_rate_hz, config.n_fft, config.n_mels).T * (2 / window.sum())
        self.register_buffer("window", torch.from_numpy(window.astype(np.float32)), persistent=False)
        self.register_buffer("filters_KF", torch.from_numpy(filters_KF.astype(np.float32)), persistent=False)

    def forward(self, x_BT: Tensor) -> Tensor:
        """x_BT at `sample_rate_hz`, T a multiple of `hop` -> BNF with N = T / hop, frame n centred on its hop.

        Outside the signal there is silence, so zeros behind a short signal in a batch change nothing.
        """
        side = (self.n_fft - self.hop) // 2
        x_BT = F.pad(x_BT, (side, side))
        spectrum_BKN = torch.stft(
            x_BT, self.n_fft, self.hop, window=self.window, center=False, return_complex=True
        ).abs()
        return (spectrum_BKN.transpose(1, 2) @ self.filters_KF).clamp_min(self.floor).log()

    @torch.no_grad()
    def of_signal(self, x_T: np.ndarray) -> Tensor:
        """x_T at 44.1 kHz (int16, or float in -1..1) -> NF with N = T // 882: what is left over is trimmed."""
        n_frames = n_frames_of(len(x_T))
        x_T = x_T[: n_frames * SAMPLES_PER_TOKEN]
        x_T = to_float(x_T) if x_T.dtype == np.int16 else x_T.astype(np.float32)
        y_T = np.zeros(n_frames * self.hop, np.float32)
        resampled_T = resample(x_T, SAMPLE_RATE_HZ, self.sample_rate_hz)[: len(y_T)]
        y_T[: len(resampled_T)] = resampled_T
        return self(torch.from_numpy(y_T).to(self.window.device)[None])[0]

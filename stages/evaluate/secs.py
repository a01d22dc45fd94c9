"""Speaker embedding cosine similarity (paper: Resemblyzer, prompt against generated vocals). Higher is more alike:
the same sung voice gives about 0.91, another about 0.65 (DEMO_SONGS).

The network is GE2E's (Wan et al. 2018): three LSTM layers and a linear one over mel frames. Its weights are those the
`resemblyzer` package carries, loaded by us: importing the package would ask for webrtcvad. Silence is left out by
energy instead. Shapes: T samples, N mel frames, P partial utterances, E embedding.
"""

import functools
import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stages.contract.digests import digest_file
from stages.evaluate.figures import NotMeasurable
from stages.lib.audio import resample, to_float

SAMPLE_RATE_HZ = 16_000
WINDOW, HOP, MEL_BANDS = 400, 160, 40  # 25 ms, 10 ms
PARTIAL_FRAMES = 160  # 1.6 s, the length it was trained on
PARTIALS_PER_S = 2.0  # ours: overlapping by two thirds
LOUDNESS_DB = -30.0  # quiet audio is raised to this level, loud audio left
SILENT_DB = -30.0  # a partial this far below the loudest one says nothing about the voice
WEIGHTS_DIGEST = "f4beec2e07f97143"  # of resemblyzer 0.1.4's pretrained.pt


class SpeakerEncoder(nn.Module):
    """PNM mel frames -> unit vectors PE."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MEL_BANDS, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, mel_PNM: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(mel_PNM)
        return nn.functional.normalize(self.linear(hidden[-1]).relu(), dim=1)


def weights_path() -> Path:
    """Raises NotMeasurable where resemblyzer is not installed."""
    spec = importlib.util.find_spec("resemblyzer")
    if spec is None or not spec.submodule_search_locations:
        raise NotMeasurable("resemblyzer is not installed (pip install --no-deps resemblyzer)")
    return Path(spec.submodule_search_locations[0]) / "pretrained.pt"


def load_encoder(path: Path | None = None) -> SpeakerEncoder:
    """Raises NotMeasurable where the weights are missing or not the ones known here."""
    path = path or weights_path()
    if not path.is_file() or digest_file(path) != WEIGHTS_DIGEST:
        raise NotMeasurable(f"resemblyzer's {path.name} is missing or not that of version 0.1.4")
    state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    encoder = SpeakerEncoder()
    own = encoder.state_dict()
    encoder.load_state_dict({name: state[name] for name in own})
    return encoder.eval()


@functools.cache
def _mel_basis() -> np.ndarray:
    import librosa

    return librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=WINDOW, n_mels=MEL_BANDS)


def mel_frames(x_T: np.ndarray) -> np.ndarray:
    """Mel power spectra NM of audio at 16 kHz (no logarithm)."""
    x = torch.from_numpy(x_T)
    window = torch.hann_window(WINDOW)
    power = torch.stft(x, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True).abs().square().numpy()
    return (_mel_basis() @ power).T.astype(np.float32)


def partials(x_T: np.ndarray) -> np.ndarray:
    """PNM: overlapping stretches of 1.6 s, the silent ones left out; short audio is padded to one."""
    x_T = _raised(x_T)
    length = PARTIAL_FRAMES * HOP
    x_T = np.pad(x_T, (0, max(0, length - len(x_T))))
    mel_NM = mel_frames(x_T)
    step = round(SAMPLE_RATE_HZ / HOP / PARTIALS_PER_S)
    starts = range(0, len(mel_NM) - PARTIAL_FRAMES + 1, step)
    cut_PNM = np.stack([mel_NM[i : i + PARTIAL_FRAMES] for i in starts])
    energy_P = cut_PNM.sum((1, 2))
    return cut_PNM[energy_P >= energy_P.max() * 10 ** (SILENT_DB / 10)]


def _raised(x_T: np.ndarray) -> np.ndarray:
    level = float(np.sqrt(np.mean(x_T.astype(np.float64) ** 2)))
    if level < 1e-6:
        raise NotMeasurable("silent vocals")
    return (x_T * max(1.0, 10 ** (LOUDNESS_DB / 20) / level)).astype(np.float32)


@torch.no_grad()
def embed(encoder: SpeakerEncoder, x_T: np.ndarray, from_hz: int) -> np.ndarray:
    """The voice of a track as a unit vector E: the mean over its partials, normalized. x_T is int16 or float."""
    x = to_float(x_T) if x_T.dtype == np.int16 else x_T
    mel_PNM = torch.from_numpy(partials(np.ascontiguousarray(resample(x, from_hz, SAMPLE_RATE_HZ), np.float32)))
    mean_E = encoder(mel_PNM).mean(0).numpy()
    return mean_E / np.linalg.norm(mean_E)


def similarity(a_E: np.ndarray, b_E: np.ndarray) -> float:
    return float(a_E @ b_E)

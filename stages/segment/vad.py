"""Where somebody sings: pyannote.audio's voice activity detection on the vocal stem (PAPER §4.1 cuts at silences that a
VAD finds).

A pretrained pipeline of the hub by name (gated ones need a token in HF_TOKEN), or a local folder: a pipeline
(`config.yaml`) or a model (`pytorch_model.bin`). pyannote's checkpoints are pickles: loading one runs whatever is in
it. A local one is therefore loaded only when its SHA-256 is the one named in params.yaml.
"""

import hashlib
import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from stages.lib.audio import resample
from stages.lib.cli import UserError, quiet_environment
from stages.lib.torchaudio_cpu import make_torchaudio_importable
from stages.segment.config import SegmentConfig

SAMPLE_RATE_HZ = 16_000
CHECKPOINT = "pytorch_model.bin"
PIPELINE = "config.yaml"
_GATE_RATE_HZ = 50
_GATE_SMOOTH_S = 0.3
_LOUD = 0.95  # quantile of a song's levels that stands for its loud singing


class Vad:
    """A pyannote pipeline that was given its thresholds, and the level under which its singing is leakage."""

    def __init__(self, pipeline: Any, gate_db: float):
        self._pipeline, self._gate_db = pipeline, gate_db

    def regions(self, vocals_T: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Regions of voice in seconds, R 2, in order, not touching each other."""
        import torch

        x_T = resample(np.asarray(vocals_T, dtype=np.float32), sample_rate_hz, SAMPLE_RATE_HZ)
        if not np.any(x_T):
            return np.zeros((0, 2))
        audio = {"waveform": torch.from_numpy(x_T)[None], "sample_rate": SAMPLE_RATE_HZ}
        support = self._pipeline(audio).get_timeline().support()
        end_s = len(x_T) / SAMPLE_RATE_HZ
        found = [(max(segment.start, 0.0), min(segment.end, end_s)) for segment in support]
        regions_R2 = np.array([(start, end) for start, end in found if end > start]).reshape(-1, 2)
        return gated(regions_R2, x_T, SAMPLE_RATE_HZ, self._gate_db)


def gated(regions_R2: np.ndarray, x_T: np.ndarray, sample_rate_hz: int, gate_db: float) -> np.ndarray:
    """The parts of regions in which the vocals are not `gate_db` below the song's loud singing.

    pyannote's models scale every window of a few seconds to one level, so the faint band that a separator leaves in an
    interlude looks to them as loud as a voice.
    """
    from scipy.ndimage import uniform_filter1d

    n_frames = len(x_T) // (sample_rate_hz // _GATE_RATE_HZ)
    if not n_frames:
        return regions_R2
    power_N = (
        (x_T[: n_frames * (sample_rate_hz // _GATE_RATE_HZ)].astype(np.float64) ** 2).reshape(n_frames, -1).mean(1)
    )
    power_N = uniform_filter1d(power_N, round(_GATE_SMOOTH_S * _GATE_RATE_HZ))
    loud_N = power_N > np.quantile(power_N, _LOUD) * 10 ** (gate_db / 10)
    edges_s = np.flatnonzero(np.diff(loud_N.astype(np.int8), prepend=0, append=0)).reshape(-1, 2) / _GATE_RATE_HZ
    edges_s[edges_s == n_frames / _GATE_RATE_HZ] = np.inf
    parts = [
        (max(start, a), min(end, b))
        for start, end in regions_R2
        for a, b in edges_s
        if min(end, b) - max(start, a) > 1e-9
    ]
    return np.array(parts).reshape(-1, 2)


def load_vad(config: SegmentConfig, device: str = "cpu") -> Vad:
    """Raises UserError where the folder, its digest or the hub says no."""
    folder = Path(config.vad)
    checkpoint = _checked(folder, config.vad_digest) if folder.exists() else b""
    import_pyannote()
    pipeline = _around_model(_model(checkpoint, folder), config) if checkpoint else _pipeline(config.vad)
    import torch

    return Vad(pipeline.to(torch.device(device)), config.vad_gate_db)


def import_pyannote() -> None:
    """Its first import: without telemetry, beside a CPU torch, and without pages of warnings that torchcodec finds no
    ffmpeg (it is given samples, never files)."""
    quiet_environment()
    make_torchaudio_importable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyannote.audio  # noqa: F401


def weights_sha256(folder: Path) -> str:
    """SHA-256 of a model folder's checkpoint; of a pipeline folder, over all its files (names and bytes)."""
    if (folder / CHECKPOINT).is_file() and not (folder / PIPELINE).is_file():
        return hashlib.sha256((folder / CHECKPOINT).read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _checked(folder: Path, expected: str) -> bytes:
    """The checkpoint's bytes, the very ones that were checked; empty for a checked pipeline folder."""
    if not any((folder / name).is_file() for name in (CHECKPOINT, PIPELINE)):
        raise UserError(f"segment.vad: {folder} holds neither {CHECKPOINT} nor {PIPELINE}; run `songcreator train_vad`")
    checkpoint = b"" if (folder / PIPELINE).is_file() else (folder / CHECKPOINT).read_bytes()
    found = hashlib.sha256(checkpoint).hexdigest() if checkpoint else weights_sha256(folder)
    if found != expected:
        raise UserError(
            f"segment.vad_digest: {folder} has SHA-256 {found}, params.yaml says {expected or 'nothing'}; the file is "
            "a pickle, and loading it runs its code: write its digest into params.yaml only if you trust where it "
            "comes from"
        )
    return checkpoint


def _model(checkpoint: bytes, folder: Path) -> Any:
    from pyannote.audio import Model

    model = Model.from_pretrained(io.BytesIO(checkpoint))
    if model is None:
        raise UserError(f"segment.vad: pyannote cannot load {folder / CHECKPOINT}")
    return model


def _around_model(model: Any, config: SegmentConfig) -> Any:
    from pyannote.audio.pipelines import VoiceActivityDetection

    pipeline = VoiceActivityDetection(segmentation=model, step=config.vad_step_s, batch_size=16)
    thresholds = {"min_duration_on": config.vad_min_on_s, "min_duration_off": config.vad_min_off_s}
    if not model.specifications.powerset:
        thresholds |= {"onset": config.vad_onset, "offset": config.vad_offset}
    return pipeline.instantiate(thresholds)


def _pipeline(name: str) -> Any:
    from pyannote.audio import Pipeline

    try:
        pipeline = Pipeline.from_pretrained(name, token=os.environ.get("HF_TOKEN"))
    except Exception as error:  # the hub's, the network's and pyannote's own errors alike mean: no such pipeline here
        raise UserError(f"segment.vad: cannot load pipeline {name!r}: {error}") from error
    if pipeline is None:
        raise UserError(
            f"segment.vad: the hub gives no pipeline {name!r}; accept its conditions on its page and set HF_TOKEN, "
            "or name a local folder"
        )
    return pipeline

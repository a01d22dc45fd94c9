"""Our speaker encoder against the package's own class."""

import sys
import types

import numpy as np
import pytest
import torch

from stages.evaluate import secs
from stages.evaluate.figures import NotMeasurable


def voice_like(seconds: float, pitch_hz: float, seed: int) -> np.ndarray:
    """A buzz with formant-like colour: enough to make the network speak."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * secs.SAMPLE_RATE_HZ)) / secs.SAMPLE_RATE_HZ
    harmonics = range(1, int(7000 / pitch_hz))
    x = sum(rng.random() / k * np.sin(2 * np.pi * k * pitch_hz * t) for k in harmonics)
    return (0.05 * x * (1 + 0.3 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


@pytest.fixture(scope="module")
def package_encoder():
    """resemblyzer's VoiceEncoder; webrtcvad, which only its silence trimming uses, is stood in for."""
    pytest.importorskip("librosa")
    if secs.importlib.util.find_spec("resemblyzer") is None:
        pytest.skip("resemblyzer is optional")
    sys.modules.setdefault("webrtcvad", types.ModuleType("webrtcvad"))
    morphology = types.ModuleType("scipy.ndimage.morphology")
    morphology.binary_dilation = None
    sys.modules.setdefault("scipy.ndimage.morphology", morphology)
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def test_the_network_is_the_packages(package_encoder):
    encoder = secs.load_encoder()
    mel = torch.rand(3, secs.PARTIAL_FRAMES, secs.MEL_BANDS) * 1e-2
    with torch.no_grad():
        torch.testing.assert_close(encoder(mel), package_encoder(mel))


def test_one_partial_of_audio_gives_the_packages_voice(package_encoder):
    """1.6 s is one partial utterance on both sides: mel, network and normalization agree."""
    encoder = secs.load_encoder()
    x = voice_like(1.6, 180.0, seed=0)
    x *= 0.1 / np.std(x)  # above the level that ours raises quiet audio to
    ours = secs.embed(encoder, x, secs.SAMPLE_RATE_HZ)
    np.testing.assert_allclose(ours, package_encoder.embed_utterance(x), atol=1e-4)
    other = secs.embed(encoder, voice_like(1.6, 420.0, seed=9), secs.SAMPLE_RATE_HZ)
    assert secs.similarity(ours, other) < 0.95


def test_loudness_and_silence_do_not_change_the_voice(package_encoder):
    encoder = secs.load_encoder()
    x = voice_like(4.8, 200.0, seed=1) * 0.2
    silence = np.zeros(4 * secs.SAMPLE_RATE_HZ, np.float32)
    alone = secs.embed(encoder, x, secs.SAMPLE_RATE_HZ)
    assert secs.similarity(alone, secs.embed(encoder, x * 0.5, secs.SAMPLE_RATE_HZ)) > 0.999
    padded = secs.embed(encoder, np.concatenate([x, silence]), secs.SAMPLE_RATE_HZ)
    assert secs.similarity(alone, padded) > 0.95
    with pytest.raises(NotMeasurable):
        secs.embed(encoder, silence, secs.SAMPLE_RATE_HZ)


def test_foreign_weights_are_refused(tmp_path):
    path = tmp_path / "pretrained.pt"
    torch.save({"model_state": secs.SpeakerEncoder().state_dict()}, path)
    with pytest.raises(NotMeasurable, match=r"not that of version"):
        secs.load_encoder(path)

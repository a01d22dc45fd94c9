"""pyannote loads our folders, only when their digest is the one that was written down."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from stages.lib.cli import UserError
from stages.segment.config import SegmentConfig
from stages.segment.vad import CHECKPOINT, gated, load_vad, weights_sha256

pytestmark = pytest.mark.xdist_group("pyannote")  # importing it takes seconds: one worker does


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from stages.lib.torchaudio_cpu import make_torchaudio_importable

    make_torchaudio_importable()
    import torch

    from stages.segment.pyannet import build_pyannet, save_pyannet

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vad")
    save_pyannet(build_pyannet(), folder)
    return folder


def config(folder: Path, digest: str, **fields: object) -> SegmentConfig:
    return SegmentConfig.model_validate({"vad": str(folder), "vad_digest": digest, **fields})


def test_a_folder_whose_digest_is_right_finds_regions(folder: Path) -> None:
    """Untrained, near 0.5 everywhere: all or nothing, by the threshold."""
    noise_T = np.random.default_rng(0).normal(0, 0.1, 44_100 * 7).astype(np.float32)
    digest = weights_sha256(folder)
    low = load_vad(config(folder, digest, vad_onset=0.02, vad_offset=0.01)).regions(noise_T, 44_100)
    assert low.shape == (1, 2) and low[0, 0] < 0.1 and 6.9 < low[0, 1] <= 7.0
    high = load_vad(config(folder, digest, vad_onset=0.99, vad_offset=0.98)).regions(noise_T, 44_100)
    assert high.shape == (0, 2)
    assert load_vad(config(folder, digest)).regions(np.zeros(44_100, np.float32), 44_100).shape == (0, 2)


def test_faint_leakage_is_not_singing() -> None:
    """Loud 0..2 s and 6..8 s, 30 dB fainter between; the model took all of it for singing."""
    x_T = np.random.default_rng(0).normal(0, 0.1, 8 * 16_000)
    x_T[2 * 16_000 : 6 * 16_000] *= 10 ** (-30 / 20)
    everything = np.array([[0.0, 8.0]])
    parts = gated(everything, x_T, 16_000, -20.0)
    assert np.allclose(parts, [[0.0, 2.0], [6.0, 8.0]], atol=0.16)
    assert np.array_equal(gated(everything, x_T, 16_000, -40.0), everything)
    assert gated(np.zeros((0, 2)), x_T, 16_000, -20.0).shape == (0, 2)


def test_telemetry_is_off(folder: Path) -> None:
    import os

    load_vad(config(folder, weights_sha256(folder)))
    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "false"


@pytest.mark.parametrize("expected", ["", "0" * 64])
def test_another_digest_is_refused_before_anything_is_unpickled(
    folder: Path, tmp_path: Path, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def unpickled(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    monkeypatch.setattr(torch, "load", unpickled)
    with pytest.raises(UserError, match=r"segment.vad_digest: .*SHA-256 [0-9a-f]{64}.*only if you trust"):
        load_vad(config(folder, expected))


def test_one_changed_byte_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "vad")
    path = tmp_path / "vad" / CHECKPOINT
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="vad_digest"):
        load_vad(config(tmp_path / "vad", weights_sha256(folder)))


def test_an_empty_folder_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds neither pytorch_model"):
        load_vad(config(tmp_path, ""))


def test_a_pipeline_folder_counts_with_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("pipeline: {}")
    first = weights_sha256(tmp_path)
    (tmp_path / "more.bin").write_bytes(b"x")
    assert weights_sha256(tmp_path) != first


def test_training_is_reproducible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise bursts stand for singing; equal seeds give equal weights."""
    import torch

    from stages.segment import train_vad
    from stages.segment.pace import Pace
    from stages.segment.pyannet import build_pyannet
    from stages.segment.train_vad import train
    from stages.segment.truth import KnownSong

    monkeypatch.setattr(train_vad, "BATCH", 2)
    rng = np.random.default_rng(0)
    voice_T = np.zeros(16_000 * 8, np.int16)
    phones = []
    for start in (1.0, 4.0, 6.0):
        at = int(start * 16_000)
        voice_T[at : at + 16_000] = rng.integers(-9000, 9000, 16_000)
        phones.append((start, start + 1.0, 5))
    song = KnownSong("s", "en", voice_T, np.zeros_like(voice_T), tuple(phones), ("a",), ((1.0, 7.0),))
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        model = build_pyannet()
        train([song], model, Pace(2, 1.0), seed=0)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1])


def test_targets_follow_the_regions() -> None:
    from stages.segment.train_vad import frame_targets

    assert frame_targets(np.array([[1.0, 2.0]]), np.array([0.9, 1.0, 1.5, 2.0])).tolist() == [0, 1, 1, 0]

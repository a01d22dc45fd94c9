import json

import numpy as np
import pytest
import torch
from clip_shards import write_clips

from stages.bestrq import train as training
from stages.bestrq.__main__ import main
from stages.bestrq.config import BestRQConfig, EncoderConfig
from stages.bestrq.data import Crops, MelBank, measure_statistics, n_frames_of_clip
from stages.bestrq.model import BestRQ
from stages.lib.cli import UserError
from stages.lib.data import list_clips

ENCODER = EncoderConfig(
    width=16, n_layers=1, n_heads=2, ffn_multiple=2, n_targets=32, target_dim=8, window_s=1.5, margin_s=0.2
)
CONFIG = BestRQConfig(
    encoder=ENCODER, n_steps=8, warmup_steps=2, batch_size=2, log_every=2, n_valid_batches=1, checkpoint_interval_s=0
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, {"aa": [2.0, 1.01], "bb": [3.0]}, "train", 0)
    write_clips(folder, {"cc": [2.0]}, "valid", 1)
    return folder


def refs(clips, split="train"):
    return list_clips(clips, split)


def weights(model: BestRQ) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_crops_are_a_function_of_the_step(clips):
    bank = MelBank(refs(clips), ENCODER, cache_gb=1)
    uncached = MelBank(refs(clips), ENCODER, cache_gb=0)
    a, b = Crops(bank, 4, 75, seed=0), Crops(uncached, 4, 75, seed=0)
    for step in (0, 5, 5):
        assert all(torch.equal(x, y) for x, y in zip(a[step], b[step], strict=True))
    assert not torch.equal(a[0].mel_BTF[:, :50], a[1].mel_BTF[:, :50])
    assert not torch.equal(Crops(bank, 4, 75, 0, rank=1)[0].mel_BTF[:, :50], a[0].mel_BTF[:, :50])
    assert a[0].mel_BTF.shape[0] == 4 and a[0].mel_BTF.shape[1] <= 75
    short = [int(n) for step in range(20) for n in a[step].n_frames_B]
    assert set(short) == {75, 50}  # the 1.01 s clip is shorter than a window, and padded


def test_every_frame_is_drawn_equally_often(clips):
    bank = MelBank(refs(clips), ENCODER, cache_gb=1)
    rows = [int(n) for step in range(400) for n in Crops(bank, 4, 60, seed=0)[step].n_frames_B]
    lengths = [n_frames_of_clip(ref) for ref in bank.refs]
    assert lengths == [100, 50, 150]
    assert np.mean(np.array(rows) == 50) == pytest.approx(50 / 300, abs=0.03)


def test_statistics_are_those_of_all_frames_together(clips):
    bank = MelBank(refs(clips), ENCODER, cache_gb=1)
    mels = [bank.mels(i) for i in range(3)]
    frames = np.concatenate([mel.double().numpy() for streams in mels for mel in streams.values()])
    measured = measure_statistics(mels)
    np.testing.assert_allclose(measured.mean, frames.mean(0), atol=1e-5)
    np.testing.assert_allclose(measured.std, frames.std(0), atol=1e-5)


def test_an_interrupted_run_ends_with_the_same_weights(clips, tmp_path, monkeypatch):
    def run_in(name):
        return training.train(refs(clips), refs(clips, "valid"), CONFIG, tmp_path / name, "k", tmp_path / "runs" / name)

    whole, _, figures = run_in("a")

    class KilledError(Exception):
        pass

    def killed_at_5(config, *args):
        if killed_at_5.steps == 5:
            raise KilledError
        killed_at_5.steps += 1
        return original(config, *args)

    original, killed_at_5.steps = training.score, 0
    monkeypatch.setattr(training, "score", killed_at_5)
    with pytest.raises(KilledError):
        run_in("b")
    monkeypatch.setattr(training, "score", original)
    resumed, run, again = training.train(
        refs(clips), refs(clips, "valid"), CONFIG, tmp_path / "b", "k", tmp_path / "rb"
    )
    assert run.step == 8
    assert same(weights(whole), weights(resumed))
    assert figures == again
    saved = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert saved[0] == saved[1]


def test_it_learns_more_than_frequencies(clips, tmp_path):
    """On notes that last, masked frames can be told from their neighbours: better than the unigram."""
    config = CONFIG.model_copy(
        update={"n_steps": 150, "learning_rate": 5e-3, "mask_span_s": 0.1, "batch_size": 8, "n_valid_batches": 4}
    )
    _, _, figures = training.train(refs(clips), refs(clips), config, tmp_path / "out", "k", tmp_path / "runs")
    assert figures["valid_loss"] < figures["valid_unigram_loss"]
    assert figures["valid_accuracy"] > figures["valid_unigram_accuracy"]


def test_collapsed_targets_are_refused(clips):
    class Silence(MelBank):
        def mels(self, index):
            return {stream: torch.full((100, 80), -9.0).half() for stream in ("song", "vocals", "accompaniment")}

    config = CONFIG.model_copy(update={"min_targets_used": 0.1})
    with pytest.raises(UserError, match="min_targets_used"):
        training.prepare(Silence(refs(clips), ENCODER, 0), config)


def test_the_unigram_is_the_empirical_one():
    usage = training.TargetUsage(torch.tensor([97.0, 1.0, 0.0]).double())
    nll, accuracy = usage.unigram(torch.tensor([0, 0, 1, 2]))
    assert nll == pytest.approx(-(2 * np.log(98 / 101) + np.log(2 / 101) + np.log(1 / 101)) / 4)
    assert accuracy == 0.5
    assert usage.used_fraction == pytest.approx(2 / 3)
    assert training.TargetUsage(torch.ones(8).double()).perplexity == pytest.approx(8)


def test_the_command(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    section = {"bestrq": CONFIG.model_dump(mode="json")}
    (tmp_path / "params.yaml").write_text(json.dumps(section))  # JSON is YAML
    argv = ["--clips", str(clips), "--out", "models/bestrq"]
    assert main(argv) == 0
    written = sorted(path.name for path in (tmp_path / "models/bestrq").iterdir())
    assert written == ["README.md", "config.json", "metrics.json", "model.safetensors", "plots", "provenance.json"]
    assert not any((tmp_path / "runs/bestrq").iterdir())
    capsys.readouterr()
    assert main(argv) == 0
    assert "up to date" in capsys.readouterr().err
    assert not (tmp_path / "dvc.yaml").exists()
    section["bestrq"]["masked_fractoin"] = 0.1
    (tmp_path / "params.yaml").write_text(json.dumps(section))
    with pytest.raises(UserError, match="masked_fractoin"):
        main(argv)

"""The small separator's training: its mixtures, its resume, and the folder it leaves."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import correlate
from tiny_demucs import noise, write_song

from stages.lib.cli import UserError
from stages.separate import train as train_module
from stages.separate.config import TrainerConfig
from stages.separate.excerpts import draw_stems, find_known_stems
from stages.separate.model import load_stock
from stages.separate.train import main, separation_loss, train

CONFIG = TrainerConfig(segment_s=0.6, batch=2, warmup=2)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    for name, n_channels in (("a", 2), ("b", 1)):
        for k, stem in enumerate(("vocals", "accompaniment")):
            x_TC = noise(1.5, n_channels, seed=k + 2 * n_channels)
            write_song(tmp_path / "songs" / ".truth" / f"{name}.{stem}.flac", x_TC)
    write_song(tmp_path / "songs" / "c.vocals.flac", noise(1.0))  # alone: no use
    return tmp_path / "songs"


def test_mixtures_are_stems_of_the_songs_at_other_levels(songs: Path) -> None:
    known = find_known_stems(songs)
    assert [song.name for song in known] == ["a", "b"]
    stems_BST = draw_stems(known, 6, 8_000, 0.0, 6.0, (0, 1))
    np.testing.assert_array_equal(stems_BST, draw_stems(known, 6, 8_000, 0.0, 6.0, (0, 1)))
    assert not np.array_equal(stems_BST, draw_stems(known, 6, 8_000, 0.0, 6.0, (0, 2)))
    import soundfile

    whole = {song: [soundfile.read(path, always_2d=True)[0].mean(axis=1) for path in song.paths] for song in known}
    for stems_ST in stems_BST:
        starts = []
        for k, x_T in enumerate(stems_ST):
            fits = {(s.name, *_place(x_T, whole[s][k])) for s in known}
            name, start, error, gain = min(fits, key=lambda fit: fit[2])
            assert error < 1e-6 and abs(20 * np.log10(abs(gain))) <= 6.0 + 1e-6
            starts.append((name, start))
        assert starts[0] == starts[1], "not crossed: both stems from one place of one song"


def _place(x_T: np.ndarray, whole_T: np.ndarray) -> tuple[int, float, float]:
    """(start, relative error, gain) of the best place of x_T in whole_T."""
    start = int(np.argmax(np.abs(correlate(whole_T, x_T, "valid", "fft"))))
    there_T = whole_T[start : start + len(x_T)]
    gain = float(x_T @ there_T / (there_T @ there_T))
    return start, float(np.sum((x_T - gain * there_T) ** 2) / np.sum(x_T**2)), gain


def test_crossed_mixtures_come_from_two_places(songs: Path) -> None:
    known = find_known_stems(songs)[:1]
    import soundfile

    whole = [soundfile.read(path, always_2d=True)[0].mean(axis=1) for path in known[0].paths]
    places = [
        [_place(x_T, whole[k])[0] for k, x_T in enumerate(stems)]
        for stems in draw_stems(known, 4, 8_000, 1.0, 0.0, (3,))
    ]
    assert any(vocals != band for vocals, band in places)


def test_stems_at_another_rate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no stems"):
        find_known_stems(tmp_path)
    for stem in ("vocals", "accompaniment"):
        write_song(tmp_path / f"x.{stem}.wav", noise(0.5), 22_050)
    with pytest.raises(UserError, match="44100 Hz"):
        find_known_stems(tmp_path)


def test_loss_falls_with_the_error() -> None:
    vocals_BT = torch.from_numpy(noise(0.2).T.copy())
    losses = [
        float(separation_loss(vocals_BT + level * torch.ones_like(vocals_BT), vocals_BT)) for level in (0, 0.1, 1)
    ]
    assert losses == sorted(losses) and losses[0] < losses[2] - 0.5


def test_a_killed_run_goes_on_to_the_same_weights(songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = find_known_stems(songs)
    monkeypatch.chdir(tmp_path)
    whole, run = train(known, CONFIG, 4, 0.0)
    assert run.step == 4
    run.finish()
    steps = []

    def failing(*args: object) -> np.ndarray:
        steps.append(args[-1])
        if len(steps) > 3:  # the fourth is drawn ahead, while the third step runs
            raise KeyboardInterrupt
        return draw_stems(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("stages.lib.training.Run.save_if_due", lambda run: run.save())
    monkeypatch.setattr(train_module, "draw_stems", failing)
    with pytest.raises(KeyboardInterrupt):
        train(known, CONFIG, 4, 0.0)
    monkeypatch.setattr(train_module, "draw_stems", draw_stems)
    (checkpoint,) = (tmp_path / "runs" / "train_separator").rglob("checkpoint.pt")
    assert torch.load(checkpoint, weights_only=True)["step"] == 3
    resumed, _ = train(known, CONFIG, 4, 0.0)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    again, _ = train(known, CONFIG, 4, 0.0)  # killed behind its last step, before the weights were put away
    assert torch.equal(next(again.parameters()), next(whole.parameters()))


def test_the_command_leaves_a_folder_that_loads(songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--songs", str(songs), "--heldout", str(songs), "--out", "w", "--steps", "2", "--segment-s", "0.6"]
    assert main([*flags, "--batch", "1"]) == 0
    facts = json.loads((tmp_path / "w" / "training.json").read_text())
    assert facts["n_steps"] == 2 and facts["heldout"]["n_songs"] == 2
    assert np.isfinite(facts["heldout"]["si_sdr_improvement_db.vocals"])
    assert (tmp_path / "w" / f"{facts['weights']}.safetensors").is_file()
    assert load_stock("w").sources == ["vocals"]
    assert not list((tmp_path / "runs").rglob("checkpoint.pt")), "a finished run keeps no state"


def test_minutes_become_a_number_of_steps(songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_module, "PROBE_STEPS", 2)
    _, run = train(find_known_stems(songs), CONFIG, None, 0.0)
    assert run.step == 2

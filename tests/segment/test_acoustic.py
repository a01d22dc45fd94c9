"""The phone model: frames, pieces, folders; phones of lyrics; training excerpts and labels."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.segment import acoustic
from stages.segment.acoustic import (
    AcousticConfig,
    AcousticModel,
    PhonemeRecognizer,
    best_phones,
    load_acoustic,
    save_acoustic,
)
from stages.segment.augment import draw_excerpt
from stages.segment.phones import PHONES, phone_ids, sentence_ids
from stages.segment.truth import RATE_HZ, KnownSong, frame_labels, voice_regions


@pytest.fixture(scope="module")
def model() -> AcousticModel:
    torch.manual_seed(0)
    return AcousticModel(AcousticConfig.model_validate({"width": 16, "dilations": (1, 2)})).eval()


def noise(duration_s: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, int(duration_s * rate_hz)).astype(np.float32)


def test_fifty_frames_a_second(model: AcousticModel) -> None:
    log_probs = PhonemeRecognizer(model).posteriors(noise(2.0, 44_100), 44_100)
    assert log_probs.shape == (101, len(PHONES))
    assert np.allclose(np.exp(log_probs).sum(axis=1), 1, atol=1e-5)
    assert PhonemeRecognizer(model).posteriors(np.zeros(0, np.float32), 44_100).shape == (0, len(PHONES))


def test_a_long_song_is_read_in_pieces_without_seams(model: AcousticModel, monkeypatch: pytest.MonkeyPatch) -> None:
    x_T = noise(20.0)
    whole = PhonemeRecognizer(model).posteriors(x_T, RATE_HZ)
    monkeypatch.setattr(acoustic, "_CHUNK_S", 4.0)
    pieces = PhonemeRecognizer(model).posteriors(x_T, RATE_HZ)
    assert pieces.shape == whole.shape and np.abs(pieces - whole).max() < 1e-3


def test_level_does_not_matter(model: AcousticModel) -> None:
    recognizer = PhonemeRecognizer(model)
    a, b = (recognizer.posteriors(noise(1.0) * gain, RATE_HZ) for gain in (1.0, 0.05))
    assert np.abs(a - b).max() < 1e-3


def test_a_folder_holds_all_there_is(model: AcousticModel, tmp_path: Path) -> None:
    save_acoustic(model, tmp_path)
    again = load_acoustic(tmp_path).eval()
    x = torch.randn(1, 80, 50)
    assert torch.equal(model(x), again(x)) and again.config == model.config
    with pytest.raises(FileNotFoundError, match="train_aligner"):
        load_acoustic(tmp_path / "nowhere")


def test_decoding_merges_repeats_drops_silence_and_does_not_waver() -> None:
    best = [0, 3, 3, 0, 3, 5, 5, 0]
    assert best_phones(np.log(np.eye(7)[best] + 1e-6)) == [3, 3, 5]
    probs = np.full((9, 7), 0.02)
    probs[:, 3] = 0.5
    probs[4, 5] = 0.6  # one frame in which another class is barely ahead
    assert best_phones(np.log(probs)) == [3] and best_phones(np.log(probs), change=0.0) == [3, 5, 3]
    assert best_phones(np.zeros((0, 7))) == []


@pytest.mark.parametrize("change", [0.5, 2.0])
def test_decoding_is_the_best_of_all_paths(change: float) -> None:
    log_probs = np.log(np.random.default_rng(1).dirichlet(np.ones(3), size=6))
    paths = list(itertools.product(range(3), repeat=6))
    scores = [log_probs[range(6), p].sum() - change * sum(a != b for a, b in itertools.pairwise(p)) for p in paths]
    best = [phone for phone, _ in itertools.groupby(paths[int(np.argmax(scores))]) if phone]
    assert best_phones(log_probs, change) == best


def test_recognizer_names_phones(model: AcousticModel) -> None:
    recognizer = PhonemeRecognizer(model)
    assert set(recognizer.decode(noise(1.0), RATE_HZ)) <= set(PHONES)
    assert recognizer.reference(["see"], "en") == [PHONES[id] for id in sentence_ids("see", "en")]


def test_symbols_fold_to_broad_phones() -> None:
    assert phone_ids("ˈɾɕʂː1ʔ") == [PHONES.index("d"), PHONES.index("ʃ"), PHONES.index("ʃ")]
    assert 0 not in phone_ids(PHONES)
    assert len(set(PHONES)) == len(PHONES)


@pytest.mark.parametrize(("text", "language"), [("Shine on you crazy diamond", "en"), ("月亮代表我的心", "zh")])
def test_lyrics_have_phones(text: str, language: str) -> None:
    ids = sentence_ids(text, language)
    assert len(ids) >= 10 and all(0 < id < len(PHONES) for id in ids)


def known() -> KnownSong:
    voice_T = np.random.default_rng(0).integers(-9000, 9000, RATE_HZ * 20).astype(np.int16)
    phones = [(1.0 + 0.1 * k, 1.1 + 0.1 * k, 1 + k % 40) for k in range(100)] + [(15.0, 15.5, 7)]
    return KnownSong("s", "en", voice_T, voice_T[::-1].copy(), tuple(phones), ("a", "b"), ((1.0, 11.0), (15.0, 15.5)))


def test_labels_lie_under_their_frames() -> None:
    labels = frame_labels(known(), 0.5, 500, 0.02)
    for n in (0, 24, 26, 31, 200, 499):
        time_s = 0.5 + n * 0.02
        expected = [id for start, end, id in known().phones if start <= time_s < end]
        assert labels[n] == (expected[0] if expected else 0)


def test_short_pauses_belong_to_the_singing() -> None:
    assert np.allclose(voice_regions(known()), [[1.0, 11.0], [15.0, 15.5]])


def test_excerpts_are_drawn_alike_from_equal_seeds_at_a_speed() -> None:
    a, b = (draw_excerpt(np.random.default_rng(3), known(), 2.0, 1.25) for _ in range(2))
    assert np.array_equal(a.x_T, b.x_T) and len(a.x_T) == 2 * RATE_HZ
    assert 0.8 <= a.speed <= 1.25 and a.speed != 1.0


def test_training_lowers_the_loss_and_is_reproducible(monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.segment import aligner_training
    from stages.segment.aligner_training import draw_batch, loss_of, train
    from stages.segment.pace import Pace

    monkeypatch.setattr(aligner_training, "BATCH", 2)
    monkeypatch.setattr(aligner_training, "EXCERPT_S", 2.0)

    held_out = draw_batch([known()], [0.0], seed=9, step=0)
    weights, losses = [], []
    for _ in range(2):
        torch.manual_seed(0)
        small = AcousticModel(AcousticConfig.model_validate({"width": 16, "dilations": (1,), "dropout": 0.0}))
        before = float(loss_of(small(held_out.mel_BFM), held_out.labels_BN))
        train([known()], small, Pace(12, 1.0), 0, 1e-2).copy_to(small)
        losses.append(before - float(loss_of(small(held_out.mel_BFM), held_out.labels_BN)))
        weights.append(torch.cat([p.detach().flatten() for p in small.parameters()]))
    assert losses[0] > 0.05 and torch.equal(*weights)

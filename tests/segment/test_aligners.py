"""The table of aligners: one interface, clear errors."""

import sys

import numpy as np
import pytest

from stages.lib.cli import UserError
from stages.segment.aligners import CtcAligner, LetterAligner, UniformAligner, load_aligner, romanized
from stages.segment.config import SegmentConfig
from stages.segment.ctc import Costs
from stages.segment.phones import PHONES, sentence_ids

NOTHING = np.zeros((0, 2))
LINES = ["Sing a song of summer", "Hold on to the morning", "Never let me go again"]


class Heard:
    """A recogniser that hears exactly what was sung: 4 frames per phone, half a second between lines."""

    def __init__(self, lines: list[str], language: str = "en"):
        labels = [0] * 25
        self.starts_s = []
        for line in lines:
            self.starts_s.append(len(labels) * 0.02)
            labels += [id for id in sentence_ids(line, language) for _ in range(4)] + [0] * 25
        self.log_probs = np.log(np.eye(len(PHONES))[labels] * 0.9 + 0.1 / len(PHONES))

    def posteriors(self, vocals_T: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        return self.log_probs

    @property
    def audio(self) -> np.ndarray:
        return np.zeros(int(len(self.log_probs) * 0.02 * 16_000), np.float32)


def test_ctc_aligner_finds_lines_to_the_frame() -> None:
    heard = Heard(LINES)
    found = CtcAligner(heard, Costs()).align(heard.audio, 16_000, LINES, "en", NOTHING)
    assert np.allclose([f.start_s for f in found], heard.starts_s, atol=0.011)
    assert all(f.confidence > 0.95 for f in found)


def test_ctc_aligner_leaves_out_what_is_not_sung_and_reads_mandarin() -> None:
    sung = ["月亮代表我的心", "风吹过山岗"]
    heard = Heard(sung, "zh")
    found = CtcAligner(heard, Costs()).align(heard.audio, 16_000, [sung[0], "星光落在河面上", sung[1]], "zh", NOTHING)
    assert found[1] is None
    assert np.allclose([found[0].start_s, found[2].start_s], heard.starts_s, atol=0.011)


def test_a_wrong_text_is_skipped_or_unsure() -> None:
    heard = Heard(LINES)
    wrong = ["Quick brown foxes jump", "Over five lazy dogs", "Peter picked a pepper"]
    found = CtcAligner(heard, Costs()).align(heard.audio, 16_000, wrong, "en", NOTHING)
    assert all(f is None or f.confidence < 0.5 for f in found)


def test_uniform_spreads_lines_over_the_singing() -> None:
    voice = np.array([[10.0, 16.0], [30.0, 33.0]])
    found = UniformAligner().align(np.zeros(40 * 100), 100, ["la la la", "la la la", "la la la", ""], "en", voice)
    spans = [(round(f.start_s, 2), round(f.end_s, 2)) for f in found[:3]]
    assert spans == [(10.0, 13.0), (13.0, 16.0), (30.0, 33.0)]
    assert found[3] is None and all(f.confidence == 0.0 for f in found[:3])
    without = UniformAligner().align(np.zeros(40 * 100), 100, ["la", "la"], "en", NOTHING)
    assert [(f.start_s, f.end_s) for f in without] == [(0.0, 20.0), (20.0, 40.0)]


def test_letters_of_any_script() -> None:
    assert romanized("Café") == "cafe"
    assert romanized("月亮").replace(" ", "") == "yueliang"


def test_letter_models_go_through_the_same_viterbi(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for torchaudio's bundle that spells what was sung, 50 letters a second with bars between words."""
    import torch

    from stages.lib.torchaudio_cpu import make_torchaudio_importable

    make_torchaudio_importable()
    import torchaudio

    labels = ("-", "|", *"abcdefghijklmnopqrstuvwxyz", "'")
    text = "---sing|a|song-------hold|on|to|it----"

    class Model(torch.nn.Module):
        def forward(self, x_BT: torch.Tensor) -> tuple[torch.Tensor, None]:
            ids = torch.tensor([labels.index(c) for c in text for _ in range(2)])
            return torch.nn.functional.one_hot(ids, len(labels))[None].float() * 9, None

    class Bundle:
        sample_rate = 16_000
        get_labels = staticmethod(lambda: labels)
        get_model = staticmethod(Model)

    monkeypatch.setattr(torchaudio.pipelines, "WAV2VEC2_ASR_BASE_960H", Bundle)
    aligner = LetterAligner("wav2vec2", Costs(), "cpu")
    duration_s = len(text) * 0.04
    found = aligner.align(np.zeros(int(duration_s * 16_000)), 16_000, ["Sing a song", "Hold on to it!"], "en", NOTHING)
    assert [f.start_s for f in found] == pytest.approx([3 * 0.04, 21 * 0.04], abs=0.021)
    assert [f.end_s for f in found] == pytest.approx([14 * 0.04, 34 * 0.04], abs=0.021)


def test_clear_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="neither a folder nor one of uniform, mms_fa"):
        load_aligner(SegmentConfig(aligner="weights/nowhere"))
    monkeypatch.setitem(sys.modules, "stable_whisper", None)
    with pytest.raises(UserError, match="pip install stable-ts"):
        load_aligner(SegmentConfig(aligner="whisper:base"))


def test_whisper_by_stable_ts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for stable_whisper: what we ask of it, and what we make of its answer."""
    from types import ModuleType, SimpleNamespace

    asked = {}

    class Model:
        def align(self, audio: np.ndarray, text: str, language: str, original_split: bool) -> SimpleNamespace:
            asked.update(text=text, language=language, rate=len(audio), original_split=original_split)
            words = [SimpleNamespace(probability=0.6), SimpleNamespace(probability=0.8)]
            return SimpleNamespace(segments=[SimpleNamespace(start=k, end=k + 0.9, words=words) for k in range(2)])

    module = ModuleType("stable_whisper")
    module.load_model = lambda name, device: asked.update(name=name) or Model()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stable_whisper", module)
    aligner = load_aligner(SegmentConfig(aligner="whisper:base"))
    found = aligner.align(np.zeros(44_100, np.float32), 44_100, ["a", "b"], "zh", NOTHING)
    assert asked == {"name": "base", "text": "a\nb", "language": "zh", "rate": 16_000, "original_split": True}
    assert [(f.start_s, f.end_s) for f in found] == [(0.0, 0.9), (1.0, 1.9)]
    assert found[0].confidence == pytest.approx(0.7)

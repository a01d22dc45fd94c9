"""Who finds the sentences in the singing: a table from `segment.aligner` to an aligner, all with one interface.

ctc      a folder with a phone model of ours (`songcreator train_aligner`): every language espeak reads
mms_fa, wav2vec2   torchaudio's letter models (downloaded at first use), our Viterbi
whisper:NAME       stable-ts (not installed by us): pip install stable-ts
uniform  by number of phones over the singing; no confidence, the last resort
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from stages.lib.audio import resample
from stages.lib.cli import UserError
from stages.segment.config import SegmentConfig
from stages.segment.ctc import Costs, Span, align, support


class Found(NamedTuple):
    """A sentence's place in the song (seconds) and how sure the aligner is, 0..1."""

    start_s: float
    end_s: float
    confidence: float


class Aligner(Protocol):
    """Times for sentences that have none. `knows` is False where confidences mean nothing."""

    name: str
    knows: bool

    def align(
        self,
        vocals_T: np.ndarray,
        sample_rate_hz: int,
        sentences: Sequence[str],
        language: str | None,
        voice_R2: np.ndarray,
    ) -> list[Found | None]:
        """One entry per sentence, in order; None where it is not sung. `voice_R2`: where somebody sings (seconds)."""
        ...


class CtcAligner:
    """Our phone model and Viterbi."""

    knows = True

    def __init__(self, recognizer: Any, costs: Costs, name: str = "ctc"):
        self.recognizer, self.costs, self.name = recognizer, costs, name

    def align(
        self,
        vocals_T: np.ndarray,
        sample_rate_hz: int,
        sentences: Sequence[str],
        language: str | None,
        voice_R2: np.ndarray,
    ) -> list[Found | None]:
        from stages.segment.acoustic import FRAME_S
        from stages.segment.phones import sentence_ids

        log_probs_TV = self.recognizer.posteriors(vocals_T, sample_rate_hz)
        phones = [sentence_ids(text, language) for text in sentences]
        spans = align(log_probs_TV, phones, self.costs)
        end_s = len(vocals_T) / sample_rate_hz
        return [_found(log_probs_TV, ids, span, FRAME_S, end_s) for ids, span in zip(phones, spans, strict=True)]


class LetterAligner:
    """A CTC model of torchaudio whose classes are letters: MMS (any language, romanised) or wav2vec2 (English)."""

    knows = True
    _BUNDLES = {"mms_fa": "MMS_FA", "wav2vec2": "WAV2VEC2_ASR_BASE_960H"}  # noqa: RUF012

    def __init__(self, name: str, costs: Costs, device: str):
        from stages.lib.torchaudio_cpu import make_torchaudio_importable

        make_torchaudio_importable()
        import torchaudio

        bundle = getattr(torchaudio.pipelines, self._BUNDLES[name])
        self.name, self.costs, self.device = name, costs, device
        self.rate_hz = int(bundle.sample_rate)
        try:
            self.model = bundle.get_model().eval().to(device)
        except OSError as error:
            raise UserError(f"segment.aligner: {name} cannot be downloaded ({error}); name a folder instead") from error
        self.labels = [label.lower() for label in bundle.get_labels()]  # the first is the blank
        self.ids = {label: id for id, label in enumerate(self.labels) if id and label.isalpha()}

    def align(
        self,
        vocals_T: np.ndarray,
        sample_rate_hz: int,
        sentences: Sequence[str],
        language: str | None,
        voice_R2: np.ndarray,
    ) -> list[Found | None]:
        x_T = resample(np.asarray(vocals_T, dtype=np.float32), sample_rate_hz, self.rate_hz)
        log_probs_TV = np.concatenate([self._listen(x_T[i : i + 30 * self.rate_hz]) for i in self._pieces(len(x_T))])
        letters = [[self.ids[c] for c in romanized(text) if c in self.ids] for text in sentences]
        spans = align(log_probs_TV, letters, self.costs)
        end_s = len(x_T) / self.rate_hz
        frame_s = end_s / max(len(log_probs_TV), 1)
        return [_found(log_probs_TV, ids, span, frame_s, end_s) for ids, span in zip(letters, spans, strict=True)]

    def _pieces(self, n_samples: int) -> range:
        """Pieces of 30 s; a rest too short for the model's receptive field is left to the star."""
        return range(0, max(n_samples - self.rate_hz, 1), 30 * self.rate_hz)

    def _listen(self, x_T: np.ndarray) -> np.ndarray:
        """Log-probabilities of letters; the blank takes what is none (word boundary, apostrophe), torchaudio's own
        star is left out."""
        import torch

        with torch.inference_mode():
            emissions_BTV, _ = self.model(torch.from_numpy(x_T)[None].to(self.device))
        probs_TV = emissions_BTV[0, :, : max(self.ids.values()) + 1].softmax(dim=-1).cpu().numpy()
        silent = [id for id in range(probs_TV.shape[1]) if id not in self.ids.values()]
        probs_TV[:, 0] = probs_TV[:, silent].sum(axis=1)
        return np.log(probs_TV + 1e-9)


class WhisperAligner:
    """Whisper's own forced alignment of known text, by stable-ts."""

    knows = True

    def __init__(self, name: str, device: str):
        try:
            import stable_whisper
        except ImportError as error:
            raise UserError(f"segment.aligner: {name} needs stable-ts: pip install stable-ts") from error
        self.name = name
        self.model = stable_whisper.load_model(name.removeprefix("whisper:"), device=device)

    def align(
        self,
        vocals_T: np.ndarray,
        sample_rate_hz: int,
        sentences: Sequence[str],
        language: str | None,
        voice_R2: np.ndarray,
    ) -> list[Found | None]:
        x_T = resample(np.asarray(vocals_T, dtype=np.float32), sample_rate_hz, 16_000)
        result = self.model.align(x_T, "\n".join(sentences), language=language or "en", original_split=True)
        if result is None or len(result.segments) != len(sentences):
            return [None] * len(sentences)
        return [self._found(segment) for segment in result.segments]

    def _found(self, segment: Any) -> Found | None:
        if segment.end <= segment.start:
            return None
        sure = [word.probability for word in segment.words or [] if word.probability is not None]
        return Found(float(segment.start), float(segment.end), float(np.clip(np.mean(sure), 0, 1)) if sure else 0.0)


class UniformAligner:
    """Sentences one after the other over the time that is sung, each as long as its share of phones."""

    name = "uniform"
    knows = False

    def align(
        self,
        vocals_T: np.ndarray,
        sample_rate_hz: int,
        sentences: Sequence[str],
        language: str | None,
        voice_R2: np.ndarray,
    ) -> list[Found | None]:
        from stages.segment.phones import sentence_ids

        lengths = np.array([len(sentence_ids(text, language)) for text in sentences], dtype=float)
        if not len(voice_R2):
            voice_R2 = np.array([[0.0, len(vocals_T) / sample_rate_hz]])
        sung_s = np.concatenate([[0.0], np.cumsum(voice_R2[:, 1] - voice_R2[:, 0])])
        edges_s = np.concatenate([[0.0], np.cumsum(lengths)]) / max(lengths.sum(), 1) * sung_s[-1]

        def place(sung: float, after: bool) -> float:
            """Song time at which so many seconds were sung; at a pause, its end (after) or its start."""
            region = int(np.searchsorted(sung_s, sung, side="right" if after else "left")) - 1
            region = min(max(region, 0), len(voice_R2) - 1)
            return float(voice_R2[region, 0] + sung - sung_s[region])

        found: list[Found | None] = []
        for start, end, length in zip(edges_s, edges_s[1:], lengths, strict=False):
            found.append(Found(place(start, True), place(end, False), 0.0) if length else None)
        return found


def _found(
    log_probs_TV: np.ndarray, ids: Sequence[int], span: Span | None, frame_s: float, end_s: float
) -> Found | None:
    """Frames to seconds: frame n is centred on n * frame_s."""
    if span is None:
        return None
    start_s, stop_s = max((span.start - 0.5) * frame_s, 0.0), min((span.end - 0.5) * frame_s, end_s)
    return Found(start_s, stop_s, support(log_probs_TV, ids, span)) if stop_s > start_s else None


def romanized(text: str) -> str:
    """Lower-case Latin letters: Chinese by pinyin, accents dropped."""
    import unicodedata

    from pypinyin import lazy_pinyin

    plain = unicodedata.normalize("NFKD", " ".join(lazy_pinyin(text)).lower())
    return "".join(c for c in plain if not unicodedata.combining(c))


_BY_NAME: dict[str, Callable[[str, Costs, str], Aligner]] = {
    "uniform": lambda name, costs, device: UniformAligner(),
    "mms_fa": LetterAligner,
    "wav2vec2": LetterAligner,
    "whisper": lambda name, costs, device: WhisperAligner(name, device),
}


def load_aligner(config: SegmentConfig, device: str = "cpu") -> Aligner:
    """Raises UserError for a name that is neither in the table nor a folder."""
    costs = Costs(star=config.star, skip=config.skip)
    make = _BY_NAME.get(config.aligner.split(":")[0])
    if make is not None:
        return make(config.aligner, costs, device)
    if not Path(config.aligner).is_dir():
        raise UserError(f"segment.aligner: {config.aligner!r} is neither a folder nor one of {', '.join(_BY_NAME)}")
    from stages.segment.acoustic import PhonemeRecognizer

    return CtcAligner(PhonemeRecognizer.from_folder(Path(config.aligner), device), costs)

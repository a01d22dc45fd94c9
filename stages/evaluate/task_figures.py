"""Figures of the eight tasks, from `results/generated`: one function per measure, the task table says which apply.

Only what the models made is judged: of an edit the new span, of a continuation what follows the prompt. Beside a
figure stands what the truth gets by the same measure (`truth`), where that says something. Shapes: T samples.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.contract.digests import digest_bytes
from stages.contract.records import STREAMS
from stages.contract.tasks import Task
from stages.contract.tokens import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from stages.evaluate import harmony, secs
from stages.evaluate.fad import Moments, frechet
from stages.evaluate.figures import NotMeasurable, interval, rounded
from stages.evaluate.material import Material, as_float
from stages.evaluate.mcd import mcd, mel_cepstra
from stages.evaluate.model_figures import embed_frames, log_mel_frames, seconds_of
from stages.evaluate.secs import SpeakerEncoder
from stages.evaluate.world import Analysis, analyse
from stages.generate.engine import Engine
from stages.lib.audio import decode_flac


@dataclass(frozen=True)
class Heard:
    """One item's audio, int16 by stream: what was made, given, prompted, and the truth; `made`, `truth` and `given`
    cut to the part that is new."""

    facts: Mapping[str, Any]
    made: Mapping[str, np.ndarray]
    truth: Mapping[str, np.ndarray]
    given: Mapping[str, np.ndarray]
    whole_given: Mapping[str, np.ndarray]
    prompts: Mapping[str, np.ndarray]

    def stem(self, stream: str) -> np.ndarray:
        """A stem of the result: made, or handed in and kept."""
        if stream in self.made:
            return self.made[stream]
        if stream in self.given:
            return self.given[stream]
        raise NotMeasurable(f"the task has no {stream}")


def read_items(folder: Path) -> list[Heard]:
    """The items of one task's folder. Raises NotMeasurable where there are none, or none of the test split."""
    facts = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*-*.json"))]
    if not facts:
        raise NotMeasurable("nothing was generated")
    if any(item["split"] != "test" for item in facts):
        raise NotMeasurable(f"there is no test song; the items are of the {facts[0]['split']} split")
    return [_read(folder, item) for item in facts]


def _read(folder: Path, facts: dict[str, Any]) -> Heard:
    tracks = {
        kind: {stream: decode_flac((folder / name).read_bytes()) for stream, name in files.items()}
        for kind, files in facts["files"].items()
    }
    start, end = (round(s * SAMPLE_RATE_HZ) for s in facts["new_s"])
    start_of_rest = len(next(iter(tracks["outputs"].values()))) - end  # an edit may have changed the length before it

    def cut(kind: str) -> dict[str, np.ndarray]:
        return {s: x[start : end if kind == "outputs" else len(x) - start_of_rest] for s, x in tracks[kind].items()}

    return Heard(facts, cut("outputs"), cut("truth"), cut("given"), tracks["given"], tracks["prompts"])


class TaskMeasures:
    """The measures, with what they share: references, analyses, and models that are loaded when first needed."""

    def __init__(self, material: Material, engine: Engine):
        self.material, self.engine, self.config = material, engine, material.config
        self._analyses: dict[str, Analysis] = {}
        self.by_name: dict[str, Callable[[Task, Sequence[Heard]], dict[str, Any]]] = {
            "fad": self.fad, "mcd": self.mcd, "secs": self.secs, "per": self.per, "harmony": self.harmony,
            "rtf": self.rtf,
        }  # fmt: skip

    def _interval(self, values: Sequence[Any], **facts: Any) -> dict[str, Any]:
        return interval(values, self.config.seed, self.config.n_bootstrap, **facts)

    def _analysis(self, x_T: np.ndarray) -> Analysis:
        key = digest_bytes(np.ascontiguousarray(x_T).data)
        if key not in self._analyses:
            settings = self.config.mcd
            self._analyses[key] = analyse(x_T, SAMPLE_RATE_HZ, settings.sample_rate_hz, settings.frame_s)
        return self._analyses[key]

    def fad(self, task: Task, items: Sequence[Heard]) -> dict[str, Any]:
        """Of the task's first output against all true test audio of that stream, embedded by the frozen BEST-RQ;
        `logmel`: by log-mels; `truth`: what the items' own truth gets, the floor for so few. The interval is over
        seconds of audio."""
        stream = task.outputs[0]
        made, truth = [item.made[stream] for item in items], [item.truth[stream] for item in items]
        reference, mel_reference = self._fad_reference(stream)
        moments = [m for frames in embed_frames(self.engine, made) for m in blocks(frames)]

        def distance(chosen: Sequence[Moments]) -> float:
            return frechet(Moments.join(list(chosen)), reference)

        floor = Moments.join([Moments.of(frames) for frames in embed_frames(self.engine, truth)])
        mels = Moments.join([Moments.of(frames) for frames in log_mel_frames(self.engine, made)])
        return interval(
            moments,
            self.config.seed,
            min(self.config.n_bootstrap, 100),  # an eigenvalue problem each
            distance,
            n=len(items),
            truth=rounded(frechet(floor, reference)),
            logmel=rounded(frechet(mels, mel_reference)),
            embedding=self._embedding_name(),
        )

    def _embedding_name(self) -> str:
        layer = self.engine.tokenizer.codebook.config.layer
        return f"bestrq-{str(self.material.models.get('bestrq', 'unnamed'))[:8]}-layer{layer}"

    @functools.lru_cache(maxsize=len(STREAMS))  # noqa: B019 (one object, for one run)
    def _fad_reference(self, stream: str) -> tuple[Moments, Moments]:
        tracks: list[np.ndarray] = []
        for ref in self.material.clips("test"):
            if sum(map(seconds_of, tracks)) >= self.config.fad_reference_s:
                break
            tracks.append(self.material.reader.audio(ref, (stream,))[stream])
        embedded, mels = embed_frames(self.engine, tracks), log_mel_frames(self.engine, tracks)
        return Moments.join([Moments.of(x) for x in embedded]), Moments.join([Moments.of(x) for x in mels])

    def mcd(self, task: Task, items: Sequence[Heard]) -> dict[str, Any]:
        """Of the task's first output against the truth, dB."""
        stream, settings = task.outputs[0], self.config.mcd
        pairs = [[mel_cepstra(self._analysis(x[stream]).envelope_NK, settings) for x in (item.made, item.truth)]
                 for item in items]  # fmt: skip
        return self._interval(measured(lambda pair: mcd(pair[0], pair[1], settings), pairs))

    def secs(self, task: Task, items: Sequence[Heard]) -> dict[str, Any]:
        """Of the voice that was to be sung with (the prompt; of an edit, the given track) and the one made."""
        encoder = self._speaker_encoder()

        def similarity(item: Heard, vocals_T: np.ndarray) -> float:
            wanted = item.prompts.get("vocals", item.whole_given.get("vocals"))
            if wanted is None:
                raise NotMeasurable("no voice was handed in: the song has no other stretch to take a prompt from")
            voices = [secs.embed(encoder, x, SAMPLE_RATE_HZ) for x in (wanted, vocals_T)]
            return secs.similarity(*voices)

        made = measured(lambda item: similarity(item, item.made["vocals"]), items)
        truth = measured(lambda item: similarity(item, item.truth["vocals"]), items)
        return self._interval(made, truth=rounded(float(np.mean(truth))))

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def _speaker_encoder(self) -> SpeakerEncoder:
        return secs.load_encoder()

    def per(self, task: Task, items: Sequence[Heard]) -> dict[str, Any]:
        """Phoneme error rate of the made vocals, as the aligner's phoneme recognizer hears them, against the words."""
        recognizer = self._recognizer()

        def rate(item: Heard, vocals_T: np.ndarray) -> float:
            wanted = recognizer.reference(item.facts["new_lyrics"], item.facts["language"])
            if not wanted:
                raise NotMeasurable("the words hold no phonemes")
            return edit_distance(recognizer.decode(as_float(vocals_T), SAMPLE_RATE_HZ), wanted) / len(wanted)

        made = measured(lambda item: rate(item, item.made["vocals"]), items)
        truth = measured(lambda item: rate(item, item.truth["vocals"]), items)
        return self._interval(made, truth=rounded(float(np.mean(truth))))

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def _recognizer(self) -> Any:
        from stages.segment.acoustic import PhonemeRecognizer

        folder = Path(str((self.material.params.get("segment") or {}).get("aligner", "")))
        if not (folder / "model.safetensors").is_file():
            raise NotMeasurable(f"segment.aligner ({folder}) is no folder with a phoneme recognizer of ours")
        return PhonemeRecognizer.from_folder(folder)

    def harmony(self, task: Task, items: Sequence[Heard]) -> dict[str, Any]:
        """Agreement of voice and accompaniment of the result; 0.5 is chance."""

        def agree(vocals_T: np.ndarray, accompaniment_T: np.ndarray) -> float:
            return harmony.agreement(self._analysis(vocals_T), harmony.chroma(accompaniment_T, SAMPLE_RATE_HZ))

        def of_truth(item: Heard) -> float:
            both = {**item.given, **item.truth}
            if not {"vocals", "accompaniment"} <= set(both):
                raise NotMeasurable("one of the true stems is not at hand")
            return agree(both["vocals"], both["accompaniment"])

        made = measured(lambda item: agree(item.stem("vocals"), item.stem("accompaniment")), items)
        truth = measured(of_truth, items)
        return self._interval(made, truth=rounded(float(np.mean(truth))))

    def rtf(self, task: Task, items: Sequence[Heard]) -> dict[str, Any]:
        """Seconds of work per second of new audio."""
        return self._interval([item.facts["rtf"] for item in items])


def blocks(frames_ND: np.ndarray) -> list[Moments]:
    """The moments of every second of an item."""
    starts = range(0, len(frames_ND), FRAME_RATE_HZ)
    return [Moments.of(frames_ND[start : start + FRAME_RATE_HZ]) for start in starts]


def measured(compute: Callable[[Any], float], items: Sequence[Any]) -> list[float]:
    """`compute` of every item that it can be computed of. Raises the last reason where there is none."""
    values, reason = [], "no item"
    for item in items:
        try:
            values.append(compute(item))
        except NotMeasurable as why:
            reason = str(why)
    if not values:
        raise NotMeasurable(reason)
    return values


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein: fewest insertions, deletions and substitutions."""
    row = np.arange(len(b) + 1)
    for i, symbol in enumerate(a, 1):
        substituted = row[:-1] + np.array([symbol != other for other in b], int)
        best = np.concatenate([[i], np.minimum(substituted, row[1:] + 1)])
        row = np.minimum.accumulate(best - np.arange(len(best))) + np.arange(len(best))  # then insertions
    return int(row[-1])

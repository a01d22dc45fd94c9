"""Figures of the models on the test split: vae, diffusion, dslm. Shapes: T samples or token frames."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from stages.contract.records import STREAMS
from stages.contract.tokens import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_TOKEN, n_frames_of
from stages.diffusion.measure import Example, pitch_error_cents
from stages.diffusion.measure import measure as measure_diffusion
from stages.dslm.data import load_songs
from stages.dslm.nll import compare
from stages.evaluate.figures import NotMeasurable, interval
from stages.evaluate.material import Material, as_float
from stages.generate.config import GenerateConfig
from stages.generate.engine import Engine
from stages.vae.measure import measure as measure_vae

VAE = ("mel_l1", "stft_distance", "si_sdr_db", "griffin_lim.mel_l1")
DIFFUSION = ("mel_l1_true_tokens", "mel_l1_shuffled_tokens", "pitch_error_cents_true_tokens", "rtf")
DSLM = tuple(f"{stream}.{who}" for stream in STREAMS for who in ("ours", "bigram", "unigram"))
MIN_EXAMPLE_S = 1.0


def vae(material: Material, engine: Engine) -> dict[str, Any]:
    """How well audio comes back, beside Griffin-Lim at as many numbers a second; streams in turn."""
    refs = material.chosen_clips()
    signals = [as_float(material.excerpt(ref, STREAMS[i % len(STREAMS)])) for i, ref in enumerate(refs)]
    rows = measure_vae(engine.vae, signals)
    return {name: _interval(values, material) for name, values in rows.items()}


def diffusion(material: Material, engine: Engine, config: GenerateConfig) -> dict[str, Any]:
    """Audio from a clip's own tokens and from another's, each stream among itself; pitch on vocals; seconds of work
    per second of audio."""
    work_s = audio_s = 0.0
    made: dict[bytes, np.ndarray] = {}

    def make(tokens_T: np.ndarray) -> np.ndarray:
        nonlocal work_s, audio_s
        key = tokens_T.tobytes()
        if key not in made:
            began = time.perf_counter()
            made[key] = as_float(engine.sing([tokens_T], config, material.config.seed)[0])
            work_s += time.perf_counter() - began
            audio_s += len(tokens_T) / FRAME_RATE_HZ
        return made[key]

    rows: dict[str, list[float]] = {"mel_l1_true_tokens": [], "mel_l1_shuffled_tokens": []}
    pitch_errors = []
    for stream in STREAMS:
        examples = _examples(material, stream)
        for name, values in measure_diffusion(make, examples, material.config.seed).items():
            rows[name] += values
        if stream == "vocals":
            pitch_errors = [pitch_error_cents(make(example.tokens_T), example.true_T) for example in examples]
    figures: dict[str, Any] = {name: _interval(values, material) for name, values in rows.items()}
    heard = [error for error in pitch_errors if error is not None]
    nothing = NotMeasurable("no frame is voiced both in the true vocals and in those made from their tokens")
    figures["pitch_error_cents_true_tokens"] = _interval(heard, material) if heard else nothing
    return {**figures, "rtf": work_s / audio_s}


def _examples(material: Material, stream: str) -> list[Example]:
    """Excerpts of a third of the chosen clips (three streams share them), at least two, with their tokens."""
    refs = material.chosen_clips()
    tokens = {ref.id: ref for ref in material.tokens("test")}
    examples = []
    for ref in refs[: max(2, len(refs) // len(STREAMS))]:
        if ref.id in tokens:
            x_T = material.excerpt(ref, stream)
            n_frames = n_frames_of(len(x_T))
            if n_frames >= MIN_EXAMPLE_S * FRAME_RATE_HZ:
                row = material.reader.arrays(tokens[ref.id], (stream,))[stream][:n_frames]
                examples.append(Example(row, as_float(x_T[: len(row) * SAMPLES_PER_TOKEN])))
    if len(examples) < 2:
        raise NotMeasurable("fewer than two test clips with tokens: nothing to exchange them with")
    return examples


def dslm(material: Material, engine: Engine) -> dict[str, Any]:
    """Nats per token on the test split, beside the best-smoothed bigram and unigram of the train split."""
    songs = load_songs(material.folders["tokenize"])
    if not songs.get("test") or not songs.get("train"):
        raise NotMeasurable("no clip of the test split, or none of the train split")
    figures = compare(engine.dslm, songs["train"], songs.get("valid", []), songs["test"])
    return {f"{stream}.{who}": value for stream, own in figures.items() for who, value in own.items()}


def _interval(values: Sequence[float], material: Material) -> dict[str, Any]:
    return interval(values, material.config.seed, material.config.n_bootstrap)


@torch.inference_mode()
def embed_frames(engine: Engine, tracks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Frames N D of the BEST-RQ layer that the tokens are taken from, for each int16 track."""
    from stages.tokenize.windows import encode

    tokenizer = engine.tokenizer
    mels = [tokenizer.mel(x_T) for x_T in tracks]
    features = encode(tokenizer.encoder, mels, tokenizer.codebook.config.layer, tokenizer.windows_per_batch)
    return [frames_ND.cpu().numpy() for frames_ND in features]


def log_mel_frames(engine: Engine, tracks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Frames N F of the same encoder's log-mels: the FAD's second opinion."""
    return [engine.tokenizer.mel(x_T).cpu().numpy() for x_T in tracks]


def seconds_of(x_T: np.ndarray) -> float:
    return len(x_T) / SAMPLE_RATE_HZ

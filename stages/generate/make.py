"""From requests to songs: tokens of what was handed in, the language model, the LDM, and the splice.

Shapes: T samples at 44.1 kHz, N token frames at 50 Hz.
"""

import time
from collections.abc import Sequence

import numpy as np

from stages.contract.tokens import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_TOKEN
from stages.generate.config import GenerateConfig
from stages.generate.engine import Engine
from stages.generate.request import Generated, Request, Track
from stages.generate.splice import splice
from stages.lib.data import mix


def make_songs(engine: Engine, requests: Sequence[Request], config: GenerateConfig) -> list[Generated]:
    """One song per request, all of the same task; the language model writes them side by side."""
    began = time.perf_counter()
    inputs = tokens_of_inputs(engine, requests)
    written = engine.write(requests, inputs, config)
    audio = [render(engine, r, tokens, config) for r, tokens in zip(requests, written, strict=True)]
    wall_s = time.perf_counter() - began
    spans = [_new_span(request, len(next(iter(t.values())))) for request, t in zip(requests, written, strict=True)]
    n_new = sum(end - start for start, end in spans)
    return [
        Generated(
            task=request.task.name,
            audio=streams,
            tokens=tokens,
            wall_s=wall_s * (end - start) / max(n_new, 1),
            new_s=(start / FRAME_RATE_HZ, end / FRAME_RATE_HZ),
            seed=request.seed,
        )
        for request, tokens, streams, (start, end) in zip(requests, written, audio, spans, strict=True)
    ]


def tokens_of_inputs(engine: Engine, requests: Sequence[Request]) -> list[dict[str, np.ndarray]]:
    """Per request, by stream: tokens of the tracks and prompts it brings; those not known yet are made together."""
    tracks: list[tuple[int, str, Track]] = [
        (i, stream, track)
        for i, request in enumerate(requests)
        for stream, track in {**request.given, **request.prompts}.items()
    ]
    unknown = [track.x_T for _, _, track in tracks if track.tokens_N is None]
    made = iter(engine.encode(unknown))
    own: list[dict[str, np.ndarray]] = [{} for _ in requests]
    for i, stream, track in tracks:
        own[i][stream] = next(made) if track.tokens_N is None else track.tokens_N
    return own


def render(
    engine: Engine, request: Request, tokens: dict[str, np.ndarray], config: GenerateConfig
) -> dict[str, np.ndarray]:
    """int16 audio of the task's outputs. Only the new frames (and context around them, for the LDM to hear) are
    rendered; what was handed in stays as it was, bit for bit, up to the seams."""
    outputs = request.task.outputs
    n_frames = len(tokens[outputs[0]])
    start, end = _new_span(request, n_frames)
    n_context = round(config.context_s * FRAME_RATE_HZ)
    first, last = max(start - n_context, 0), min(end + n_context, n_frames)
    rendered = engine.sing([tokens[stream][first:last] for stream in outputs], config, request.seed)
    songs = {}
    for stream, x_T in zip(outputs, rendered, strict=True):
        original_T = _original(request, stream)
        songs[stream] = x_T if original_T is None else _spliced(request, original_T, x_T, first, (start, end), config)
    return songs


def _new_span(request: Request, n_frames: int) -> tuple[int, int]:
    start, end = request.new_frames
    return start, n_frames if end is None else end


def _original(request: Request, stream: str) -> np.ndarray | None:
    """The track that a stream's new part is set into: the one to edit, or the prompt to continue; None: all is new."""
    if request.edit_frames is not None:
        tracks = {str(name): track.x_T for name, track in request.given.items()}
        return mix(tracks) if stream == "song" else tracks[stream]
    return request.prompts[stream].x_T if request.n_continued else None  # type: ignore[index]


def _spliced(
    request: Request,
    original_T: np.ndarray,
    x_T: np.ndarray,
    first: int,
    new: tuple[int, int],
    config: GenerateConfig,
) -> np.ndarray:
    """`x_T` was rendered from frame `first` on; its frames `new` go into the original."""
    fade = round(config.crossfade_s * SAMPLE_RATE_HZ)
    start, end = (frame * SAMPLES_PER_TOKEN for frame in new)
    offset = first * SAMPLES_PER_TOKEN
    if request.edit_frames is None:  # a continuation: the seam lies in the prompt's last moments
        start -= min(fade, start)
        return splice(original_T, x_T[start - offset :], start, len(original_T), fade)
    replaced_end = request.edit_frames[1] * SAMPLES_PER_TOKEN
    return splice(original_T, x_T[start - offset : end - offset], start, replaced_end, fade)

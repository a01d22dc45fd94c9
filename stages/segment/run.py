"""One song's stems and lyrics -> its clips. Pure: bytes in, bytes out.

Shapes: T samples at 44.1 kHz, N token frames (882 samples).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.contract.compute import Made, dropped, failed, kept
from stages.contract.records import Clip, Sentence, Song
from stages.contract.tokens import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_TOKEN
from stages.lib.audio import AudioError, decode_flac, encode_flac, to_float
from stages.segment.aligners import Aligner
from stages.segment.config import SegmentConfig
from stages.segment.cut import Interval, Limits, plan, regions_to_frames
from stages.segment.sentences import Timing, time_sentences
from stages.segment.vad import Vad

_SILENCE_DB = -60.0  # below full scale: nothing is played at all
_HELD_NOTE_S = 1.2  # longest that a last note is expected to outlast its aligned end
_SILENCE_S = 0.4  # shorter rests belong to the music


def segment_song(
    song: Song, vocals_flac: bytes, accompaniment_flac: bytes, vad: Vad, aligner: Aligner, config: SegmentConfig
) -> Made:
    """Clips of one song with their sentences, or why there are none."""
    try:
        vocals_T, band_T = decode_flac(vocals_flac), decode_flac(accompaniment_flac)
    except AudioError as error:
        return failed(f"stems do not decode: {error}")
    n_frames = min(len(vocals_T), len(band_T)) // SAMPLES_PER_TOKEN
    if n_frames < config.min_clip_s * FRAME_RATE_HZ:
        return dropped(f"shorter than a clip: {n_frames / FRAME_RATE_HZ:g} s")
    n_samples = n_frames * SAMPLES_PER_TOKEN
    vocals_T, band_T = vocals_T[:n_samples], band_T[:n_samples]
    heard_T = to_float(vocals_T)
    regions_R2 = vad.regions(heard_T, SAMPLE_RATE_HZ)
    silent_N = _silent_frames(vocals_T, band_T)
    silences = _runs(silent_N, round(_SILENCE_S * FRAME_RATE_HZ))
    as_seconds = [(a / FRAME_RATE_HZ, b / FRAME_RATE_HZ) for a, b in silences]
    timing = time_sentences(song, heard_T, SAMPLE_RATE_HZ, regions_R2, as_seconds, aligner, config)
    matches = timing.n_given == 0 or timing.matched >= config.min_matched
    facts = _facts(timing, matches)
    if not matches and config.mismatch == "drop":
        return dropped(f"lyrics do not match the singing: {timing.matched:.0%} of lines found", **facts)
    sentences = timing.sentences if matches else ()
    voice_N = regions_to_frames(regions_R2, n_frames)
    limits = Limits(
        int(config.max_clip_s * FRAME_RATE_HZ),
        round(config.min_clip_s * FRAME_RATE_HZ),
        max(round(config.min_gap_s * FRAME_RATE_HZ), 1),
    )
    spans = sentence_frames(sentences, n_frames)
    forced = [(start + end) // 2 for start, end in silences]
    intervals = plan(n_frames, held_out(spans, voice_N, limits.longest), voice_N, forced, limits)
    worth = [i for i in intervals if i[1] - i[0] >= limits.shortest and not silent_N[i[0] : i[1]].all()]
    if not worth:
        return dropped("nothing but silence", **facts)
    return _clips(song, worth, list(zip(sentences, spans, strict=True)), voice_N, vocals_T, band_T, facts, config)


def sentence_frames(sentences: Sequence[Sentence], n_frames: int) -> list[Interval]:
    """Whole frames that hold each sentence; where two share a frame, the later one has it."""
    starts = [min(int((s.start_s or 0.0) * FRAME_RATE_HZ), n_frames - 1) for s in sentences]
    ends = [min(int(np.ceil((s.end_s or 0.0) * FRAME_RATE_HZ)), n_frames) for s in sentences]
    limits = [*starts[1:], n_frames][: len(starts)]
    return [(start, max(min(end, limit), start)) for start, end, limit in zip(starts, ends, limits, strict=True)]


def held_out(spans: Sequence[Interval], voice_N: np.ndarray, longest: int) -> list[Interval]:
    """Each span until its singing pauses or the next one begins: aligners let go of a held last note too early."""
    limits = [*(start for start, _ in spans[1:]), len(voice_N)][: len(spans)]
    out = []
    for (start, end), limit in zip(spans, limits, strict=True):
        stop = min(end + round(_HELD_NOTE_S * FRAME_RATE_HZ), limit, start + longest)
        pause = np.flatnonzero(~voice_N[end:stop])
        out.append((start, max(end + int(pause[0]) if len(pause) else stop, end)))
    return out


def _clips(
    song: Song,
    intervals: Sequence[Interval],
    sentences: Sequence[tuple[Sentence, Interval]],
    voice_N: np.ndarray,
    vocals_T: np.ndarray,
    band_T: np.ndarray,
    facts: dict[str, Any],
    config: SegmentConfig,
) -> Made:
    files: dict[str, bytes] = {}
    n_held, n_unexplained = 0, 0
    for k, (start, end) in enumerate(intervals):
        held = [(s, span) for s, span in sentences if start <= span[0] and span[1] <= end and span[1] > span[0]]
        if held and _unexplained(voice_N, (start, end), [span for _, span in held]) > config.max_unexplained:
            n_unexplained += len(held)
            held = []
        n_held += len(held)
        clip = Clip(
            f"{song.id}-{k:03d}", song.id, song.split, start / FRAME_RATE_HZ, (end - start) / FRAME_RATE_HZ,
            song.language, song.singer, tuple(_relative(s, (start, end)) for s, _ in held),
        )  # fmt: skip
        samples = slice(start * SAMPLES_PER_TOKEN, end * SAMPLES_PER_TOKEN)
        files[f"{clip.id}.json"] = clip.to_json()
        files[f"{clip.id}.vocals.flac"] = encode_flac(vocals_T[samples])
        files[f"{clip.id}.accompaniment.flac"] = encode_flac(band_T[samples])
    if n_unexplained:
        facts["dropped_sentences"] = {**facts["dropped_sentences"], "amid singing not in the lyrics": n_unexplained}
    facts |= {"n_clips": len(intervals), "n_sentences": n_held, "n_sentences_dropped": facts["n_given"] - n_held}
    audio_s = sum(end - start for start, end in intervals) / FRAME_RATE_HZ
    return kept(audio_s, files, "clips", **facts)


def _relative(sentence: Sentence, clip: Interval) -> Sentence:
    """Times from the clip's start, to the millisecond and inside it."""
    origin_s, length_s = clip[0] / FRAME_RATE_HZ, (clip[1] - clip[0]) / FRAME_RATE_HZ
    start_s = round(max((sentence.start_s or 0.0) - origin_s, 0.0), 3)
    end_s = round(min((sentence.end_s or 0.0) - origin_s, length_s), 3)
    return Sentence(sentence.text, start_s, max(end_s, round(start_s + 0.001, 3)), sentence.confidence)


def _unexplained(voice_N: np.ndarray, clip: Interval, held: Sequence[Interval]) -> float:
    """Share of a clip's singing that no sentence of it accounts for."""
    alone_N = voice_N[clip[0] : clip[1]].copy()
    n_voice = int(alone_N.sum())
    for start, end in held:
        alone_N[start - clip[0] : end - clip[0]] = False
    return int(alone_N.sum()) / n_voice if n_voice else 0.0


def _facts(timing: Timing, matches: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "n_given": timing.n_given,
        "n_sentences": len(timing.sentences) if matches else 0,
        "aligner": timing.aligner,
        "median_confidence": timing.median_confidence,
        "dropped_sentences": dict(sorted(timing.dropped.items())),
    }
    if not matches:
        facts["note"] = f"lyrics do not match the singing: {timing.matched:.0%} of lines found"
        facts["dropped_sentences"]["lyrics do not match"] = len(timing.sentences)
    return facts


def _silent_frames(vocals_T: np.ndarray, band_T: np.ndarray) -> np.ndarray:
    """silent_N: is the whole song below -60 dB of full scale throughout the frame?"""
    song_T = np.abs(vocals_T.astype(np.int32) + band_T)
    return song_T.reshape(-1, SAMPLES_PER_TOKEN).max(axis=1) < 32768 * 10 ** (_SILENCE_DB / 20)


def _runs(flags_N: np.ndarray, shortest: int) -> list[Interval]:
    """Runs of true of at least `shortest` frames."""
    edges = np.flatnonzero(np.diff(flags_N.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= shortest]

"""Figures of the data stages on the test split: separation, segment, tokens. Each function returns a mapping by the
names below it in metrics.json, or raises NotMeasurable."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.contract.records import STREAMS
from stages.evaluate.figures import NotMeasurable, interval
from stages.evaluate.material import Material, spread
from stages.lib.data import ClipRef
from stages.segment.metrics import segment_metrics
from stages.separate.metrics import si_sdr, si_sdr_improvement
from stages.tokenize.figures import code_counts, codebook_used_fraction, perplexity
from stages.tokenize.probes import PROBES, ProbeClip, probe_figures

SEPARATION = tuple(
    f"{figure}.{stem}" for figure in ("si_sdr_db", "si_sdr_improvement_db") for stem in ("vocals", "accompaniment")
)
SEGMENT = ("n_clips", "mean_s", "max_s", "sentences_cut", "boundary_error_median_s")
TOKENS = ("codebook_used_fraction", "perplexity")
PROBE = tuple(f"{label}.{who}" for label in PROBES for who in ("ours", "logmel_kmeans", "chance"))


def separation(material: Material) -> dict[str, Any]:
    """SI-SDR of separated stems against true ones, and how much nearer they are than the mixture; per song."""
    rows: dict[str, list[float]] = {name: [] for name in SEPARATION}
    reasons = []
    for entry, stems in material.stems():
        true = material.true_stems(entry.id)
        if true is None or entry.facts.get("stems") == "known":
            reasons.append("the stems came with the songs" if true else "true stems are not known for these songs")
            continue
        n = min(len(x) for x in (*stems.values(), *true.values()))
        mixture = stems["vocals"][:n].astype(np.int32) + stems["accompaniment"][:n]
        for stem, made in stems.items():
            reference = true[stem][:n]
            rows[f"si_sdr_db.{stem}"].append(si_sdr(reference, made[:n]))
            rows[f"si_sdr_improvement_db.{stem}"].append(si_sdr_improvement(reference, made[:n], mixture))
    if not any(rows.values()):
        raise NotMeasurable(reasons[0] if reasons else "no song of the test split")
    return _intervals(rows, material)


def _intervals(rows: Mapping[str, list[float]], material: Material) -> dict[str, Any]:
    config = material.config
    return {name: interval(values, config.seed, config.n_bootstrap) for name, values in rows.items() if values}


def segment(material: Material) -> dict[str, Any]:
    """Lengths of clips, sentences cut, and the median error of sentence boundaries against the truth."""
    clips = [ref.clip for ref in material.clips("test")]
    truths = {}
    for song_id in {clip.song_id for clip in clips}:
        truth = material.truth(song_id)
        if truth is not None:
            truths[song_id] = [(s["text"], s["start_s"], s["end_s"]) for s in truth["sentences"]]
    return segment_metrics(clips, truths)


def token_use(material: Material, n_codes: int) -> dict[str, Any]:
    """How much of the codebook the test split's tokens use, and how evenly."""
    refs = material.tokens("test")
    counts = code_counts((row for ref in refs for row in material.reader.arrays(ref).values()), n_codes)
    return {"codebook_used_fraction": codebook_used_fraction(counts), "perplexity": perplexity(counts)}


def probes(material: Material, encoder: Any, n_codes: int) -> dict[str, Any]:
    """What tokens say of the phoneme, the pitch and the chord of their frame, learned on train clips, beside tokens of
    k-means over log-mels with as many codes, and the commonest label."""
    config = material.config
    chosen = [clip for split in ("train", "test") for clip in _with_truth(material, split)[: config.probe_clips]]
    return dict(probe_figures([_probe_clip(material, encoder, ref) for ref in chosen], n_codes, config.seed))


def _with_truth(material: Material, split: str) -> list[ClipRef]:
    refs = spread(material.tokens(split), len(material.tokens(split)))
    known = [ref for ref in refs if material.truth(ref.clip.song_id) is not None]
    if not known:
        raise NotMeasurable(f"what is sung and played is not known for the {split} songs")
    return known


def _probe_clip(material: Material, encoder: Any, ref: ClipRef) -> ProbeClip:
    clip, tokens = ref.clip, material.reader.arrays(ref)
    audio = material.reader.audio(material.clip_by_id[ref.id], STREAMS)
    mels = {stream: encoder.log_mel.of_signal(x_T).cpu().numpy() for stream, x_T in audio.items()}
    return ProbeClip(clip.split, clip.start_s, material.truth(clip.song_id) or {}, tokens, mels)

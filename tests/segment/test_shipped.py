"""The weights we ship, as params.yaml names them, on a song rendered here that nobody trained on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.contract.records import Clip, Sentence, Song
from stages.lib.audio import encode_flac
from stages.lib.config import load_config
from stages.segment.aligners import load_aligner
from stages.segment.config import SegmentConfig
from stages.segment.cut import regions_to_frames
from stages.segment.metrics import segment_metrics
from stages.segment.run import segment_song
from stages.segment.vad import load_vad

pytestmark = pytest.mark.xdist_group("pyannote")
pytest.importorskip("espeakng_loader", reason="songs are rendered by espeak, an optional extra")

ROOT = Path(__file__).parents[2]
RATE = 44_100


@pytest.fixture(scope="module")
def rendered() -> Any:
    from stages.demo_songs.config import DemoSongsConfig
    from stages.demo_songs.render import render_song

    config = DemoSongsConfig.model_validate(
        {"form": ["V", "B"], "lines_per_section": 4, "min_duration_s": 0, "max_duration_s": 60, "band": "numpy"}
    )
    return render_song(31_337, 3, config)


@pytest.fixture(scope="module")
def config() -> SegmentConfig:
    shipped = load_config(ROOT / "params.yaml", "segment", SegmentConfig)
    places = {"vad": str(ROOT / shipped.vad), "aligner": str(ROOT / shipped.aligner)}
    return shipped.model_copy(update=places)


def stems(rendered: Any) -> tuple[np.ndarray, np.ndarray]:
    """The true ones, a tenth of the band left in the vocals, as separation would."""
    vocals_T, band_T = (stem.mean(axis=1).astype(np.int16) for stem in (rendered.vocals, rendered.accompaniment))
    leak_T = (band_T * 0.1).astype(np.int16)
    return vocals_T + leak_T, band_T - leak_T


def test_it_hears_singing_and_not_the_band(rendered: Any, config: SegmentConfig) -> None:
    vocals_T, _ = stems(rendered)
    n_frames = len(vocals_T) // 882
    heard_N = regions_to_frames(load_vad(config).regions(vocals_T / 32768.0, RATE), n_frames)
    phonemes = [p for syllable in rendered.truth["syllables"] for p in syllable["phonemes"]]
    sung_N = regions_to_frames(np.array([(p["start_s"], p["end_s"]) for p in phonemes]), n_frames)
    assert (heard_N & sung_N).sum() / sung_N.sum() > 0.85
    assert (heard_N & sung_N).sum() / heard_N.sum() > 0.8


def test_untimed_lyrics_become_clips_that_cut_no_sentence(rendered: Any, config: SegmentConfig) -> None:
    vocals_T, band_T = stems(rendered)
    truth = [(s["text"], s["start_s"], s["end_s"]) for s in rendered.truth["sentences"]]
    sentences = tuple(Sentence(text) for text, _, _ in truth)
    song = Song("s", "s.flac", "S", len(vocals_T) / RATE, RATE, 2, "test", "en", None, sentences)
    vad, aligner = load_vad(config), load_aligner(config)
    made = segment_song(song, encode_flac(vocals_T), encode_flac(band_T), vad, aligner, config)
    clips = [Clip.from_json(data) for name, data in made.files.items() if name.endswith(".json")]
    figures = segment_metrics(clips, {"s": truth})
    assert figures["sentences_found"] == 1.0 and figures["sentences_cut"] == 0
    assert figures["boundary_error_median_s"] < 0.1 and figures["starts_within_0.6_s"] == 1.0
    assert made.facts["aligner"] == "ctc" and made.facts["median_confidence"] > config.min_confidence

"""Metrics on songs made up by hand."""

import pytest

from stages.contract.records import Clip, Sentence
from stages.segment.metrics import boundary_errors, segment_metrics, sentences_cut, sentences_of

TRUTH = [("one", 1.0, 3.0), ("two", 4.0, 6.0), ("one", 8.0, 10.0)]


def clip(k: int, start_s: float, duration_s: float, *sentences: tuple[str, float, float]) -> Clip:
    return Clip(f"s-{k:03d}", "s", "train", start_s, duration_s, sentences=tuple(Sentence(*s) for s in sentences))


def test_figures_of_a_song_cut_well() -> None:
    clips = [clip(0, 0.0, 7.0, ("one", 1.1, 3.0), ("two", 4.0, 6.4)), clip(1, 7.0, 4.0, ("one", 1.0, 3.0))]
    figures = segment_metrics(clips, {"s": TRUTH})
    assert figures["n_clips"] == 2 and figures["mean_s"] == pytest.approx(5.5) and figures["max_s"] == 7.0
    assert figures["sentences_cut"] == 0 and figures["sentences_found"] == 1.0
    assert figures["boundary_error_median_s"] == pytest.approx(0.0)
    assert figures["starts_within_0.6_s"] == 1.0


def test_an_edge_inside_a_sentence_cuts_it_an_edge_at_its_end_does_not() -> None:
    assert sentences_cut([clip(0, 0.0, 5.0), clip(1, 5.0, 5.0)], TRUTH) == 1
    assert sentences_cut([clip(0, 0.0, 5.95), clip(1, 5.95, 4.0)], TRUTH) == 0


def test_repeated_lines_are_matched_to_the_nearest_in_order() -> None:
    assert boundary_errors([("one", 7.5, 10.0)], TRUTH) == [(-0.5, 0.0)]
    assert boundary_errors([("two", 4.0, 6.0), ("one", 1.0, 3.0)], TRUTH) == [(0.0, 0.0), (-7.0, -7.0)]
    assert boundary_errors([("three", 4.0, 6.0)], TRUTH) == []


def test_without_truth() -> None:
    figures = segment_metrics([clip(0, 0.0, 7.0, ("one", 1.1, 3.0))])
    assert figures["sentences_cut"] == 0 and figures["boundary_error_median_s"] is None
    assert segment_metrics([])["max_s"] is None


def test_song_times_of_sentences() -> None:
    assert sentences_of([clip(1, 7.0, 4.0, ("b", 1.0, 3.0)), clip(0, 0.0, 7.0, ("a", 1.0, 2.0))]) == [
        ("a", 1.0, 2.0),
        ("b", 8.0, 10.0),
    ]

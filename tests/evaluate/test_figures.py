"""Figures: intervals, nulls and their reasons."""

import math

import numpy as np
import pytest

from stages.evaluate.figures import Figures, NotMeasurable, interval


def test_interval_covers_the_mean_as_often_as_it_says():
    """Over many draws of 40 normal values, the 95 % interval holds the truth about 95 % of the time."""
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        figure = interval(rng.normal(3.0, 1.0, 40), seed, 200)
        hits += figure["low"] <= 3.0 <= figure["high"]
    assert 0.88 <= hits / 200 <= 0.99


def test_interval_is_seeded_and_skips_nan():
    values = [1.0, 2.0, float("nan"), 4.0]
    assert interval(values, 7, 100) == interval(values, 7, 100)
    assert interval(values, 7, 100)["n"] == 3
    assert interval([2.5], 0, 100) == {"mean": 2.5, "low": 2.5, "high": 2.5, "n": 1}
    with pytest.raises(NotMeasurable):
        interval([float("nan")], 0, 100)


def test_a_missing_figure_is_null_in_its_place_and_its_reason_stands_in_the_list():
    figures = Figures()

    def cannot():
        raise NotMeasurable("no true stems")

    figures.measure("a.b", ["x", "y"], cannot)
    figures.add("a.c", 1 / 3)
    figures.add("a.d", math.inf)
    assert figures.tree == {"a": {"b": {"x": None, "y": None}, "c": 0.33333, "d": None}}
    assert {"figure": "a.b.x", "reason": "no true stems"} in figures.reasons
    assert [r["figure"] for r in figures.reasons] == ["a.b.x", "a.b.y", "a.d"]


def test_errors_of_our_own_are_not_swallowed():
    def broken():
        raise KeyError("typo")

    with pytest.raises(KeyError):
        Figures().measure("a", ["x"], broken)

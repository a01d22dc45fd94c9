"""Short songs: one verse of two lines, played by our own instruments."""

import pytest

from stages.demo_songs.config import DemoSongsConfig


@pytest.fixture(scope="session")
def short() -> DemoSongsConfig:
    return DemoSongsConfig(n_songs=2, form=("V",), lines_per_section=2, band="numpy")


@pytest.fixture(scope="session")
def songs(short):
    """Song 0 (English) and song 5 (Mandarin) of seed 3."""
    pytest.importorskip("espeakng_loader")
    from stages.demo_songs.render import render_song

    return {k: render_song(3, k, short) for k in (0, 5)}

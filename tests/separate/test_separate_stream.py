"""The stream against stock demucs with the same weights, and its independence of who shares a batch."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from demucs.api import Separator as StockSeparator
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from tiny_demucs import SOURCES, noise, tiny, write_song

from stages.separate.batcher import Batcher
from stages.separate.metrics import sdr
from stages.separate.model import fold_to_vocals, to_separator
from stages.separate.run import separate_stream
from stages.separate.sources import open_source


def bag() -> BagOfModels:
    """Two models of unlike segments that both have a say in the vocals, and one that has none."""
    models = [tiny(1.0, 1), tiny(0.7, 2), tiny(1.0, 3)]
    return BagOfModels(models, [[1, 1, 1, 0.5], [1, 1, 1, 2.0], [1, 1, 1, 0]])


def waveform_model() -> Demucs:
    """Demucs v2: not foldable, pads segments to more than their length, cannot batch unlike lengths."""
    torch.manual_seed(4)
    model = Demucs(SOURCES, channels=4, depth=3, lstm_layers=0, resample=False, segment=1, normalize=False)
    return model.eval()


def stock(model: Any, path: Path) -> np.ndarray:
    """vocals_T: what demucs' own API says, mean over channels."""
    separator = StockSeparator.__new__(StockSeparator)  # its constructor insists on loading by name
    separator._model, separator._audio_channels, separator._samplerate = model, model.audio_channels, model.samplerate
    separator.update_parameter(
        device="cpu", shifts=0, overlap=0.25, split=True, segment=None, jobs=0, progress=False, callback=None,
        callback_arg=None,
    )  # fmt: skip
    _, sources = separator.separate_tensor(separator._load_audio(path))
    return sources["vocals"].mean(0).numpy()


def ours(model: Any, path: Path, batch: int = 2) -> tuple[np.ndarray, np.ndarray]:
    separator = to_separator(model, "test")
    with Batcher(separator, "cpu", batch, 2) as batcher:
        blocks = list(separate_stream(open_source(path), separator, 0.25, batcher))
    return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "build",
    [
        tiny,
        lambda: tiny(use_train_segment=False),
        lambda: tiny(cac=False),
        lambda: tiny(audio_channels=1),
        lambda: tiny(sources=["vocals"]),
        bag,
        waveform_model,
    ],
    ids=["htdemucs", "any_length", "magnitudes", "mono", "vocals_only", "bag", "waveform"],
)
@pytest.mark.parametrize("duration_s", [4.21])
def test_equals_stock_demucs(tmp_path: Path, build: Callable[[], Any], duration_s: float) -> None:
    model = build()
    x_TC = noise(duration_s, model.audio_channels)
    path = write_song(tmp_path / "song.wav", x_TC, subtype="FLOAT")
    song_T, vocals_T = ours(model, path)
    np.testing.assert_allclose(song_T, x_TC.mean(axis=1), atol=1e-7)
    assert sdr(stock(model, path), vocals_T) > 90  # 0.01 dB of an SDR of 20 dB is an error at -46 dB


@pytest.mark.parametrize("n_samples", [1, 500, 44_100, 44_101, 33_075])
def test_equals_stock_at_every_length(tmp_path: Path, n_samples: int) -> None:
    model = tiny()
    path = write_song(tmp_path / "song.wav", noise(3)[:n_samples], subtype="FLOAT")
    if n_samples == 1:  # stock divides by a deviation that does not exist
        assert np.isfinite(ours(model, path)[1]).all()
    else:
        song_T, vocals_T = ours(model, path)
        assert len(song_T) == len(vocals_T) == n_samples
        assert sdr(stock(model, path), vocals_T) > 90


def test_folding_changes_nothing_but_rounding() -> None:
    model = tiny()
    mix_BCT = torch.from_numpy(noise(1.0).T[None].copy())
    with torch.no_grad():
        whole, folded = model(mix_BCT)[:, 3].mean(1), fold_to_vocals(model)(mix_BCT)
    assert sdr(whole.numpy(), folded.numpy()) > 90
    assert model.sources == SOURCES, "the model itself is left as it was"


def test_a_song_does_not_depend_on_its_company(tmp_path: Path) -> None:
    """The same bytes alone and among others, in whatever batches: what a killed run needs to go on to equal bytes."""
    paths = [write_song(tmp_path / f"{k}.wav", noise(2.0 + 0.7 * k, seed=k), subtype="FLOAT") for k in range(3)]
    model = tiny()
    separator = to_separator(model, "test")
    with Batcher(separator, "cpu", 3, 2) as batcher, ThreadPoolExecutor(3) as pool:
        together = list(
            pool.map(lambda path: list(separate_stream(open_source(path), separator, 0.25, batcher)), paths)
        )
    for path, blocks in zip(paths, together, strict=True):
        np.testing.assert_array_equal(np.concatenate([b[1] for b in blocks]), ours(model, path, batch=3)[1])


def test_an_error_in_the_model_reaches_the_song(tmp_path: Path) -> None:
    separator = to_separator(tiny(), "test")
    with Batcher(separator, "cpu", 1, 1) as batcher:
        future = batcher.submit(0, np.zeros((3, 44_100), np.float32))
        with pytest.raises(RuntimeError, match="channels"):
            future.result(timeout=60)
        assert batcher.submit(0, np.zeros((2, 44_100), np.float32)).result(timeout=60).shape == (44_100,)

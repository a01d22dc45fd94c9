import numpy as np
import pytest
from clip_shards import notes
from vae_tiny import MODEL

from stages.lib.audio import mel_l1, to_float
from stages.vae.measure import griffin_lim, measure, si_sdr_db, stft_distance
from stages.vae.model import Autoencoder


def test_si_sdr_knows_the_noise_and_ignores_scale():
    rng = np.random.default_rng(0)
    true_T, noise_T = rng.normal(size=(2, 100_000))
    assert si_sdr_db(true_T + 0.1 * noise_T, true_T) == pytest.approx(20, abs=0.2)
    assert si_sdr_db(3 * (true_T + 0.1 * noise_T), true_T) == pytest.approx(20, abs=0.2)
    assert si_sdr_db(noise_T, true_T) < -20


def test_stft_distance_grows_with_the_noise():
    true_T = to_float(notes(0, 44_100))
    noise_T = np.random.default_rng(0).normal(size=44_100)
    distances = [stft_distance(true_T + level * noise_T, true_T) for level in (0, 1e-3, 1e-1)]
    assert distances[0] == 0 < distances[1] < distances[2]
    assert stft_distance(0 * true_T, true_T) > 1  # convergence 1, and all its logarithms besides


def test_griffin_lim_is_better_than_its_starting_noise():
    true_T = to_float(notes(1, 44_100))
    distances = [mel_l1(griffin_lim(true_T, n_iterations=n), true_T) for n in (0, 16)]
    assert distances[1] < 0.8 * distances[0]


def test_an_untrained_autoencoder_measures_worse_than_griffin_lim():
    rows = measure(Autoencoder(MODEL), [to_float(notes(2, 22_050)), to_float(notes(3, 30_000))])
    assert {name: len(values) for name, values in rows.items()} == dict.fromkeys(
        ("mel_l1", "stft_distance", "si_sdr_db", "griffin_lim.mel_l1"), 2
    )
    assert all(np.array(rows["mel_l1"]) > np.array(rows["griffin_lim.mel_l1"]))

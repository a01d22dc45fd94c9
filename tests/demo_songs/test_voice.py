"""Speech, syllables and the vocoder, each against something that knows nothing of it."""

import itertools

import numpy as np
import pytest
import pyworld
from scipy.signal import welch

from stages.demo_songs.vocoder import HOP, SAMPLE_RATE_HZ, synthesize

K = np.arange(1025)
HZ = K * SAMPLE_RATE_HZ / 2048


@pytest.mark.parametrize("f0_hz", [110.0, 440.0])
def test_the_vocoder_agrees_with_world(f0_hz):
    """Power in four bands within 0.3 dB of pyworld's synthesis of the same frames."""
    n_frames = 600
    f0_T = f0_hz * 2 ** (0.03 * np.sin(2 * np.pi * 5 * np.arange(n_frames) * HOP / SAMPLE_RATE_HZ))
    envelope = -K / 1500 - 6 + 2 * np.exp(-(((HZ - 700) / 200) ** 2)) + 2 * np.exp(-(((HZ - 1800) / 250) ** 2))
    noise = np.clip(10 ** ((-25 + 7 * np.log2(np.maximum(HZ, 1) / 5000)) / 20), 0, 0.99)
    log_power_TK, noise_TK = np.tile(envelope, (n_frames, 1)), np.tile(noise, (n_frames, 1))
    ours = synthesize(f0_T, log_power_TK, noise_TK, np.random.default_rng(0))
    world = pyworld.synthesize(f0_T, np.exp(log_power_TK), noise_TK, SAMPLE_RATE_HZ, HOP / SAMPLE_RATE_HZ * 1000)
    hz, power = welch(ours, SAMPLE_RATE_HZ, nperseg=4096)
    _, reference = welch(world, SAMPLE_RATE_HZ, nperseg=4096)
    for low, high in ((80, 1000), (1000, 3000), (3000, 8000), (8000, 20000)):
        band = (hz > low) & (hz < high)
        assert abs(10 * np.log10(power[band].sum() / reference[band].sum())) < 0.3


def test_voiceless_frames_are_noise_of_the_envelopes_power():
    n_frames = 400
    flat_TK, all_noise_TK = np.full((n_frames, 1025), -4.0), np.ones((n_frames, 1025))
    out = synthesize(np.zeros(n_frames), flat_TK, all_noise_TK, np.random.default_rng(1))
    assert out[5000:-5000].var() == pytest.approx(np.exp(-4.0), rel=0.05)


def test_a_line_is_spoken_alike_whatever_was_said_before():
    pytest.importorskip("espeakng_loader")
    from stages.demo_songs.espeak import speak

    before = speak("Every window glowing", "en-us+f2")
    speak("月亮照着我", "cmn+m3")
    after = speak("Every window glowing", "en-us+f2")
    assert np.array_equal(before.samples, after.samples)
    assert before.phonemes == after.phonemes


def test_syllables():
    pytest.importorskip("espeakng_loader")
    from stages.demo_songs.espeak import speak
    from stages.demo_songs.syllables import syllabify

    text = "A strange little factory"
    found = syllabify(speak(text, "en-us+f2"), text)
    assert ["".join(s.ipa for s in syllable.segments) for syllable in found] == [
        "ɐ", "stɹeɪndʒ", "lɪ", "ɾəl", "fæk", "tɚ", "ɹi",
    ]  # fmt: skip
    assert [syllable.stressed for syllable in found] == [False, True, True, False, True, False, False]
    assert "".join(syllable.text for syllable in found) == text.replace(" ", "")
    ends = [segment for syllable in found for segment in syllable.segments]
    assert all(a.end_sample <= b.start_sample for a, b in itertools.pairwise(ends))

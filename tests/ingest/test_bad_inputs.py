"""Twelve bad inputs among good songs: the run ends well, the good come through, each bad one has its reason."""

import tracemalloc

import numpy as np
import pytest
import soundfile
from ingest_workshop import tune

from stages.ingest.probe import probe_audio

ODD_NAME = 'it\'s "quoted", spaced & 🎵 sung.flac'
LATIN_1 = "Où est passée la forêt\nLà-bas, près de l'été\nElle a brûlé sans façon"
BROKEN_LRC = "[ti:Broken]\n[00:01.00]我们走过\n[00:99.50]这条路\n[xx:yy.zz]看见月亮\n[00:05.00]回到家\n"


@pytest.fixture
def bad(workshop):
    for seed, name in enumerate(["good/one.flac", "good/two.wav", "good/three.ogg"]):
        workshop.song(name, seed)
    whole = workshop.song("truncated.flac", 10).read_bytes()
    (workshop.songs / "truncated.flac").write_bytes(whole[: len(whole) // 2])
    (workshop.songs / "zero.wav").write_bytes(b"")
    (workshop.songs / "text.wav").write_text("I am a letter, not a song.\n" * 50)
    x = tune(11)
    x[1000:1012] = np.nan
    soundfile.write(workshop.songs / "nan.wav", x, 22_050, subtype="FLOAT")
    soundfile.write(workshop.songs / "silence.flac", np.zeros(22_050 * 8), 22_050)
    workshop.song("blink.flac", 12, duration_s=0.2)
    workshop.song("telephone.wav", 13, rate_hz=8_000)
    workshop.song("surround.wav", 14, n_channels=6)
    workshop.song(ODD_NAME, 15)
    workshop.song("latin.flac", 16)
    workshop.lyrics("latin.txt", LATIN_1.encode("latin-1"))
    workshop.song("broken.flac", 17)
    workshop.lyrics("broken.lrc", BROKEN_LRC)
    with soundfile.SoundFile(workshop.songs / "forty minutes.flac", "w", 16_000, 1) as file:
        block = tune(18, 10, 16_000)
        for _ in range(240):
            file.write(block)
    return workshop


REASONS = {
    "truncated.flac": ("failed", "truncated or corrupt: "),
    "zero.wav": ("failed", "the file is empty (0 bytes)"),
    "text.wav": ("failed", "cannot be decoded: it is a text file"),
    "nan.wav": ("dropped", "NaN or infinite samples: 12 of 176400"),
    "silence.flac": ("dropped", "silence: -120 dBFS at the loudest"),
    "blink.flac": ("dropped", "too short: 0.20 s, less than ingest.min_s 5"),
    "telephone.wav": ("dropped", "low sample rate: 8000 Hz, less than ingest.min_sample_rate_hz 16000"),
    "forty minutes.flac": ("dropped", "too long: 2400 s, more than ingest.max_s 1200"),
}
NOTES = {
    "surround.wav": "6 channels: mixed down",
    "latin.flac": "lyrics are not UTF-8: read as cp1252",
    "broken.flac": "broken times ignored on 2 of 4 lines",
}


def test_bad_inputs(bad, capsys):
    assert bad.run() == 0
    entries = bad.entries()
    assert len(entries) == 15
    for name in ("good/one.flac", "good/two.wav", "good/three.ogg", ODD_NAME):
        assert entries[name].kept, entries[name].reason
        assert entries[name].facts.get("notes") is None
    for name, (outcome, reason) in REASONS.items():
        assert entries[name].outcome == outcome, name
        assert entries[name].reason.startswith(reason), name
    for name, note in NOTES.items():
        assert entries[name].kept, entries[name].reason
        assert note in entries[name].facts["notes"]
    assert "15 files: 7 kept, 5 dropped, 3 failed" in capsys.readouterr().err

    assert bad.record("surround.wav").n_channels == 6
    assert [s.text for s in bad.record("latin.flac").sentences] == LATIN_1.split("\n")
    assert bad.record("latin.flac").language == "fr"
    lines = [(s.text, s.start_s) for s in bad.record("broken.flac").sentences]
    assert lines == [("我们走过", 1.0), ("这条路", None), ("看见月亮", None), ("回到家", 5.0)]
    assert bad.record(ODD_NAME).path == ODD_NAME


def test_memory_does_not_grow_with_length(tmp_path):
    """Ten minutes of stereo are 106 MB in floats; a third of that is used, most of it a block and its copies."""
    path = tmp_path / "long.wav"
    block = tune(1, 10, n_channels=2)
    with soundfile.SoundFile(path, "w", 22_050, 2) as file:
        for _ in range(60):
            file.write(block)
    tracemalloc.start()
    facts, fingerprint = probe_audio(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts.duration_s == 600
    assert fingerprint is not None and len(fingerprint.keys) > 0
    assert peak < 35e6


def test_broken_files_with_equal_bytes_have_entries_of_their_own(workshop):
    workshop.song("good.flac", 1)
    for name in ("a.wav", "b.wav"):
        (workshop.songs / name).write_bytes(b"")
    assert workshop.run() == 0
    entries = workshop.entries()
    assert entries["a.wav"].id != entries["b.wav"].id
    assert entries["a.wav"].reason == entries["b.wav"].reason == "the file is empty (0 bytes)"


def test_clipping_and_long_silence(workshop):
    workshop.song("good.flac", 1)
    soundfile.write(workshop.songs / "clipped.flac", np.clip(tune(2) * 40, -1, 1), 22_050)
    quiet = np.concatenate([tune(3), np.zeros((22_050 * 60, 1), np.float32)])
    soundfile.write(workshop.songs / "quiet.flac", quiet, 22_050)
    assert workshop.run() == 0
    entries = workshop.entries()
    assert entries["clipped.flac"].reason.startswith("clipping: ")
    assert entries["quiet.flac"].reason.startswith("mostly silence: 0.88 of the song")


def test_a_file_that_kills_its_decoder_costs_itself_alone(workshop, monkeypatch):
    import os

    from stages.ingest import pool

    def deadly(path):
        if path.name == "deadly.flac":
            os._exit(11)
        return probe_audio(path)

    monkeypatch.setattr(pool, "probe_audio", deadly)
    for seed, name in enumerate(["a.flac", "deadly.flac", "z.flac"]):
        workshop.song(name, seed)
    assert workshop.run() == 0
    outcomes = {name: (e.outcome, e.reason) for name, e in workshop.entries().items()}
    assert outcomes == {
        "a.flac": ("kept", ""),
        "deadly.flac": ("failed", "cannot be decoded: the decoder crashed on it"),
        "z.flac": ("kept", ""),
    }

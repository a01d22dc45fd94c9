"""Copies of a recording are found, other recordings are not."""

import itertools
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from ingest_workshop import RATE_HZ, tune

from stages.ingest.config import IngestConfig
from stages.ingest.duplicates import candidates, near_duplicates
from stages.ingest.fingerprint import Fingerprinter, bit_error
from stages.lib.audio import ffmpeg_exe


def fingerprint(x_T: np.ndarray, rate_hz: int = RATE_HZ, block: int = 50_000):
    fingerprinter = Fingerprinter(rate_hz)
    for first in range(0, len(x_T), block):
        fingerprinter.add(x_T[first : first + block])
    return fingerprinter.finish()


def test_exact_copy_is_dropped_and_the_one_with_lyrics_stays(workshop):
    workshop.song("a.flac", 1)
    shutil.copy(workshop.songs / "a.flac", workshop.songs / "b.flac")
    workshop.lyrics("b.txt", "我们走过这条路\n")
    soundfile.write(workshop.songs / "c.wav", *soundfile.read(workshop.songs / "a.flac", dtype="int16"))
    assert workshop.run() == 0
    entries = workshop.entries()
    assert entries["b.flac"].kept
    for name in ("a.flac", "c.wav"):
        assert entries[name].reason == "duplicate: same samples as b.flac"
    assert len({entry.id for entry in entries.values()}) == 3

    kept_id = entries["b.flac"].id
    (workshop.songs / "b.flac").unlink()
    assert workshop.run() == 0
    assert workshop.entries()["a.flac"].kept
    assert workshop.entries()["a.flac"].id == kept_id


def test_near_copies_are_dropped(workshop):
    """Re-encoded, louder, trimmed, resampled, stereo: the same recording. Another tune is another recording."""
    original = workshop.song("original.flac", 1, duration_s=20)
    workshop.song("other.flac", 2, duration_s=20)
    changes = {
        "lossy.mp3": ["-b:a", "64k"],
        "z louder.wav": ["-af", "volume=6dB"],
        "trimmed.flac": ["-ss", "1.5", "-t", "15"],
        "resampled.ogg": ["-ar", "44100", "-ac", "2"],
    }
    for name, options in changes.items():
        command = [ffmpeg_exe(), "-v", "error", "-i", str(original), *options, str(workshop.songs / name)]
        subprocess.run(command, check=True)
    assert workshop.run() == 0
    entries = workshop.entries()
    assert entries["original.flac"].kept and entries["other.flac"].kept
    for name in changes:
        assert entries[name].reason.startswith("near-duplicate: same recording as original.flac ("), name

    workshop.settings["near_duplicates"] = False
    assert workshop.run() == 0
    assert all(entry.kept for entry in workshop.entries().values())


def test_short_excerpt_stays(workshop):
    workshop.song("whole.flac", 1, duration_s=20)
    soundfile.write(workshop.songs / "excerpt.flac", tune(1, 20)[5 * RATE_HZ : 12 * RATE_HZ], RATE_HZ)
    assert workshop.run() == 0
    assert all(entry.kept for entry in workshop.entries().values())
    workshop.settings["near_duplicate_length"] = 0.3
    assert workshop.run() == 0
    assert workshop.entries()["excerpt.flac"].reason.startswith("near-duplicate: same recording as whole.flac")


def test_fingerprint_does_not_depend_on_blocks():
    x_T = tune(3, 10)[:, 0]
    whole, pieces = fingerprint(x_T, block=len(x_T)), fingerprint(x_T, block=7_777)
    assert np.mean(whole.words != pieces.words) < 0.01
    assert len(whole.words) == len(pieces.words)


def test_silence_and_a_blink_have_no_words():
    assert not fingerprint(np.zeros(RATE_HZ * 3, np.float32)).words.any()
    assert len(fingerprint(tune(1, 0.2)[:, 0]).keys) == 0


def test_bit_error_against_a_loop():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 2**32, n, dtype=np.uint64).astype(np.uint32) for n in (50, 40))
    b[7] = 0
    for offset in (-9, 0, 13):
        unequal = n = 0
        for j, word in enumerate(b):
            if word and 0 <= j + offset < 50:
                n += 1
                unequal += bin(int(word) ^ int(a[j + offset])).count("1")
        assert bit_error(a, b, offset) == pytest.approx((unequal / (32 * n), n))
    assert bit_error(a, b, 1000) == (1.0, 0)


def test_candidates_against_a_loop(monkeypatch):
    """Also when the keys are looked at in several ranges."""
    from stages.ingest import duplicates

    rng = np.random.default_rng(1)
    songs = []
    for _ in range(12):
        keys = np.unique(rng.integers(0, 600, 60)).astype(np.uint32) * np.uint32(7_000_003)
        keys.sort()
        songs.append((keys, rng.integers(0, 12, len(keys)).astype(np.int32)))
    expected = {}
    for a in range(12):
        for b in range(a + 1, 12):
            frame_of = dict(zip(*(column.tolist() for column in songs[b]), strict=True))
            shifts = sorted(f - frame_of[k] for k, f in zip(songs[a][0].tolist(), songs[a][1].tolist(), strict=True)
                            if k in frame_of)  # fmt: skip
            if any(later - first <= 2 for first, later in itertools.pairwise(shifts)):
                expected[a, b] = shifts
    assert expected
    for keys_per_range in (10**9, 500):
        monkeypatch.setattr(duplicates, "_KEYS_PER_RANGE", keys_per_range)
        found = {(a, b): shift for a, b, shift in candidates(range(12), lambda song: songs[song])}
        assert set(found) == set(expected)
        assert all(shift in expected[pair] for pair, shift in found.items())


def test_a_chain_of_copies_keeps_what_is_no_copy_of_a_kept_one():
    """a ~ b ~ c, but not a ~ c: b goes, a and c stay."""
    rng = np.random.default_rng(2)
    base = rng.integers(1, 2**32, 400, dtype=np.uint64).astype(np.uint32)
    noise = [rng.random((400, 32)) < 0.2 for _ in range(2)]
    flips = [np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0] for bits in noise]
    words = [base ^ flips[0], base, base ^ flips[1]]
    for song in words:
        song[:40] = base[:40]  # what they share, as keys
    keys = (np.sort(base[:40]), np.argsort(base[:40]).astype(np.int32))
    config = IngestConfig(near_duplicate_error=0.25)
    copies = near_duplicates([0, 1, 2], lambda _: keys, lambda song: words[song], config)
    assert set(copies) == {1}
    assert copies[1].of == 0
    assert copies[1].agreement == pytest.approx(1 - 0.2 * 0.9, abs=0.02)

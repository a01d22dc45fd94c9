"""Every container a song may come in, whole and cut, against soundfile's and ffmpeg's own reading."""

import struct
import subprocess

import numpy as np
import pytest
import soundfile
from ingest_workshop import RATE_HZ, tune, write_song

from stages.ingest.decode import open_stream, truncated, wav_promise_s
from stages.ingest.probe import probe_audio
from stages.lib.audio import AudioError, ffmpeg_exe


def decoded(path):
    with open_stream(path) as stream:
        return np.concatenate(list(stream.blocks)), stream.sample_rate_hz, stream.promised_s


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "m4a", "opus"])
def test_containers(tmp_path, suffix):
    whole = write_song(tmp_path / "whole.wav", 1, duration_s=25, n_channels=2)
    path = tmp_path / f"- odd: 'name' 🎵.{suffix}"
    subprocess.run([ffmpeg_exe(), "-v", "error", "-i", str(whole), "-ar", "48000", str(path)], check=True)
    x_TC, rate_hz, promised_s = decoded(path)
    assert rate_hz == 48_000 and x_TC.shape[1] == 2
    assert len(x_TC) / rate_hz == pytest.approx(25, abs=0.1)
    assert truncated(promised_s, len(x_TC) / rate_hz) is None
    assert np.sqrt(np.mean(x_TC**2)) == pytest.approx(np.sqrt(np.mean(tune(1, 25) ** 2)), rel=0.1)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_samples_are_soundfiles(tmp_path, suffix):
    path = write_song(tmp_path / f"a.{suffix}", 1, duration_s=23, n_channels=2)
    expected, _ = soundfile.read(path, dtype="float32")
    assert np.array_equal(decoded(path)[0], expected)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7])
def test_cut_files_are_noticed(tmp_path, suffix, part):
    path = write_song(tmp_path / f"a.{suffix}", 1, duration_s=15)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    facts, fingerprint = probe_audio(path)
    assert facts.error and fingerprint is None


def test_wav_whose_writer_left_the_length_open_is_whole(tmp_path):
    path = write_song(tmp_path / "a.wav", 1)
    data = bytearray(path.read_bytes())
    assert wav_promise_s(path, RATE_HZ) == 8.0
    place = data.index(b"data") + 4
    data[place : place + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    assert wav_promise_s(path, RATE_HZ) is None
    assert not probe_audio(path)[0].error


def test_junk(tmp_path):
    path = tmp_path / "junk.mp3"
    path.write_bytes(np.random.default_rng(0).bytes(50_000))
    with pytest.raises(AudioError, match="cannot be decoded"):
        decoded(path)


def test_the_id_is_of_the_samples_not_of_the_file(tmp_path):
    ids = {probe_audio(write_song(tmp_path / name, 1))[0].id for name in ("a.wav", "a.flac", "b.flac")}
    assert len(ids) == 1
    others = [write_song(tmp_path / "c.wav", 2), write_song(tmp_path / "d.wav", 1, n_channels=2)]
    soundfile.write(tmp_path / "e.wav", *soundfile.read(tmp_path / "a.wav")[:1], RATE_HZ + 1)
    assert len(ids | {probe_audio(path)[0].id for path in [*others, tmp_path / "e.wav"]}) == 4


def test_levels_against_their_definition(tmp_path):
    """Half a song of silence, half a square wave of amplitude 1/2: RMS is -6.02 dB below full scale, -9.03 overall."""
    square = np.where(np.arange(RATE_HZ * 8) // 50 % 2, 0.5, -0.5)
    square[: RATE_HZ * 4] = 0
    path = tmp_path / "a.wav"
    soundfile.write(path, square, RATE_HZ)
    facts, _ = probe_audio(path)
    assert (facts.loudest_dbfs, facts.peak_dbfs, facts.rms_dbfs) == (-6.0, -6.0, -9.0)
    assert facts.silent_fraction == 0.5
    assert facts.clipped_fraction == 0
    loud = np.clip(square * 4, -1, 1)
    loud[RATE_HZ * 6 :: 2] = 0  # full scale, but never twice in a row: no clipping
    soundfile.write(path, loud, RATE_HZ)
    assert probe_audio(path)[0].clipped_fraction == pytest.approx(0.25, abs=1e-3)

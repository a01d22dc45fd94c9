import io

import librosa
import numpy as np
import pytest
import soundfile
import torch

from stages.lib import audio


def tone(hz=440.0, seconds=0.5, rate_hz=44100):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz).astype(np.float32)


def test_flac_in_memory_is_lossless():
    x_T = audio.to_int16(tone())
    assert np.array_equal(audio.decode_flac(audio.encode_flac(x_T)), x_T)
    assert soundfile.info(io.BytesIO(audio.encode_flac(x_T))).subtype == "PCM_16"


def test_int16_rounds_and_clips():
    assert audio.to_int16(np.array([-2.0, -1.0, 0.0, 1.0])).tolist() == [-32768, -32768, 0, 32767]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_reads_by_soundfile(tmp_path, suffix):
    soundfile.write(tmp_path / f"x{suffix}", np.stack([tone(), tone(220)]).T, 44100)
    x_CT, rate_hz = audio.read_audio(tmp_path / f"x{suffix}", offset_s=0.1, duration_s=0.2)
    assert (x_CT.shape, rate_hz) == ((2, 8820), 44100)


def test_reads_by_ffmpeg_what_soundfile_cannot(tmp_path):
    import subprocess

    soundfile.write(tmp_path / "x.wav", tone(), 44100)
    command = [audio.ffmpeg_exe(), "-v", "error", "-i", tmp_path / "x.wav", "-c:a", "aac", tmp_path / "x.m4a"]
    subprocess.run(command, check=True)
    x_CT, rate_hz = audio.read_audio(tmp_path / "x.m4a")
    assert rate_hz == 44100 and abs(x_CT.shape[1] / rate_hz - 0.5) < 0.1 and len(x_CT) == 1
    assert abs(np.abs(x_CT).max() - 0.5) < 0.1


@pytest.mark.parametrize("data", [b"", b"this is not audio\n" * 50])
def test_what_does_not_decode_says_so(tmp_path, data):
    (tmp_path / "x.wav").write_bytes(data)
    with pytest.raises(audio.AudioError, match="cannot be decoded"):
        audio.read_audio(tmp_path / "x.wav")


def test_log_mel_is_librosas():
    x_T = tone() + 0.01 * np.random.default_rng(0).standard_normal(22050).astype(np.float32)
    reference = librosa.feature.melspectrogram(
        y=x_T, sr=44100, n_fft=2048, hop_length=441, n_mels=80, power=1.0, pad_mode="constant"
    )
    ours = audio.log_mel(torch.from_numpy(x_T)[None])[0].numpy()
    np.testing.assert_allclose(ours, np.log(np.maximum(reference, 1e-5)), atol=2e-4)


def test_mel_l1_orders_what_ears_order():
    x_T = tone()
    assert audio.mel_l1(x_T, x_T) == 0
    assert audio.mel_l1(x_T, tone(445)) < audio.mel_l1(x_T, tone(880)) < audio.mel_l1(x_T, 0 * x_T)

"""The stage over a shard: bytes that sum, known stems, bad songs among good ones."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny_demucs import SAMPLE_RATE_HZ, noise, tiny, write_song

from stages.contract.compute import Recipe, kept, update_shard
from stages.contract.records import Song
from stages.contract.shards import Entry, iter_records, read_index
from stages.lib.audio import to_int16
from stages.lib.cli import UserError
from stages.separate.__main__ import main
from stages.separate.small import save_repo


def song(id: str, path: str, duration_s: float, **values: Any) -> Song:
    return Song(id, path, id, duration_s, SAMPLE_RATE_HZ, 2, "train", **values)


class Project:
    """A folder of songs, its catalogue, and a params.yaml that names a tiny model."""

    def __init__(self, root: Path):
        self.root = root
        self.songs, self.stems = root / "songs", root / "stems"
        self.songs.mkdir()
        save_repo(tiny(), root / "weights")
        (root / "params.yaml").write_text(f"separate:\n  model: {root / 'weights'}\n")

    def catalogue(self, *songs: Song) -> None:
        by_id = {s.id: s for s in songs}

        def make(ids: Any) -> Any:
            for id in ids:
                yield id, kept(by_id[id].duration_s, {f"{id}.json": by_id[id].to_json()}, "audio")

        wanted = {s.id: s.to_json().decode() for s in songs}
        update_shard(self.root / "catalogue", 0, Recipe("ingest", 1, ""), wanted, make)

    def run(self) -> dict[str, tuple[Entry, dict[str, bytes]]]:
        flags = ["--params", self.root / "params.yaml", "--songs", self.songs, "--catalogue", self.root / "catalogue"]
        assert main([*map(str, flags), "--out", str(self.stems), "--device", "cpu"]) == 0
        return {entry.id: (entry, files) for entry, files in iter_records(self.stems)}

    def entries(self) -> dict[str, Entry]:
        return read_index(self.stems / "shard-00000.json").by_id


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def decode(files: dict[str, bytes], id: str) -> tuple[np.ndarray, np.ndarray]:
    def read(stem: str) -> np.ndarray:
        x_T, rate_hz = soundfile.read(io.BytesIO(files[f"{id}.{stem}.flac"]), dtype="int16")
        assert rate_hz == SAMPLE_RATE_HZ and x_T.ndim == 1
        return x_T.astype(int)

    return read("vocals"), read("accompaniment")


def test_stems_sum_to_the_mono_song(project: Project) -> None:
    write_song(project.songs / "a b'\"é.flac", noise(2.3))
    write_song(project.songs / "sub" / "mono.wav", noise(1.1, n_channels=1, seed=1, level=0.4))  # clips
    project.catalogue(song("aa", "a b'\"é.flac", 2.3), song("bb", "sub/mono.wav", 1.1))
    done = project.run()
    for id, path in (("aa", "a b'\"é.flac"), ("bb", "sub/mono.wav")):
        x_TC, _ = soundfile.read(project.songs / path, dtype="int16", always_2d=True)
        song_T = np.rint(x_TC.mean(axis=1))
        entry, files = done[id]
        vocals_T, accompaniment_T = decode(files, id)
        np.testing.assert_array_equal(vocals_T + accompaniment_T, song_T)
        assert vocals_T.any() and accompaniment_T.any()
        assert entry.audio_s == pytest.approx(len(song_T) / SAMPLE_RATE_HZ, abs=1e-6)
        assert entry.facts["stems"] == "separated" and entry.facts["song_db"] < 0
        assert set(entry.outputs) == {"stems"}


def test_other_rates_and_channels_come_out_at_44100(project: Project) -> None:
    """An 8 kHz tone keeps its length, pitch and level; of 5.1 the centre is heard."""
    t = np.arange(8_000) / 8_000
    tone = 0.5 * np.sin(2 * np.pi * 440 * t).astype(np.float32)
    write_song(project.songs / "low.wav", tone[:, None], 8_000)
    surround = np.zeros((SAMPLE_RATE_HZ, 6), np.float32)
    surround[:, 2] = 0.5 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    write_song(project.songs / "surround.wav", surround)
    project.catalogue(song("low", "low.wav", 1.0), song("sur", "surround.wav", 1.0))
    done = project.run()
    for id, level in (("low", 0.5), ("sur", 0.5 * 0.5**0.5 / (1 + 2 * 0.5**0.5))):
        song_T = sum(decode(done[id][1], id)) / 32768
        assert len(song_T) == SAMPLE_RATE_HZ
        spectrum = np.abs(np.fft.rfft(song_T[4410:-4410] * np.hanning(len(song_T) - 8820)))
        assert np.argmax(spectrum) * SAMPLE_RATE_HZ / (len(song_T) - 8820) == pytest.approx(440, abs=2)
        assert np.max(np.abs(song_T[4410:-4410])) == pytest.approx(level, rel=0.02)


def test_known_stems_stand_in(project: Project) -> None:
    vocals, band = noise(1.0, seed=1), noise(1.0, seed=2)
    for name, x_TC in (("s", vocals + band), ("v", vocals), ("b", band[:-500])):
        write_song(project.songs / f"{name}.wav", x_TC, subtype="FLOAT")
    both, one, rest = {"vocals": "v.wav", "accompaniment": "b.wav"}, {"vocals": "v.wav"}, {"accompaniment": "b.wav"}
    project.catalogue(*(song(id, "s.wav", 1.0, stems=s) for id, s in (("two", both), ("voc", one), ("acc", rest))))
    done = project.run()
    for id in ("two", "voc", "acc"):
        entry, files = done[id]
        vocals_T, accompaniment_T = decode(files, id)
        assert entry.facts["stems"] == "known"
        n = len(band) - 500
        np.testing.assert_allclose(vocals_T[:n], vocals[:n].mean(1) * 32768, atol=1.01)
        np.testing.assert_allclose(accompaniment_T[:n], band[:n].mean(1) * 32768, atol=1.01)
    sums = sum(decode(done["voc"][1], "voc"))
    np.testing.assert_array_equal(sums, to_int16((vocals + band).mean(1)))
    (project.root / "params.yaml").write_text(f"separate:\n  model: {project.root / 'weights'}\n  known_stems: false\n")
    assert project.run()["two"][0].facts["stems"] == "separated"


def test_bad_songs_fail_alone(project: Project) -> None:
    good = noise(1.2)
    write_song(project.songs / "good.wav", good)
    write_song(project.songs / "short.wav", good[:5000])
    write_song(project.songs / "nan.wav", np.full_like(good, np.nan), subtype="FLOAT")
    (project.songs / "text.wav").write_text("not a song")
    whole = write_song(project.songs / "cut.flac", good).read_bytes()
    (project.songs / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (project.songs / "empty.mp3").touch()
    stems = {"vocals": "short.wav"}
    project.catalogue(
        song("good", "good.wav", 1.2), song("short", "short.wav", 1.2), song("nan", "nan.wav", 1.2),
        song("text", "text.wav", 1.2), song("cut", "cut.flac", 1.2), song("empty", "empty.mp3", 1.2),
        song("stems", "good.wav", 1.2, stems=stems),
    )  # fmt: skip
    assert set(project.run()) == {"good"}
    entries = project.entries()
    reasons = {id: entry.reason for id, entry in entries.items() if entry.outcome == "failed"}
    assert set(reasons) == {"short", "nan", "text", "cut", "empty", "stems"}
    assert reasons["short"].startswith("other length than at ingest: short.wav")
    assert "not numbers" in reasons["nan"]
    assert all("decoded" in reasons[id] for id in ("text", "empty"))
    assert "short.wav" in reasons["stems"]


def test_a_song_that_is_gone_is_named_when_the_others_are_done(project: Project) -> None:
    write_song(project.songs / "good.wav", noise(1.0))
    project.catalogue(song("good", "good.wav", 1.0), song("gone", "gone.wav", 1.0))
    with pytest.raises(UserError, match=r"gone\.wav \(No such file.*run ingest to forget"):
        project.run()
    assert list(project.stems.rglob("good.tar")), "its stems wait for the rest"
    write_song(project.songs / "gone.wav", noise(1.0, seed=5))
    assert set(project.run()) == {"good", "gone"}


def test_nothing_is_done_twice_and_reruns_are_byte_identical(project: Project, tmp_path: Path) -> None:
    write_song(project.songs / "a.wav", noise(2.0))
    write_song(project.songs / "b.wav", noise(1.5, seed=2))
    project.catalogue(song("aa", "a.wav", 2.0))
    first = project.run()["aa"][1]
    before = (project.stems / "shard-00000.tar").stat()
    project.run()
    assert (project.stems / "shard-00000.tar").stat().st_mtime_ns == before.st_mtime_ns
    project.catalogue(song("aa", "a.wav", 2.0), song("bb", "b.wav", 1.5))
    project.run()
    grown = (project.stems / "shard-00000.tar").read_bytes()
    project.stems.rename(tmp_path / "old")
    assert project.run()["aa"][1] == first
    assert (project.stems / "shard-00000.tar").read_bytes() == grown


@pytest.mark.parametrize(
    ("text", "says"),
    [("overlap: 1.0", "separate.overlap"), ("modle: x", "separate.modle"), ("model: ''", "separate.model")],
)
def test_bad_settings_die_with_their_name(project: Project, text: str, says: str) -> None:
    (project.root / "params.yaml").write_text(f"separate:\n  {text}\n")
    with pytest.raises(UserError, match=says):
        project.run()


def test_a_missing_songs_folder(project: Project) -> None:
    project.songs.rmdir()
    with pytest.raises(UserError, match="--songs"):
        project.run()


def test_index_is_json_a_person_can_read(project: Project) -> None:
    write_song(project.songs / "a.wav", noise(1.0))
    project.catalogue(song("aa", "a.wav", 1.0))
    project.run()
    made_by = json.loads((project.stems / "shard-00000.json").read_text())["made_by"]
    assert set(made_by["models"]) == {"model"} and len(made_by["models"]["model"]) == 16

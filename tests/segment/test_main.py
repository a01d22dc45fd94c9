"""The command on a small catalogue: shards in, shards out, reuse, one bad song among good ones."""

from pathlib import Path

import numpy as np
import pytest

from stages.contract.compute import Recipe, kept, update_shard
from stages.contract.digests import digest_bytes
from stages.contract.records import Clip, Sentence, Song
from stages.contract.shards import iter_records, read_index
from stages.lib.audio import encode_flac
from stages.segment.__main__ import main
from stages.segment.pyannet import build_pyannet, save_pyannet
from stages.segment.vad import weights_sha256

pytestmark = pytest.mark.xdist_group("pyannote")

RATE = 44_100
PARAMS = """
segment:
  vad: {vad}
  vad_digest: {digest}
  vad_onset: 0.02
  vad_offset: 0.01
  aligner: uniform
  max_clip_s: {max_clip_s}
"""


def write_song(id: str, duration_s: float, broken: bool = False) -> tuple[Song, dict[str, bytes]]:
    rng = np.random.default_rng(len(id))
    lines = tuple(Sentence(text) for text in ("a line of words", "another line", "the last of them"))
    song = Song(id, f"{id}.flac", id, duration_s, RATE, 2, "train", "en", None, lines)
    vocals, band = (rng.integers(-9000, 9000, int(duration_s * RATE), dtype=np.int16) for _ in range(2))
    vocals_flac = b"not a flac" if broken else encode_flac(vocals)
    return song, {f"{id}.vocals.flac": vocals_flac, f"{id}.accompaniment.flac": encode_flac(band)}


def lay_out(folder: Path, songs: list[tuple[Song, dict[str, bytes]]]) -> None:
    """Catalogue and stems as ingest and separate write them."""
    by_id = {song.id: (song, stems) for song, stems in songs}

    def catalogue(ids):  # type: ignore[no-untyped-def]
        for id in ids:
            song = by_id[id][0]
            made = kept(song.duration_s, {f"{id}.json": song.to_json()}, "audio")
            yield id, type(made)("kept", "", made.audio_s, made.files, {"audio": id, "lyrics": id}, {})

    def stems(ids):  # type: ignore[no-untyped-def]
        return ((id, kept(by_id[id][0].duration_s, by_id[id][1], "stems")) for id in ids)

    wanted = {id: digest_bytes(*(by_id[id][1].values())) for id in by_id}
    update_shard(folder / "catalogue", 0, Recipe("ingest", 1, ""), wanted, catalogue)
    update_shard(folder / "stems", 0, Recipe("separate", 1, ""), wanted, stems)


@pytest.fixture(scope="module")
def vad_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from stages.lib.torchaudio_cpu import make_torchaudio_importable

    make_torchaudio_importable()
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vad")
    save_pyannet(build_pyannet(), folder)
    return folder


def run(folder: Path, vad: Path, max_clip_s: float = 6.0, jobs: int = 1) -> Path:
    params = folder / "params.yaml"
    params.write_text(PARAMS.format(vad=vad, digest=weights_sha256(vad), max_clip_s=max_clip_s))
    out = folder / "clips"
    arguments = ["--params", params, "--catalogue", folder / "catalogue", "--stems", folder / "stems", "--out", out]
    assert main([*map(str, arguments), "--device", "cpu", "--jobs", str(jobs)]) == 0
    return out


def test_a_shard_of_songs_one_of_them_broken(tmp_path: Path, vad_folder: Path) -> None:
    lay_out(tmp_path, [write_song("aa", 9.0), write_song("bb", 7.3), write_song("cc", 5.0, broken=True)])
    out = run(tmp_path, vad_folder)
    entries = read_index(out / "shard-00000.json").by_id
    assert {id: entry.outcome for id, entry in entries.items()} == {"aa": "kept", "bb": "kept", "cc": "failed"}
    assert entries["cc"].reason.startswith("stems do not decode")
    assert entries["aa"].facts["aligner"] == "uniform" and entries["aa"].facts["n_clips"] >= 2
    for _, files in iter_records(out):
        clips = [Clip.from_json(data) for name, data in files.items() if name.endswith(".json")]
        assert [s.text for c in clips for s in c.sentences] == ["a line of words", "another line", "the last of them"]
        assert all(clip.duration_s <= 6.0 for clip in clips)

    before = (out / "shard-00000.tar").stat().st_mtime_ns
    run(tmp_path, vad_folder)
    assert (out / "shard-00000.tar").stat().st_mtime_ns == before  # nothing changed: nothing written
    run(tmp_path, vad_folder, max_clip_s=5.0)
    assert (out / "shard-00000.tar").stat().st_mtime_ns != before


def test_forked_workers_make_the_same_bytes(tmp_path: Path, vad_folder: Path) -> None:
    songs = [write_song("aa", 9.0), write_song("bb", 7.3)]
    tars = []
    for jobs in (1, 2):
        folder = tmp_path / str(jobs)
        lay_out(folder, songs)
        tars.append((run(folder, vad_folder, jobs=jobs) / "shard-00000.tar").read_bytes())
    assert tars[0] == tars[1]


def test_help_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = "import sys; from stages.segment import __main__ as m; m._parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Files: the layout ingest reads, resuming, and what is removed when the recipe changes."""

import json
import re

import numpy as np
import pytest
import soundfile as sf

from stages.demo_songs.__main__ import main
from stages.demo_songs.config import DemoSongsConfig
from stages.demo_songs.run import run
from stages.lib.cli import UserError
from stages.lib.config import parse_section

pytest.importorskip("espeakng_loader")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two short songs by the command, one with times (n=2, seed 5)."""
    root = tmp_path_factory.mktemp("demo")
    params = root / "params.yaml"
    params.write_text("demo_songs: {form: [V], lines_per_section: 1, band: numpy, seed: 5, timed_share: 0.5}\n")
    out = root / "songs"
    assert main(["--params", str(params), "--out", str(out), "--n", "2", "--workers", "1"]) == 0
    return params, out


def names(out):
    return sorted(path.stem for path in out.glob("*.flac"))


def test_layout(folder):
    _, out = folder
    assert len(names(out)) == 2
    assert (out / ".provenance.json").is_file()
    for name in names(out):
        assert re.fullmatch(r"\d{4}(-[a-z]+)+", name)
        truth = json.loads((out / ".truth" / f"{name}.json").read_text())
        timed = out / f"{name}.lrc"
        lyrics = timed if truth["timed"] else out / f"{name}.txt"
        texts = [re.sub(r"^\[[\d:.]+\]", "", line) for line in lyrics.read_text().splitlines()]
        assert [line for line in texts if not re.match(r"\[\w+:", line)] == [s["text"] for s in truth["sentences"]]
        mix, rate_hz = sf.read(out / f"{name}.flac", dtype="int16")
        stems = [
            sf.read(out / ".truth" / f"{name}.{stem}.flac", dtype="int16")[0] for stem in ("vocals", "accompaniment")
        ]
        assert rate_hz == 44_100
        assert np.array_equal(mix, stems[0] + stems[1])
        assert set(truth) >= {"seed", "singer", "genre", "language", "tempo_bpm", "key", "duration_s", "chords"}


def test_timed_lyrics_are_read_by_another_parser(tmp_path, songs):
    import pylrc

    from stages.demo_songs.store import lrc

    truth = songs[0].truth
    lines = [line for line in pylrc.parse(lrc(truth)) if line.text]
    assert [line.text for line in lines] == [s["text"] for s in truth["sentences"]]
    assert [line.time for line in lines] == pytest.approx([s["start_s"] for s in truth["sentences"]], abs=0.006)


def test_only_what_is_missing_is_rendered(folder):
    _, out = folder
    config = DemoSongsConfig(n_songs=2, form=("V",), lines_per_section=1, band="numpy", seed=5)
    second = names(out)[1]
    key = json.loads((out / ".provenance.json").read_text())["key"]
    before = {path: path.stat().st_mtime_ns for path in out.glob("[!.]*")}
    assert run(config, out, key, n_workers=1) == 0
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("[!.]*")}
    bytes_before = (out / f"{second}.flac").read_bytes()
    (out / ".truth" / f"{second}.vocals.flac").unlink()
    assert run(config, out, "key", n_workers=1) == 1
    assert (out / f"{second}.flac").read_bytes() == bytes_before


def test_orphans_of_ours_go_and_others_stay(folder):
    _, out = folder
    mine = out / "my own song.flac"
    mine.write_bytes(b"not ours")
    first = names(out)[0]
    config = DemoSongsConfig(n_songs=1, form=("V",), lines_per_section=1, band="numpy", seed=5)
    assert run(config, out, "key", n_workers=1) == 0
    assert names(out) == sorted([first, "my own song"])
    assert len(list((out / ".truth").iterdir())) == 3
    mine.unlink()


def test_workers_make_the_same_bytes(folder, tmp_path):
    """Two processes, started afresh, against one."""
    config = DemoSongsConfig(n_songs=2, form=("V",), lines_per_section=1, band="numpy", seed=5)
    _, out = folder
    run(config, out, "key", n_workers=1)
    run(config, tmp_path / "songs", "key", n_workers=2)
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        assert (tmp_path / "songs" / path.relative_to(out)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "section, field",
    [({"n_songs": 0}, "n_songs"), ({"form": ["X"]}, "form"), ({"tempo": 3}, "tempo"),
     ({"min_duration_s": 99, "max_duration_s": 60}, "min_duration_s")],
)  # fmt: skip
def test_a_bad_field_is_named(section, field):
    with pytest.raises(UserError, match=field):
        parse_section({"demo_songs": section}, "demo_songs", DemoSongsConfig)

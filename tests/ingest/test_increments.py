"""What a change costs: sticky shards, untouched files, equal bytes."""

import shutil

import pytest
from ingest_workshop import touch_later

from stages.contract import freshness
from stages.contract.graph import STAGES
from stages.contract.shards import index_paths, read_index, verify
from stages.lib.cli import UserError

LRC = "[00:01.00]我们走过这条路\n[00:04.00]看见月亮回到家\n"
NAMES = [f"{letter}.flac" for letter in "abcdefg"]


@pytest.fixture
def seven(workshop):
    for seed, name in enumerate(NAMES):
        workshop.song(name, seed)
    workshop.lyrics("b.lrc", LRC)
    assert workshop.run() == 0
    return workshop


def inputs_downstream(workshop) -> dict[str, dict[str, str]]:
    """What separate (by audio) and a reader of lyrics would be made from: stage -> song -> digest."""
    found: dict[str, dict[str, str]] = {"audio": {}, "lyrics": {}}
    for path in index_paths(workshop.out):
        for entry in read_index(path).kept:
            for face in found:
                found[face][entry.id] = entry.outputs[face]
    return found


def test_first_build_goes_in_order_of_path(seven):
    assert seven.shards() == {name: number // 3 for number, name in enumerate(NAMES)}
    assert verify(seven.out) == []


def test_second_run_touches_nothing(seven, capsys):
    before = seven.state()
    assert seven.run() == 0
    assert "nothing changed" in capsys.readouterr().err
    assert seven.state() == before


def test_touched_files_rewrite_no_shard(seven):
    before = seven.state()
    touch_later(seven.songs / "c.flac")
    touch_later(seven.songs / "b.lrc")
    assert seven.run() == 0
    after = seven.state()
    assert {name for name in after if after[name] != before[name]} == {"provenance.json"}


def test_without_its_cache_it_makes_the_same(seven):
    before = seven.state()
    shutil.rmtree(seven.root / "cache")
    (seven.out / "provenance.json").unlink()
    assert seven.run() == 0
    assert seven.state() | {"provenance.json": before["provenance.json"]} == before


def test_broken_cache_is_made_anew(seven):
    before = seven.bytes()
    (seven.root / "cache" / "cache.sqlite").write_bytes(b"not a database" * 100)
    touch_later(seven.songs / "c.flac")
    assert seven.run() == 0
    assert seven.bytes() == before


def test_clean_build_is_equal(seven):
    before = seven.bytes()
    shutil.rmtree(seven.root / "cache")
    shutil.rmtree(seven.out)
    assert seven.run() == 0
    assert seven.bytes() == before


def test_new_songs_fill_the_last_shard(seven):
    before = seven.shards()
    seven.song("0-first.flac", 20)
    seven.song("aa.flac", 21)
    seven.song("zz.flac", 22)
    assert seven.run() == 0
    assert seven.shards() == before | {"0-first.flac": 2, "aa.flac": 2, "zz.flac": 3}


def test_removed_song_leaves_the_others_where_they_are(seven):
    before, state = seven.shards(), seven.state()
    (seven.songs / "b.flac").unlink()
    assert seven.run() == 0
    del before["b.flac"]
    assert seven.shards() == before
    after = seven.state()
    assert {name for name in after if after[name] != state[name]} == {
        "provenance.json", "shard-00000.json", "shard-00000.tar",
    }  # fmt: skip


def test_emptied_shard_is_gone(seven):
    (seven.songs / "g.flac").unlink()
    assert seven.run() == 0
    assert [path.name for path in index_paths(seven.out)] == ["shard-00000.json", "shard-00001.json"]
    assert not (seven.out / "shard-00002.tar").exists()


def test_renamed_song_keeps_id_shard_and_downstream(seven):
    before, downstream = seven.entries()["b.flac"], inputs_downstream(seven)
    (seven.songs / "b.flac").rename(seven.songs / "zz renamed.flac")
    (seven.songs / "b.lrc").rename(seven.songs / "zz renamed.lrc")
    assert seven.run() == 0
    after = seven.entries()["zz renamed.flac"]
    assert (after.id, seven.shards()["zz renamed.flac"]) == (before.id, 0)
    assert inputs_downstream(seven) == downstream
    assert seven.record("zz renamed.flac").path == "zz renamed.flac"


def test_changed_audio_takes_the_old_place(seven):
    before = seven.entries()
    seven.song("b.flac", 30)
    assert seven.run() == 0
    after = seven.entries()
    assert after["b.flac"].id != before["b.flac"].id
    assert seven.shards()["b.flac"] == 0
    assert {name for name in NAMES if after[name] != before[name]} == {"b.flac"}


def test_changed_lyric_changes_one_face_of_one_song(seven):
    before = inputs_downstream(seven)
    seven.lyrics("b.lrc", LRC.replace("00:04", "00:05"))
    assert seven.run() == 0
    after = inputs_downstream(seven)
    assert after["audio"] == before["audio"]
    changed = {id for id in after["lyrics"] if after["lyrics"][id] != before["lyrics"][id]}
    assert changed == {seven.entries()["b.flac"].id}


def test_changed_parameter_keeps_what_downstream_sees(seven):
    before = inputs_downstream(seven)
    seven.settings["min_s"] = 6
    assert seven.run() == 0
    assert inputs_downstream(seven) == before
    seven.settings["min_s"] = 9
    with pytest.raises(Exception, match="none of the 7 files"):
        seven.run()
    assert {entry.outcome for entry in seven.entries().values()} == {"dropped"}


def test_same_result_as_a_clean_build_with_the_same_places(seven, tmp_path):
    """Sticky places depend on history; given them, nothing else does."""
    seven.song("0-first.flac", 20)
    seven.song("c.flac", 31)
    (seven.songs / "e.flac").unlink()
    (seven.songs / "b.lrc").unlink()
    (seven.songs / "f.flac").rename(seven.songs / "h.flac")
    assert seven.run() == 0
    grown = seven.bytes()
    grown_out = seven.out.rename(tmp_path / "grown")
    shutil.rmtree(seven.root / "cache")
    assert seven.run("--places-of", str(grown_out)) == 0
    assert seven.bytes() == grown


def test_ingest_and_freshness_agree(seven):
    """Snakemake's graph asks freshness; it must say what ingest's own "nothing changed" says."""
    params = {"ingest": {"songs": str(seven.songs), **seven.settings}}
    folders = {**freshness.DEFAULT_FOLDERS, "ingest": seven.out}
    marker = freshness.marker_of(STAGES["ingest"], folders)
    assert marker.is_file()
    assert marker not in [path for _, path in freshness.stale(params, folders)]
    touch_later(seven.songs / "b.lrc")
    assert marker in [path for _, path in freshness.stale(params, folders)]


def test_a_broken_index_is_named(seven):
    """It holds the places of its songs, so it is not guessed at."""
    (seven.out / "shard-00001.json").write_text("{")
    touch_later(seven.songs / "b.lrc")
    with pytest.raises(UserError, match=r"shard-00001\.json: not a shard index"):
        seven.run()


def test_split_follows_the_song(seven):
    splits = {name: entry.facts["split"] for name, entry in seven.entries().items()}
    seven.settings |= {"test_fraction": 0.0, "valid_fraction": 0.0}
    assert seven.run() == 0
    assert {entry.facts["split"] for entry in seven.entries().values()} == {"train"}
    seven.settings |= {"test_fraction": 0.2, "valid_fraction": 0.1}
    assert seven.run() == 0
    assert {name: entry.facts["split"] for name, entry in seven.entries().items()} == splits

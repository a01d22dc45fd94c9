"""Which files are songs, lyrics, stems; manifests; what is declared."""

import json
import os
import shutil
import unicodedata
from pathlib import Path

import pytest
from ingest_workshop import write_song

from stages.ingest.config import IngestConfig
from stages.ingest.manifest import read_manifest
from stages.ingest.sources import find_songs
from stages.lib.cli import UserError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(folder):
    """name -> (lyrics, stems), by file name."""
    return {
        source.name: (
            [Path(file.path).name for file in source.lyrics],
            {part: os.path.relpath(file.path, folder) for part, file in source.stems},
        )
        for source in find_songs(folder)
    }


def test_tree(tmp_path):
    touch(
        tmp_path,
        "b/Song.FLAC",
        "b/Song.txt",
        "b/Song.lrc",
        "b/Song.vtt",
        "b/cover.jpg",
        "a.mp3",
        "a.json",
        "readme.txt",
    )
    touch(tmp_path, ".truth/a.vocals.flac", ".hidden.flac", "b/.cache/x.wav")
    assert found(tmp_path) == {
        "a.mp3": (["a.json"], {}),
        "b/Song.FLAC": (["Song.lrc", "Song.vtt", "Song.txt"], {}),
    }


def test_known_stems_are_no_songs(tmp_path):
    touch(tmp_path, "one.flac", "one.vocals.wav", "one.Instrumental.wav")
    touch(tmp_path, "two.flac", "two.stems/vocals.flac", "two.stems/no_vocals.flac")
    touch(tmp_path, "orphan.vocals.flac", "three.remix.flac", "three.flac")
    assert found(tmp_path) == {
        "one.flac": ([], {"accompaniment": "one.Instrumental.wav", "vocals": "one.vocals.wav"}),
        "orphan.vocals.flac": ([], {}),
        "three.flac": ([], {}),
        "three.remix.flac": ([], {}),
        "two.flac": ([], {"accompaniment": "two.stems/no_vocals.flac", "vocals": "two.stems/vocals.flac"}),
    }


def test_names_in_another_unicode_form_match(tmp_path):
    touch(tmp_path, unicodedata.normalize("NFD", "Élan.flac"), unicodedata.normalize("NFC", "Élan.lrc"))
    ((lyrics, _),) = found(tmp_path).values()
    assert lyrics == [unicodedata.normalize("NFC", "Élan.lrc")]


def test_links_are_followed_once(tmp_path):
    touch(tmp_path / "elsewhere", "linked.flac")
    touch(tmp_path / "songs", "a.flac")
    (tmp_path / "songs" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "songs" / "loop").symlink_to(tmp_path / "songs")
    assert list(found(tmp_path / "songs")) == ["a.flac", "more/linked.flac"]


def test_no_songs_is_an_error(tmp_path):
    touch(tmp_path, "readme.txt")
    with pytest.raises(UserError, match="no audio files"):
        find_songs(tmp_path)


def test_unreadable_names_and_links_are_on_the_ledger(workshop):
    workshop.song("good.flac", 1)
    (workshop.songs / "lost.flac").symlink_to(workshop.root / "nowhere.flac")
    try:
        shutil.copy(workshop.songs / "good.flac", os.fsencode(workshop.songs) + b"/caf\xe9.flac")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert workshop.run() == 0
    reasons = {name: entry.reason for name, entry in workshop.entries().items()}
    assert reasons == {
        "good.flac": "",
        "lost.flac": "no such file (a link that leads nowhere?)",
        "caf\\xe9.flac": "its name is not UTF-8: rename it",
    }


def test_what_becomes_of_stems(workshop):
    for seed, name in enumerate(["one.flac", "one.vocals.flac", "one.accompaniment.flac", "two.flac"]):
        workshop.song(name, seed)
    workshop.song("two.vocals.flac", 8, duration_s=6)
    (workshop.songs / "two.instrumental.wav").write_bytes(b"")
    assert workshop.run() == 0
    entries = workshop.entries()
    assert set(entries) == {"one.flac", "two.flac"}
    stems = {"vocals": "one.vocals.flac", "accompaniment": "one.accompaniment.flac"}
    assert workshop.record("one.flac").stems == stems
    assert workshop.record("two.flac").stems is None
    assert entries["two.flac"].facts["notes"] == [
        "accompaniment stem ignored: the file is empty (0 bytes)",
        "vocals stem ignored: 6.0 s long, the song 8.0 s",
    ]
    audio = entries["one.flac"].outputs["audio"]
    workshop.song("one.vocals.flac", 77)
    assert workshop.run() == 0
    after = workshop.entries()["one.flac"]
    assert after.outputs["audio"] != audio and after.id == entries["one.flac"].id


def test_csv_manifest(workshop):
    write_song(workshop.root / "music" / "a.flac", 1)
    write_song(workshop.root / "else where" / "b.flac", 2)
    write_song(workshop.root / "music" / "c.flac", 3)
    (workshop.root / "words.lrc").write_text("[ti:Not this]\n[00:01.00]我们走过这条路\n")
    manifest = workshop.root / "songs.csv"
    manifest.write_text(
        "\ufeffAudio;Lyrics;Title;artist;language;split;mood\n"
        "music/a.flac;words.lrc;A Title;Somebody;zh;test;blue\n"
        f"{workshop.root}/else where/b.flac;;;;;;\n"
        "music/c.flac;;;;;holdout;\n"
        "music/lost.flac;;;;;;\n"
    )
    assert workshop.run(songs=manifest) == 0
    entries = workshop.entries()
    assert {name: entry.outcome for name, entry in entries.items()} == {
        "music/a.flac": "kept", "else where/b.flac": "kept", "music/c.flac": "failed", "music/lost.flac": "failed",
    }  # fmt: skip
    song = workshop.record("music/a.flac")
    assert (song.title, song.singer, song.language, song.split) == ("A Title", "Somebody", "zh", "test")
    assert entries["music/c.flac"].reason == "manifest, line 4: split 'holdout' is none of train, valid, test"


def test_jsonl_manifest_with_the_words_in_it(workshop):
    write_song(workshop.root / "a.flac", 1)
    row = {"audio": "a.flac", "text": ["[00:01.00]我们走过", "[00:05.00]这条路"], "vocals": "a.flac", "year": 1999}
    manifest = workshop.root / "songs.jsonl"
    manifest.write_text(json.dumps(row) + "\n\n")
    assert workshop.run(songs=manifest) == 0
    song = workshop.record("a.flac")
    assert [(s.text, s.start_s) for s in song.sentences] == [("我们走过", 1.0), ("这条路", 5.0)]
    assert song.stems == {"vocals": "a.flac"}
    manifest.write_text(json.dumps(row | {"text": "我们走过"}))
    assert workshop.run(songs=manifest) == 0
    assert [s.text for s in workshop.record("a.flac").sentences] == ["我们走过"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "title,lyrics\na,b\n", "line 1: no column `audio`"),
        ("m.csv", "audio,title\n,b\n", "line 2: no `audio`"),
        ("m.jsonl", '{"audio": "a"}\n{oops\n', "line 2: not JSON"),
        ("m.jsonl", "[1]\n", "line 1: not a JSON object"),
        ("m.csv", "audio\n", "no songs in it"),
    ],
)
def test_manifest_errors_name_the_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_manifest(tmp_path / name)


def test_songs_that_are_nowhere(workshop):
    with pytest.raises(FileNotFoundError, match="no such folder or manifest"):
        workshop.run(songs=workshop.root / "nowhere")
    (workshop.root / "songs.xlsx").write_text("")
    with pytest.raises(UserError, match="neither a folder nor a manifest"):
        workshop.run(songs=workshop.root / "songs.xlsx")


def test_config_errors_name_the_field(workshop):
    workshop.song("a.flac", 1)
    for setting, value, message in [
        ("min_sz", 3, "ingest.min_sz"),
        ("max_s", 2, "max_s"),
        ("test_fraction", 0.95, "test_fraction"),
        ("shard_size", 0, "ingest.shard_size"),
    ]:
        workshop.settings = {setting: value}
        with pytest.raises(UserError, match=message):
            workshop.run()


def test_where_songs_lie_is_no_science():
    assert IngestConfig(songs="a", shard_size=8).digest == IngestConfig(songs="b", shard_size=512).digest
    assert IngestConfig(min_s=5).digest != IngestConfig(min_s=6).digest

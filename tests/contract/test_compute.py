"""Launch by shard, compute by record: reuse, resume, equal bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.contract.compute import Recipe, dropped, is_fresh, kept, update_shard
from stages.contract.shards import iter_records, read_index, tar_path, verify

RECIPE = Recipe("separate", 1, "params")


def make_counted(calls, fail_after=None):
    def make(ids):
        for id in ids:
            if fail_after is not None and len(calls) >= fail_after:
                raise RuntimeError("power cut")
            calls.append(id)
            yield id, kept(1.0, {f"{id}.txt": f"made of {id}".encode()}, "stems")

    return make


def wanted(*ids, version="1"):
    return dict.fromkeys(ids, version)


def test_only_what_changed_is_made(tmp_path):
    first, second = [], []
    update_shard(tmp_path, 0, RECIPE, wanted("a", "b", "c"), make_counted(first))
    update_shard(tmp_path, 0, RECIPE, {**wanted("a", "c", "d"), "c": "2"}, make_counted(second))
    assert (first, second) == (["a", "b", "c"], ["c", "d"])
    assert {entry.id for entry, _ in iter_records(tmp_path)} == {"a", "c", "d"}


def test_nothing_is_written_when_nothing_changed(tmp_path):
    update_shard(tmp_path, 0, RECIPE, wanted("a"), make_counted([]))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    update_shard(tmp_path, 0, RECIPE, wanted("a"), make_counted(calls := []))
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} and not calls


def test_another_recipe_makes_all_again(tmp_path):
    update_shard(tmp_path, 0, RECIPE, wanted("a", "b"), make_counted([]))
    assert not is_fresh(tmp_path, 0, Recipe("separate", 2, "params"), wanted("a", "b"))
    update_shard(tmp_path, 0, Recipe("separate", 2, "params"), wanted("a", "b"), make_counted(calls := []))
    assert calls == ["a", "b"]


def test_increment_equals_clean_build(tmp_path):
    update_shard(tmp_path / "old", 0, RECIPE, wanted("a", "b"), make_counted([]))
    update_shard(tmp_path / "old", 0, RECIPE, wanted("b", "c"), make_counted([]))
    update_shard(tmp_path / "new", 0, RECIPE, wanted("b", "c"), make_counted([]))
    for name in ("shard-00000.tar", "shard-00000.json"):
        assert (tmp_path / "old" / name).read_bytes() == (tmp_path / "new" / name).read_bytes()


def test_a_broken_run_goes_on_behind_the_last_finished_song(tmp_path):
    with pytest.raises(RuntimeError):
        update_shard(tmp_path, 0, RECIPE, wanted("a", "b", "c"), make_counted([], fail_after=2))
    assert not tar_path(tmp_path, 0).exists(), "no unfinished tar under its final name"
    update_shard(tmp_path, 0, RECIPE, wanted("a", "b", "c"), make_counted(calls := []))
    assert calls == ["c"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shard-00000.json", "shard-00000.tar"]


def test_a_dropped_song_is_on_the_index_and_not_in_the_tar(tmp_path):
    index = update_shard(tmp_path, 3, RECIPE, wanted("a"), lambda ids: [("a", dropped("silence"))])
    assert [(e.outcome, e.reason, e.members) for e in index.entries] == [("dropped", "silence", ())]
    assert read_index(tmp_path / "shard-00003.json") == index


def test_an_edited_tar_is_noticed(tmp_path):
    update_shard(tmp_path, 0, RECIPE, wanted("a"), make_counted([]))
    assert verify(tmp_path) == []
    data = bytearray(tar_path(tmp_path, 0).read_bytes())
    data[600] ^= 1
    tar_path(tmp_path, 0).write_bytes(bytes(data))
    assert len(verify(tmp_path)) == 1


SLOW = """
import sys, time
from pathlib import Path
from stages.contract.compute import Recipe, kept, update_shard
def make(ids):
    for id in ids:
        time.sleep(0.004)
        yield id, kept(1.0, {f"{id}.bin": id.encode() * 20000}, "stems")
update_shard(Path(sys.argv[1]), 0, Recipe("s", int(sys.argv[2]), "p"), {f"{i:03d}": "1" for i in range(40)}, make)
"""


def test_kill_9_at_any_moment_loses_nothing(tmp_path):
    clean, killed = tmp_path / "clean", tmp_path / "killed"
    run = [sys.executable, "-c", SLOW]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([*run, clean, "2"], check=True, env=environment)
    subprocess.run([*run, killed, "1"], check=True, env=environment)  # an old shard stands in the way
    for round_ in range(12):
        process = subprocess.Popen([*run, killed, "2"], env=environment)
        time.sleep(0.12 + 0.03 * round_)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert verify(killed) == [] or (killed / ".spool/shard-00000/index.json").exists()
    subprocess.run([*run, killed, "2"], check=True, env=environment)
    assert sorted(p.name for p in killed.iterdir()) == ["shard-00000.json", "shard-00000.tar"]
    for name in ("shard-00000.tar", "shard-00000.json"):
        assert (clean / name).read_bytes() == (killed / name).read_bytes()

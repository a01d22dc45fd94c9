"""What is stale after a change: digests decide, mtimes follow."""

import os

import pytest

from stages.contract import freshness, provenance
from stages.contract.compute import Made, kept, update_shard
from stages.contract.graph import STAGES

PARAMS = {"ingest": {"songs": "songs"}, "separate": {"model": "htdemucs"}, "segment": {"max_clip_s": 15}}
DATA = ("ingest", "separate", "segment")


@pytest.fixture
def folders(tmp_path):
    return {name: tmp_path / stage.out for name, stage in freshness.STAGES.items()}


def build(folders, params=PARAMS, lyrics="la", songs=("a", "b")):
    """The three data stages over one shard, each song's files naming what they were made from."""
    recipe = freshness.recipe_of(STAGES["ingest"], params, folders)
    faces = {id: {"audio": f"audio {id}", "lyrics": f"{lyrics} {id}"} for id in songs}
    update_shard(
        folders["ingest"], 0, recipe, {id: str(faces[id]) for id in songs},
        lambda ids: [(id, Made("kept", audio_s=1.0, outputs=faces[id])) for id in ids],
    )  # fmt: skip
    made = {}
    for name, face in (("separate", "stems"), ("segment", "clips")):
        stage = STAGES[name]
        wanted = freshness.wanted_of(stage, 0, folders)
        made[name] = []

        def make(ids, made=made[name], face=face):
            made.extend(ids)
            return [(id, kept(1.0, {f"{id}.txt": b"x"}, face)) for id in ids]

        update_shard(folders[name], 0, freshness.recipe_of(stage, params, folders), wanted, make)
    return made


def stale_names(folders, params=PARAMS):
    return [stage.name for stage, _ in freshness.stale(params, folders)]


def test_nothing_is_stale_after_a_build(folders):
    build(folders)
    assert stale_names(folders) == []


def test_one_lyric_costs_segment_one_song_and_separate_none(folders):
    build(folders)
    made = build(folders, lyrics="lo")
    assert made == {"separate": [], "segment": ["a", "b"]}


def test_a_parameter_makes_its_own_stage_stale(folders):
    build(folders)
    assert stale_names(folders, {**PARAMS, "segment": {"max_clip_s": 10}}) == ["segment"]


def test_a_new_song_costs_one_song(folders):
    build(folders)
    assert build(folders, songs=("a", "b", "c")) == {"separate": ["c"], "segment": ["c"]}


def test_weights_count_by_their_bytes_when_local(folders, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.safetensors").write_bytes(b"1")
    params = {**PARAMS, "separate": {"model": str(weights)}}
    before = freshness.recipe_of(STAGES["separate"], params, folders).digest
    (weights / "model.safetensors").write_bytes(b"22")
    assert freshness.recipe_of(STAGES["separate"], params, folders).digest != before


def test_settle_orders_mtimes_and_ages_what_is_stale(folders):
    build(folders)
    for name in reversed(DATA):  # as a clone may leave them
        os.utime(folders[name] / "shard-00000.json", (1e9, 1e9))
    freshness.settle(PARAMS, folders)
    times = [(folders[name] / "shard-00000.json").stat().st_mtime_ns for name in DATA]
    assert times == sorted(times) and times[0] > 1e18
    changed = {**PARAMS, "segment": {"max_clip_s": 10}}
    clips = folders["segment"] / "shard-00000.json"
    assert freshness.settle(changed, folders) == [clips]
    assert clips.stat().st_mtime == freshness.OLD_S and clips.exists(), "kept for the songs it still holds"


def test_a_model_is_stale_when_a_clip_changed(folders):
    build(folders)
    key = freshness.key_of(STAGES["vae"], PARAMS, folders)
    provenance.write(folders["vae"], "vae", key)
    assert stale_names(folders) == []
    build(folders, songs=("a",))
    assert stale_names(folders) == ["vae"]


def test_a_missing_upstream_names_the_command(folders):
    with pytest.raises(freshness.MissingInputError, match="songcreator ingest"):
        freshness.upstream_shards(STAGES["separate"], folders)


def test_settle_remembers_by_bytes(folders, tmp_path, monkeypatch):
    """Asked again, no index is parsed; what changed since is seen all the same."""
    memo = tmp_path / "runs/freshness.json"
    build(folders)
    provenance.write(folders["vae"], "vae", freshness.key_of(STAGES["vae"], PARAMS, folders))
    assert freshness.settle(PARAMS, folders, memo) == []
    with monkeypatch.context() as patch:
        patch.setattr(freshness, "read_index", None)
        assert freshness.settle(PARAMS, folders, memo) == []
    changed = {**PARAMS, "segment": {"max_clip_s": 10}}
    assert [path.parent for path in freshness.settle(changed, folders, memo)] == [folders["segment"]]
    build(folders, songs=("a",))
    assert [path.parent for path in freshness.settle(PARAMS, folders, memo)] == [folders["vae"]]
    (folders["separate"] / "shard-00000.tar").write_bytes(b"cut")
    stale = freshness.settle(PARAMS, folders, memo)
    assert [path.parent for path in stale] == [folders["separate"], folders["vae"]]
    memo.write_text("{")
    assert freshness.settle(PARAMS, folders, memo) == stale

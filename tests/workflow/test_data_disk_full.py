"""A full disk, and inputs that cannot be read: a clear error, nothing lost, and the same bytes once there is room."""

import shutil
import subprocess
import sys

import pytest
from data_stages import FOLDERS, Corpus

from stages.contract.shards import ShardError, verify

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("data")]
DISK_KB = 16_384
CHANGES = {
    "ingest": {"min_s": 1},
    "separate": {"overlap": 0.3},
    "segment": {"max_clip_s": 4},
    "tokenize": {"windows_per_batch": 4},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    corpus = Corpus.make(tmp_path_factory.mktemp("corpus"), n_songs=5)
    corpus.build()
    return corpus


@pytest.fixture
def disk(tmp_path):
    """A disk that is nearly full, by a file `filler` on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or not shutil.which("mount"):
        pytest.skip("no tmpfs here")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk, free_bytes):
    """Leave so much room, in whole pages."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(max(free - free_bytes, 0) // 4096 * 4096))


@pytest.mark.parametrize("stage", FOLDERS)
def test_full_disk(corpus, disk, stage):
    out = disk / "out"
    expected = corpus.bytes(stage)

    def written():
        return {path.name: path.read_bytes() for path in sorted(out.glob("shard-*"))}

    def run_full(free_bytes):
        fill(disk, free_bytes)
        with pytest.raises(OSError, match="disk is full"):
            corpus.run(stage, "--out", str(out))
        (disk / "filler").unlink()
        assert not list(out.rglob(".tmp-*"))

    run_full(sum(map(len, expected.values())) // 2)
    assert written().items() <= expected.items()
    assert corpus.run(stage, "--out", str(out)) == 0
    assert written() == expected

    before = corpus.params.read_text()
    corpus.set(**{stage: CHANGES[stage]})
    run_full(8192)
    assert verify(out) == [], "the old shards still stand"
    assert corpus.run(stage, "--out", str(out)) == 0
    grown = written()
    assert corpus.run(stage, "--out", str(disk / "anew"), *more_of(stage, out)) == 0
    assert grown == {path.name: path.read_bytes() for path in sorted((disk / "anew").glob("shard-*"))} != expected
    corpus.params.write_text(before)


def more_of(stage, out):
    return ("--places-of", str(out)) if stage == "ingest" else ()


@pytest.mark.parametrize("stage", ["separate", "segment", "tokenize"])
def test_a_truncated_shard_upstream_is_named(corpus, stage, tmp_path):
    """What was made before stays; with the shard whole again, so is the result."""
    expected = corpus.bytes(stage)
    upstream = {"separate": "ingest", "segment": "separate", "tokenize": "segment"}[stage]
    tar = corpus.folder(upstream) / "shard-00001.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:700])  # within its first member
    out = tmp_path / "out"
    with pytest.raises(ShardError, match=r"shard-00001\.tar: not a whole tar"):
        corpus.run(stage, "--out", str(out))
    assert (out / "shard-00000.tar").read_bytes() == expected["shard-00000.tar"]
    tar.write_bytes(whole)
    assert corpus.run(stage, "--out", str(out)) == 0
    assert {path.name: path.read_bytes() for path in sorted(out.glob("shard-*"))} == expected

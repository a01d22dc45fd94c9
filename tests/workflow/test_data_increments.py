"""One change in a corpus: every data stage makes again exactly what it must, in the shard where it lies, and the whole
equals a clean build. benchmarks/increments.py does the same with 200 songs, under DVC and Snakemake too."""

import re
from collections.abc import Callable

import pytest
from data_stages import FOLDERS, LRC, Corpus

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("data")]
N_SONGS = 5  # two shards: 0 1 2 | 3 4


def nothing(corpus: Corpus) -> None:
    """All stays as it is."""


def add(corpus: Corpus) -> None:
    corpus.song(5)


def change(corpus: Corpus) -> None:
    corpus.song(1, seed=11)


def rename(corpus: Corpus) -> None:
    for path in corpus.songs.glob("2.*"):
        path.rename(path.with_stem("two"))


def remove(corpus: Corpus) -> None:
    for path in corpus.songs.glob("4.*"):
        path.unlink()


def change_lyric(corpus: Corpus) -> None:
    (corpus.songs / "0.lrc").write_text(LRC.replace("river", "harbour"))


def change_parameter_in_vain(corpus: Corpus) -> None:
    """The same clips come out."""
    corpus.set(segment={"min_gap_s": 0.16})


def change_parameter(corpus: Corpus) -> None:
    corpus.set(segment={"max_clip_s": 4})


# change -> files looked at and songs made by stage; shards written by stage. In this order, one after the other.
ALL = (0, 1)
CHANGES: list[tuple[Callable[[Corpus], None], tuple[int, ...], tuple[tuple[int, ...], ...]]] = [
    (nothing, (0, 0, 0, 0), ((), (), (), ())),
    (add, (2, 1, 1, 1), ((1,), (1,), (1,), (1,))),
    (change, (1, 1, 1, 1), ((0,), (0,), (0,), (0,))),
    (rename, (2, 0, 0, 0), ((0,), (), (), ())),
    (remove, (0, 0, 0, 0), ((1,), (1,), (1,), (1,))),
    (change_lyric, (1, 0, 1, 1), ((0,), (), (0,), (0,))),
    (change_parameter_in_vain, (0, 0, 5, 0), ((), (), ALL, ())),
    (change_parameter, (0, 0, 5, 5), ((), (), ALL, ALL)),
]


def counts(said: str) -> tuple[int, ...]:
    made = {stage: sum(map(int, re.findall(rf"^{stage}: shard \d+: (\d+) of", said, re.M))) for stage in FOLDERS}
    made["ingest"] = sum(map(int, re.findall(r"; (\d+) looked at anew", said)))
    return tuple(made.values())


def shards_written(before: dict[str, int], after: dict[str, int]) -> tuple[tuple[int, ...], ...]:
    tars = [name for name in after if name.endswith(".tar") and after[name] != before.get(name)]
    return tuple(
        tuple(int(name[-9:-4]) for name in tars if name.startswith(f"{folder}/")) for folder in FOLDERS.values()
    )


def test_a_change_costs_what_it_must(tmp_path, capsys):
    corpus = Corpus.make(tmp_path / "corpus", N_SONGS)
    corpus.build()
    for apply, must_make, must_write in CHANGES:
        before = corpus.writings()
        apply(corpus)
        capsys.readouterr()
        corpus.build()
        assert counts(capsys.readouterr().err) == must_make, apply.__name__
        assert shards_written(before, corpus.writings()) == must_write, apply.__name__

    grown = {stage: corpus.bytes(stage) for stage in FOLDERS}
    corpus.data.rename(tmp_path / "grown")
    corpus.forget("ingest")
    assert corpus.run("ingest", "--places-of", str(tmp_path / "grown/catalogue")) == 0
    corpus.build()
    assert {stage: corpus.bytes(stage) for stage in FOLDERS} == grown

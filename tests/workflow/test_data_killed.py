"""SIGKILL at random moments of every data stage: no file under a final name that is not whole, nobody left behind, and
the rerun ends with the same bytes."""

import os
import random
import signal
import time

import pytest
from data_stages import FOLDERS, Corpus

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("data")]
N_KILLS = 8  # of each of four stages


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    corpus = Corpus.make(tmp_path_factory.mktemp("corpus"), n_songs=5)
    corpus.build()
    return corpus


def start(corpus: Corpus, stage: str) -> int:
    """The stage in a process group of its own; returns its id."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(corpus.run(stage))
    return child


def kill(child: int, after_s: float) -> bool:
    """Was it killed before its end?"""
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    deadline = time.monotonic() + 30
    while lives(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives(child), "workers outlived their parent"
    return os.WIFSIGNALED(status)


def lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("stage", FOLDERS)
def test_killed_and_run_again(corpus, stage):
    expected = corpus.bytes(stage)
    corpus.forget(stage)
    begun_s = time.monotonic()
    assert os.waitpid(start(corpus, stage), 0)[1] == 0
    whole_s = time.monotonic() - begun_s
    assert corpus.bytes(stage) == expected

    draw = random.Random(stage)
    n_killed = 0
    for attempt in range(4 * N_KILLS):
        if attempt % 2 == 0:
            corpus.forget(stage)  # else it goes on from what the killed run before it left
        n_killed += kill(start(corpus, stage), draw.random() * whole_s)
        assert corpus.bytes(stage).items() <= expected.items()
        if n_killed == N_KILLS:
            break
    assert n_killed == N_KILLS
    assert corpus.run(stage) == 0
    assert corpus.bytes(stage) == expected
    assert corpus.problems(stage) == []

"""SIGKILL at any moment: the rerun ends with the same bytes, and nobody is left behind."""

import os
import random
import shutil
import signal
import time

from stages.contract.files import TEMPORARY_PREFIX


def run_and_kill(workshop, after_s: float) -> bool:
    """Was it killed before its end?"""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(workshop.run())
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    deadline = time.monotonic() + 30
    while _group_lives(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _group_lives(child), "workers outlived their parent"
    return os.WIFSIGNALED(status)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_killed_and_run_again(workshop):
    for seed in range(6):
        workshop.song(f"{seed}.flac", seed)
    workshop.lyrics("3.lrc", "[00:01.00]我们走过这条路\n")
    start = time.monotonic()
    assert workshop.run() == 0
    whole_s = time.monotonic() - start
    expected = workshop.bytes()

    draw = random.Random(0)
    n_killed = 0
    for round in range(6):
        if round % 2 == 0:
            shutil.rmtree(workshop.out, ignore_errors=True)  # else it goes on from what the killed run before it left
        shutil.rmtree(workshop.root / "cache", ignore_errors=True)
        n_killed += run_and_kill(workshop, draw.random() * 0.7 * whole_s)
    assert n_killed >= 2
    assert workshop.run() == 0
    assert workshop.bytes() == expected
    names = [path.name for path in workshop.out.rglob("*")]
    assert not [name for name in names if name.startswith((TEMPORARY_PREFIX, ".spool"))]

"""Workers are forked, so functions need not be sent; a killed one is an error."""

import os
import signal
from concurrent.futures.process import BrokenProcessPool

import pytest

from stages.segment.pool import device_name, parallel


def test_all_items_come_back_from_other_processes() -> None:
    here = os.getpid()
    answers = list(parallel(lambda item: (item, os.getpid()), [str(i) for i in range(7)], "cpu", jobs=2))
    assert sorted(item for item, _ in answers) == [str(i) for i in range(7)]
    assert all(pid != here for _, pid in answers)


def test_one_job_and_a_gpu_stay_here() -> None:
    here = os.getpid()
    assert set(parallel(lambda _: os.getpid(), ["a", "b"], "cpu", jobs=1)) == {here}
    assert set(parallel(lambda _: os.getpid(), ["a", "b"], "cuda", jobs=2)) == {here}
    assert list(parallel(lambda item: item, [], "cpu")) == []


def test_a_killed_worker_is_an_error_not_a_wait_for_ever() -> None:
    with pytest.raises(BrokenProcessPool):
        list(parallel(lambda _: os.kill(os.getpid(), signal.SIGKILL), ["a", "b", "c"], "cpu", jobs=2))


def test_a_named_device_is_taken_at_its_word() -> None:
    assert device_name("cuda:1") == "cuda:1"
    assert device_name("auto") in ("cpu", "cuda")

"""Songs on all cores. Workers are forked from the process that has imported and loaded everything: importing pyannote
takes longer than a song."""

import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any, TypeVar

from stages.lib.workers import leave_with, n_cores

T = TypeVar("T")

_work: Callable[[Any], Any] | None = None  # what forked workers find; functions themselves cannot be sent


def device_name(asked: str) -> str:
    import torch

    if asked != "auto":
        return asked
    return "cuda" if torch.cuda.is_available() else "cpu"


def parallel(work: Callable[[str], T], items: Sequence[str], device: str, jobs: int | None = None) -> Iterator[T]:
    """work(item) of all items, in any order; on a GPU (which does not survive a fork) or with one job, right here.
    A worker that is killed (memory) is an error, not a wait for ever; results wait for nobody, so memory stays flat."""
    global _work
    import torch

    jobs = min(jobs or n_cores(), len(items))
    if device != "cpu" or jobs <= 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(work, items)
        return
    before, n_threads = _work, torch.get_num_threads()
    torch.set_num_threads(1)  # a core each; and no thread pool is alive when the workers are forked
    _work = work
    try:
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(jobs, fork, initializer=leave_with, initargs=(os.getpid(),)) as pool:
            todo = iter(items)
            running = {pool.submit(_do, item) for item in itertools.islice(todo, jobs + 1)}
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(_do, item) for item in itertools.islice(todo, len(finished))}
                for future in finished:
                    yield future.result()
    finally:
        _work = before
        torch.set_num_threads(n_threads)


def _do(item: str) -> Any:
    assert _work is not None
    return _work(item)

"""Files are measured on all cores, a bounded number in flight. A file that kills its worker costs that file alone."""

import errno
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from stages.contract.digests import digest
from stages.contract.files import FoundFile
from stages.ingest.fingerprint import Fingerprint
from stages.ingest.probe import AudioFacts, LyricsFacts, probe_audio, probe_lyrics
from stages.lib.workers import leave_with

_IN_FLIGHT_PER_WORKER = 4
_NOT_THE_FILES_FAULT = {errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


@dataclass(frozen=True)
class Task:
    kind: str  # "audio" or "lyrics", as the cache's tables
    file: FoundFile


@dataclass(frozen=True)
class Probed:
    """passing: the file could not be read now; that may change without its size or mtime."""

    task: Task
    audio: AudioFacts | None = None
    fingerprint: Fingerprint | None = None
    lyrics: LyricsFacts | None = None
    passing: bool = False


def probe(task: Task) -> Probed:
    """Runs in a worker."""
    path = Path(task.file.path)
    try:
        if task.kind == "lyrics":
            return Probed(task, lyrics=probe_lyrics(path))
        facts, fingerprint = probe_audio(path)
        return Probed(task, audio=facts, fingerprint=fingerprint)
    except OSError as error:
        if error.errno in _NOT_THE_FILES_FAULT:
            raise
        return _lost(task, f"cannot be read: {error.strerror or error}", passing=True)


def _lost(task: Task, reason: str, passing: bool) -> Probed:
    if task.kind == "lyrics":
        return Probed(task, lyrics=LyricsFacts(notes=(f"lyrics {reason}",)), passing=passing)
    return Probed(task, audio=AudioFacts(digest([reason, task.file.path]), error=reason), passing=passing)


def probe_all(tasks: Iterable[Task], workers: int) -> Iterator[Probed]:
    """In the order they are done."""
    waiting = iter(tasks)
    while True:
        pool = _executor(workers)
        running: dict[Future[Probed], Task] = {}
        try:
            yield from _drain(pool, running, waiting, workers * _IN_FLIGHT_PER_WORKER)
            return
        except BrokenProcessPool:
            suspects = list(running.values())
        finally:
            pool.shutdown(cancel_futures=True)
        for task in suspects:
            yield _alone(task)


def _drain(
    pool: ProcessPoolExecutor, running: dict[Future[Probed], Task], waiting: Iterator[Task], n_in_flight: int
) -> Iterator[Probed]:
    """`running` always holds what was handed out and has not come back."""
    while True:
        while len(running) < n_in_flight and (task := next(waiting, None)) is not None:
            try:
                running[pool.submit(probe, task)] = task
            except BrokenProcessPool:
                running[Future()] = task
                raise
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            probed = future.result()
            del running[future]
            yield probed


def _alone(task: Task) -> Probed:
    with _executor(1) as pool:
        try:
            return pool.submit(probe, task).result()
        except BrokenProcessPool:
            return _lost(task, "cannot be decoded: the decoder crashed on it", passing=False)


def _executor(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, initializer=_start_worker, initargs=(os.getpid(),))


def _start_worker(parent: int) -> None:
    """Decoders in C write their complaints straight to the terminal; ours are on the ledger."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    leave_with(parent)

"""Worker processes: how many, and none that outlives the process it works for."""

import os
import threading
import time

_LOOK_UP_S = 0.5  # how often a worker looks whether its parent still lives


def n_cores() -> int:
    """Those this process may use, where the system says so: a Slurm job has fewer than its node."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def leave_with(parent: int) -> None:
    """Called in a worker: a parent that is killed says no farewell, and its workers would wait for work for ever."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_UP_S)
    os._exit(1)

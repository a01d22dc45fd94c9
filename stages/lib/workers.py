"""Worker processes that do not outlive the process they work for."""

import os
import threading
import time

_LOOK_UP_S = 0.5  # how often a worker looks whether its parent still lives


def leave_with(parent: int) -> None:
    """Called in a worker: a parent that is killed says no farewell, and its workers would wait for work for ever."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_UP_S)
    os._exit(1)

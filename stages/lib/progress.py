"""Progress of long work: a bar on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, TypeVar

T = TypeVar("T")
LOG_INTERVAL_S = 10.0


class _PlainProgress:
    """What tqdm offers that we use (`update`, `set_postfix`, `close`), as a line every few seconds."""

    def __init__(self, total: float | None, desc: str, unit: str, initial: float, stream: TextIO):
        self._total, self._desc, self._unit, self._stream = total, desc, unit, stream
        self._done, self._first = float(initial), float(initial)
        self._start = self._last = time.monotonic()
        self._postfix = ""

    def update(self, n: float = 1) -> None:
        self._done += n
        now = time.monotonic()
        if now - self._last >= LOG_INTERVAL_S:
            self._last = now
            self._print(now)

    def set_postfix(self, refresh: bool = True, **values: float) -> None:
        self._postfix = "".join(f", {name} {value:.4g}" for name, value in values.items())

    def close(self) -> None:
        self._print(time.monotonic())

    def _print(self, now: float) -> None:
        elapsed_s = max(now - self._start, 1e-9)
        rate = (self._done - self._first) / elapsed_s
        left = ""
        if self._total and rate > 0 and self._done < self._total:
            left = f", {(self._total - self._done) / rate:.0f} s left"
        of = f"/{self._total:g}" if self._total else ""
        head = f"{self._desc}: {self._done:g}{of} {self._unit}"
        print(
            f"{head}, {rate:.3g} {self._unit}/s, {elapsed_s:.0f} s{left}{self._postfix}", file=self._stream, flush=True
        )

    def __enter__(self) -> "_PlainProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def progress_bar(total: float | None, desc: str, unit: str = "it", initial: float = 0) -> Any:
    """A context manager with `update(n)` and `set_postfix(loss=...)`."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        return tqdm(total=total, desc=desc, unit=unit, initial=initial, dynamic_ncols=True, smoothing=0.1)
    return _PlainProgress(total, desc, unit, initial, sys.stderr)


def progress(items: Iterable[T], total: float | None, desc: str, unit: str = "it") -> Iterator[T]:
    """Pass `items` on, showing how many went by."""
    with progress_bar(total, desc, unit) as bar:
        for item in items:
            yield item
            bar.update(1)

"""How long a training command runs: so many steps (reproducible), or until so many minutes are gone."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.lib.progress import progress_bar


class Pace:
    """`steps` yields (step, share of the work that is done); `n_done` counts."""

    def __init__(self, n_steps: int | None, minutes: float):
        self._n_steps, self._limit_s = n_steps, minutes * 60
        self._bar: Any = None
        self.n_done = 0

    def steps(self, name: str) -> Iterator[tuple[int, float]]:
        start_s = last_s = time.monotonic()
        with progress_bar(self._n_steps or self._limit_s, name, "steps" if self._n_steps else "s") as self._bar:
            while (done := self._share(start_s)) < 1:
                yield self.n_done, done
                self.n_done += 1
                now_s = time.monotonic()
                self._bar.update(1 if self._n_steps else now_s - last_s)
                last_s = now_s

    def show(self, **values: float) -> None:
        self._bar.set_postfix(refresh=False, **values)

    def _share(self, start_s: float) -> float:
        if self._n_steps:
            return self.n_done / self._n_steps
        return (time.monotonic() - start_s) / self._limit_s


def trainer_parser(verb: str, doc: str | None, out: Path, minutes: float) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"songcreator {verb}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--songs", type=Path, required=True, help="folder of songs with truth (demo_songs)")
    parser.add_argument("--out", type=Path, default=out, help="where the model goes (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=minutes, help="how long to train (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=None, help="train so many steps instead: reproducible")
    parser.add_argument(
        "--separator", default=None, help="train on what this separator leaves, too (weights/separator)"
    )
    parser.add_argument(
        "--separated", type=Path, default=Path("runs/separated"), help="where it leaves it (default: %(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the model in --out, at a lower rate")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and excerpts (default: %(default)s)")
    return parser

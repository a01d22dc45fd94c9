"""A training set in memory, a block at a time: what a step sees is a function of (seed, step), so that a resumed run
draws alike; memory holds two blocks, whatever the corpus; the next block is read while the present one serves."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np

Ref = TypeVar("Ref")
Item = TypeVar("Item")


class Blocks(Generic[Ref, Item]):
    """n_items of `refs`, drawn at random and read by `read`, serve for n_steps steps; then others are drawn. A corpus
    that fits one block is read once."""

    def __init__(self, refs: Sequence[Ref], read: Callable[[Ref], Item], n_items: int, n_steps: int, seed: int):
        self._refs, self._read, self._n_items, self._n_steps, self._seed = refs, read, n_items, n_steps, seed
        self._thread = ThreadPoolExecutor(1)  # one: the readers of shards share a file position
        self._blocks: dict[int, Future[list[Item]]] = {}

    def at(self, step: int) -> list[Item]:
        """The items that serve at `step`, in the order of `refs`."""
        number = self._number(step)
        for wanted in {number, self._number(step + self._n_steps)}:
            if wanted not in self._blocks:
                self._blocks[wanted] = self._thread.submit(self._draw, wanted)
        for old in [block for block in self._blocks if block < number]:
            del self._blocks[old]
        return self._blocks[number].result()

    def _number(self, step: int) -> int:
        return step // self._n_steps if len(self._refs) > self._n_items else 0

    def _draw(self, number: int) -> list[Item]:
        chosen = np.random.default_rng([self._seed, number]).permutation(len(self._refs))[: self._n_items]
        return [self._read(self._refs[i]) for i in sorted(chosen)]

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

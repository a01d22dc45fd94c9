"""The models' side: chunks of many songs come in from many threads, and go through the models together.

On a GPU one thread runs full batches. On a CPU there is a thread per core, each running one chunk at a time with no
threads below it: that uses the cores better than splitting each small operation over them, and makes a chunk's result
independent of the number of cores. A batch is always filled up to its size, so a chunk's result does not depend on
who travels with it, and a killed run goes on to the same bytes.
Shapes: B batch, C channels, T samples.
"""

import threading
from collections import deque
from concurrent.futures import Future
from types import TracebackType

import numpy as np
import torch

from stages.lib.allocator import keep_freed_memory
from stages.lib.cli import UserError
from stages.separate.model import Separator

Key = tuple[int, int]  # model, samples: what can share a batch


class Batcher:
    """Runs chunks submitted by any thread. A context manager: threads end with it."""

    def __init__(self, separator: Separator, device: str, batch: int, n_threads: int):
        self._models = [model.to(device) for model in separator.models]
        self._device, self._batch = device, batch
        self._pending: deque[tuple[Key, np.ndarray, Future[np.ndarray]]] = deque()
        self._ready = threading.Condition()
        self._closed = False
        self._threads_before = torch.get_num_threads()
        if device == "cpu":
            torch.set_num_threads(1)
            keep_freed_memory()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(n_threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, model: int, mix_CT: np.ndarray) -> "Future[np.ndarray]":
        """What model number `model` of the bag says of the vocals: T float32."""
        future: Future[np.ndarray] = Future()
        with self._ready:
            if self._closed:
                future.cancel()
            else:
                self._pending.append(((model, mix_CT.shape[1]), mix_CT, future))
                self._ready.notify()
        return future

    def __enter__(self) -> "Batcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._ready:
            self._closed = True
            for _, _, future in self._pending:
                future.cancel()
            self._pending.clear()
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()
        torch.set_num_threads(self._threads_before)

    def _work(self) -> None:
        if self._device == "cpu":
            torch.set_num_threads(1)  # each thread keeps its own number
        while (taken := self._take()) is not None:
            (model, _), chunks, futures = taken
            try:
                answers_BT = self._run(model, chunks)
            except Exception as error:  # handed to whoever waits for it
                if isinstance(error, torch.OutOfMemoryError):
                    error = UserError(f"{self._device} has no memory for --batch {self._batch}: try a smaller one")
                for future in futures:
                    future.set_exception(error)
            else:
                for future, answer_T in zip(futures, answers_BT, strict=False):
                    future.set_result(answer_T)

    def _take(self) -> tuple[Key, list[np.ndarray], list["Future[np.ndarray]"]] | None:
        """The oldest chunk and those that can share its batch, in order; None at the end."""
        with self._ready:
            while not self._pending and not self._closed:
                self._ready.wait()
            if not self._pending:
                return None
            key = self._pending[0][0]
            chunks: list[np.ndarray] = []
            futures: list[Future[np.ndarray]] = []
            others: deque[tuple[Key, np.ndarray, Future[np.ndarray]]] = deque()
            while self._pending and len(chunks) < self._batch:
                item = self._pending.popleft()
                if item[0] == key:
                    chunks.append(item[1])
                    futures.append(item[2])
                else:
                    others.append(item)
            self._pending.extendleft(reversed(others))
            return key, chunks, futures

    @torch.inference_mode()
    def _run(self, model: int, chunks: list[np.ndarray]) -> np.ndarray:
        mix_BCT = torch.from_numpy(np.stack(chunks))
        if len(chunks) < self._batch:
            mix_BCT = torch.nn.functional.pad(mix_BCT, (0, 0, 0, 0, 0, self._batch - len(chunks)))
        return self._models[model](mix_BCT.to(self._device))[: len(chunks)].cpu().numpy()

"""Groups of environments in processes of their own, stepped together."""

import contextlib
import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .vec_env import BatchStep, Observations, joined


class Group(Protocol):
    """The environments of one process; each begins its next episode by itself."""

    def reset(self) -> Observations: ...

    def step(self, actions: npt.NDArray[Any]) -> BatchStep: ...


def _serve(pipe: Connection, make: Callable[[Sequence[int]], Group], seeds: Sequence[int]) -> None:
    group = make(seeds)
    while (request := pipe.recv()) is not None:
        name, arguments = request
        pipe.send(getattr(group, name)(*arguments))


class Workers:
    """``count`` environments over some processes; a context manager that ends them.

    make: builds the group for some seeds, one for each environment; it must be importable. Equal seeds, equal episodes.
    """

    def __init__(self, make: Callable[[Sequence[int]], Group], seed: int, *, count: int, processes: int) -> None:
        self.num_envs = count
        seeds = np.random.SeedSequence(seed).generate_state(count)
        # A fresh interpreter each: forking one that holds torch's threads may hang.
        context = multiprocessing.get_context("spawn")
        self._pipes, self._workers = [], []
        self._cuts = np.linspace(0, count, processes + 1).astype(int)[1:-1]
        for part in np.split(seeds, self._cuts):
            here, there = context.Pipe()
            worker = context.Process(target=_serve, args=(there, make, part.tolist()), daemon=True)
            worker.start()
            there.close()
            self._pipes.append(here)
            self._workers.append(worker)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            with contextlib.suppress(BrokenPipeError):  # of a worker that died, which is being reported already
                pipe.send(None)
        for worker in self._workers:
            worker.join()

    def reset(self) -> Observations:
        return np.concatenate(self.ask("reset"))

    def step(self, actions: npt.NDArray[Any]) -> BatchStep:
        return joined(self.ask("step", [(part,) for part in np.split(actions, self._cuts)]))

    def ask(self, name: str, arguments: Sequence[tuple[Any, ...]] | None = None) -> list[Any]:
        """Call a method of every group, with the arguments of each, at the same time; raises EOFError if one died."""
        for pipe, given in zip(self._pipes, arguments or [()] * len(self._pipes), strict=True):
            pipe.send((name, given))
        return [pipe.recv() for pipe in self._pipes]

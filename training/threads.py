"""Our own threads beside each other, and the libraries' kept to one each, as they would wait for one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Part = TypeVar("Part")
Result = TypeVar("Result")


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """BLAS on one thread: its own threads wait for each other, and beside a busy process it takes twenty times."""
    controller: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return controller


def openmp_threads() -> int:
    """How many threads OpenMP, and so LightGBM, takes here: as OMP_NUM_THREADS says, else one a core."""
    return min(
        (library["num_threads"] for library in _libraries().info() if library["user_api"] == "openmp"), default=1
    )


def beside_each_other(work: Callable[[Part], Result], parts: Sequence[Part], threads: int) -> Iterator[Result]:
    """What `work` gives for each of the parts, in their order, so many at a time."""
    with one_blas_thread():
        if min(threads, len(parts)) <= 1:
            yield from map(work, parts)
            return
        with ThreadPoolExecutor(threads, initializer=_alone) as pool:
            yield from pool.map(work, parts)


def _alone() -> None:
    _libraries().limit(limits=1, user_api="openmp")  # of this thread, until it ends

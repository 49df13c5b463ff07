"""Where trials are computed: threads of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import functools
import os
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

from oxnor.models.base.errors import InputError, install
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.trials.binarized import confusion

from .evaluator import Evaluator, Work, errors_of
from .params import Classify
from .store import Key, Trial

#: Gives the trials of some keys, in any order.
Compute = Callable[[Iterable[Key]], Iterator[Trial]]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads(work: Work, jobs: int) -> Iterator[Compute]:
    """Yield a function that computes trials in `jobs` threads; the kernels leave Python to the others."""
    evaluator = Evaluator(work)
    pool = futures.ThreadPoolExecutor(jobs)

    def compute(keys: Iterable[Key]) -> Iterator[Trial]:
        for done in futures.as_completed([pool.submit(evaluator.run, key) for key in keys]):
            yield done.result()

    try:
        yield compute
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def one(work: Work, classify: Classify) -> Iterator[Compute]:
    """Yield a function that computes trials of read errors one after the other where `classify` runs images.

    What a trial is stays the sweep's: the errors of its key, on the images of the work.
    """
    def compute(keys: Iterable[Key]) -> Iterator[Trial]:
        for key in keys:
            start = time.perf_counter()
            errors = errors_of(work, key)
            assert isinstance(errors, ReadErrors)
            counts = confusion(work.labels, classify(work.bits, errors), work.network.n_out)
            yield Trial(key, 0, counts, time.perf_counter() - start)

    yield compute


@functools.lru_cache(maxsize=2)
def _evaluator(payload: bytes) -> Any:
    return Evaluator(pickle.loads(payload))


def _remote(payload: bytes, key: Key) -> Trial:
    """Compute one trial in a worker process, which keeps what it has unpacked."""
    return _evaluator(payload).run(key)


@contextmanager
def dask(work: Work, address: str) -> Iterator[Compute]:
    """Yield a function that computes trials on the workers of the Dask scheduler at `address`.

    A worker that dies costs the trials that it was computing: the scheduler gives them to others.

    Raises
    ------
    InputError
        If ``distributed`` is not installed or nothing answers at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError(f"needs Dask: {install('sweep')}", parameter="scheduler") from None

    try:
        client = Client(address, timeout=5, set_as_default=False)
    except (OSError, ValueError) as e:
        raise InputError(
            f"must be the address of a running Dask scheduler: {address!r}: {e}", parameter="scheduler"
        ) from None

    def compute(keys: Iterable[Key]) -> Iterator[Trial]:
        # A task of the cluster, not scattered data: if the only worker that holds it dies, it is made again.
        payload = client.submit(bytes, pickle.dumps(work), pure=False)
        tasks = [client.submit(_remote, payload, key, pure=False, retries=3) for key in keys]
        try:
            for task in as_completed(tasks, loop=client.loop):
                yield task.result()
                task.release()
        finally:
            client.cancel(tasks)

    try:
        yield compute
    finally:
        client.close()

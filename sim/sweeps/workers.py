"""Where trials are computed: threads of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import functools
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.golden.registry import type_of
from oxnor.models.trials.binarized import confusion
from oxnor.sim.runner.workers import cluster

from .evaluator import Evaluator, Work, changes, errors_of
from .params import Classify
from .trial import Key, Trial

#: Gives the trials of some keys, in any order.
Compute = Callable[[Iterable[Key]], Iterator[Trial]]


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
    clean = type_of(work.network).predict(work.network, work.bits)

    def compute(keys: Iterable[Key]) -> Iterator[Trial]:
        for key in keys:
            start = time.perf_counter()
            errors = errors_of(work, key)
            assert isinstance(errors, ReadErrors)
            classes = classify(work.bits, errors)
            counts = confusion(work.labels, classes, work.network.n_out)
            yield Trial(key, 0, counts, time.perf_counter() - start, changes(work.labels, clean, classes))

    yield compute


@functools.lru_cache(maxsize=2)
def _evaluator(payload: bytes) -> Any:
    return Evaluator(pickle.loads(payload))


def _remote(payload: bytes, key: Key) -> Trial:
    """Compute one trial in a worker process, which keeps what it has unpacked."""
    return _evaluator(payload).run(key)


@contextmanager
def dask(work: Work, address: str) -> Iterator[Compute]:
    """Yield a function that computes trials on the workers of the Dask scheduler at `address`."""
    with cluster(address) as workers:
        yield lambda keys: workers.map(_remote, pickle.dumps(work), keys)

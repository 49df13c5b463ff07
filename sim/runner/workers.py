"""How many cores there are, and the workers of a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from oxnor.models.base.errors import InputError, install


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cluster:
    """The workers of a Dask scheduler.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any):
        self._client = client

    @property
    def threads(self) -> int:
        """How many calls run at once, at least 1."""
        return max(1, sum(self._client.nthreads().values()))

    def map(self, function: Callable[[bytes, Any], Any], payload: bytes, items: Iterable[Any]) -> Iterator[Any]:
        """Yield function(payload, item) of all items, in any order.

        A worker that dies costs what it was computing: the scheduler gives it to others.
        """
        from distributed import as_completed

        client = self._client
        # A task of the cluster, not scattered data: if the only worker that holds it dies, it is made again.
        shared = client.submit(bytes, payload, pure=False)
        tasks = [client.submit(function, shared, item, pure=False, retries=3) for item in items]
        try:
            for task in as_completed(tasks, loop=client.loop):
                yield task.result()
                task.release()
        finally:
            client.cancel(tasks)


@contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """Yield the workers of the Dask scheduler at `address`.

    Raises
    ------
    InputError
        If ``distributed`` is not installed or nothing answers at the address.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(f"needs Dask: {install('sweep')}", parameter="scheduler") from None

    try:
        client = Client(address, timeout=5, set_as_default=False)
    except (OSError, ValueError) as e:
        raise InputError(
            f"must be the address of a running Dask scheduler: {address!r}: {e}", parameter="scheduler"
        ) from None
    try:
        yield Cluster(client)
    finally:
        client.close()

"""Computes any trial of a sweep alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.faults.fault_map import FaultMap, shapes_of
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.golden.registry import type_of
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import SpikingNetwork
from oxnor.models.trials.binarized import Trials, confusion, labels_for
from oxnor.models.trials.spiking import SpikingTrials
from oxnor.sim.verify.inputs import Inputs

from .errors import draw_errors
from .params import SweepParams
from .trial import ALL_LAYERS, Key, Trial

#: What computes the trials of a network, by its type.
TRIALS: Mapping[type, Callable[..., Any]] = {Network: Trials, SpikingNetwork: SpikingTrials}


@dataclass(frozen=True, eq=False)
class Work:
    """All that a worker needs to compute trials.

    Parameters
    ----------
    network : Network
    bits : ndarray of bool, shape (n, n_in)
        Images; of a spiking network grey values, or event streams.
    labels : ndarray of int64, shape (n,)
        Their classes.
    params : SweepParams
        Of which the kind of error, its options and the seed decide a trial.
    backend : str
        "cpu" or "torch".
    """

    network: Network
    bits: NDArray[np.bool_]
    labels: NDArray[np.int64]
    params: SweepParams
    backend: str = "cpu"


def work_for(network: Any, inputs: Inputs, params: SweepParams, backend: str = "cpu") -> Work:
    """Return what workers need; without labels, right is what the network says without errors."""
    bits = type_of(network).inputs(network, inputs.images)
    labels = labels_for(network, bits, inputs.labels)
    return Work(network, bits, labels, params, backend)


def errors_of(work: Work, key: Key) -> FaultMap | ReadErrors:
    """Return the errors of a trial."""
    return draw_errors(work.network, key, work.params)


def changes(labels: NDArray[np.int64], before: NDArray[np.int64], after: NDArray[np.int64]) -> tuple[int, int]:
    """Return how many images errors took from right to wrong, and from wrong to right."""
    right, still = before == labels, after == labels
    return int(np.count_nonzero(right & ~still)), int(np.count_nonzero(~right & still))


class Evaluator:
    """Computes any trial of a sweep alone.

    Parameters
    ----------
    work : Work
    """

    def __init__(self, work: Work):
        self.work = work
        if work.backend == "torch":
            from oxnor.models.trials.torch import TorchTrials

            self.trials: Any = TorchTrials(work.network, work.bits, work.labels)
        else:
            self.trials = TRIALS[type(work.network)](work.network, work.bits, work.labels)
        self._clean = self.trials.predict(FaultMap(shapes_of(work.network)))

    def run(self, key: Key) -> Trial:
        """Return what a trial gives."""
        start = time.perf_counter()
        w, errors = self.work, errors_of(self.work, key)
        faults = errors if isinstance(errors, FaultMap) else None
        reads = errors if isinstance(errors, ReadErrors) else errors.read
        classes = self.trials.predict(faults) if reads is None else self._classes(faults, reads, key.layer)
        wrong = 0 if faults is None else faults.wrong(w.network)
        counts = confusion(w.labels, classes, w.network.n_out)
        found = changes(w.labels, self._clean, classes)
        return Trial(key, wrong, counts, time.perf_counter() - start, found)

    def _classes(self, faults: FaultMap | None, reads: ReadErrors, only: int) -> NDArray[np.int64]:
        """Return the classes with errors of single reads, in all layers or in one, and wrong weights beside them."""
        network = self.work.network if faults is None else faults.apply(self.work.network)
        in_layer = None if only == ALL_LAYERS else only
        return golden.argmax(golden.scores(network, self.work.bits, read_errors=reads, in_layer=in_layer))

"""A sweep in one call, that is not stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from oxnor.models.networks.binarized import Network
from oxnor.models.trials.curves import Curve
from oxnor.sim.runner.workers import cores
from oxnor.sim.verify.inputs import Inputs

from .evaluator import work_for
from .params import SweepParams
from .trial import Trial
from .workers import threads

#: Called with (what is done, steps done, steps in all or 0 if not known).
Progress = Callable[[str, int, int], None]


def golden_curve(
    network: Network, inputs: Inputs, rates: Sequence[float], trials: int, *, seed: int, progress: Progress
) -> Curve:
    """Return the golden model's accuracy at each of `rates`, in `trials` independent draws of errors."""
    params = SweepParams(tuple(rates), trials, seed=seed)
    done: list[Trial] = []
    keys = params.keys()
    with threads(work_for(network, inputs, params), cores()) as compute:
        for trial in compute(keys):
            done.append(trial)
            progress("golden model at more bit error rates", len(done), len(keys))
    by_rate: dict[float, list[float]] = {}
    for trial in sorted(done, key=lambda t: t.key):
        by_rate.setdefault(trial.key.rate, []).append(trial.accuracy)
    clean = by_rate.pop(0.0)[0]
    return Curve(network.name, {r: np.array(v) for r, v in by_rate.items()}, clean, len(inputs.images))

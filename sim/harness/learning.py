"""Testbenches of what learns: synapses of three values, and an RBM beside its macro."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.learning.learning_array import LearningArray
from oxnor.hw.learning.rbm_learner import RbmLearner
from oxnor.hw.learning.synapses import SynapseArray
from oxnor.models.learning.mtj import thresholds
from oxnor.models.learning.synapses import Synapses, sizes
from oxnor.models.rbm.digital import letter_patterns

from .controller import controller
from .modelled import model_bench
from .unit import UnitTestbench

#: Patterns of a batch.
BATCH = 12


def _close_calls(table: NDArray[np.uint16], lanes: int, updates: int, cycles: int) -> NDArray[np.int64]:
    """Return when a lane's number comes closest to a threshold in some cycles after some updates, from either side.

    Rows of (updates so far, lane, size of the step), in order.
    """
    model, numbers = Synapses(np.zeros((1, lanes), np.int64), table), np.empty((updates + cycles, lanes), np.int64)
    for row in numbers:
        row[:] = model.numbers
        model.rest()
    calls = []
    for lane, (entry, threshold) in product(range(lanes if cycles else 0), enumerate(table.tolist())):
        far = numbers[updates:, lane] - threshold
        for closest in (np.where(far < 0, far, -1 << 16).argmax(), np.where(far >= 0, far, 1 << 16).argmin()):
            calls.append((updates + int(closest), lane, (1 << len(table) - 1 - entry) >> 1))
    return np.array(sorted(calls), np.int64).reshape(-1, 3)


def synapses(
    rows: int, lanes: int, updates: int, law: str = "tanh", entries: int = 16, pause: float = 0.1, cycles: int = 0
) -> UnitTestbench:
    """Return the testbench of synapses: steps of all sizes, small ones most often; directions up, down and none.

    In `cycles` more, a row moves where a number comes closest to a threshold, from either side.
    """
    g = np.random.default_rng([rows, lanes])
    table = thresholds(law, entries)
    wished = np.exp2(g.uniform(-entries, 2.2, (updates, lanes)))
    arrays: dict[str, NDArray] = {
        "thresholds": table, "start": g.integers(-1, 2, (rows, lanes)), "rows": g.integers(0, rows, updates),
        "directions": g.integers(-1, 2, (updates, lanes)), "sizes": sizes(wished, entries),
        "calls": _close_calls(table, lanes, updates, cycles),
    }  # fmt: skip
    unit = SynapseArray(rows, lanes, table)
    return UnitTestbench("learning.tb_synapses", 1, unit, job={"pause": pause}, arrays=arrays)


def learner(visible: int, hidden: int, cycles: int, threshold: int = 3, batch: int = 3) -> UnitTestbench:
    """Return the testbench of a learner beside its model, with weights of all values."""
    unit = RbmLearner(visible, hidden, threshold, batch)
    sizes = {"visible": visible, "hidden": hidden, "threshold": threshold, "batch": batch}
    return replace(model_bench("RbmLearner", unit, cycles, **sizes), module="learning.tb_rbm_learner")


def machine(
    visible: int, hidden: int, epochs: int, *, every: int = 4, halves: bool = False, threshold: int = BATCH,
    seed: int = 1,
) -> UnitTestbench:  # fmt: skip
    """Return the testbench of a machine that sees all patterns in each of some epochs."""
    g = np.random.default_rng(seed)
    patterns = letter_patterns()[:, :visible]
    order = np.concatenate([g.permutation(len(patterns)) for _ in range(epochs)])
    job = {
        "visible": visible, "hidden": hidden, "threshold": threshold, "batch": BATCH, "seed": seed, "every": every,
        "halves": halves,
    }  # fmt: skip
    return UnitTestbench(
        "learning.tb_learning_array", 1, LearningArray(visible, hidden, threshold, BATCH), job=job,
        arrays={"patterns": patterns, "order": order},
    )  # fmt: skip


def machine_in_cycles(
    visible: int, hidden: int, cycles: int, threshold: int = BATCH, batch: int = BATCH
) -> UnitTestbench:
    """Return the testbench of a machine beside its model, cycle by cycle."""
    unit = LearningArray(visible, hidden, threshold, batch)
    job = {
        "model": "RbmLearner", "visible": visible, "hidden": hidden, "threshold": threshold, "batch": batch,
        "cycles": cycles,
        "controller": controller(unit.programming.layers, cycles).job,
    }  # fmt: skip
    return UnitTestbench("learning.tb_machine", 1, unit, job=job)

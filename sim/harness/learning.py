"""Testbenches of what learns: synapses of three values, and an RBM beside its macro."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.learning.learning_array import LearningArray
from oxnor.hw.learning.synapses import SynapseArray
from oxnor.models.learning.mtj import thresholds
from oxnor.models.learning.synapses import sizes
from oxnor.models.rbm.digital import letter_patterns

from .unit import UnitTestbench

#: Patterns of a batch.
BATCH = 12


def synapses(
    rows: int, lanes: int, updates: int, law: str = "tanh", entries: int = 16, pause: float = 0.1
) -> UnitTestbench:
    """Return the testbench of synapses: steps of all sizes, small ones most often; directions up, down and none."""
    g = np.random.default_rng([rows, lanes])
    table = thresholds(law, entries)
    wished = np.exp2(g.uniform(-entries, 2.2, (updates, lanes)))
    arrays: dict[str, NDArray] = {
        "thresholds": table, "start": g.integers(-1, 2, (rows, lanes)), "rows": g.integers(0, rows, updates),
        "directions": g.integers(-1, 2, (updates, lanes)), "sizes": sizes(wished, entries),
    }  # fmt: skip
    unit = SynapseArray(rows, lanes, table)
    return UnitTestbench("learning.tb_synapses", 1, unit, job={"pause": pause}, arrays=arrays)


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

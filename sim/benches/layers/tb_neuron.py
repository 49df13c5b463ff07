"""Testbench of the neuron: partial counts in, total and decision out, in the cycle of each partial count."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer

from oxnor.models import golden
from oxnor.sim.benches.support import Scoreboard, chance, job, known, limit, start


def _split(total: int, slices: int) -> list[int]:
    """Return `slices` random numbers of the sum `total`."""
    if random.random() < 0.2:  # all of it at once
        at = random.randrange(slices)
        return [total * (k == at) for k in range(slices)]
    cuts = sorted(random.randrange(total + 1) for _ in range(slices - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


@cocotb.test()
async def fires_at_threshold(dut: Any) -> None:
    """Every total meets the thresholds around it and at both ends, with pauses between the partial counts."""
    n_in, slices = job()["n_in"], job()["slices"]
    board, pause = Scoreboard("decision"), chance(0.3)
    clocked = hasattr(dut, "clk")
    if clocked:
        limit(100 * (n_in + 1) * slices)
        await start(dut, en=0, first=0, partial=0, threshold=0)
    cases = [(p, t) for p in range(n_in + 1) for t in {0, p, min(p + 1, n_in + 1), n_in + 1}]
    cases *= 4 if clocked and n_in < 20 else 1  # in other slices, with other pauses
    random.shuffle(cases)
    for total, threshold in cases:
        so_far = 0
        dut.threshold.value = threshold
        for k, partial in enumerate(_split(total, slices)):
            while clocked and pause():
                # Garbage while the neuron is not enabled must leave no trace.
                dut.en.value, dut.first.value, dut.partial.value = 0, random.randrange(2), random.randrange(n_in + 1)
                await RisingEdge(dut.clk)
            dut.en.value, dut.first.value, dut.partial.value = 1, int(k == 0), partial
            await (RisingEdge(dut.clk) if clocked else Timer(1, "ns"))
            so_far += partial
            assert known(dut.total) == so_far
        fires = golden.popcount_threshold(np.array(total), np.array(threshold))
        board.check(known(dut.fire), int(fires), (total, threshold))
    board.finish(len(cases))

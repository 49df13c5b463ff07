"""Testbench of a small unit beside a model of a few lines: every output in every cycle, with resets at any time."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge, Timer

from oxnor.sim.benches.models import MODELS
from oxnor.sim.benches.support import PERIOD, Scoreboard, job, known, limit, start

#: Cycles from one reset to the next, on average.
_RESETS = 300


@cocotb.test()
async def as_its_model(dut: Any) -> None:
    """The unit gives what its model gives, whatever comes."""
    settings = job()
    model, board = MODELS[settings["model"]](settings), Scoreboard("output")
    clocked, resettable = (hasattr(dut, name) for name in ("clk", "rst"))
    if clocked:
        limit(settings["cycles"] + 20)
        await start(dut, **dict.fromkeys(model.draw(), 0) | model.at_rest)
    for _ in range(settings["cycles"]):
        inputs = model.draw()
        for name, value in inputs.items():
            getattr(dut, name).value = value
        resets = resettable and random.random() < 1 / _RESETS
        if resettable:
            dut.rst.value = int(resets)
        await (RisingEdge(dut.clk) if clocked else Timer(PERIOD, "ns"))
        for name, expected in model.outputs(inputs).items():
            if expected is not None:
                handle = getattr(dut, name)
                got = known(handle)
                board.check(got, expected & (1 << len(handle)) - 1, f"({name} in cycle {model.cycle})")
        model.cycle += 1
        if resets:
            model.reset_edge(inputs)
        else:
            model.edge(inputs)
    assert board.compared > settings["cycles"] // 20

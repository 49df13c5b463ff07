"""Testbench of the self-test: the host's own :class:`Programmer` on the engine's AXI4-Lite port, no stream.

Its working directory holds ``job.json`` (structure and cycle limit) and ``mem/``; it writes ``report.json``, or
``stuck.txt`` if a macro does not answer, and ``progress`` (macros tested, as text).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import Timer

from oxnor.hw.host.programmer import EngineError, Programmer
from oxnor.sim.benches.axi_lite_driver import Lite
from oxnor.sim.benches.support import limit

from .tb_programming import config_of
from .tb_simulate import PERIOD, reset

#: Cycles between two polls of a busy controller at most, and polls in which an operation on a device must end.
PAUSE_CYCLES, STALL_POLLS = 256, 512


@cocotb.test()
async def march(dut: Any) -> None:
    """March through every macro."""
    job = json.loads(Path("job.json").read_text())
    limit(job["cycle_limit"])
    await reset(dut)
    lite = Lite(dut)

    pulses = -1

    async def pause(polls: int) -> None:
        """Wait; fail if a macro has begun no further operation for so long that it will never answer."""
        nonlocal pulses
        await Timer(PERIOD * min(1 << polls, PAUSE_CYCLES), "step")
        if polls == 0:
            pulses = -1
        elif polls % STALL_POLLS == 0:
            before, pulses = pulses, await programmer.get("PROG_PULSES")
            if pulses == before:
                raise EngineError(await stuck(programmer, pulses))

    def progress(done: int, _: int) -> None:
        Path("progress").write_text(str(done))

    programmer = Programmer(config_of(job), lite.read, lite.write, pause)
    try:
        report = await programmer.self_test(progress, form=job["form"])
    except EngineError as e:
        Path("stuck.txt").write_text(str(e))
    else:
        Path("report.json").write_text(json.dumps(report.to_json()))


async def stuck(programmer: Programmer, pulses: int) -> str:
    """Return what a macro that keeps the controller busy for ever does not do."""
    layer, macro, row = [await programmer.get(f"PROG_{name}") for name in ("LAYER", "MACRO", "ROW")]
    v, h = divmod(macro, programmer.config.layers[layer].across)
    module = programmer.config.layers[layer].macro.module
    what = "prog_done, or never prog_ready again" if pulses else "prog_ready"
    limit = f"{PAUSE_CYCLES * STALL_POLLS:,} cycles"
    return f"{module} never answered {what}: waited {limit} in row {row} of the macro at layer {layer}, v {v}, h {h}"

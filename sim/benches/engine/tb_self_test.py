"""Testbench of the self-test: the host's own :class:`Programmer` on the engine's AXI4-Lite port, no stream.

Its working directory holds ``job.json`` (structure and cycle limit) and ``mem/``; it writes ``report.json`` and
``progress`` (macros tested, as text).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import Timer

from oxnor.hw.host.programmer import Programmer
from oxnor.sim.benches.axi_lite_driver import Lite
from oxnor.sim.benches.support import limit

from .tb_programming import config_of
from .tb_simulate import PERIOD, reset


@cocotb.test()
async def march(dut: Any) -> None:
    """March through every macro."""
    job = json.loads(Path("job.json").read_text())
    limit(job["cycle_limit"])
    await reset(dut)
    lite = Lite(dut)

    async def pause(polls: int) -> None:
        await Timer(PERIOD * min(1 << polls, 256), "step")

    def progress(done: int, _: int) -> None:
        Path("progress").write_text(str(done))

    report = await Programmer(config_of(job), lite.read, lite.write, pause).self_test(progress, form=job["form"])
    Path("report.json").write_text(json.dumps(report.to_json()))

"""The fast testbench: starts the stream player at the top, grants it cycles, and checks how it ends.

Its working directory holds ``job.json`` (registers to write before the first image and to read after the last, results
to come, the limit of cycles, pauses), the player's beats and ``mem/``. Beside what the player records (see
:mod:`oxnor.sim.runner.tops`) it writes ``played.json`` and ``progress`` (images done, as text).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import First, RisingEdge, Timer

from oxnor.sim.benches.axi_lite_driver import Lite

PERIOD = 2  # simulator steps to a clock cycle
RESET_CYCLES = 4
#: The first address, of a register that cannot be written, and the last, which no engine has one at.
MAGIC, NO_REGISTER = 0x00, 0xFC
#: The player's inputs from the testbench.
PLAYER_INPUTS = ("go", "close", "grant", "frames", "seed", "pause_in", "pause_out")
_INPUTS = ("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "bready", "araddr", "arprot", "arvalid", "rready")


async def reset(dut: Any) -> Clock:
    """Start the clock with every input at 0 but ``m_axis_tready``, and reset the engine."""
    streams = [f"s_axis_{n}" for n in ("tdata", "tvalid", "tlast")] if hasattr(dut, "s_axis_tdata") else []
    for name in [*streams, *(f"s_axil_{n}" for n in _INPUTS)]:
        getattr(dut, name).value = 0
    if streams:
        dut.m_axis_tready.value = 1
    dut.rst.value = 1
    clock = Clock(dut.clk, PERIOD, "step", impl="gpi")
    clock.start()
    for _ in range(RESET_CYCLES):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    return clock


class Player:
    """The stream player at the top.

    Parameters
    ----------
    dut : cocotb handle
    job : dict
        ``frames``, ``cycle_limit``, ``grant`` (cycles at once), ``waves`` (whether time goes on with each cycle), and
        ``seed``, ``pause_in``, ``pause_out``.
    clock : Clock
        Of the testbench, running.
    """

    def __init__(self, dut: Any, job: dict[str, Any], clock: Clock):
        self.dut, self.job, self.clock = dut, job, clock
        self.granted = 0
        for name in ("frames", "seed", "pause_in", "pause_out"):
            getattr(dut, name).value = job[name]

    async def _advance(self, cycles: int) -> None:
        self.granted += cycles
        if self.job["waves"]:
            await First(RisingEdge(self.dut.done), Timer(PERIOD * cycles, "step"))
        else:
            self.dut.grant.value = self.granted & 0xFFFFFFFF
            await Timer(1, "step")

    async def play(self) -> tuple[float, float]:
        """Let it send all beats and record all results; return the times at which that began and ended."""
        dut, job, parent = self.dut, self.job, os.getppid()
        if not job["waves"]:
            await RisingEdge(dut.clk)
            self.clock.stop()
            dut.clk.value = 0
        await Timer(PERIOD, "step")
        began, step, shown = time.time(), max(1, job["frames"] // 200), 0
        dut.go.value = 1
        progress = os.open("progress", os.O_WRONLY | os.O_CREAT, 0o644)
        while not dut.done.value and self.granted < job["cycle_limit"]:
            await self._advance(min(job["grant"], job["cycle_limit"] - self.granted))
            done = int(dut.results.value)
            if done >= shown + step:
                os.pwrite(progress, b"%d" % done, 0)
                shown = done
            assert os.getppid() == parent, "the process that started this simulation is gone"
        ended, results = time.time(), int(dut.results.value)
        assert dut.done.value, (
            f"the engine hangs: {results} of {job['frames']} results after {job['cycle_limit']} cycles"
        )
        assert dut.sent.value, "the engine gave all results before it had taken all images"
        # Anything more is a result that no image has asked for.
        assert results == job["frames"], "the engine gave more results than it took images"
        return began, ended


@cocotb.test()
async def stream_images(dut: Any) -> None:
    """Stream all images and keep all results."""
    job = json.loads(Path("job.json").read_text())
    for name in PLAYER_INPUTS:
        getattr(dut, name).value = 0
    clock = await reset(dut)
    lite = Lite(dut)
    if job["reads"]:
        for address in (NO_REGISTER, MAGIC):
            await lite.refuse_write(address)
        await lite.refuse_read(NO_REGISTER)
    for address, value in job["writes"]:
        await lite.write(address, value)
    player = Player(dut, job, clock)
    began, ended = await player.play()
    if job["reads"] and not job["waves"]:
        clock.start()
        await RisingEdge(dut.clk)  # what is written while a clock starts may come before its first edge or after
    registers = {name: await lite.read(address) for name, address in job["reads"].items()}
    dut.close.value = 1
    await Timer(PERIOD, "step")
    played = {"began": began, "ended": ended, "first": int(dut.first.value), "registers": registers}
    Path("played.json").write_text(json.dumps(played))

"""Testbench of what joins the parts of an engine: STATUS in the cycle in which it is read, exact counters."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiResp

from oxnor.sim.benches.engine.tb_engine import COUNTERS, EngineDriver, begin, pauses
from oxnor.sim.benches.support import known


class Watcher:
    """Counts what happens on an engine's streams, and notes whether an image is inside when STATUS is read."""

    def __init__(self, engine: EngineDriver):
        self.engine = engine
        self.counts = dict.fromkeys(COUNTERS, 0)
        self.inside, self.beats, self.most = 0, 0, 0
        #: Whether an image was inside, at each read of STATUS.
        self.busy: list[int] = []
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        d, beats = self.engine.dut, self.engine.job["stream"]["beats"]
        status = self.engine.offsets["STATUS"]
        while True:
            await RisingEdge(d.clk)
            if known(d.rst):
                self.inside, self.beats, self.counts = 0, 0, dict.fromkeys(COUNTERS, 0)
                continue
            if known(d.s_axil_arvalid) and known(d.s_axil_arready) and known(d.s_axil_araddr) == status:
                self.busy.append(int(self.inside > 0))
            if known(d.m_axis_tvalid):
                taken = known(d.m_axis_tready)
                self.counts["RESULTS" if taken else "STALLS"] += 1
                self.inside -= taken
            if known(d.s_axis_tvalid) and known(d.s_axis_tready):
                self.beats += 1
                if known(d.s_axis_tlast):
                    is_right = self.beats == beats
                    self.counts["FRAMES" if is_right else "DROPPED"] += 1
                    self.inside += is_right
                    self.beats = 0
            self.most = max(self.most, self.inside)

    async def check_status(self) -> int:
        """Read STATUS and compare it with what was inside when it was sampled; return it."""
        seen = len(self.busy)
        status = await self.engine.read("STATUS")
        assert [status] == self.busy[seen:], f"STATUS is {status} with {self.inside} images inside"
        return status


async def _status_until(watcher: Watcher, results: Any) -> set[int]:
    """Read STATUS until all results are there; return what it was."""
    found = set()
    while not results.done():
        found.add(await watcher.check_status())
        await watcher.engine.cycles(random.randrange(4))
    await results
    return found


@cocotb.test()
async def busy_with_any_number_inside(dut: Any) -> None:
    """STATUS is 1 from the cycle after an image's last beat to the one in which its result is taken."""
    driver = await begin(dut)
    watcher = Watcher(driver)
    assert await watcher.check_status() == 0
    for _ in range(12):  # as many as there is room for come in one by one, and leave one by one
        driver.sink.pause = True
        order = [random.randrange(len(driver.images)) for _ in range(random.randrange(1, 9))]
        for index in order:
            driver.source.send_nowait(driver.images[index])
            for _ in range(random.randrange(1, 8)):
                await watcher.check_status()
        for index in order:
            driver.sink.pause = False
            await driver.expect([index])
            driver.sink.pause = True
            for _ in range(random.randrange(1, 4)):
                await watcher.check_status()
        await driver.quiet()
        assert await watcher.check_status() == 0
    driver.sink.pause = False
    for pause in (0.0, 0.5, 0.9):  # and as they come and go
        driver.source.set_pause_generator(pauses(pause))
        order = [random.randrange(len(driver.images)) for _ in range(40)]
        for index in order:
            driver.source.send_nowait(driver.images[index])
        assert 1 in await _status_until(watcher, cocotb.start_soon(driver.expect(order)))
        await driver.quiet()
    assert {*watcher.busy} == {0, 1}
    assert watcher.most >= 3, "too few images were inside at once"
    await _check_counters(watcher)


async def _check_counters(watcher: Watcher) -> None:
    found = await watcher.engine.counters()
    assert found == watcher.counts, f"{found}, but {watcher.counts} happened"


@cocotb.test()
async def counters_begin_again(dut: Any) -> None:
    """Every counter counts exactly, and is 0 after CONTROL bit 0 is written, and after a reset, whatever it was."""
    driver = await begin(dut)
    watcher = Watcher(driver)
    beats, size = driver.job["stream"]["beats"], driver.beat_bytes
    for k in range(8):
        driver.sink.pause = True
        order = [random.randrange(len(driver.images)) for _ in range(random.randrange(1, 6))]
        for index in order:
            driver.source.send_nowait(random.randbytes((beats + random.randrange(1, 3)) * size))
            driver.source.send_nowait(driver.images[index])
        await driver.cycles(driver.job["latency"] + 40 + random.randrange(8))
        driver.sink.pause = False
        await driver.expect(order)
        await driver.source.wait()
        await driver.quiet()
        await _check_counters(watcher)
        assert min(watcher.counts.values()) > 0
        if k % 2 == 1:
            value = random.getrandbits(32) & ~1 | (k % 4 == 1)
            answer = await driver.lite.write(driver.offsets["CONTROL"], value.to_bytes(4, "little"))
            assert answer.resp == AxiResp.OKAY
            if value & 1:
                watcher.counts = dict.fromkeys(COUNTERS, 0)
            await _check_counters(watcher)
        if k % 4 == 3:
            await driver.reset()
        await _check_counters(watcher)
    for name, value in driver.job["identity"].items():
        assert await driver.read(name) == value, name
    assert await driver.read("CYCLES_HI") == 0
    for name in driver.offsets:
        await driver.read(name)

"""Testbench of an RBM beside its macro: states, counts and pulses are those of the model, and rows read as they say."""

from __future__ import annotations

import itertools
import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from oxnor.hw.engine.controller import NAMES
from oxnor.hw.interface.registers import PROGRAMMING_COMMANDS
from oxnor.models.rbm.digital import DigitalRbm, Pulse, integer_weights, pulsed
from oxnor.models.rbm.synapses import CounterParams, Synapses
from oxnor.models.rbm.y_flash import DeviceSpread
from oxnor.sim.benches.support import Scoreboard, job, known, limit, start

#: Bits of PROG_STATUS.
_DONE, _FAILING = 2, 8


class Driver:
    """The unit, its model with the devices, and what the pairs of the macro hold."""

    def __init__(self, dut: Any):
        self.dut, self.job = dut, job()
        shape = (self.job["visible"] + 1, self.job["hidden"] + 1)
        generator = np.random.default_rng(self.job["seed"])
        self.array = Synapses.draw(shape, CounterParams(self.job["threshold"]), DeviceSpread(), generator)
        self.model = DigitalRbm(integer_weights(self.array.weights), self.job["threshold"], self.job["seed"])
        self.bits = generator.random(shape) < 0.5
        self.states, self.pulses, self.counts = Scoreboard("pattern"), Scoreboard("pulse"), Scoreboard("count")
        self.seen, self.error = 0, 0.0
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        while True:
            await self.pulse()
            self.seen += 1

    async def edge(self) -> None:
        """Wait for a clock edge; what is read after it is what was there before."""
        await RisingEdge(self.dut.clk)

    async def pulse(self) -> None:
        """Wait for the clock edge at which a pulse begins; the signal may rise and fall before it."""
        while True:
            await RisingEdge(self.dut.pulse)
            await self.edge()
            if known(self.dut.pulse):
                return

    async def load(self) -> None:
        """Set the LFSR and all weights, of which each bit is 1 once and then 0 before."""
        d = self.dut
        rows, columns = self.model.weights.shape
        for bits, row, column in itertools.product((-1, 0), range(rows), range(columns)):
            await self.write(row, column, bits)
        d.load.value, d.seed.value = 1, self.job["seed"]
        await self.edge()
        d.load.value = 0
        for (i, k), weight in np.ndenumerate(self.model.weights):
            await self.write(i, k, int(weight))

    async def write(self, row: int, column: int, weight: int) -> None:
        """Write a weight."""
        d = self.dut
        d.write.value, d.row.value, d.column.value, d.weight.value = 1, row, column, weight
        await self.edge()
        d.write.value = 0

    async def pattern(self, visible: NDArray[np.int64], last: bool, command: int = 0) -> None:
        """Give one pattern, and the controller a command at the same clock edge; check what is drawn and, after the
        last pattern of a batch, each pulse.
        """
        await self.idle()
        d = self.dut
        d.i__payload.value = int(visible @ (1 << np.arange(len(visible)))) | int(last) << len(visible)
        d.i__valid.value = 1
        if command:
            d.written.value, d.value_written.value = 1 << NAMES.index("PROG_COMMAND"), command
        await self.edge()
        d.i__valid.value = d.written.value = 0
        await RisingEdge(d.drawn)
        await self.edge()
        drawn = self.model.sample(visible)
        got = (known(d.first), known(d.negative), known(d.second))
        self.states.check(got, tuple(int(x @ (1 << np.arange(len(x)))) for x in drawn))
        self.error = float(np.abs(visible - drawn[1]).mean())
        for pulse in self.model.requests() if last else []:
            await self.pulse()
            self.pulses.check(Pulse(known(d.pulse_row), known(d.pulse_column), bool(known(d.erases))), pulse)
            weight = self.model.weights[pulse.row, pulse.column] = pulsed(self.array, pulse)
            self.bits[pulse.row, pulse.column] = pulse.erases
            await self.write(pulse.row, pulse.column, int(weight))

    async def idle(self) -> None:
        """Wait until the unit takes a pattern."""
        await self.edge()
        while not known(self.dut.i__ready):
            await self.edge()

    async def check_counts(self) -> None:
        """Compare every counter but that of the corner, which nothing reads."""
        await self.idle()
        d = self.dut
        for (i, k), count in np.ndenumerate(self.model.counts):
            if (i, k) == (len(self.bits) - 1, self.bits.shape[1] - 1):
                continue
            d.row.value, d.column.value = i, k
            await self.edge()
            await self.edge()
            self.counts.check(d.value.value.to_signed(), int(count), (i, k))

    async def set(self, name: str, value: int) -> None:
        """Write a register of the controller."""
        d = self.dut
        d.written.value, d.value_written.value = 1 << NAMES.index(name), value
        await self.edge()
        d.written.value = 0

    async def get(self, name: str) -> int:
        """Read a register of the controller."""
        index = NAMES.index(name)
        self.dut.read.value = 1 << index
        await self.edge()
        self.dut.read.value = 0
        return known(self.dut.values) >> 32 * index & 0xFFFFFFFF

    async def prepare(self, row: int, bits: NDArray[np.bool_]) -> None:
        """Write a row's address and data, as the host of an engine does.

        Bits beyond the row are nobody's, nor is a seed that is not loaded.
        """
        await self.idle()
        self.dut.seed.value = random.getrandbits(32)
        data = int(bits @ (1 << np.arange(len(bits)))) | random.getrandbits(32 - len(bits)) << len(bits)
        for name, value in {"PROG_ROW": row, "PROG_WORD": 0, "PROG_DATA": data}.items():
            await self.set(name, value)

    async def command(self, row: int, bits: NDArray[np.bool_], *commands: str) -> int:
        """Carry out commands on a row; return PROG_STATUS."""
        await self.prepare(row, bits)
        await self.set("PROG_COMMAND", _sum(*commands))
        await self.edge()
        while not (status := await self.get("PROG_STATUS")) & _DONE:
            pass
        return status


def _sum(*commands: str) -> int:
    return sum(PROGRAMMING_COMMANDS[c] for c in commands)


@cocotb.test()
async def learns(dut: Any) -> None:
    """Patterns of ``patterns.npy`` in the order of ``order.npy``; now and then all counters, at the end all rows."""
    patterns, order = np.load("patterns.npy"), np.load("order.npy")
    inputs = {"written": 0, "read": 0, "value_written": 0, "load": 0, "seed": 1, "write": 0, "row": 0, "column": 0}
    await start(dut, **inputs, weight=0, i__valid=0, i__payload=0)
    driver, generator = Driver(dut), np.random.default_rng(1)
    batch, rows = driver.job["batch"], range(driver.job["visible"] + 1)
    limit(3000 * len(order) + 10_000)
    await driver.load()
    for value in (0xFFFFFFFF, 0):
        for name in ("PROG_HOLD", "PROG_LAYER", "PROG_MACRO", "PROG_ROW", "PROG_WORD", "PROG_RETRIES"):
            await driver.set(name, value)
    for name in NAMES:
        await driver.get(name)
    for row in rows:
        status = await driver.command(row, driver.bits[row], "CLEAR", "FORM", "PROGRAM", "VERIFY")
        assert not status & _FAILING
    errors = np.zeros(len(order))
    for n, k in enumerate(order.tolist()):
        is_last = n % batch == batch - 1
        meets = is_last and n // batch % driver.job["every"] == 1
        if meets:  # the controller programs a row once more, with other bits: pulses wait for the bus
            row = n // batch % len(rows)
            driver.bits[row] = generator.random(driver.bits.shape[1]) < 0.5
            await driver.prepare(row, driver.bits[row])
        await driver.pattern(patterns[k], is_last, _sum("FORM", "PROGRAM", "VERIFY") if meets else 0)
        errors[n] = driver.error
        if is_last and n // batch % driver.job["every"] == 0:
            await driver.check_counts()
    await driver.check_counts()
    assert driver.seen == driver.pulses.compared, f"{driver.seen} pulses, {driver.pulses.compared} were asked for"
    for row in rows:  # a pair reads as its last pulse says, and a bit that is wrong is found
        assert not await driver.command(row, driver.bits[row], "CLEAR", "VERIFY") & _FAILING
        wrong = driver.bits[row].copy()
        wrong[row % len(wrong)] ^= True
        assert await driver.command(row, wrong, "CLEAR", "VERIFY") & _FAILING
        assert await driver.get("PROG_FAILURES") == 1
        assert await driver.get("PROG_PULSES") == 0
    driver.states.finish(len(order))
    driver.pulses.finish(driver.seen)
    driver.counts.finish(driver.counts.compared)
    halves = errors[: 5 * batch].mean(), errors[-10 * batch :].mean()
    dut._log.info("%d patterns, %d pulses, reconstruction error %.3f to %.3f", len(order), driver.seen, *halves)
    if driver.job["halves"]:
        assert halves[1] < halves[0] / 2

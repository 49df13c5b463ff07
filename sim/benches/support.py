"""What the testbenches of units share: start, stream driver and monitor with pauses, scoreboard.

A testbench works in a run directory with ``job.json`` (its parameters) and, where it needs them, ``.npy`` files and
``mem/``. Values are read at rising clock edges and are those before the edge; what is written there is seen after it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotb.utils import get_sim_time

PERIOD = 2
#: Simulator steps in one nanosecond-timescale step of the testbenches; Icarus counts in the precision, 1 ps.
UNIT: Literal["ns"] = "ns"


def job() -> dict[str, Any]:
    """Return the parameters of the run."""
    return json.loads(Path("job.json").read_text())


def cycle() -> int:
    """Return the present clock cycle."""
    return int(get_sim_time(UNIT)) // PERIOD


async def start(dut: Any, **inputs: int) -> None:
    """Start the clock with the named inputs at their values, and reset if the unit has a reset."""
    for name, value in inputs.items():
        getattr(dut, name).value = value
    has_reset = hasattr(dut, "rst")
    if has_reset:
        dut.rst.value = 1
    Clock(dut.clk, PERIOD, UNIT, impl="gpi").start()
    for _ in range(3):
        await RisingEdge(dut.clk)
    if has_reset:
        dut.rst.value = 0
    await RisingEdge(dut.clk)


def limit(cycles: int) -> None:
    """Fail the test if it still runs after that many clock cycles."""

    async def expire() -> None:
        await Timer(PERIOD * cycles, UNIT)
        raise AssertionError(f"the testbench still waits after {cycles} cycles")

    cocotb.start_soon(expire())


def known(handle: Any) -> int:
    """Return the unsigned value of a signal; X or Z in it fails the test."""
    value = handle.value
    assert value.is_resolvable, f"{handle._path} is {value}"
    return int(value) if len(handle) == 1 else value.to_unsigned()


def chance(probability: float) -> Callable[[], bool]:
    """Return a coin: True with that probability, from the run's seed."""
    return lambda: random.random() < probability


class Scoreboard:
    """Compares what comes with what is expected, in order, and counts.

    Parameters
    ----------
    what : str
        Name of the compared thing, for the message.
    """

    def __init__(self, what: str):
        self.what = what
        self.compared = 0

    def check(self, got: Any, expected: Any, note: object = "") -> None:
        """Fail at once if the two differ."""
        assert got == expected, f"{self.what} number {self.compared} is {got!r}, expected {expected!r} {note}"
        self.compared += 1

    def finish(self, count: int) -> None:
        """Fail unless exactly `count` things were compared, and at least one."""
        assert self.compared == count > 0, f"{self.compared} of {count} {self.what} compared"


class Source:
    """Driver of a stream: offers payloads in order, pausing between them; never takes an offer back.

    Parameters
    ----------
    dut : cocotb handle
        The unit; its stream's ports are ``<prefix>__payload``, ``__valid``, ``__ready``.
    prefix : str
        Name of the stream.
    pause : callable
        Asked once a cycle between two payloads: whether to wait.
    """

    def __init__(self, dut: Any, prefix: str, pause: Callable[[], bool]):
        self.clk = dut.clk
        self.payload, self.valid, self.ready = (getattr(dut, f"{prefix}__{n}") for n in ("payload", "valid", "ready"))
        self.pause = pause
        self.cycles: list[int] = []

    async def send(self, payloads: Iterable[int]) -> None:
        """Send all payloads and return after the last transfer."""
        for payload in payloads:
            while self.pause():
                self.valid.value = 0
                await RisingEdge(self.clk)
            self.payload.value = payload
            self.valid.value = 1
            await RisingEdge(self.clk)
            while not known(self.ready):
                await RisingEdge(self.clk)
            self.cycles.append(cycle())
        self.valid.value = 0


class Sink:
    """Monitor of a stream: takes payloads, pausing, and checks that an offer is held until it is taken.

    Parameters
    ----------
    dut, prefix, pause
        As for :class:`Source`.
    """

    def __init__(self, dut: Any, prefix: str, pause: Callable[[], bool]):
        self.clk = dut.clk
        self.payload, self.valid, self.ready = (getattr(dut, f"{prefix}__{n}") for n in ("payload", "valid", "ready"))
        self.pause = pause
        self.cycles: list[int] = []

    async def receive(self, count: int, take: Callable[[int], None]) -> None:
        """Call `take` with each of the next `count` payloads."""
        waiting: int | None = None
        while count:
            ready = not self.pause()
            self.ready.value = int(ready)
            await RisingEdge(self.clk)
            if not known(self.valid):
                assert waiting is None, "the offer was taken back before it was accepted"
                continue
            payload = known(self.payload)
            assert waiting in (None, payload), "the payload changed before it was accepted"
            waiting = payload
            if ready:
                waiting = None
                count -= 1
                self.cycles.append(cycle())
                take(payload)
        self.ready.value = 0

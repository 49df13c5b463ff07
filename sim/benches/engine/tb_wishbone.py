"""Testbench of the engine behind Wishbone: registers, images and results by its reads and writes, and what is wrong."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.hw.engine.wishbone import IMAGE, RESULT, STREAM
from oxnor.sim.benches.support import Scoreboard, known, limit, start

#: Cycles in which every access must be answered.
ANSWER_MAX = 8
ROOM, WAITS, FAILED = 1, 2, 4


class Wishbone:
    """Master with classic cycles, which pauses between two accesses now and then.

    Parameters
    ----------
    dut : cocotb handle
    """

    def __init__(self, dut: Any):
        self.dut = dut

    async def access(self, address: int, value: int | None = None, select: int = 15) -> int | None:
        """Write `value`, or read; return what was read or written, None if it is answered with an error."""
        dut = self.dut
        while random.random() < 0.2:
            await RisingEdge(dut.clk)
        dut.wb_cyc.value = dut.wb_stb.value = 1
        # What lies above is for the bus outside to decode.
        address = address & 0xFFF | random.getrandbits(20) << 12
        dut.wb_adr.value, dut.wb_we.value, dut.wb_sel.value = address, int(value is not None), select
        dut.wb_dat_w.value = value or 0
        for _ in range(ANSWER_MAX):
            await RisingEdge(dut.clk)
            acknowledged, wrong = known(dut.wb_ack), known(dut.wb_err)
            assert not (acknowledged and wrong)
            if acknowledged or wrong:
                break
        else:
            raise AssertionError(f"no answer to an access of 0x{address:x}")
        read = known(dut.wb_dat_r)
        dut.wb_cyc.value = dut.wb_stb.value = 0
        if random.random() < 0.5:  # else the next access follows at once
            await RisingEdge(dut.clk)
            assert not known(dut.wb_ack)
        return None if wrong else read if value is None else value

    async def until(self, bits: int) -> None:
        """Wait until the stream has one of these."""
        while not (await self.access(STREAM) or 0) & bits:
            pass


async def _begin(dut: Any) -> tuple[dict[str, Any], Wishbone]:
    job = json.loads(Path("job.json").read_text())
    limit(job["cycle_limit"])
    await start(dut, wb_cyc=0, wb_stb=0, wb_we=0, wb_sel=0, wb_adr=0, wb_dat_w=0)
    return job, Wishbone(dut)


async def _result(bus: Wishbone, words: int) -> int:
    await bus.until(WAITS)
    assert known(bus.dut.result_waits)
    found = 0
    for k in range(words):
        found |= (await bus.access(RESULT) or 0) << 32 * k
    return found


@cocotb.test()
async def identity_and_counters(dut: Any) -> None:
    """Every register that the sidecar names is read, and its high address bits do not count."""
    job, bus = await _begin(dut)
    for name, value in job["identity"].items():
        offset = next(r["offset"] for r in job["registers"] if r["name"] == name)
        assert await bus.access(0x3000_0000 + offset) == value
    for register in job["registers"]:
        assert await bus.access(register["offset"]) is not None
        if register["access"] == "r":
            assert await bus.access(register["offset"], 1) is None


@cocotb.test()
async def images_and_results(dut: Any) -> None:
    """Images are written while results of those before are read."""
    job, bus = await _begin(dut)
    words, expected = np.load("words.npy"), json.loads(Path("results.json").read_text())
    board, waiting = Scoreboard("result"), 0
    for image in words.tolist():
        for word in image:
            await bus.until(ROOM | WAITS)
            while not (await bus.access(STREAM) or 0) & ROOM:
                board.check(await _result(bus, job["result_words"]), expected[board.compared])
                waiting -= 1
            assert await bus.access(IMAGE, word) == word
        waiting += 1
    for _ in range(waiting):
        board.check(await _result(bus, job["result_words"]), expected[board.compared])
    board.finish(len(words))
    assert await bus.access(STREAM) == ROOM
    offset = next(r["offset"] for r in job["registers"] if r["name"] == "RESULTS")
    assert await bus.access(offset) == len(words)


@cocotb.test()
async def wrong_accesses(dut: Any) -> None:
    """What has no register, or writes bytes, is an error; what has no room or no result is lost and said."""
    job, bus = await _begin(dut)
    for address in (0xFC, 0x100, 0x3FC, 0x40C, 0xFFC, IMAGE):
        assert await bus.access(address) is None
    for address in (IMAGE, STREAM, job["registers"][-1]["offset"]):
        assert await bus.access(address, 1, select=7) is None
    assert await bus.access(RESULT, 1) is None
    assert await bus.access(STREAM) == ROOM
    assert await bus.access(RESULT) == 0
    assert await bus.access(STREAM) == ROOM | FAILED
    assert await bus.access(STREAM, 0) is not None
    assert await bus.access(STREAM) == ROOM
    # Nobody reads results: the engine fills up, and every access is answered all the same.
    words = np.load("words.npy").reshape(-1).tolist()
    for word in words * 4:
        await bus.access(IMAGE, word)
        if (await bus.access(STREAM) or 0) & FAILED:
            break
    else:
        raise AssertionError("the engine never fills up")
    assert await bus.access(job["registers"][0]["offset"]) == job["identity"]["MAGIC"]


@cocotb.test()
async def accesses_given_up(dut: Any) -> None:
    """A master that gives an access up gets no answer to it, and the right one to the next."""
    job, bus = await _begin(dut)
    for k in range(30):
        dut.wb_cyc.value = dut.wb_stb.value = 1
        dut.wb_we.value, dut.wb_adr.value = 0, 4
        for _ in range(1 + k % 3):
            await RisingEdge(dut.clk)
        dut.wb_cyc.value = dut.wb_stb.value = 0
        for _ in range(1 + k % 2):
            await RisingEdge(dut.clk)
        assert await bus.access(job["registers"][0]["offset"]) == job["identity"]["MAGIC"]

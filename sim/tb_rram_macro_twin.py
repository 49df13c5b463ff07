"""Bench of the macro made of devices: reads and programming at any time, every bit against the golden twin."""

from __future__ import annotations

import itertools
import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.models.twin import Twin

from .bench import chance, known, limit, start
from .twin_bench import load_twin

#: Clock edges from the transfer of an operation to the one that writes the device.
WRITE_EDGES = 3

IDLE = {"sense": 0, "row": 0, "x": 0, "flip": 0, "prog_valid": 0, "prog_op": 0, "prog_side": 0, "prog_row": 0,
        "prog_col": 0}  # fmt: skip


class Record:
    """What has happened at the macro, edge by edge, and what it showed; compared afterwards, many reads at once.

    Parameters
    ----------
    cols : int
        Columns of the macro.
    """

    def __init__(self, cols: int):
        self.cols = cols
        self.reads: list[tuple[int, int]] = []
        self.programs: list[tuple[int, tuple[int, int, int, int]]] = []  # reads before it, operation
        self.shown: list[tuple[int, int, int]] = []  # reads before it, flip, q

    def read(self, row: int, x: int) -> None:
        """A row is sensed at this edge."""
        self.reads.append((row, x))

    def program(self, operation: tuple[int, int, int, int]) -> None:
        """An operation (op, side, row, column) writes at this edge; a read at the same edge comes before it."""
        self.programs.append((len(self.reads), operation))

    def show(self, flip: int, q: int) -> None:
        """Note what the macro shows."""
        if self.reads:
            self.shown.append((len(self.reads) - 1, flip, q))

    def _bits(self, words: list[int]) -> np.ndarray:
        size = -(-self.cols // 8)
        raw = np.frombuffer(b"".join(w.to_bytes(size, "little") for w in words), np.uint8)
        return np.unpackbits(raw.reshape(-1, size), axis=1, bitorder="little")[:, : self.cols].astype(bool)

    def compare(self, twin: Twin) -> int:
        """Do the same with `twin`; return the number of bits compared, or fail at the first that differs."""
        rows = np.array([row for row, _ in self.reads], np.int64)
        x = self._bits([x for _, x in self.reads])
        expected = []
        edges = [0, *(n for n, _ in self.programs), len(self.reads)]
        for k, (a, b) in enumerate(itertools.pairwise(edges)):
            expected.append(twin.read(rows[a:b], x[a:b]))
            if k < len(self.programs):
                twin.program(*self.programs[k][1])
        at = np.array([n for n, _, _ in self.shown])
        flips, got = (self._bits([s[k] for s in self.shown]) for k in (1, 2))
        wrong = np.argwhere(got != np.concatenate(expected)[at] ^ flips)
        assert not len(wrong), (
            f"{len(wrong):,} of {got.size:,} bits differ, first column {wrong[0][1]} of read {at[wrong[0][0]]:,}"
            f" of row {rows[at[wrong[0][0]]]}"
        )
        return got.size


def _operation(rows: int, cols: int) -> tuple[int, int, int, int]:
    return random.randrange(4), random.randrange(2), random.randrange(rows), random.randrange(cols)


@cocotb.test()
async def reads_and_programming(dut: Any) -> None:
    """Random reads, pauses, error masks and operations, which overlap; ready and done at every edge."""
    twin, job = load_twin()
    rows, cols = twin.pairs.shape[1:]
    record = Record(cols)
    sensing, programming = chance(job["sensing"]), chance(job["programming"])
    limit(job["cycles"] + 20)
    await start(dut, **IDLE)
    operation: tuple[int, int, int, int] | None = None
    writes_in, done = 0, 0
    for _ in range(job["cycles"]):
        sense, row, x = int(sensing()), random.randrange(rows), random.getrandbits(cols)
        flip = random.getrandbits(cols) if job["errors"] else 0
        dut.sense.value, dut.row.value, dut.x.value, dut.flip.value = sense, row, x, flip
        offer = _operation(rows, cols) if programming() else None
        dut.prog_valid.value = int(offer is not None)
        if offer:
            dut.prog_op.value, dut.prog_side.value, dut.prog_row.value, dut.prog_col.value = offer
        await RisingEdge(dut.clk)
        record.show(flip, known(dut.q) if record.reads else 0)
        ready = int(writes_in == 0)
        assert (known(dut.prog_ready), known(dut.prog_done)) == (ready, done)
        if sense:
            record.read(row, x)
        done = 0
        if writes_in:
            writes_in -= 1
            if not writes_in and operation:
                record.program(operation)
                done = 1
        elif offer:
            operation, writes_in = offer, WRITE_EDGES
    bits = record.compare(twin)
    assert bits >= job["bits"], f"only {bits:,} bits compared"
    assert len(record.programs) >= job["operations"], f"only {len(record.programs):,} operations"

"""Testbench of the macro made of devices: reads and programming at any time, ready and done at every edge.

What happened and what was shown goes into ``record.npz``, which :func:`oxnor.sim.harness.device_macro.compare`
compares with the golden model, many reads at once:

``rows``, ``x``
    (n,) and (n, bytes): each read.
``programs``
    (k, 5): number of reads before it, operation, side, row, column.
``shown``, ``flips``, ``q``
    (m,), (m, bytes), (m, bytes): at each edge after the first read, the number of the last read, the mask and q; of
    pairs of three states agree, and disagree above it.

Where ``macro.npy`` has the macro, pickled, the testbench does so itself.
"""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from oxnor.sim.benches.support import chance, job, known, limit, start

#: Clock edges from the transfer of an operation to the one that writes the device.
WRITE_EDGES = 3

IDLE = {"sense": 0, "row": 0, "x": 0, "flip": 0, "prog_valid": 0, "prog_op": 0, "prog_side": 0, "prog_row": 0,
        "prog_col": 0}  # fmt: skip


class Record:
    """What has happened at the macro, edge by edge, and what it showed.

    Parameters
    ----------
    bits : int
        Bits of its answer.
    """

    def __init__(self, bits: int):
        self.size = -(-bits // 8)
        self.reads: list[tuple[int, int]] = []
        self.programs: list[tuple[int, int, int, int, int]] = []
        self.shown: list[tuple[int, int, int]] = []

    def program(self, operation: tuple[int, int, int, int]) -> None:
        """An operation (op, side, row, column) writes at this edge; a read at the same edge comes before it."""
        self.programs.append((len(self.reads), *operation))

    def _bytes(self, words: list[int]) -> np.ndarray:
        raw = np.frombuffer(b"".join(w.to_bytes(self.size, "little") for w in words), np.uint8)
        return raw.reshape(-1, self.size)

    def save(self) -> None:
        """Write ``record.npz``."""
        np.savez(
            "record.npz",
            rows=np.array([row for row, _ in self.reads], np.int64),
            x=self._bytes([x for _, x in self.reads]),
            programs=np.array(self.programs, np.int64).reshape(-1, 5),
            shown=np.array([n for n, _, _ in self.shown], np.int64),
            flips=self._bytes([flip for _, flip, _ in self.shown]),
            q=self._bytes([q for _, _, q in self.shown]),
        )


@cocotb.test()
async def reads_and_programming(dut: Any) -> None:
    """Random reads, pauses, error masks and operations, which overlap."""
    options = job()
    rows, cols = options["rows"], options["cols"]
    is_ternary = hasattr(dut, "disagree")
    bits = cols * (1 + is_ternary)
    record = Record(bits)
    sensing, programming = chance(options["sensing"]), chance(options["programming"])
    limit(options["cycles"] + 20)
    await start(dut, **IDLE)
    operation: tuple[int, int, int, int] | None = None
    writes_in, done = 0, 0
    for _ in range(options["cycles"]):
        sense, row, x = int(sensing()), random.randrange(rows), random.getrandbits(cols)
        flip = random.getrandbits(bits) if options["errors"] else 0
        dut.sense.value, dut.row.value, dut.x.value, dut.flip.value = sense, row, x, flip
        offer = None
        if programming():
            offer = random.randrange(4), random.randrange(2), random.randrange(rows), random.randrange(cols)
            dut.prog_op.value, dut.prog_side.value, dut.prog_row.value, dut.prog_col.value = offer
        dut.prog_valid.value = int(offer is not None)
        await RisingEdge(dut.clk)
        if record.reads:
            answer = known(dut.agree) | known(dut.disagree) << cols if is_ternary else known(dut.q)
            record.shown.append((len(record.reads) - 1, flip, answer))
        assert (known(dut.prog_ready), known(dut.prog_done)) == (int(writes_in == 0), done)
        if sense:
            record.reads.append((row, x))
        done = 0
        if writes_in:
            writes_in -= 1
            if not writes_in and operation:
                record.program(operation)
                done = 1
        elif offer:
            operation, writes_in = offer, WRITE_EDGES
    record.save()
    if Path("macro.npy").exists():
        from oxnor.sim.harness.device_macro import compare  # with Amaranth and the golden model behind it

        with np.load("record.npz") as done:
            compare(pickle.loads(np.load("macro.npy").tobytes()), done)

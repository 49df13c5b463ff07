"""Testbench of the device macro: memory files from the state of its golden model, then every bit compared."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.params.macro_kinds import DEVICE_FILES, NORMAL_FILE, TABLES_FILE
from oxnor.models.base.bits import unpack_bytes, word_bits
from oxnor.models.devices.device_macro import BUCKETS, STUCK, DeviceMacro, DeviceTables, normal_table, seeds
from oxnor.sim.runner import runner

from .unit import UnitTestbench


def macro_memory(macro: DeviceMacro) -> dict[str, NDArray[np.bool_]]:
    """Return the memory files of ``rram_macro_devices`` in the state of `macro`, by name, for :class:`UnitTestbench`.

    Raises
    ------
    ValueError
        If its devices have had operations: the macro counts those since it was loaded.
    """
    if macro.operations.any():
        raise ValueError("The macro can start only with devices that have had no operations here")
    return {
        "macro": word_bits(macro.words(), 32),
        Path(NORMAL_FILE).stem: word_bits(normal_table(), 16),
        Path(TABLES_FILE).stem: word_bits(macro.tables.words(), 32),
    }


def macro_parameters(macro: DeviceMacro) -> dict[str, object]:
    """Return the Verilog parameters of ``rram_macro_devices`` for `macro` and its images."""
    rows, cols = macro.pairs.shape[1:]
    files = {name: f'"{path}"' for name, path in {"INIT_FILE": "mem/macro.mem", **DEVICE_FILES}.items()}
    return {"ROWS": rows, "COLS": cols, "COUNT_BITS": macro.count_bits, **files}


@dataclass(frozen=True)
class Compared:
    """What a run compared.

    Parameters
    ----------
    bits, reads, operations : int
        Bits of q, reads of a row, and operations that wrote.
    """

    bits: int
    reads: int
    operations: int


def compare(macro: DeviceMacro, record: Mapping[str, NDArray]) -> Compared:
    """Repeat on `macro` what the testbench did with the RTL, as `record` says (see ``tb_device_macro``).

    Raises
    ------
    oxnor.sim.runner.runner.SimulationError
        At the first bit that differs.
    """
    cols = macro.pairs.shape[2]
    rows, x, programs = record["rows"], unpack_bytes(record["x"], cols), record["programs"]
    bits = cols * (2 if macro.tables.threshold else 1)
    expected = np.empty((len(x), bits), bool)
    # Operations between the same two reads together.
    before = np.unique(programs[:, 0]).tolist()
    parts = np.split(programs[:, 1:], np.searchsorted(programs[:, 0], before[1:]))
    for k, (a, b) in enumerate(itertools.pairwise([0, *before, len(rows)])):
        expected[a:b] = macro.read(rows[a:b], x[a:b])
        if k < len(before):
            macro.program_many(parts[k])
    at, got = record["shown"], unpack_bytes(record["q"], bits)
    answers = expected[at] ^ unpack_bytes(record["flips"], bits)
    if macro.tables.threshold:
        pairs = answers.reshape(len(answers), cols, 2)
        answers = np.hstack([pairs.all(axis=2), ~pairs.any(axis=2)])
    wrong = np.argwhere(got != answers)
    if len(wrong):
        read, column = int(at[wrong[0][0]]), int(wrong[0][1]) % cols
        raise runner.SimulationError(
            f"{len(wrong):,} of {got.size:,} bits differ, first column {column} of read {read:,}, of row {rows[read]}"
        )
    return Compared(got.size, len(rows), len(programs))


@dataclass(frozen=True)
class DeviceMacroTestbench:
    """A testbench of ``rram_macro_devices`` that starts in the state of a golden model.

    Parameters
    ----------
    macro : DeviceMacro
    cycles : int
        Clock edges.
    sensing, programming : float
        Probability of a read, and of an offered operation, at each edge.
    errors : bool
        Whether the error mask is random.
    """

    macro: DeviceMacro
    cycles: int
    sensing: float = 0.9
    programming: float = 0.5
    errors: bool = True

    def unit(self) -> UnitTestbench:
        """Return it as the testbench of a unit, without the comparison."""
        rows, cols = self.macro.pairs.shape[1:]
        job: dict[str, Any] = {n: getattr(self, n) for n in ("cycles", "sensing", "programming", "errors")}
        return UnitTestbench(
            "macros.tb_device_macro",
            1,
            "rram_macro_ternary_devices" if self.macro.tables.threshold else "rram_macro_devices",
            job={"rows": rows, "cols": cols, **job},
            memory=macro_memory(self.macro),
            parameters=macro_parameters(self.macro),
        )

    def judged(self) -> UnitTestbench:
        """Return it as the testbench of a unit that compares at its end."""
        testbench = self.unit()
        pickled = np.frombuffer(pickle.dumps(self.macro), np.uint8)
        return replace(testbench, arrays={"macro": pickled})

    def run(
        self, directory: Path, *, change: tuple[str, str] | None = None, simulator: str = "icarus", **options: Any
    ) -> Compared:
        """Run the testbench and compare; `change` as for :meth:`UnitTestbench.broken`, the others as for its ``run``.

        Raises
        ------
        oxnor.sim.runner.runner.SimulationError
            If the testbench fails or a bit differs.
        """
        testbench = self.unit()
        testbench = testbench.broken(*change) if change else testbench
        testbench.run(directory, simulator=simulator, **options)
        with np.load(directory / "record.npz") as record:
            return compare(self.macro, record)


def close_call(rows: int, cols: int, age: int = 3, seed: int = 1, threshold: int = 0) -> DeviceMacro:
    """Return a macro in which every bit of every number decides: both states alike, a few steps of spread and noise.

    Each wear bucket has statistics of its own; devices are stuck, columns and amplifiers dead; a quarter of forming
    fails, and the endurance counters saturate after 7 operations.
    """
    g = np.random.default_rng([seed, rows, cols])
    tables = DeviceTables(
        10_000 + g.integers(-9, 10, (2, BUCKETS)), g.integers(20, 120, (2, BUCKETS)),
        noise_sigma=40, offset_sigma=40, form_fails=1 << 30, age=age, threshold=threshold,
    )  # fmt: skip
    weights = g.random((rows, cols) + (2,) * bool(threshold)) < 0.5
    pairs = tables.programmed(weights, g.integers(0, 1 << 32, (2, 2, rows, cols), np.uint32))
    pairs |= np.where(g.random(pairs.shape) < 0.15, STUCK, 0).astype(np.uint16)
    flags = np.zeros(cols, np.uint8)
    if cols > 8:
        flags[g.permutation(cols)[:4]] = (8, 12, 2, 3)
    numbers = g.integers(0, 1 << 32, (2, cols), np.uint32)
    turning = g.integers(-9, 10, cols)
    offsets = tables.offsets(numbers[0])
    return DeviceMacro(tables, pairs, offsets, flags, seeds(numbers[1]), 12345, count_bits=3, turning=turning)

"""Testbenches of the integer parts of analog arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.analog.count_converter import Converter
from oxnor.hw.analog.isaac_column import IsaacColumn
from oxnor.models.analog.integer import Isaac
from oxnor.models.networks.count_converter import CountConverter

from .unit import UnitTestbench


def converter(bits: int, columns: int, used: int, used_last: int) -> UnitTestbench:
    """Return the testbench of the converter of a count."""
    c = CountConverter(bits, columns)
    rows = [
        (n, last, int(c.convert(np.array(n), most)))
        for last, most in ((0, used), (1, used_last))
        for n in range(most + 1)
    ]
    if used == used_last:
        rows = rows[: used + 1]
    return UnitTestbench(
        "analog.tb_count_converter", 1, Converter(c, used, used_last), arrays={"values": np.array(rows)}
    )


def isaac_steps(isaac: Isaac, weights: NDArray[np.int64], x: NDArray[np.int64]) -> tuple[NDArray, NDArray]:
    """Return the conversions of every sum of `x @ weights.T`, as the column takes them, and the sums."""
    cells, flipped = isaac.cells(weights)
    steps: list[tuple[int, ...]] = []
    for row in x:
        for n in range(len(weights)):
            first = 1
            for bit in range(isaac.input_bits):
                for k in range(len(flipped)):
                    rows = slice(k * isaac.rows, (k + 1) * isaac.rows)
                    plane = row[rows] >> bit & 1
                    for s in range(isaac.slices):
                        count = int(plane @ cells[s, rows, n])
                        shift, ones = bit + isaac.cell_bits * s, int(plane.sum())
                        steps.append((first, count, int(flipped[k, s, n]), ones, shift, int(row.sum())))
                        first = 0
    return np.array(steps), isaac.multiply(weights, x).reshape(-1)


def isaac_column(adc_bits: int, flips: bool) -> UnitTestbench:
    """Return the testbench of a column of ISAAC."""
    g, isaac = np.random.default_rng(0), Isaac(adc_bits=adc_bits, flips=flips)
    weights = np.vstack([np.full(200, 32767), np.full(200, -32768), g.integers(-(1 << 15), 1 << 15, (1, 200))])
    x = np.vstack([np.full(200, 65535), g.integers(0, 1 << 16, (1, 200))])
    steps, sums = isaac_steps(isaac, weights, x)
    if flips and adc_bits == 8:
        assert (sums == (x @ weights.T).reshape(-1)).all()
    return UnitTestbench("analog.tb_isaac_column", 1, IsaacColumn(isaac, 2), arrays={"steps": steps, "sums": sums})

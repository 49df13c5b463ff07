"""Testbenches of the small units of engines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.blocks.argmax import Argmax
from oxnor.hw.blocks.popcount import Popcount
from oxnor.hw.layers.macro_tile import TileMacro
from oxnor.hw.layers.tile import Tile
from oxnor.hw.neurons.binarized import Neuron
from oxnor.models.networks.layers.weight_code import ONE_SYNAPSE, WeightCode

from .unit import UnitTestbench


def vectors(width: int) -> NDArray[np.bool_]:
    """Return all vectors if they are few, else the ends, one-hot ones and random ones of every density."""
    if width <= 10:
        return (np.arange(1 << width)[:, None] >> np.arange(width) & 1).astype(bool)
    g = np.random.default_rng(width)
    ends = np.array([np.zeros(width), np.ones(width)], bool)
    return np.concatenate([ends, np.eye(width, dtype=bool), g.random((300, width)) < g.random((300, 1))])


def popcount(width: int, defines: Mapping[str, object]) -> UnitTestbench:
    """Return the testbench of a popcount."""
    return UnitTestbench("blocks.tb_popcount", 1, Popcount(width), arrays={"vectors": vectors(width)}, defines=defines)


def macro(rows: int, cols: int, cycles: int = 2000) -> UnitTestbench:
    """Return the testbench of the macro that holds bits."""
    stored = np.random.default_rng([rows, cols]).random((rows, cols)) < 0.5
    return UnitTestbench(
        "macros.tb_rram_macro",
        3,
        "rram_macro",
        job={"cycles": cycles},
        arrays={"stored": stored},
        memory={"macro": stored},
        parameters={"ROWS": rows, "COLS": cols, "INIT_FILE": '"mem/macro.mem"'},
    )


def threshold(n_in: int, slices: int) -> UnitTestbench:
    """Return the testbench of a neuron."""
    return UnitTestbench("layers.tb_neuron", 1, Neuron(n_in, slices), job={"n_in": n_in, "slices": slices})


def tile(rows: int, cols: int, used: int, used_last: int, code: WeightCode = ONE_SYNAPSE) -> UnitTestbench:
    """Return the testbench of a macro with its popcount, in which some columns are used."""
    stored = np.random.default_rng([rows, cols]).random((rows, cols)) < 0.5
    stored[-1] = ~stored[0]  # so that every column holds both
    return UnitTestbench(
        "layers.tb_tile",
        1,
        Tile(TileMacro(rows, cols, "mem/tile.mem"), used, used_last, code=code),
        job={"used": used, "used_last": used_last, "cycles": 1000, "digits": list(code.counts)},
        arrays={"stored": stored},
        memory={"tile": stored},
        parameters={"INIT_FILE": '"mem/tile.mem"'},
    )


def argmax(count: int, lanes: int, width: int, with_margin: bool = True) -> UnitTestbench:
    """Return the testbench of an argmax."""
    unit = Argmax(count, lanes, width, with_margin=with_margin)
    job = {"count": count, "lanes": lanes, "width": width, "with_margin": with_margin}
    return UnitTestbench("blocks.tb_argmax", 1, unit, job=job)

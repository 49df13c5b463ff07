"""Testbench of the adapter to macros of single cells."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from oxnor.hw.macros.cell_adapter import CellAdapter
from oxnor.models.base.bits import word_bits
from oxnor.models.devices.cell_macro import CellSettings

from .unit import UnitTestbench


def adapter(
    settings: CellSettings, rows: int = 3, cols: int = 5, latency: int = 7, operations: int = 40
) -> UnitTestbench:
    """Return the testbench of an adapter on a macro that has these settings."""
    stored = np.random.default_rng(cols).random((rows, cols)) < 0.5
    return UnitTestbench(
        "macros.tb_cells", 1, CellAdapter(rows, cols, "mem/macro.mem", "cells", latency),
        job={"settings": asdict(settings), "latency": latency, "operations": operations},
        arrays={"stored": stored},
        memory={"macro": stored, "cells_settings": word_bits(np.array(settings.words())[:, None], 32)},
        parameters={"INIT_FILE": '"mem/macro.mem"'},
    )  # fmt: skip

"""Testbenches of the small units of engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.blocks.argmax import Argmax
from oxnor.hw.blocks.axi_lite import AxiLite
from oxnor.hw.blocks.column_count import ColumnCount
from oxnor.hw.blocks.crc32 import Crc32
from oxnor.hw.blocks.popcount import Popcount
from oxnor.hw.blocks.presenter import Presenter
from oxnor.hw.blocks.unit import Unit
from oxnor.hw.interface.registers import Register
from oxnor.hw.layers.macro_tile import TileMacro
from oxnor.hw.layers.tile import Tile
from oxnor.hw.neurons.binarized import Neuron
from oxnor.hw.neurons.spiking import IfNeuron
from oxnor.hw.streams.admission import Admission
from oxnor.hw.streams.fifo import Fifo
from oxnor.hw.streams.frame_assembler import FrameAssembler
from oxnor.hw.streams.register_slice import RegisterSlice
from oxnor.models.networks.spiking import Neuron as SpikingNeuron

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


def tile(rows: int, cols: int, used: int, used_last: int) -> UnitTestbench:
    """Return the testbench of a macro with its popcount, in which some columns are used."""
    stored = np.random.default_rng([rows, cols]).random((rows, cols)) < 0.5
    return UnitTestbench(
        "layers.tb_tile",
        1,
        Tile(TileMacro(rows, cols, "mem/tile.mem"), used, used_last),
        job={"used": used, "used_last": used_last, "cycles": 1000},
        arrays={"stored": stored},
        memory={"tile": stored},
        parameters={"INIT_FILE": '"mem/tile.mem"'},
    )


def argmax(count: int, lanes: int, width: int, with_margin: bool = True) -> UnitTestbench:
    """Return the testbench of an argmax."""
    unit = Argmax(count, lanes, width, with_margin=with_margin)
    job = {"count": count, "lanes": lanes, "width": width, "with_margin": with_margin}
    return UnitTestbench("blocks.tb_argmax", 1, unit, job=job)


def model_bench(model: str, unit: Unit, cycles: int = 3000, **settings: object) -> UnitTestbench:
    """Return the testbench of a unit beside its model in :mod:`oxnor.sim.benches.blocks.models`."""
    return UnitTestbench("blocks.tb_model", 1, unit, job={"model": model, "cycles": cycles, **settings})


def axi_lite(access: Sequence[str], cycles: int = 3000) -> UnitTestbench:
    """Return the testbench of registers with these accesses."""
    registers = tuple(Register(f"R{k}", a, "a register") for k, a in enumerate(access))
    return model_bench("AxiLite", AxiLite(registers), cycles, access=list(access))


def frame_assembler(n_in: int, width: int, by_beats: bool = False) -> UnitTestbench:
    """Return the testbench of a frame assembler."""
    unit = FrameAssembler(n_in, width, by_beats)
    return model_bench("FrameAssembler", unit, n_in=n_in, width=width, beats=-(-n_in // width))


def if_neuron(neuron: SpikingNeuron, cycles: int = 6000) -> UnitTestbench:
    """Return the testbench of a spiking neuron."""
    return model_bench("IfNeuron", IfNeuron(neuron), cycles, neuron=asdict(neuron))


#: Small units beside their models.
MODELLED: dict[str, Callable[[], UnitTestbench]] = {
    "fifo": lambda: model_bench("Fifo", Fifo(4, 3), width=4, depth=3),
    "register-slice": lambda: model_bench("RegisterSlice", RegisterSlice(4), width=4),
    "admission": lambda: model_bench("Admission", Admission(3, 2), interval=3, places=2),
    "frame-assembler": lambda: frame_assembler(10, 4),
    "frame-assembler-by-beats": lambda: frame_assembler(10, 4, by_beats=True),
    "axi-lite": lambda: axi_lite(("r", "rw", "r")),
    "crc32": lambda: model_bench("Crc32", Crc32()),
    "presenter": lambda: model_bench("Presenter", Presenter(3, 2), width=3, slices=2),
    "column-count": lambda: model_bench("ColumnCount", ColumnCount(5, 3), lanes=5, columns=3),
    "spiking-neuron": lambda: if_neuron(SpikingNeuron()),
    "spiking-neuron-with-all": lambda: if_neuron(
        SpikingNeuron(theta=7, v_bits=5, refractory=3, leak=2, v_init=-2, compare="gt")
    ),
}

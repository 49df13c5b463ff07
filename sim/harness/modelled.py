"""Testbenches of small units beside models of a few lines: every output in every cycle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import numpy as np

from oxnor.hw.analog.isaac_column import IsaacColumn
from oxnor.hw.analog.trainable_converter import TrainableConverter
from oxnor.hw.blocks.axi_lite import AxiLite
from oxnor.hw.blocks.column_count import ColumnCount
from oxnor.hw.blocks.crc32 import Crc32
from oxnor.hw.blocks.presenter import Presenter
from oxnor.hw.blocks.spi import SpiPeripheral
from oxnor.hw.blocks.uart import UartReceiver, UartTransmitter
from oxnor.hw.blocks.unit import Unit
from oxnor.hw.interface.registers import Register
from oxnor.hw.layers.gather import Gather, GatherMemory
from oxnor.hw.learning.pulse_counter import PulseCounter
from oxnor.hw.learning.sampled_neuron import SampledNeuron
from oxnor.hw.link.payload_buffer import PayloadBuffer
from oxnor.hw.macros.fault_injector import ErrorKey, ErrorMask
from oxnor.hw.neurons.binarized import Neuron, SummingNeuron
from oxnor.hw.neurons.spiking import IfNeuron
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.pixels import pixels_of_word
from oxnor.hw.streams.admission import Admission
from oxnor.hw.streams.fifo import Fifo
from oxnor.hw.streams.frame_assembler import FrameAssembler
from oxnor.hw.streams.image_buffer import ImageBuffer
from oxnor.hw.streams.register_slice import RegisterSlice
from oxnor.models.analog.integer import Isaac
from oxnor.models.base.bits import integers, unpack_bytes
from oxnor.models.base.trits import TRITS, unpack_trits
from oxnor.models.networks.spiking import Neuron as SpikingNeuron

from .unit import UnitTestbench


def model_bench(model: str, unit: Unit | str, cycles: int = 3000, **settings: object) -> UnitTestbench:
    """Return the testbench of a unit beside its model in :mod:`oxnor.sim.benches.models`."""
    return UnitTestbench("blocks.tb_model", 1, unit, job={"model": model, "cycles": cycles, **settings})


def axi_lite(access: Sequence[str], cycles: int = 5000) -> UnitTestbench:
    """Return the testbench of registers with these accesses."""
    registers = tuple(Register(f"R{k}", a, "a register") for k, a in enumerate(access))
    return model_bench("AxiLite", AxiLite(registers), cycles, access=list(access))


def frame_assembler(n_in: int, width: int, by_beats: bool = False) -> UnitTestbench:
    """Return the testbench of a frame assembler."""
    unit = FrameAssembler(n_in, width, by_beats)
    return model_bench("FrameAssembler", unit, n_in=n_in, width=width, beats=-(-n_in // width))


def image_buffer(pixels: int, bits: int, width: int) -> UnitTestbench:
    """Return the testbench of a buffer of images."""
    lanes = pixels_of_word(bits, width)
    return model_bench(
        "ImageBuffer", ImageBuffer(pixels, bits, width), 9000, pixels=pixels, bits=bits, width=width, lanes=lanes,
        words=-(-pixels // lanes), beats=-(-pixels * bits // width),
    )  # fmt: skip


def if_neuron(neuron: SpikingNeuron, cycles: int = 6000) -> UnitTestbench:
    """Return the testbench of a spiking neuron."""
    return model_bench("IfNeuron", IfNeuron(neuron), cycles, neuron=asdict(neuron))


def integrating(unit: Neuron | SummingNeuron) -> UnitTestbench:
    """Return the testbench of a neuron that integrates planes or presentations."""
    settings = {"n_in": unit.n_in, "levels": unit.levels, "planes": 1, "has_zeros": False, "shortcut": 0}
    if isinstance(unit, Neuron):
        most = (unit.n_in + unit.shortcut) * ((1 << unit.planes) - 1) << unit.has_zeros
        settings |= {name: getattr(unit, name) for name in ("planes", "has_zeros", "shortcut")}
    else:
        most = unit.n_in * unit.presentations
    return model_bench("Integrate", unit, most=most, **settings)


def isaac_column(isaac: Isaac, groups: int) -> UnitTestbench:
    """Return the testbench of the digital part of a column."""
    return model_bench("IsaacColumn", IsaacColumn(isaac, groups), groups=groups, **asdict(isaac))


def trainable(bits: int, width: int, cycles: int = 3000) -> UnitTestbench:
    """Return the testbench of a converter that learns."""
    return model_bench("TrainableConverter", TrainableConverter(bits, width), cycles, bits=bits, width=width)


def coefficients(rows: int, width: int, writes: bool, cycles: int = 3000) -> UnitTestbench:
    """Return the testbench of a memory of coefficients."""
    stored = np.random.default_rng([rows, width]).random((rows, width)) < 0.5
    stored[-1] = ~stored[0]  # so that every bit is both
    words = [f"{int(row @ (1 << np.arange(width, dtype=object))):x}" for row in stored]
    bench = model_bench(
        "CoefficientRam", f"coefficient_{'ram' if writes else 'rom'}", cycles, width=width, rows=words, writes=writes
    )
    parameters = {"ROWS": rows, "WIDTH": width, "INIT_FILE": '"mem/rows.mem"'}
    return replace(bench, memory={"rows": stored}, parameters=parameters)


def packed_macro(rows: int, cols: int) -> UnitTestbench:
    """Return the testbench of a memory of packed weights, each byte of a row another value in each row."""
    values = (np.arange(rows)[:, None] * np.arange(1, 2 * -(-cols // TRITS), 2)).astype(np.uint8)
    stored = unpack_bytes(values)
    words = integers(unpack_trits(stored, cols))
    bench = model_bench("PackedMacro", "rram_macro_packed", rows=words, cols=cols)
    parameters = {"ROWS": rows, "COLS": cols, "INIT_FILE": '"mem/rows.mem"'}
    return replace(bench, memory={"rows": stored}, parameters=parameters)


def row_buffer(words: int, width: int) -> UnitTestbench:
    """Return the testbench of a memory with two ports."""
    bench = model_bench("RowBuffer", "row_buffer", words=words, width=width)
    return replace(bench, parameters={"WORDS": words, "WIDTH": width})


def error_mask(config: LayerConfig, cycles: int = 4000) -> UnitTestbench:
    """Return the testbench of the errors of a lane."""
    return model_bench(
        "ErrorMask", ErrorMask(config), cycles, width=config.across * config.cols, slices=config.slices,
        neurons=config.passes * config.groups,
    )  # fmt: skip


#: Small units beside their models.
MODELLED: dict[str, Callable[[], UnitTestbench]] = {
    "fifo": lambda: model_bench("Fifo", Fifo(4, 3), width=4, depth=3),
    "register-slice": lambda: model_bench("RegisterSlice", RegisterSlice(4), width=4),
    "admission": lambda: model_bench("Admission", Admission(3, 2), interval=3, places=2),
    "frame-assembler": lambda: frame_assembler(10, 4),
    "frame-assembler-by-beats": lambda: frame_assembler(10, 4, by_beats=True),
    "image-buffer": lambda: image_buffer(5, 6, 4),
    "gather": lambda: model_bench("Gather", Gather(6, 5), pixels=6, width=5),
    "gather-memory": lambda: model_bench("GatherMemory", GatherMemory(5, 3), pixels=5, width=3),
    "axi-lite": lambda: axi_lite(("r", "rw", "r")),
    "uart-receiver": lambda: model_bench("UartReceiver", UartReceiver(7), 8000, divisor=7),
    "uart-transmitter": lambda: model_bench("UartTransmitter", UartTransmitter(5), divisor=5),
    "spi-peripheral": lambda: model_bench("SpiPeripheral", SpiPeripheral(), 8000),
    "link-payload": lambda: model_bench("PayloadBuffer", PayloadBuffer(6), words=6),
    "crc32": lambda: model_bench("Crc32", Crc32()),
    "row-buffer": lambda: row_buffer(5, 3),
    "coefficient-rom": lambda: coefficients(13, 5, writes=False),
    "coefficient-ram": lambda: coefficients(3, 32, writes=True, cycles=800),
    "packed-macro": lambda: packed_macro(256, 7),
    "presenter": lambda: model_bench("Presenter", Presenter(3, 2), width=3, slices=2),
    "column-count": lambda: model_bench("ColumnCount", ColumnCount(5, 3), lanes=5, columns=3),
    "neuron-of-planes": lambda: integrating(Neuron(9, 3, planes=2, levels=2, has_zeros=True)),
    "neuron-with-shortcut": lambda: integrating(Neuron(9, 3, planes=2, levels=2, shortcut=5)),
    "summing-neuron": lambda: integrating(SummingNeuron(9, 3, 4, levels=2)),
    "spiking-neuron": lambda: if_neuron(SpikingNeuron()),
    "spiking-neuron-with-all": lambda: if_neuron(
        SpikingNeuron(theta=7, v_bits=5, refractory=3, leak=2, v_init=-2, compare="gt")
    ),
    "isaac-column": lambda: isaac_column(Isaac(rows=5, weight_bits=4, input_bits=3, adc_bits=3), 2),
    "trainable-converter": lambda: trainable(3, 5, 6000),
    "sampled-neuron": lambda: model_bench("SampledNeuron", SampledNeuron(13), width=13),
    "pulse-counter": lambda: model_bench("PulseCounter", PulseCounter(5, 3), threshold=5, batch=3),
    "error-key": lambda: model_bench("ErrorKey", ErrorKey(), 300),
    "error-mask": lambda: error_mask(LayerConfig("scores", 80, 5, 16, 40, 1, 1)),
}

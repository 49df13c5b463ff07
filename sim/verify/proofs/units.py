"""What is proved of the units, and for each proof a way to break the unit that it finds."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oxnor.hw.blocks.argmax import Argmax
from oxnor.hw.blocks.axi_lite import AxiLite
from oxnor.hw.blocks.crc32 import Crc32
from oxnor.hw.blocks.popcount import Popcount
from oxnor.hw.blocks.presenter import Presenter
from oxnor.hw.blocks.unit import Unit
from oxnor.hw.emit.verilog import Emitted, emit_component
from oxnor.hw.engine.engine import Engine
from oxnor.hw.interface.registers import Register
from oxnor.hw.layers.pool import PoolMaker
from oxnor.hw.layers.window import WindowMaker
from oxnor.hw.macros.fault_injector import ErrorBlock
from oxnor.hw.neurons.binarized import Neuron
from oxnor.hw.neurons.spiking import IfNeuron
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.streams.admission import Admission
from oxnor.hw.streams.fifo import Fifo
from oxnor.hw.streams.frame_assembler import FrameAssembler
from oxnor.hw.streams.register_slice import RegisterSlice
from oxnor.models.base.errors import InputError, near_names
from oxnor.models.networks.layers.window import Pool, Window
from oxnor.models.networks.spiking import Neuron as SpikingNeuron
from oxnor.sim.harness.networks import random_network

from . import link_frames
from .prover import Proof, prove

#: Cycles from the reset in which the breach of a broken unit must show.
_BREACH_CYCLES = 40
#: Files of properties.
PROPERTIES = Path(__file__).with_name("properties")


@dataclass(frozen=True)
class UnitProof:
    """A proof of an emitted unit.

    Parameters
    ----------
    claim : str
        What is proved, in a few words.
    unit : callable
        Returns the unit.
    properties : str
        SystemVerilog file in ``properties``, whose module is named after it and has the unit in it.
    breaks : (text, replacement)
        A change of the unit's Verilog that the proof must find.
    depth : int
        Of the induction, in clock cycles.
    defines : tuple of str
        Verilog macros.
    modules_of_properties : tuple of str
        Modules under the unit that the properties, or files in ``properties`` of their names, replace by what is
        assumed of them.
    """

    claim: str
    unit: Callable[[], Unit]
    properties: str
    breaks: tuple[str, str]
    depth: int = 2
    defines: tuple[str, ...] = ()
    modules_of_properties: tuple[str, ...] = ()


def neuron_defines(neuron: SpikingNeuron) -> tuple[str, ...]:
    """Return the Verilog macros of the properties of a spiking neuron."""
    defines = [
        "OXNOR_ASSERT", f"UNIT={IfNeuron(neuron).module_name}", f"WEIGHT_MAX={neuron.weight_max}",
        f"WEIGHT_MSB={neuron.weight_max.bit_length()}", f"V_MSB={neuron.v_bits - 1}",
    ]  # fmt: skip
    if neuron.refractory:
        defines.append("HAS_TICK")
    elif neuron.weight_max <= neuron.theta and neuron.bipolar and not neuron.v_init:
        # Where |weight| <= theta and nothing is held back, V stays below the threshold, and so it never saturates.
        defines.append(f"BOUND={neuron.theta + (neuron.compare == 'gt')}")
    return tuple(defines)


_REGISTERS = (Register("READ", "r", "can be read"), Register("BOTH", "rw", "can be written"))
#: The proofs by name.
PROOFS: dict[str, UnitProof] = {
    "register-slice": UnitProof(
        "nothing is lost, doubled, changed or overtaken; what is offered stays until it is taken",
        lambda: RegisterSlice(4), "register_slice", ("full ? kept : i__payload", "i__payload"),
    ),
    "fifo": UnitProof(
        "nothing is lost, doubled, changed or overtaken; it is full with all places taken, and not before",
        lambda: Fifo(4, 3), "fifo", ("level != 2'h3", "level != 2'h2"),
    ),
    "admission": UnitProof(
        "never more images inside than places, none too soon, and one as soon as it may",
        lambda: Admission(3, 2), "admission", ("waited == 2'h2", "waited == 2'h1"),
    ),
    "frame-assembler": UnitProof(
        "after any beats it is in step at the next tlast; wrong frames are dropped and counted once",
        lambda: FrameAssembler(10, 4), "frame_assembler", ("too_long <= 1'b1;", "too_long <= 1'b0;"),
    ),
    "frame-assembler-by-beats": UnitProof(
        "the same, of the form that writes beats to their places",
        lambda: FrameAssembler(10, 4, by_beats=True), "frame_assembler", ("o__valid <= right;", "o__valid <= 1'b1;"),
        defines=("BY_BEATS",),
    ),
    "popcount-leaf": UnitProof(
        "a leaf of 16 bits counts them", lambda: Popcount(16), "popcount", ("2'(i[3])", "2'(i[2])"), 1, ("LEAF",),
    ),
    "popcount": UnitProof(
        "200 bits are the sum of their leaves, whatever these count",
        lambda: Popcount(200), "popcount", ("8'(leaf0_o)", "8'(leaf1_o)"), 1,
        modules_of_properties=("oxnor_popcount_64", "oxnor_popcount_8"),
    ),
    "argmax": UnitProof(
        "the largest score, the lowest index in a tie, and the margin to the second",
        lambda: Argmax(5, 2, 4, with_margin=True), "argmax", (" > $signed(best)", " >= $signed(best)"),
    ),
    "neuron": UnitProof(
        "partial counts over slices and bit planes add up, and each threshold is compared as it should be",
        lambda: Neuron(6, 2, 2, 2), "neuron", (">= threshold[4:0]", "> threshold[4:0]"),
    ),
    "neuron-with-shortcut": UnitProof(
        "a bit of each plane counts so often as its shortcut says, beside the partial counts",
        lambda: Neuron(6, 2, 2, 2, shortcut=3), "neuron", ("own & (first | double)", "own & first"),
        defines=("SHORTCUT=3",),
    ),
    "neuron-of-zeros": UnitProof(
        "inputs that are zeros count half", lambda: Neuron(6, 1, has_zeros=True), "neuron_zeros",
        (">= threshold;", "> threshold;"), 1,
    ),
    "spiking-neuron": UnitProof(
        "threshold times spikes plus membrane is the sum of the weights, and the membrane stays in its bounds",
        lambda: IfNeuron(SpikingNeuron()), "spiking_neuron", ("chosen_1 - 12'h4", "chosen_1 - 12'h3"), 4,
        neuron_defines(SpikingNeuron()),
    ),
    "crc32": UnitProof(
        "eight cycles after a byte it is the CRC-32 of all bytes", Crc32, "crc32", ("left - 4'h1", "left - 4'h2"),
    ),
    "fault-injector": UnitProof(
        "at a rate of 0 no read is wrong, whatever its state", ErrorBlock, "error_block",
        ("{64{n[7]}}", "{64{n[7] | p[0]}}"),
    ),
    "window": UnitProof(
        "each synapse of each window sees its pixel of its image, or padding, whatever pauses there are",
        lambda: WindowMaker(Window(4, 5, 1, 3, 3, top=1, left=1, bottom=1, right=1, pad=1), 1), "window",
        ("(difference_2 < come)", "(difference_2 <= come)"), modules_of_properties=("row_buffer",),
    ),
    "pool": UnitProof(
        "each window gives its largest or its smallest value, with its last pixel, and nothing else waits",
        lambda: PoolMaker(4, 5, 1, 3, Pool(2, 2, 2, 2), has_lowest=True), "pool",
        ("(in_y ? above_q : 3'h0)", "(in_x ? above_q : 3'h0)"), modules_of_properties=("row_buffer",),
    ),
    "pool-padded": UnitProof(
        "each window over edges gives the largest or the smallest of what it has, and beyond them nothing waits",
        lambda: PoolMaker(3, 5, 1, 1, Pool(3, 3, 2, 2, 1, 1, 1, 1), has_lowest=True), "pool_padded",
        ("(y == 2'h0) ? 2'h0", "(x == 3'h0) ? 2'h0"), modules_of_properties=("row_buffer",),
    ),
    "engine": UnitProof(
        "a result stays until it is taken; one comes for each image, and none without",
        lambda: Engine(EngineConfig.for_network(random_network((12, 4, 3)), macro_size=(8, 8), stream_width=8)),
        "engine", ("valid & last;", "valid;"), modules_of_properties=("rram_macro", "coefficient_rom"),
    ),
    "presenter": UnitProof(
        "a random bit is 1 where the value is above the element's number of that presentation",
        lambda: Presenter(3, 2), "presenter", ("bits_2 < values[15:8]", "bits_2 <= values[15:8]"),
    ),
    "axi-lite": UnitProof(
        "every write is answered and takes effect once, no answer comes unasked, and an answer waits",
        lambda: AxiLite(_REGISTERS), "axi_lite", ("bvalid & bready", "bready"),
    ),
}  # fmt: skip
#: Whatever :func:`prove_all` proves: the units, and what is computed.
NAMES = (*PROOFS, link_frames.NAME)


def prove_unit(name: str, directory: Path, *, broken: bool = False) -> Proof:
    """Prove a unit.

    Parameters
    ----------
    name : str
        A key of :data:`PROOFS`.
    directory : Path
        Where the files go.
    broken : bool
        Break the unit first, and look for a counterexample: it must be found.

    Raises
    ------
    InputError
        If there is no such proof, or a tool is missing.
    """
    _check(name)
    what = PROOFS[name]
    emitted = emit_component(what.unit(), directory / "rtl")
    if broken:
        break_source(emitted, what.breaks)
    return prove_emitted(
        emitted, what.properties, directory, depth=what.depth, defines=what.defines,
        left_out=what.modules_of_properties, cycles=_BREACH_CYCLES if broken else 0,
    )  # fmt: skip


def prove_emitted(
    emitted: Emitted, properties: str, directory: Path, *, depth: int, defines: Sequence[str],
    left_out: Sequence[str] = (), cycles: int = 0,
) -> Proof:  # fmt: skip
    """Prove a file of ``properties`` of what was emitted into ``rtl`` of a folder, but for modules."""
    names = [f"rtl/{p.name}" for p in emitted.sources if p.stem not in left_out]
    for name in (*left_out, properties):
        path = PROPERTIES / f"{name}.sv"
        if path.is_file():
            names.append(f"{name}_proof.sv")
            shutil.copyfile(path, directory / names[-1])
    return prove(directory, names, f"{properties}_proof", depth=depth, defines=defines, cycles=cycles)


@dataclass(frozen=True)
class Verdict:
    """What came of a proof.

    Parameters
    ----------
    name, claim : str
    proved : bool
        Whether the unit has what is claimed.
    breach : str
        Where the unit that was broken does not have it, as the cycle from the reset; "" if that was not found.
    seconds : float
        Of both.
    said : tuple of str
        What the prover says of assertions that fail, if the unit does not have what is claimed.
    """

    name: str
    claim: str
    proved: bool
    breach: str
    seconds: float
    said: tuple[str, ...] = ()


def prove_all(names: Sequence[str], progress: Callable[[int, int, str], None] | None = None) -> list[Verdict]:
    """Prove units, and see each proof fail for a broken one.

    Parameters
    ----------
    names : sequence of str
        Of :data:`NAMES`.
    progress : callable, optional
        Called with the number done, their number in all, and the name that is next.
    """
    for name in names:
        _check(name)
    rows = []
    for k, name in enumerate(names):
        if progress:
            progress(k, len(names), name)
        if name == link_frames.NAME:
            rows.append(_link_frames())
            continue
        with tempfile.TemporaryDirectory() as folder:
            sound = prove_unit(name, Path(folder) / "sound")
            broken = prove_unit(name, Path(folder) / "broken", broken=True)
        seconds = sound.seconds + broken.seconds
        said = () if sound.proved else tuple(dict.fromkeys(re.findall(r"Assert failed in .*|ERROR.*", sound.log)))
        breach = "" if broken.refuted is None else f"cycle {broken.refuted}"
        rows.append(Verdict(name, PROOFS[name].claim, sound.proved, breach, round(seconds, 3), said))
    return rows


def _link_frames() -> Verdict:
    begin = time.monotonic()
    # The polynomial x**32 + 1 does not see two flips that are 32 bits apart.
    proved = not link_frames.unnoticed()
    breach = "two flips 32 bits apart" if link_frames.shortest_undetected(2, 64, 1 << 31) else ""
    return Verdict(link_frames.NAME, link_frames.CLAIM, proved, breach, round(time.monotonic() - begin, 3))


def _check(name: str) -> None:
    if name not in NAMES:
        rule = f"must be one of {', '.join(NAMES)}, not {name!r}{near_names(name, NAMES)}"
        raise InputError(rule, parameter="units")


def break_source(emitted: Emitted, change: tuple[str, str]) -> None:
    """Replace a text where it first stands in the sources of a unit."""
    for path in emitted.sources:
        text = path.read_text()
        if change[0] in text:
            path.write_text(text.replace(*change, 1))
            return
    raise InputError(f"break_with must name a text of {emitted.top}, not {change[0]!r}")

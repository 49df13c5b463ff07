"""The types of RRAM macro, in one table: what each has, and what each can do. Nothing outside it asks for a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from oxnor.models.base.errors import InputError

from .widths import PAIRS_TO_BYTE, bits_for, packed_bits

#: What all macros of type `devices` read besides their own image: the normal distribution, and the devices' statistics.
NORMAL_FILE, TABLES_FILE = "devices_normal.mem", "devices_tables.mem"
#: The same by parameter of the module.
DEVICE_FILES = {"NORMAL_FILE": f"mem/{NORMAL_FILE}", "DEVICE_FILE": f"mem/{TABLES_FILE}"}
#: What all macros of type `cells` read: their times, yields and errors.
SETTINGS_FILE = "cells_settings.mem"
#: Names that these files had before, and still may have where a user gives a folder of them.
OLD_FILES = {"twin_normal.mem": NORMAL_FILE, "twin_device.mem": TABLES_FILE}


#: Verilog module of the default type.
DEFAULT_MODULE = "rram_macro"


@dataclass(frozen=True)
class MacroPort:
    """A port of a macro, beside its clock.

    Parameters
    ----------
    width : int
        Bits.
    is_output : bool
        Whether the macro drives it.
    """

    width: int
    is_output: bool = False


@dataclass(frozen=True)
class MacroType:
    """What an engine must know of a macro. A new macro is an entry of :data:`MACRO_TYPES` and its SystemVerilog.

    Parameters
    ----------
    module : str
        Verilog module. Its parameters are ``ROWS``, ``COLS``, ``INIT_FILE`` and the keys of `files`.
    rtl_source : str
        Its file in ``hw/rtl``.
    what : str
        One line for people.
    outputs : int
        Bits of the answer to a pair: one, ``q``, or two, ``agree`` and ``disagree``, of pairs that hold three states.
    latency : int
        Clock edges from a sense to its ``q``. With more than one, reads in flight advance only while ``en`` is 1.
    can_program : bool
        Whether it has the ports of programming: one FORM, SET or RESET a handshake.
    can_flip : bool
        Whether it takes an error mask beside the read.
    can_simulate : bool
        Whether there is anything behind its ports.
    has_devices : bool
        Whether its image holds devices (:class:`oxnor.hw.placement.drawn_devices.EngineDevices`) instead of bits.
    files : mapping of str to str
        Parameters that are the same in every macro.
    accesses : int
        Accesses to a pair, one after the other, each answered by an acknowledge whenever the macro is ready: behind an
        adapter, which has a port ``ready``. 0: a row is sensed at once, in a fixed time.
    packs : bool
        Whether a row is kept as bytes of five pairs of three states each.
    """

    module: str
    rtl_source: str
    what: str
    outputs: int = 1
    latency: int = 1
    can_program: bool = True
    can_flip: bool = True
    can_simulate: bool = True
    has_devices: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    accesses: int = 0
    packs: bool = False

    @property
    def suffix(self) -> str:
        """What the names of the modules around it end with: an engine may have macros of several types."""
        name = self.module.removeprefix("rram_").removeprefix("macro_")
        return "" if self.module == DEFAULT_MODULE else f"_{name}"

    def read_cycles(self, cols: int, latency: int) -> int:
        """Return the cycles of a read of a row, at least, of macros that take `latency` cycles, for each access if any.

        An access ends when the acknowledge has fallen, and the last one of a row is seen a cycle later.
        """
        return self.accesses * cols * (latency + 2) + 1 if self.accesses else latency

    def word_bits(self, pairs: int) -> int:
        """Return the bits of a row of so many pairs where it is kept in bits."""
        return packed_bits(pairs) if self.packs else self.outputs * pairs

    def pairs_in(self, bits: int) -> int:
        """Return the pairs of a row that is kept in at most so many bits."""
        return PAIRS_TO_BYTE * (bits // 8) if self.packs else bits // self.outputs

    def ports(self, rows: int, cols: int) -> dict[str, MacroPort]:
        """Return the ports of a macro of this size, by name; :class:`oxnor.hw.macros.rram_macro.RramMacro` explains."""
        row = MacroPort(bits_for(rows - 1))
        ports = {"en": MacroPort(1)} if self.latency > 1 else {}
        ports |= {"sense": MacroPort(1), "row": row, "x": MacroPort(cols)}
        if self.can_flip:
            ports["flip"] = MacroPort(self.outputs * cols)
        ports |= dict.fromkeys(("agree", "disagree") if self.outputs == 2 else ("q",), MacroPort(cols, True))
        if self.accesses:
            ports["ready"] = MacroPort(1, True)
        if self.can_program:
            ports |= {
                "prog_valid": MacroPort(1),
                "prog_ready": MacroPort(1, True),
                "prog_op": MacroPort(2),
                "prog_side": MacroPort(1),
                "prog_row": row,
                "prog_col": MacroPort(bits_for(cols - 1)),
                "prog_done": MacroPort(1, True),
            }
        return ports


#: By the name that users give. The first is the default.
MACRO_TYPES = {
    "bits": MacroType(DEFAULT_MODULE, "rram_macro.sv", "what programming left, one bit a pair; maps to block RAM"),
    "devices": MacroType(
        "rram_macro_devices",
        "rram_macro_devices.sv",
        "both devices of each pair, sense offsets, read noise, programming and wear",
        has_devices=True,
        files=DEVICE_FILES,
    ),
    "blackbox": MacroType(
        DEFAULT_MODULE,
        "rram_macro_blackbox.sv",
        "the ports alone, for a chip's own macro",
        can_simulate=False,
    ),
    "cells": MacroType(
        "rram_cells",
        "rram_cells.sv",
        "single cells behind a bus with request and acknowledge, two to a pair; any time of access",
        files={"SETTINGS_FILE": f"mem/{SETTINGS_FILE}"},
        accesses=2,
    ),
}
DEFAULT_MACRO = next(iter(MACRO_TYPES))
#: Type of macros that keep five ternary weights in a byte.
PACKED = "packed"
#: The same where a pair holds three states: two synapses of a weight of several.
TERNARY_TYPES = {
    "bits": MacroType(
        "rram_macro_ternary",
        "rram_macro_ternary.sv",
        "what programming left, two bits a pair; maps to block RAM",
        outputs=2,
    ),
    "devices": MacroType(
        "rram_macro_ternary_devices",
        "rram_macro_ternary_devices.sv",
        "both devices of each pair against each other and a threshold, offsets, noise, programming and wear",
        outputs=2,
        has_devices=True,
        files=DEVICE_FILES,
    ),
    "blackbox": MacroType(
        "rram_macro_ternary",
        "rram_macro_ternary_blackbox.sv",
        "the ports alone, for a chip's own macro",
        outputs=2,
        can_simulate=False,
    ),
    # What an engine has whose ternary weights are packed; no name for users.
    PACKED: MacroType(
        "rram_macro_packed",
        "rram_macro_packed.sv",
        "weights that never change, five to a byte; maps to block RAM",
        outputs=2,
        can_program=False,
        packs=True,
    ),
}
#: States of a pair that may be used: one device in LRS, or none too.
PAIR_STATES = (2, 3)
#: Names that files and users had before, and still may have.
OLD_NAMES = {"twin": "devices"}


def check_pair_states(states: int) -> None:
    """Raise InputError unless pairs can hold so many states."""
    if states not in PAIR_STATES or isinstance(states, bool):
        raise InputError(f"must be 2, or 3 for ternary weights in one pair, not {states!r}", parameter="pair_states")


def macro_type(kind: str, pair_states: int = 2) -> MacroType:
    """Return a type of macro by its name, and how many states its pairs hold.

    Raises
    ------
    InputError
        If there is none.
    """
    if pair_states == 2:
        return MACRO_TYPES[macro_name(kind)]
    if kind not in TERNARY_TYPES:
        names = " or ".join(name for name in TERNARY_TYPES if name != PACKED)
        raise InputError(f"must be {names} for pairs of three states, not {kind!r}",
                         parameter="macro_kind")  # fmt: skip
    return TERNARY_TYPES[kind]


#: Most cycles that a macro may take to sense a row.
SENSE_MAX = 64


def check_sense_latency(cycles: int) -> None:
    """Raise InputError unless macros may take so many cycles to sense a row."""
    if isinstance(cycles, bool) or not isinstance(cycles, int) or not 1 <= cycles <= SENSE_MAX:
        raise InputError(f"must be in [1, {SENSE_MAX}] cycles, not {cycles}", parameter="sense_latency")


#: Most bits of a converter between a macro and the adder tree.
CONVERTER_BITS_MAX = 16


def check_converter_bits(bits: int) -> int:
    """Return `bits` if a converter of counts can have so many (0: there is none), or raise InputError."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 0 <= bits <= CONVERTER_BITS_MAX:
        raise InputError(f"must be in [0, {CONVERTER_BITS_MAX}], not {bits!r}", parameter="converter_bits")
    return bits


#: Most rows or columns of a macro, most pairs, and most macros of a layer.
LINES_MAX, PAIRS_MAX, MACROS_MAX = 1 << 15, 1 << 24, 1 << 14


def check_macro_size(rows: int, cols: int) -> None:
    """Raise InputError unless macros of this size can be generated."""
    if rows < 1 or cols < 1:
        raise InputError(f"must have at least 1 row and 1 column, not {rows}x{cols}", parameter="macro_size")
    if rows > LINES_MAX or cols > LINES_MAX or rows * cols > PAIRS_MAX:
        raise InputError(
            f"must have at most {LINES_MAX} rows, {LINES_MAX} columns and {PAIRS_MAX} pairs, not {rows}x{cols}",
            parameter="macro_size",
        )


def check_macros(layer: str, count: int) -> None:
    """Raise InputError if a layer has more macros than can be generated."""
    if count > MACROS_MAX:
        raise InputError(f"{layer}: must have at most {MACROS_MAX} macros, not {count}: take larger ones")


def macro_name(name: str, pair_states: int = 2) -> str:
    """Return the present name of a type of macro, and of how many states its pairs are.

    Raises
    ------
    InputError
        If there is no such type.
    """
    name = OLD_NAMES.get(name, name)
    if name not in MACRO_TYPES and (pair_states != 3 or name != PACKED):
        raise InputError(f"must be one of {', '.join(MACRO_TYPES)}, not {name!r}", parameter="macro_kind")
    return name

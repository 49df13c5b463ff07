"""The engine's register map, the one source for gateware, sidecar, testbenches and host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oxnor.hw.params.engine import EngineConfig


@dataclass(frozen=True)
class Register:
    """One 32-bit register.

    Parameters
    ----------
    name : str
        Upper-case name.
    access : str
        "r" or "rw".
    description : str
        What it holds.
    """

    name: str
    access: str
    description: str


MAGIC = int.from_bytes(b"OXNR", "big")
INTERFACE_VERSION = 1

REGISTERS = (
    Register("MAGIC", "r", "0x4F584E52, 'OXNR'"),
    Register("VERSION", "r", "version of the ports and of this register map"),
    Register("STRUCTURE", "r", "first 32 bits of the digest of the engine's structure"),
    Register("NETWORK", "r", "first 32 bits of the digest of the network in the memory images"),
    Register("N_IN", "r", "bits of an image"),
    Register("N_OUT", "r", "number of classes"),
    Register("STATUS", "r", "bit 0: an image is in the engine; bit 1: a write was refused because of that"),
    Register("CONTROL", "rw", "write 1 to bit 0 to clear the counters, to bit 1 to clear STATUS bit 1; reads as 0"),
    Register("FRAMES", "r", "frames of the right length taken since the counters were cleared"),
    Register("DROPPED", "r", "frames of the wrong length dropped"),
    Register("RESULTS", "r", "results handed over"),
    Register("STALLS", "r", "cycles in which a result waited for the consumer"),
    Register("CYCLES_LO", "r", "clock cycles, low word; reading it latches CYCLES_HI"),
    Register("CYCLES_HI", "r", "clock cycles, high word, as of the last read of CYCLES_LO"),
)
#: Of an engine with a fault injector. Refused while an image is in the engine.
INJECTOR_REGISTERS = (
    Register("ERROR_SEED", "rw", "seed of the per-read errors; writing it makes the next image number 0"),
    Register("ERROR_RATE", "rw", "bits 15:0: each read is wrong with probability rate / 65536; 0 after reset"),
)
#: Of an engine with a programming controller. While it is busy all writes but that of PROG_HOLD are refused.
PROGRAMMING_REGISTERS = (
    Register("PROG_HOLD", "rw", "bit 0: hold the input stream (s_axis_tready = 0), so that the engine becomes free"),
    Register("PROG_LAYER", "rw", "number of the layer"),
    Register("PROG_MACRO", "rw", "v * H + h of the macro; V * H is the memory of the layer's coefficients"),
    Register("PROG_ROW", "rw", "row of the macro, or pass of the coefficients"),
    Register("PROG_WORD", "rw", "which 32 bits of the row PROG_DATA holds; counts up at each access of PROG_DATA"),
    Register("PROG_DATA", "rw", "writes: the data of the row; reads: what READ has read, or which bits failed"),
    Register("PROG_RETRIES", "rw", "how often REPAIR may program again, 0 to 255"),
    Register(
        "PROG_COMMAND",
        "rw",
        "starts, in this order: bit 0 CLEAR counts and addresses, 1 FORM, 2 PROGRAM, 3 VERIFY, 4 REPAIR what fails,"
        " 5 READ, 6 READ_INVERTED (inputs 0); refused while an image is in the engine; reads as 0",
    ),
    Register(
        "PROG_STATUS",
        "r",
        "bit 0: busy; 1: the last command is done; 2: there is no such row; 3: it left failing pairs;"
        " 4: PROG_FAIL has an address; 5: addresses were lost, there were too many",
    ),
    Register("PROG_FAILURES", "r", "failing pairs since CLEAR"),
    Register("PROG_FAIL_MACRO", "r", "layer (31:24) and macro (23:0) of the oldest address"),
    Register("PROG_FAIL", "r", "row (31:16) and column (15:0) of the oldest address; reading it takes it away"),
    Register("PROG_PULSES", "r", "operations on single devices since CLEAR"),
)
#: Of an engine whose results have margins.
MARGIN_REGISTERS = (
    Register(
        "MIN_MARGIN",
        "rw",
        "a result is unsure if its margin is less; 0 after reset: none is; refused while an image is in the engine",
    ),
    Register("UNSURE", "r", "unsure results handed over since the counters were cleared"),
)
#: Bits of PROG_COMMAND, carried out in this order.
PROGRAMMING_COMMANDS = {
    "CLEAR": 1, "FORM": 2, "PROGRAM": 4, "VERIFY": 8, "REPAIR": 16, "READ": 32, "READ_INVERTED": 64
}  # fmt: skip
#: Registers of each option in the order of the map; where an option is not generated its addresses are empty.
BY_OPTION = {"fault_injector": INJECTOR_REGISTERS, "programming": PROGRAMMING_REGISTERS, "margin": MARGIN_REGISTERS}
INDEX = {r.name: k for k, r in enumerate((*REGISTERS, *(r for option in BY_OPTION.values() for r in option)))}
#: Of a spiking engine; :data:`SPIKING_BIT` of its VERSION tells it.
SPIKING_REGISTERS = (
    Register("MAGIC", "r", "0x4F584E52, 'OXNR'"),
    Register("VERSION", "r", "bits 15 to 0: version of the ports and of this register map; bit 16: a spiking engine"),
    Register("STRUCTURE", "r", "first 32 bits of the digest of the engine's structure"),
    Register("NETWORK", "r", "first 32 bits of the digest of the network in the memory images"),
    Register("N_IN", "r", "inputs"),
    Register("N_OUT", "r", "number of classes"),
    Register("STATUS", "r", "bit 0: an image is in the engine"),
    Register("CONTROL", "rw", "write 1 to bit 0 to clear the counters; reads as 0"),
    Register("DELTA_S", "rw", "lead of the winner that decides an image; 0: none does"),
    Register("TERMINATE_MAX", "rw", "count that decides an image; 0: none does"),
    Register("FRAMES", "r", "images taken since the counters were cleared"),
    Register("DROPPED", "r", "frames of the wrong length, or words that are no event, dropped"),
    Register("RESULTS", "r", "results handed over"),
    Register("STALLS", "r", "cycles in which a result or an output spike waited for its consumer"),
    Register("CYCLES_LO", "r", "clock cycles, low word; reading it latches CYCLES_HI"),
    Register("CYCLES_HI", "r", "clock cycles, high word, as of the last read of CYCLES_LO"),
)
SPIKING_INDEX = {r.name: k for k, r in enumerate(SPIKING_REGISTERS)}
SPIKING_BIT = 1 << 16


def register_map(config: EngineConfig | None = None) -> tuple[Register | None, ...]:
    """Return the registers of an engine, number k at byte address 4 * k; by default of one without options."""
    registers: list[Register | None] = list(REGISTERS)
    if config and config.programming:
        network = REGISTERS[INDEX["NETWORK"]]
        registers[INDEX["NETWORK"]] = replace(
            network, access="rw", description=f"{network.description}, or as written"
        )
    for name, of_option in BY_OPTION.items():
        registers += of_option if config and getattr(config, name) else [None] * len(of_option)
    while registers[-1] is None:
        registers.pop()
    return tuple(registers)


def as_dicts(config: EngineConfig | None = None) -> list[dict[str, str | int]]:
    """Return the map as JSON-able dicts with name, offset (bytes), access and description."""
    return _dicts(register_map(config))


def spiking_as_dicts() -> list[dict[str, str | int]]:
    """Return the map of a spiking engine in the same way."""
    return _dicts(SPIKING_REGISTERS)


def _dicts(registers: Sequence[Register | None]) -> list[dict[str, str | int]]:
    return [
        {"name": r.name, "offset": 4 * k, "access": r.access, "description": r.description}
        for k, r in enumerate(registers)
        if r
    ]


def as_markdown() -> str:
    """Return the whole map, with all options, as the table of docs/programming.md."""
    rows = ["| offset | register | access | what |", "|---|---|---|---|"]
    for registers, suffix in ((REGISTERS, ""), *((r, f" ({name})") for name, r in BY_OPTION.items())):
        rows += [f"| 0x{4 * INDEX[r.name]:02X} | {r.name} | {r.access}{suffix} | {r.description} |" for r in registers]
    return "\n".join(rows) + "\n"

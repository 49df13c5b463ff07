"""What every engine counts, and what it says of itself: the values of registers that all engines have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from amaranth.hdl import Cat, Module, Signal, Value, ValueLike

from oxnor.hw.blocks.axi_lite import AxiLite
from oxnor.hw.interface.registers import MAGIC


class Structure(Protocol):
    """What an engine's configuration says of its structure."""

    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def n_in(self) -> int: ...  # noqa: D102
    @property
    def n_out(self) -> int: ...  # noqa: D102


def identity_values(config: Structure, version: int, network: ValueLike) -> dict[str, ValueLike]:
    """Return what an engine says of itself and of the network in its memories, by the names of its registers."""
    return {
        "MAGIC": MAGIC,
        "VERSION": version,
        "STRUCTURE": int(config.digest[:8], 16),
        "NETWORK": network,
        "N_IN": config.n_in,
        "N_OUT": config.n_out,
    }


@dataclass(frozen=True, eq=False)
class Events:
    """What happens in an engine: each is 1 in a cycle in which it does.

    Parameters
    ----------
    frames : ValueLike
        A frame of the right length is accepted.
    dropped : ValueLike
        One of the wrong length is dropped.
    results : ValueLike
        A result is handed over.
    stalls : ValueLike
        A result waits for the consumer.
    unsure : ValueLike, optional
        An unsure result is handed over, in an engine whose results have margins.
    """

    frames: ValueLike
    dropped: ValueLike
    results: ValueLike
    stalls: ValueLike
    unsure: ValueLike | None = None


#: Bits of the parts of a wide counter, the lowest first; what is left is one more.
COUNTER_PARTS = (4, 12)


def count_in_parts(m: Module, name: str, width: int, happened: Value, clear: Value) -> Value:
    """Return a counter whose higher parts have an enable of their own: most cycles change its lowest part alone.

    Each part but the last has a register that says whether all its bits are 1, so that no carry passes through it.

    Parameters
    ----------
    m : Module
    name : str
    width : int
        Bits.
    happened : Value
        Count in this cycle.
    clear : Value
        Start again from 0, which wins.
    """
    sizes = [*COUNTER_PARTS, width - sum(COUNTER_PARTS)]
    parts, carry = [], happened
    for k, size in enumerate(sizes):
        part, full = Signal(size, name=f"{name}_{k}"), Signal(name=f"{name}_{k}_full")
        with m.If(carry):
            m.d.sync += [part.eq(part + 1), full.eq(part == (1 << size) - 2)]
        with m.If(clear):
            m.d.sync += [part.eq(0), full.eq(0)]
        parts.append(part)
        carry = carry & full
    return Cat(*parts)


def count_events(
    m: Module, lite: AxiLite, index: Mapping[str, int], events: Events, *, in_parts: bool = False
) -> dict[str, ValueLike]:
    """Count what happens in an engine, and its clock cycles, until CONTROL bit 0 is written.

    Parameters
    ----------
    m : Module
        Of the engine.
    lite : AxiLite
        Its registers.
    index : mapping
        Their numbers by name.
    events : Events
    in_parts : bool
        Whether counters are in parts, for gated clocks.

    Returns
    -------
    dict
        What the counting registers read as, by name.
    """
    clear = lite.written[index["CONTROL"]] & lite.value_written[0]

    def counter(name: str, event: ValueLike, width: int = 32) -> Value:
        # The events end long paths, the ready of the last layer to that of the first: they are counted one cycle later.
        happened = Signal(name=f"{name}_event")
        m.d.sync += happened.eq(event)
        if in_parts:
            return count_in_parts(m, name, width, happened, clear)
        count = Signal(width, name=name)
        m.d.sync += count.eq(count + happened)
        with m.If(clear):
            m.d.sync += count.eq(0)
        return count

    values: dict[str, ValueLike] = {
        "FRAMES": counter("frames", events.frames),
        "DROPPED": counter("dropped", events.dropped),
        "RESULTS": counter("results", events.results),
        "STALLS": counter("stalls", events.stalls),
    }
    if events.unsure is not None:
        values["UNSURE"] = counter("unsure", events.unsure)
    cycles, latched = counter("cycles", 1, 64), Signal(32)
    with m.If(lite.read[index["CYCLES_LO"]]):
        m.d.sync += latched.eq(cycles[32:])
    return values | {"CYCLES_LO": cycles[:32], "CYCLES_HI": latched}

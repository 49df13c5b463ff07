"""What every engine counts, and what it says of itself: the values of registers that all engines have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from amaranth.hdl import Module, Signal, ValueLike

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


def count_events(m: Module, lite: AxiLite, index: Mapping[str, int], events: Events) -> dict[str, ValueLike]:
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

    Returns
    -------
    dict
        What the counting registers read as, by name.
    """
    clear = lite.written[index["CONTROL"]] & lite.value_written[0]

    def counter(name: str, event: ValueLike, width: int = 32) -> Signal:
        count = Signal(width, name=name)
        # The events end long paths, the ready of the last layer to that of the first: they are counted one cycle later.
        happened = Signal(name=f"{name}_event")
        m.d.sync += [happened.eq(event), count.eq(count + happened)]
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

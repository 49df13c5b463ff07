"""The engine's register map: the one source for gateware, sidecar, benches and host."""

from __future__ import annotations

from typing import Any

from .axi_lite import Register

MAGIC = int.from_bytes(b"OXNR", "big")
INTERFACE_VERSION = 1

REGISTERS = (
    Register("MAGIC", "r", "0x4F584E52, 'OXNR'"),
    Register("VERSION", "r", "version of the ports and of this register map"),
    Register("STRUCTURE", "r", "first 32 bits of the digest of the engine's structure"),
    Register("NETWORK", "r", "first 32 bits of the digest of the network in the memory images"),
    Register("N_IN", "r", "bits of an image"),
    Register("N_OUT", "r", "number of classes"),
    Register("STATUS", "r", "bit 0: an image is in the engine"),
    Register("CONTROL", "rw", "write 1 to bit 0 to clear the counters; reads as 0"),
    Register("FRAMES", "r", "frames of the right length taken since the counters were cleared"),
    Register("DROPPED", "r", "frames of the wrong length dropped"),
    Register("RESULTS", "r", "results handed over"),
    Register("STALLS", "r", "cycles in which a result waited for the consumer"),
    Register("CYCLES_LO", "r", "clock cycles, low word; reading it latches CYCLES_HI"),
    Register("CYCLES_HI", "r", "clock cycles, high word, as of the last read of CYCLES_LO"),
)
INDEX = {r.name: k for k, r in enumerate(REGISTERS)}


def as_dicts() -> list[dict[str, Any]]:
    """Return the map as JSON-able dicts with name, offset (bytes), access and description."""
    return [
        {"name": r.name, "offset": 4 * k, "access": r.access, "description": r.description}
        for k, r in enumerate(REGISTERS)
    ]

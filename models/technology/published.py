"""Energies that others have published, beside which ours are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .figure import Figure

#: An image through the SPIRIT chip: input spikes, outputs that each reaches, and the energy of such an event.
SPIRIT_SPIKES, SPIRIT_OUTPUTS = 136, 10
SPIRIT_EVENT = Figure(3.6, "pJ/event", "measured", "SPIRIT, IEDM 2019, 14.3: a synaptic event")
SPIRIT_SYSTEM_PJ = 180.0


@dataclass(frozen=True)
class Published:
    """A published energy.

    Parameters
    ----------
    what : str
    node_nm : int or None
        None if it was not seen.
    precision : str
    value : float
    unit : str
    tag, source : str
        As of a :class:`Figure`.
    """

    what: str
    node_nm: int | None
    precision: str
    value: float
    unit: str
    tag: str
    source: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON-able dict."""
        return dict(vars(self))


def spirit_nj(event_pj: float = SPIRIT_EVENT.low) -> float:
    """Return the energy of an image through SPIRIT's synapses, in nJ."""
    return SPIRIT_SPIKES * SPIRIT_OUTPUTS * event_pj * 1e-3


def published() -> tuple[Published, ...]:
    """Return the table; what an operation is, is as published."""
    events, cells = f"{SPIRIT_SPIKES} spikes x {SPIRIT_OUTPUTS} outputs x", "4 + 4 cells a weight, spikes"
    image = "nJ an image"
    return (
        Published("SPIRIT, synapses alone", 130, cells, spirit_nj(), image, SPIRIT_EVENT.tag,
                  f"{events} {SPIRIT_EVENT.low} pJ, IEDM 2019, 14.3; spikes: C. Reita's article"),
        Published("SPIRIT, with logic and SPI", 130, cells, spirit_nj(SPIRIT_SYSTEM_PJ), image, SPIRIT_EVENT.tag,
                  f"{events} {SPIRIT_SYSTEM_PJ:g} pJ, the same"),
        Published("2T-2R XOR in sky130", 130, "1 bit", 17.0, "fJ an XOR", "published",
                  "Kingra et al., arXiv 2208.02651"),
        Published("XNORBIN", 65, "1 bit", 95.0, "TOPS/W", "published", "digital, at 0.8 V"),
        Published("near-threshold digital chip", 10, "1 bit", 617.0, "TOPS/W", "published", "digital, peak"),
        Published("BrainTTA", None, "1 bit", 35.0, "fJ an operation", "published", "digital, programmable"),
    )  # fmt: skip

"""What a NIR file does not say, and what is done otherwise than it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError


@dataclass(frozen=True)
class SpikingOptions:
    """Changes to a spiking network while it is imported.

    Parameters
    ----------
    neuron, decision, encoder : mapping
        Fields that replace those of the file.
    rounding : bool
        Take the nearest weights if they lie on no grid.
    tick : float, optional
        Seconds of a tick, for the time constants of LIF. Default: :data:`oxnor.models.exchange.nir.leaky.TICK`.
    leak_bits : int, optional
        Bits of the multiplier of a leak, in [1, 8]. Default: 1, a power of two.
    events : path, optional
        Event file to compare the network with its source on, besides drawn events.
    """

    neuron: Mapping[str, Any] = field(default_factory=dict)
    decision: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] = field(default_factory=dict)
    rounding: bool = False
    tick: float | None = None
    leak_bits: int | None = None
    events: Path | None = None

    def __post_init__(self) -> None:
        if self.tick is not None and not 1e-12 <= self.tick <= 1e6:
            raise InputError(f"must be seconds in [1e-12, 1e6], not {self.tick:g}", parameter="tick")
        if self.leak_bits is not None and not 1 <= self.leak_bits <= 8:
            raise InputError(f"must be in [1, 8], not {self.leak_bits}", parameter="leak_bits")

    def __bool__(self) -> bool:
        return self != SpikingOptions()

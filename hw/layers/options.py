"""What an engine may have beside its inference: ports that layers and arrays get only if it was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Member, connect, flipped

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.macros.fault_injector import ErrorControl
from oxnor.hw.macros.program_bus import ProgramBus
from oxnor.hw.params.engine import EngineConfig


@dataclass(frozen=True)
class OptionalPorts:
    """Ports of an engine's optional parts; none of them by default.

    Parameters
    ----------
    errors : ErrorControl or None
        Fault injector (``EngineConfig.fault_injector``).
    program : ProgramBus or None
        Programming (``EngineConfig.programming``).
    """

    errors: ErrorControl | None = None
    program: ProgramBus | None = None

    @classmethod
    def of(cls, config: EngineConfig) -> OptionalPorts:
        """Return the ports of an engine."""
        return cls(ErrorControl() if config.fault_injector else None, ProgramBus() if config.programming else None)

    @property
    def members(self) -> dict[str, Member]:
        """Ports of a layer and of its array."""
        signatures = {"errors": self.errors, "program": self.program}
        return {name: In(signature) for name, signature in signatures.items() if signature is not None}

    def pass_on(self, m: Module, outer: Unit, inner: Unit) -> None:
        """Connect the ports of a unit to those of a unit in it."""
        for name in self.members:
            connect(m, flipped(getattr(outer, name)), getattr(inner, name))


NO_OPTIONS = OptionalPorts()

"""How the Verilog of an engine is written: names and reset. The engine is the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from oxnor.models.base.errors import InputError

#: When registers take their reset: at the next clock edge, or at once.
RESETS = ("sync", "async")
#: The level of the reset port that resets.
LEVELS = ("high", "low")
#: What the engine is reached by: AXI alone, or a Wishbone slave around it too.
BUSES = ("axi", "wishbone")
#: Flows for which files are written beside the Verilog; "" for none.
FLOWS = ("", "librelane")


@dataclass(frozen=True)
class VerilogOptions:
    """Names and reset in the Verilog.

    Parameters
    ----------
    name : str
        What the names of all modules, memory files and of the FuseSoC core begin with, so that several engines can be
        in one design. "": ``oxnor``, and none for modules that are the same in all engines.
    reset : str
        One of :data:`RESETS`.
    reset_active : str
        One of :data:`LEVELS`; the port is ``rst`` if it is "high", ``aresetn`` if "low".
    bus : str
        One of :data:`BUSES`. The module around the engine that "wishbone" adds has the reset port, the engine ``rst``.
    flow : str
        One of :data:`FLOWS`.

    Raises
    ------
    InputError
        If there is no such reset, bus or flow, or the name is no Verilog name.
    """

    name: str = ""
    reset: str = RESETS[0]
    reset_active: str = LEVELS[0]
    bus: str = BUSES[0]
    flow: str = FLOWS[0]

    def __post_init__(self) -> None:
        choices = {"reset": RESETS, "reset_active": LEVELS, "bus": BUSES, "flow": FLOWS}
        for parameter, allowed in choices.items():
            value = getattr(self, parameter)
            if value not in allowed:
                words = " or ".join(filter(None, allowed))
                raise InputError(f"must be {words}, not {value!r}", parameter=parameter)
        if self.name and not re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,63}", self.name):
            raise InputError(
                f"must be a letter and at most 63 letters, digits and underscores more, not {self.name!r}",
                parameter="name",
            )

    @property
    def reset_port(self) -> str:
        """Name of the reset port of the top module."""
        return "rst" if self.reset_active == "high" else "aresetn"

    def module_name(self, module: str) -> str:
        """Return the name of a module; one of Amaranth's own within a unit is called ``unit.name``."""
        module = module.replace(".", "_")
        return f"{self.name}_{module.removeprefix('oxnor_')}" if self.name else module

    def file_name(self, file: str) -> str:
        """Return the name of a memory file."""
        return f"{self.name}_{file}" if self.name else file

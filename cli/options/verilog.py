"""How the Verilog is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from oxnor.design import Design

VERILOG = "Verilog"


@dataclass(frozen=True)
class Verilog:
    """Names and reset."""

    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Begin the names of all modules, memory files and the FuseSoC core with it, so that several engines"
            " can be in one design.",
            show_default="oxnor",
            rich_help_panel=VERILOG,
        ),
    ] = None
    reset: Annotated[
        str | None,
        typer.Option(
            "--reset",
            metavar="KIND",
            help="Reset at a clock edge (sync) or at once (async).",
            show_default="sync",
            rich_help_panel=VERILOG,
        ),
    ] = None
    reset_active: Annotated[
        str | None,
        typer.Option(
            "--reset-active",
            metavar="LEVEL",
            help="Level that resets: high, port rst, or low, port aresetn.",
            show_default="high",
            rich_help_panel=VERILOG,
        ),
    ] = None

    bus: Annotated[
        str | None,
        typer.Option(
            "--bus",
            metavar="BUS",
            help="axi, or wishbone: put a Wishbone slave around the engine too.",
            show_default="axi",
            rich_help_panel=VERILOG,
        ),
    ] = None
    flow: Annotated[
        str | None,
        typer.Option(
            "--flow",
            metavar="FLOW",
            help="Also write the configuration of an open flow for chips: librelane.",
            show_default="none",
            rich_help_panel=VERILOG,
        ),
    ] = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        given = {
            "name": self.name, "reset": self.reset, "reset_active": self.reset_active, "bus": self.bus,
            "flow": self.flow,
        }  # fmt: skip
        changes = {name: value for name, value in given.items() if value is not None}
        return replace(design, verilog=replace(design.verilog, **changes)) if changes else design

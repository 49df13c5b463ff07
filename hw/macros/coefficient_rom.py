"""Coefficient ROM: the ports of ``hw/rtl/coefficient_rom.sv``."""

from __future__ import annotations

from typing import Any

from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for


class CoefficientRom(Unit):
    """Read-only memory for thresholds, scales and offsets; the ports of ``hw/rtl/coefficient_rom.sv``.

    Parameters
    ----------
    rows, width : int
        Number of words, and bits in each.
    init_file : str
        Memory image.

    Members
    -------
    en : ``In(1)``
        Read at this clock edge; ``q`` holds while it is 0.
    row : ``In(bits_for(rows - 1))``
        Address.
    q : ``Out(width)``
        The word, after the clock edge.
    """

    rtl_source = "coefficient_rom.sv"

    def __init__(self, rows: int, width: int, init_file: str):
        self.verilog_parameters = {"ROWS": rows, "WIDTH": width, "INIT_FILE": init_file}
        super().__init__({"en": In(1), "row": In(bits_for(rows - 1)), "q": Out(width)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return "coefficient_rom"

    def elaborate(self, platform: Any) -> Any:  # noqa: D102
        raise NotImplementedError("The coefficient ROM is SystemVerilog: simulate the emitted Verilog")

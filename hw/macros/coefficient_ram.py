"""Coefficient memory that can be written: the ports of ``hw/rtl/coefficient_ram.sv``."""

from __future__ import annotations

from typing import Any

from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for


class CoefficientRam(Unit):
    """Memory for thresholds, scales, offsets and identity in an engine that can be programmed.

    Parameters
    ----------
    rows, width, init_file
        As for :class:`oxnor.hw.macros.coefficient_rom.CoefficientRom`.

    Members
    -------
    en, row, q
        As for :class:`oxnor.hw.macros.coefficient_rom.CoefficientRom`.
    write : ``In(1)``
        Write ``data`` to word ``word`` (32 bits) of row ``row`` at this clock edge.
    word : ``In(16)``
    data : ``In(32)``
    """

    rtl_source = "coefficient_ram.sv"

    def __init__(self, rows: int, width: int, init_file: str):
        self.verilog_parameters = {"ROWS": rows, "WIDTH": width, "INIT_FILE": init_file}
        super().__init__(
            {
                "en": In(1),
                "row": In(bits_for(rows - 1)),
                "q": Out(width),
                "write": In(1),
                "word": In(16),
                "data": In(32),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "coefficient_ram"

    def elaborate(self, platform: Any) -> Any:  # noqa: D102
        raise NotImplementedError("The coefficient memory is SystemVerilog: simulate the emitted Verilog")

"""Coefficients of all neurons at once: the ports of ``hw/rtl/coefficient_word.sv``."""

from __future__ import annotations

from typing import Any

from amaranth.lib.wiring import Out

from oxnor.hw.blocks.unit import Unit


class CoefficientWord(Unit):
    """Thresholds, scales and offsets of a layer whose neurons need them at once; no memory is left of it in hardware.

    Parameters
    ----------
    width : int
        Bits.
    init_file : str
        Memory image, one word.

    Members
    -------
    q : ``Out(width)``
        The word, at any time.
    """

    rtl_source = "coefficient_word.sv"
    has_clock = False

    def __init__(self, width: int, init_file: str):
        self.verilog_parameters = {"WIDTH": width, "INIT_FILE": init_file}
        super().__init__({"q": Out(width)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return "coefficient_word"

    def elaborate(self, platform: Any) -> Any:  # noqa: D102
        raise NotImplementedError("The coefficient word is SystemVerilog: simulate the emitted Verilog")

"""AXI4-Lite from Python at a few wake-ups an access: for testbenches that cannot afford one each clock edge."""

from __future__ import annotations

import itertools
from typing import Any

from cocotb.triggers import RisingEdge

#: What a slave answers if it refuses.
SLVERR = 2


class Lite:
    """Master on the engine's AXI4-Lite port; one access at a time.

    What an engine must not look at is another from access to access: the two lowest bits of an address, its
    protection, and all else while no access is under way.

    Parameters
    ----------
    dut : cocotb handle
        The engine, out of reset, with all inputs of the port at 0.
    """

    def __init__(self, dut: Any):
        self.dut = dut
        self.edge = RisingEdge(dut.clk)
        self.turns = itertools.count()

    async def write(self, address: int, value: int, answer: int = 0) -> None:
        """Write a register, which is answered so; it has taken effect when this returns."""
        dut, turn = self.dut, next(self.turns)
        dut.s_axil_awaddr.value, dut.s_axil_awprot.value, dut.s_axil_wdata.value = address ^ turn & 3, turn & 7, value
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = dut.s_axil_bready.value = 1
        dut.s_axil_wstrb.value = 15
        await self.edge  # awready and wready are 1 while no write is under way
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = dut.s_axil_wstrb.value = 0
        dut.s_axil_wdata.value = ~value & 0xFFFF_FFFF
        await self.edge
        while dut.s_axil_bvalid.value == 0:
            await self.edge
        assert dut.s_axil_bresp.value == answer, f"a write of the register at 0x{address:02x} is not answered {answer}"
        dut.s_axil_bready.value = 0
        await self.edge

    async def read(self, address: int, answer: int = 0) -> int:
        """Return a register, whose reading is answered so."""
        dut, turn = self.dut, next(self.turns)
        dut.s_axil_araddr.value, dut.s_axil_arprot.value = address ^ turn & 3, turn & 7
        dut.s_axil_arvalid.value = dut.s_axil_rready.value = 1
        await self.edge  # arready is 1 while no answer waits
        dut.s_axil_arvalid.value = 0
        await self.edge
        while dut.s_axil_rvalid.value == 0:
            await self.edge
        assert dut.s_axil_rresp.value == answer, f"a read of the register at 0x{address:02x} is not answered {answer}"
        dut.s_axil_rready.value = 0
        return int(dut.s_axil_rdata.value)

    async def refuse_write(self, address: int) -> None:
        """Write what cannot be written, which must answer with an error."""
        await self.write(address, 0xFFFF_FFFF, SLVERR)

    async def refuse_read(self, address: int) -> None:
        """Read where no register is, which must answer with an error."""
        assert await self.read(address, SLVERR) == 0, f"0x{address:02x}, where no register is, reads as something"

"""AXI4-Lite from Python at a few wake-ups an access: for testbenches that cannot afford one each clock edge."""

from __future__ import annotations

from typing import Any

from cocotb.triggers import RisingEdge


class Lite:
    """Master on the engine's AXI4-Lite port; one access at a time.

    Parameters
    ----------
    dut : cocotb handle
        The engine, out of reset, with all inputs of the port at 0.
    """

    def __init__(self, dut: Any):
        self.dut = dut
        self.edge = RisingEdge(dut.clk)
        dut.s_axil_wstrb.value = 15
        dut.s_axil_bready.value = 1
        dut.s_axil_rready.value = 1

    async def write(self, address: int, value: int) -> None:
        """Write a register; it has taken effect when this returns."""
        dut = self.dut
        dut.s_axil_awaddr.value, dut.s_axil_wdata.value = address, value
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 1
        await self.edge  # awready and wready are 1 while no write is under way
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 0
        await self.edge
        while dut.s_axil_bvalid.value == 0:
            await self.edge
        assert dut.s_axil_bresp.value == 0, f"the register at 0x{address:02x} cannot be written"
        await self.edge

    async def read(self, address: int) -> int:
        """Return a register."""
        dut = self.dut
        dut.s_axil_araddr.value = address
        dut.s_axil_arvalid.value = 1
        await self.edge  # arready is 1 while no answer waits
        dut.s_axil_arvalid.value = 0
        await self.edge
        while dut.s_axil_rvalid.value == 0:
            await self.edge
        assert dut.s_axil_rresp.value == 0, f"there is no register at 0x{address:02x}"
        return int(dut.s_axil_rdata.value)

"""AXI4-Lite register file."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Member, Out

from oxnor.hw.interface.registers import Register

from .unit import Unit

ADDRESS_WIDTH = 8
OKAY = 0
SLVERR = 2

#: The bus, as seen by the slave.
AXI_LITE_PORTS = {
    "awaddr": In(ADDRESS_WIDTH),
    "awprot": In(3),
    "awvalid": In(1),
    "awready": Out(1, init=1),
    "wdata": In(32),
    "wstrb": In(4),
    "wvalid": In(1),
    "wready": Out(1, init=1),
    "bresp": Out(2),
    "bvalid": Out(1),
    "bready": In(1),
    "araddr": In(ADDRESS_WIDTH),
    "arprot": In(3),
    "arvalid": In(1),
    "arready": Out(1),
    "rdata": Out(32),
    "rresp": Out(2),
    "rvalid": Out(1),
    "rready": In(1),
}


def axi_lite_ports(prefix: str) -> dict[str, Member]:
    """Return the ports of the bus for a unit that has a slave in it, each name with `prefix` before it."""
    return {f"{prefix}{name}": member for name, member in AXI_LITE_PORTS.items()}


def axi_lite_master_ports(prefix: str) -> dict[str, Member]:
    """Return the ports of the bus for a unit that is a master of it, each name with `prefix` before it."""
    return {f"{prefix}{name}": member.flip() for name, member in AXI_LITE_PORTS.items()}


def connect_axi_lite(m: Module, source: Unit, source_prefix: str, slave: Unit, slave_prefix: str = "") -> None:
    """Connect the bus of `source`, the ports of the unit around or those of a master, to a slave's."""
    for name, member in AXI_LITE_PORTS.items():
        its, other = getattr(slave, f"{slave_prefix}{name}"), getattr(source, f"{source_prefix}{name}")
        m.d.comb += its.eq(other) if member.flow == In else other.eq(its)


class AxiLite(Unit):
    """AXI4-Lite slave of 32-bit registers, register k at byte address 4 * k.

    One read and one write at a time, each answered one cycle after its address (and data) have come: a read every other
    cycle at most. Address and data of a write may come in any order. No input reaches an output of the bus in the same
    cycle. The two lowest bits of an address are not looked at. An address without a register, and a write to a
    read-only one, is answered with SLVERR and does nothing. A write takes effect only if all four strobes are 1;
    otherwise it is answered with SLVERR.

    Parameters
    ----------
    registers : tuple of Register or None
        None is an address without a register.

    Members
    -------
    awaddr, awprot, awvalid, awready, wdata, wstrb, wvalid, wready, bresp, bvalid, bready,
    araddr, arprot, arvalid, arready, rdata, rresp, rvalid, rready
        AXI4-Lite.
    values : ``In(ArrayLayout(unsigned(32), n))``
        What a read gives.
    read, written : ``Out(n)``
        Bit k: register k is read, is written in this cycle.
    value_written : ``Out(32)``
        What is written.
    """

    def __init__(self, registers: tuple[Register | None, ...]):
        self.registers = registers
        n = len(registers)
        super().__init__(
            AXI_LITE_PORTS
            | {
                "values": In(data.ArrayLayout(unsigned(32), n)),
                "read": Out(n),
                "written": Out(n),
                "value_written": Out(32),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_axi_lite"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        self._reads(m)
        self._writes(m)
        return m

    def _reads(self, m: Module) -> None:
        # Not also while an answer leaves: no path goes from rready to arready.
        m.d.comb += self.arready.eq(~self.rvalid)
        with m.If(self.rready):
            m.d.sync += self.rvalid.eq(0)
        with m.If(self.arvalid & self.arready):
            m.d.sync += self.rvalid.eq(1)
            with m.Switch(self.araddr[2:]):
                for k in (k for k, register in enumerate(self.registers) if register):
                    with m.Case(k):
                        m.d.comb += self.read[k].eq(1)
                        m.d.sync += [self.rdata.eq(self.values[k]), self.rresp.eq(OKAY)]
                with m.Default():
                    m.d.sync += [self.rdata.eq(0), self.rresp.eq(SLVERR)]

    def _writes(self, m: Module) -> None:
        address = Signal(ADDRESS_WIDTH)
        strobes = Signal(4)
        # awready and wready are 1 while their half of a write has not come: both 0 is a whole write.
        go = Signal()
        m.d.comb += go.eq(~self.awready & ~self.wready & ~self.bvalid)
        with m.If(self.awvalid & self.awready):
            m.d.sync += [address.eq(self.awaddr), self.awready.eq(0)]
        with m.If(self.wvalid & self.wready):
            m.d.sync += [self.value_written.eq(self.wdata), strobes.eq(self.wstrb), self.wready.eq(0)]
        with m.If(go):
            m.d.sync += [self.bvalid.eq(1), self.bresp.eq(SLVERR)]
            with m.Switch(address[2:]):
                for k, register in enumerate(self.registers):
                    if register and register.access == "rw":
                        with m.Case(k), m.If(strobes.all()):
                            m.d.comb += self.written[k].eq(1)
                            m.d.sync += self.bresp.eq(OKAY)
        with m.If(self.bvalid & self.bready):
            m.d.sync += [self.bvalid.eq(0), self.awready.eq(1), self.wready.eq(1)]

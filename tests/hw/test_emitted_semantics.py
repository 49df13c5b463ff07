"""Verilog of random units against Amaranth's own simulator: the writer changes how a unit reads, never what it does."""

import subprocess

import numpy as np
import pytest
from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.emit.verilog import emit_component
from oxnor.sim.runner import toolchain

pytestmark = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)
CYCLES = 60
WIDTHS = (4, 1, 7, 3)


class Drawn(Unit):
    """Some operators, switches and registers, drawn from a key."""

    def __init__(self, key: int):
        self.key = key
        super().__init__({f"i{k}": In(w) for k, w in enumerate(WIDTHS)} | {f"o{k}": Out(9) for k in range(4)})

    @property
    def module_name(self):
        return f"drawn_{self.key}"

    def elaborate(self, platform):
        m = Module()
        g = np.random.default_rng(self.key)
        self.pool = [getattr(self, f"i{k}") for k in range(len(WIDTHS))]
        self.pool += [C(int(g.integers(0, 16)), 4), Signal(0, name="none"), Signal(signed(5), name="signed_in")]
        m.d.comb += self.pool[-1].eq(self.pool[0].as_signed())
        count = Signal(3)
        m.d.sync += count.eq(count + 1)
        self.pool.append(count)
        for k in range(14):
            value = self.draw(g)
            made = Signal(value.shape(), name=f"value{k}")
            if g.random() < 0.3:
                made = Signal(value.shape(), name=f"register{k}", init=int(g.integers(0, 2)) if len(value) else 0)
                with m.If(self.any_of(g).any()):
                    m.d.sync += made.eq(value)
            elif g.random() < 0.4:
                m.d.comb += made.eq(self.any_of(g))
                self.switch(m, g, made, value)
            else:
                m.d.comb += made.eq(value)
            self.pool.append(made)
        for k in range(4):
            m.d.comb += getattr(self, f"o{k}").eq(self.pool[-1 - k])
        return m

    def any_of(self, g):
        return self.pool[g.integers(len(self.pool))]

    def switch(self, m, g, made, value):
        """Drive `made` by `value` in some cases of a switch, also of one of no bits."""
        selector = self.any_of(g)
        if not len(selector):
            with m.Switch(selector), m.Default():
                m.d.comb += made.eq(value)
            return
        with m.Switch(selector):
            with m.Case("-" * (len(selector) - 1) + "1"):
                m.d.comb += made.eq(value)
            with m.Case("1" + "-" * (len(selector) - 1)):
                m.d.comb += made[: len(made) // 2].eq(value)
            if g.random() < 0.5:
                with m.Default():
                    m.d.comb += made.eq(~value)

    def draw(self, g):
        a, b, c = (self.any_of(g) for _ in range(3))
        what = g.integers(14)
        narrow = b[:3]
        choices = [
            lambda: (a + b)[:9], lambda: (a - b)[:9], lambda: (a * narrow)[:9], lambda: a & b, lambda: a | b, lambda: a ^ b,
            lambda: (~a)[:9], lambda: Mux(c.any(), a, b), lambda: Cat(a[:3], b[1:4]), lambda: Cat(a == b, a < b, a >= c, b.all(), c.xor()),
            lambda: (a << narrow)[:9], lambda: a >> narrow, lambda: Array([a, b, c, a ^ c])[b[:2]],
            lambda: Cat(a, b, c).bit_select(narrow, 4),
        ]  # fmt: skip
        return choices[what]()[:9]


#: Among these are units that were once written wrong: 42 drives a signal of no bits, 209 has two cases of one pattern.
@pytest.mark.parametrize("first", [0, 12, 24, 36, 204])
def test_what_is_written_is_what_is_meant(first, tmp_path):
    benches, expected = [], []
    for key in range(first, first + 12):
        g = np.random.default_rng([key, 1])
        inputs = [[int(g.integers(0, 1 << w)) for w in WIDTHS] for _ in range(CYCLES)]
        unit, seen = Drawn(key), []

        async def run(ctx, unit=unit, inputs=inputs, seen=seen):
            for values in inputs:
                for k, value in enumerate(values):
                    ctx.set(getattr(unit, f"i{k}"), value)
                await ctx.delay(0.1e-6)
                seen.append([ctx.get(getattr(unit, f"o{k}")) for k in range(4)])
                await ctx.tick()

        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(run)
        simulator.run()
        expected += seen
        emit_component(Drawn(key), tmp_path)
        steps = "".join(
            "".join(f"i{k}={w}'d{v};" for k, (w, v) in enumerate(zip(WIDTHS, values, strict=True)))
            + '#1 $display("%0d %0d %0d %0d", o0, o1, o2, o3); #1 clk=1; #1 clk=0; #1;\n'
            for values in inputs
        )
        ports = "".join(f"reg [{w - 1}:0] i{k}; " for k, w in enumerate(WIDTHS)) + "wire [8:0] o0, o1, o2, o3;"
        joined = ", ".join([f".i{k}(i{k})" for k in range(len(WIDTHS))] + [f".o{k}(o{k})" for k in range(4)])
        text = (tmp_path / f"drawn_{key}.sv").read_text()
        clocked = "".join(f".{name}({name}), " for name in ("clk", "rst") if f" {name},\n" in text or f" {name}\n" in text)
        benches.append(
            f"module bench{key}(output reg done); reg clk = 0; reg rst = 0; {ports}\n  drawn_{key} unit ({clocked}{joined});\n"
            f"  task run; begin {steps} end endtask\nendmodule\n"
        )
    calls = "".join(f"  bench{k} b{k} (); \n" for k in range(first, first + 12))
    runs = " ".join(f"b{k}.run;" for k in range(first, first + 12))
    (tmp_path / "bench.sv").write_text("".join(benches) + f"module bench;\n{calls}  initial begin {runs} end\nendmodule\n")
    sources = [p.name for p in tmp_path.glob("*.sv")]
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "b.vvp", *sources], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "b.vvp"], cwd=tmp_path, capture_output=True, text=True, check=True)
    got = [list(map(int, line.split())) for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert got == expected

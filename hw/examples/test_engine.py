"""Example cocotb bench: images in, results out, a register read. Needs cocotb 2 and Icarus Verilog or Verilator.

    python examples/test_engine.py icarus
    python examples/test_engine.py verilator
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, with_timeout
from cocotb_tools.runner import get_runner

ROOT = Path(__file__).resolve().parent.parent
SIDECAR = json.loads((ROOT / "oxnor.json").read_text())


def words(name):
    """Return the numbers of a memory image."""
    return [int(line, 16) for line in (ROOT / "examples" / name).read_text().split()]


async def start(dut):
    """Set every input to 0, start the clock and reset."""
    for port in SIDECAR["ports"]:
        if port["direction"] == "input" and port["name"] != "clk":
            getattr(dut, port["name"]).value = 0
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    dut.rst.value = 1
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


async def transfer(dut, valid, ready):
    """Wait for the clock edge at which both are 1; values are read just before it."""
    while True:
        await ReadOnly()
        done = valid.value == 1 and ready.value == 1
        await RisingEdge(dut.clk)
        if done:
            return


async def send(dut, beats, per_image):
    """Stream beats; the last of each image has tlast."""
    for k, beat in enumerate(beats):
        dut.s_axis_tdata.value = beat
        dut.s_axis_tlast.value = k % per_image == per_image - 1
        dut.s_axis_tvalid.value = 1
        await transfer(dut, dut.s_axis_tvalid, dut.s_axis_tready)
    dut.s_axis_tvalid.value = 0


async def receive(dut, count):
    """Return `count` results."""
    results = []
    dut.m_axis_tready.value = 1
    while len(results) < count:
        await ReadOnly()
        if dut.m_axis_tvalid.value == 1:
            results.append(int(dut.m_axis_tdata.value))
        await RisingEdge(dut.clk)
    return results


async def read_register(dut, name):
    """Return a register over AXI4-Lite."""
    dut.s_axil_araddr.value = next(r["offset"] for r in SIDECAR["registers"] if r["name"] == name)
    dut.s_axil_arvalid.value = 1
    await transfer(dut, dut.s_axil_arvalid, dut.s_axil_arready)
    dut.s_axil_arvalid.value = 0
    dut.s_axil_rready.value = 1
    while True:
        await ReadOnly()
        value = int(dut.s_axil_rdata.value) if dut.s_axil_rvalid.value == 1 else None
        await RisingEdge(dut.clk)
        if value is not None:
            dut.s_axil_rready.value = 0
            return value


@cocotb.test()
async def results(dut):
    """Every result is the golden model's."""
    await start(dut)
    beats, expected = words("images.mem"), words("expected.mem")
    cocotb.start_soon(send(dut, beats, SIDECAR["stream"]["beats"]))
    found = await with_timeout(receive(dut, len(expected)), @LIMIT@, "us")
    assert found == expected
    assert await read_register(dut, "RESULTS") == len(expected)


@cocotb.test()
async def identity(dut):
    """The engine is what the sidecar says."""
    await start(dut)
    assert await read_register(dut, "MAGIC") == 0x@MAGIC@
    assert await read_register(dut, "STRUCTURE") == int(SIDECAR["structure"][:8], 16)
    assert await read_register(dut, "NETWORK") == int(SIDECAR["network"]["digest"][:8], 16)


def main():
    """Build and run; exit code 1 if a test fails or none runs."""
    simulator = sys.argv[1] if len(sys.argv) > 1 else "icarus"
    build_args = {"icarus": ["-g2012"], "verilator": ["-Wno-fatal"]}[simulator]
    runner = get_runner(simulator)
    build = ROOT / "build" / simulator
    runner.build(
        sources=[ROOT / line for line in (ROOT / f"{SIDECAR['top']}.f").read_text().split()],
        hdl_toplevel=SIDECAR["top"], build_dir=build, build_args=build_args, timescale=("1ns", "1ps"),
    )
    # The memory images are read relative to the folder of the sidecar.
    report = runner.test(
        hdl_toplevel=SIDECAR["top"], test_module="test_engine", build_dir=build, test_dir=ROOT,
        results_xml=str(build / "results.xml"), extra_env={"PYTHONPATH": str(ROOT / "examples")},
    )
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [c for c in cases if any(child.tag in ("failure", "error", "skipped") for child in c)]
    print(f"TESTS {len(cases)} FAILED {len(failed)}")
    sys.exit(1 if failed or not cases else 0)


if __name__ == "__main__":
    main()

"""The netlist that Yosys makes of the Verilog: no path from input to output on the register bus; gates with any reset."""

import json
import subprocess
from collections import defaultdict

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network
from helpers.packages import environment
from helpers.synthesis import yosys

from oxnor.hw.emit.generate import generate
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.models.networks.encoders import Encoder
from oxnor.models.networks.spiking import Decision, Neuron, SpikingLayer, SpikingNetwork
from oxnor.sim.runner import toolchain

pytest.importorskip("pyosys", reason="needs the package pyosys")
pytestmark = pytest.mark.cosim
#: Cells of Yosys that cut a path: their outputs change at a clock edge or a reset alone.
REGISTERS = ("$dff", "$adff", "$sdff", "$dffe", "$adffe", "$sdffe", "$sdffce", "$aldff", "$dffsr")
#: And their inputs that do not wait for the clock.
AT_ONCE = ("ARST", "ALOAD", "AD", "CLR", "SET")


def paths(folder, top, reset="rst"):
    """Return each input port of which an output port depends in the same cycle, with these outputs."""
    yosys(
        folder, f"read_verilog -sv {' '.join(str(p) for p in sorted(folder.glob('rtl/*.sv')))}", f"hierarchy -top {top}",
        "proc", "flatten", "opt_expr", "opt_clean", "write_json netlist.json",
    )  # fmt: skip
    module = json.loads((folder / "netlist.json").read_text())["modules"][top]
    onwards = defaultdict(set)
    for cell in module["cells"].values():
        ways = cell["port_directions"]
        cuts = cell["type"] in REGISTERS
        inputs = [p for p, way in ways.items() if way == "input" and (not cuts or p in AT_ONCE)]
        outputs = {bit for p, way in ways.items() if way == "output" for bit in cell["connections"][p]}
        if cell["type"].startswith("$mem"):
            at_once = "1" not in cell["parameters"].get("CLK_ENABLE", "1")
            inputs = ["ADDR"] if at_once else []
        for port in inputs:
            for bit in cell["connections"][port]:
                onwards[bit] |= outputs
    found = {}
    ports = module["ports"]
    for name, port in ports.items():
        if port["direction"] != "input" or name in ("clk", reset):
            continue
        seen, waiting = set(port["bits"]), list(port["bits"])
        while waiting:
            new = onwards[waiting.pop()] - seen
            seen |= new
            waiting += new
        reached = {n for n, p in ports.items() if p["direction"] == "output" and seen & set(p["bits"])}
        if reached:
            found[name] = reached
    return found


def spiking_network():
    g = np.random.default_rng(3)
    layer = SpikingLayer.from_weights(g.integers(-4, 5, (3, 4)), Neuron())
    return SpikingNetwork("drawn", (layer,), Decision(delta_s=3, window=70), Encoder(kind="external"))


ENGINES = {
    "dense": lambda make: (make((12, 6, 3)), {"programming": True, "fault_injector": True, "macro_size": (8, 16)}),
    "admitted at intervals": lambda make: (make((12, 6, 3)), {"target": "ice40"}),
    "convolution": lambda _: (random_conv_network((4, 4, 1), [Conv(2, (2, 2))], dense=()), {}),
    "spiking": lambda _: (spiking_network(), None),
}


@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
def test_no_path_through_the_register_bus_or_from_ready_to_ready(make, random_network, tmp_path):
    network, structure = make(random_network)
    config = SpikingConfig.for_network(network) if structure is None else EngineConfig.for_network(network, **structure)
    top = generate(network, tmp_path / "a", config).top
    found = paths(tmp_path / "a", top)
    assert {name: outputs for name, outputs in found.items() if name.startswith("s_axil")} == {}
    assert {n for outputs in found.values() for n in outputs if n.startswith("s_axil")} == set()
    assert {n: o for n, o in found.items() if n.endswith("ready") and any(p.endswith("ready") for p in o)} == {}


def test_paths_are_seen(tmp_path):
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "a.sv").write_text(
        "module a(input clk, input rst, input x_ready, input y, output z_ready, output reg q);\n"
        "  wire w = x_ready & ~q;\n  assign z_ready = w | rst;\n  always @(posedge clk) q <= y;\nendmodule\n"
    )
    assert paths(tmp_path, "a") == {"x_ready": {"z_ready"}}


@pytest.mark.parametrize("active", ["low", "high"])
def test_gates_with_an_asynchronous_reset(active, random_network, tmp_path):
    """The netlist of gates gives the results of the golden model on the package's own testbench."""
    if toolchain.find_icarus() is None:
        pytest.skip(f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}")
    network = random_network((12, 6, 3))
    folder = tmp_path / "a"
    options = VerilogOptions("chip", "async", active)
    config = EngineConfig.for_network(network, macro_size=(8, 12), stream_width=8)
    top = generate(network, folder, config, verilog=options).top
    sources = " ".join(f"rtl/{p.name}" for p in sorted((folder / "rtl").iterdir()))
    yosys(
        folder, f"read_verilog -sv {sources}", f"synth -top {top} -flatten -noabc", "stat",
        "tee -q -o kinds.txt select -list t:$_DFF_P?0_ t:$_DFF_P?1_ t:$_DFFE_P?0P_", "write_verilog -noattr gates.v",
    )  # fmt: skip
    assert len((folder / "kinds.txt").read_text().splitlines()) > 50
    command = ["iverilog", "-g2012", "-s", "bench", "-o", "gates.vvp", "gates.v", "examples/bench.sv"]
    for step in (command, ["vvp", "gates.vvp"]):
        done = subprocess.run(step, cwd=folder, env=environment("icarus"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "TAKEN 16 WRONG 0 MAGIC 4f584e52" in done.stdout
    assert "PASS" in done.stdout

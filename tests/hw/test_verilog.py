"""The Verilog as a chip team takes it: silent linters, several engines in one design, reset of their kind."""

import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network
from helpers.packages import bench_of, environment, run_benches, two_engines

from oxnor.fpga.boards.table import board
from oxnor.fpga.design import write_design
from oxnor.fpga.options import BuildOptions
from oxnor.hw.emit.generate import generate
from oxnor.hw.emit.names import Names
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.macro_kinds import MACRO_TYPES, TERNARY_TYPES
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.hw.placement.drawn_devices import DeviceDraw
from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import DeviceModel
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.encoders import Encoder
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.spiking import Decision, Neuron, SpikingLayer, SpikingNetwork
from oxnor.sim.runner import toolchain

DEVICE = DeviceModel("toy", 10_000.0, 200_000.0, 0.5, 0.6, 0.2, 0.3)
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)


def spiking_network(shape, neurons, encoder, window=70):
    g = np.random.default_rng([1, *shape])
    layers = tuple(
        SpikingLayer.from_weights(g.integers(-p.weight_max, p.weight_max + 1, (b, a)), p)
        for a, b, p in zip(shape, shape[1:], neurons, strict=False)
    )
    return SpikingNetwork("drawn", layers, Decision(delta_s=3, window=window), encoder)


def write(network, folder, *, config=None, verilog=None, **structure):
    """Write a package and return the name of its top."""
    make = SpikingConfig if isinstance(network, SpikingNetwork) else EngineConfig
    config = config or make.for_network(network, **structure)
    devices = DeviceDraw(DEVICE) if getattr(config, "device_layers", ()) else None
    return generate(network, folder, config, devices=devices, verilog=verilog).top


def write_board(network, folder, link, **structure):
    config = EngineConfig.for_network(network, target="ice40", stream_width=16, **structure)
    write_design(network, board("icebreaker"), config, folder, BuildOptions(link=link))
    return "oxnor_board"


#: What is linted: a maker of a package, which returns its top.
PACKAGES = {
    "dense": lambda dense, folder: write(dense, folder, target="asic"),
    "folded": lambda dense, folder: write(dense, folder, macro_size=(8, 16), folding=[(2, 4), (1, 2)], stream_width=8),
    "serial": lambda dense, folder: write(dense, folder, dataflow="serial", programming=True, macro_size=(16, 16)),
    "all parts": lambda dense, folder: write(dense, folder, fault_injector=True, programming=True, macro_size=(16, 16)),
    **{
        kind: lambda dense, folder, kind=kind: write(
            dense, folder, macro_kind=kind, macro_size=(16, 16), programming=MACRO_TYPES[kind].can_program
        )
        for kind in list(MACRO_TYPES)[1:]
    },
    **{
        f"{kind} of three states": lambda _, folder, kind=kind: write(
            random_conv_network((1, 1, 9), [], dense=(5,), bits=2), folder, macro_kind=kind, macro_size=(16, 4),
            pair_states=3, programming=TERNARY_TYPES[kind].can_program, fault_injector=kind in ("bits", "packed"),
        )
        for kind in TERNARY_TYPES
    },
    "random bits": lambda _, folder: write(
        Network("presented", (
            DenseLayer(np.ones((3, 9), bool), np.full(3, 9), planes=8, presentations=2), ScoreLayer(np.ones((2, 3), bool)),
        ), InputRule.planes()), folder, macro_size=(16, 4), folding=[(1, 1), (1, 1)], programming=True,
    ),
    "convolutions": lambda _, folder: write(
        random_conv_network((5, 5, 2), [Conv(3, pool=(2, 2), levels=3)], planes=8), folder, programming=True
    ),
    "events": lambda _, folder: write(
        spiking_network((5, 4, 3), [Neuron(leak=2), Neuron(theta=5, refractory=1)], Encoder(kind="external")),
        folder, macro_size=(3, 16),
    ),
    "rates": lambda _, folder: write(spiking_network((16, 3), [Neuron()], Encoder()), folder),
    "asynchronous reset": lambda dense, folder: write(
        dense, folder, macro_size=(16, 16), verilog=VerilogOptions("chip", "async", "low")
    ),
    "board, uart": lambda dense, folder: write_board(dense, folder, "uart"),
    "board, spi": lambda dense, folder: write_board(dense, folder, "spi", fault_injector=True, programming=True),
}  # fmt: skip


def messages(folder, top):
    """Return what Verilator and Icarus say of a package with all warnings on."""
    sources = [str(p.relative_to(folder)) for p in sorted((folder / "rtl").glob("*.sv"))]
    verilator = ["verilator", "--lint-only", "-Wall", "--top", top, *sources]
    commands = [(verilator, "verilator")]
    if toolchain.find_icarus():
        commands.append((["iverilog", "-g2012", "-Wall", "-s", top, "-o", "/dev/null", *sources], "icarus"))
    texts = []
    for command, simulator in commands:
        done = subprocess.run(command, cwd=folder, env=environment(simulator), capture_output=True, text=True, check=False)
        texts += [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("- ")]
    return texts


@pytest.mark.cosim
@pytest.mark.parametrize("make", PACKAGES.values(), ids=PACKAGES)
def test_linters_say_nothing(make, random_network, tmp_path):
    top = make(random_network((37, 13, 5), affine=True), tmp_path / "package")
    assert messages(tmp_path / "package", top) == []


@pytest.mark.cosim
def test_what_is_wrong_is_said(random_network, tmp_path):
    """The linters do look: a name that nothing drives or reads, and two of another width, are found."""
    top = write(random_network((9, 4, 3)), tmp_path / "package")
    (path,) = tmp_path.glob("package/rtl/oxnor_register_slice_*.sv")
    text = path.read_text()
    assert "reg  full;" in text
    path.write_text(text.replace("reg  full;", "reg  full;\n  wire [3:0] forgotten;").replace("= ~full", "= 2'(full)"))
    found = "\n".join(messages(tmp_path / "package", top))
    assert "UNUSEDSIGNAL" in found
    assert "WIDTHTRUNC" in found


def test_every_module_says_what_it_is(random_network, tmp_path):
    write(random_network((37, 13, 5)), tmp_path / "a", macro_size=(8, 16), folding=[(2, 4), (1, 2)])
    for path in (tmp_path / "a/rtl").iterdir():
        head = path.read_text().split("\n`ifndef")[0].splitlines()
        assert all(line.startswith("//") for line in head)
        if path.name.startswith("oxnor"):
            assert head[0].startswith(f"// {path.stem}: generated by oxnor")
            assert any(line.startswith("// Timing: ") for line in head), path.name
            assert not re.search("``|config|:class:", "\n".join(head)), path.name
    assert "// Parameters: width = 16." in (tmp_path / "a/rtl/oxnor_popcount_16.sv").read_text()


def test_ports_and_signals_keep_their_names(random_network, tmp_path):
    """What the gateware calls ``busy`` is ``busy``; nothing is called by a number of Yosys's."""
    write(random_network((37, 13, 5)), tmp_path / "a", macro_size=(8, 16), folding=[(2, 4), (1, 2)])
    texts = {p.stem: p.read_text() for p in (tmp_path / "a/rtl").iterdir()}
    assert not any("\\" in text or "[-1:0]" in text for text in texts.values())
    array = texts["oxnor_engine_layer0_array"]
    for name in ("busy", "at_end", "row", "tile_v0_h0_count"):
        assert re.search(rf"^  (?:reg |wire) (?:\[\d+:0\] )?{name};$", array, flags=re.M), name


def test_a_macro_that_is_only_declared_is_asked_for(random_network, tmp_path):
    write(random_network((9, 4, 3)), tmp_path / "a", macro_kind="blackbox", verilog=VerilogOptions("chip"))
    asked = "This engine needs your macro chip_rram_macro in the place of what rtl/ only declares"
    for name in ("README.md", "examples/bench.sv", "examples/test_engine.py"):
        assert asked in (tmp_path / "a" / name).read_text()
    write(random_network((9, 4, 3)), tmp_path / "b")
    assert "needs your macro" not in (tmp_path / "b/examples/bench.sv").read_text() + (tmp_path / "b/README.md").read_text()


def test_names_of_one_module():
    names = Names(["clk"])
    assert [names.new(n) for n in ("clk", "clk", "begin", "a.b[0]", "3")] == ["clk_2", "clk_3", "begin_", "a_b_0", "_3"]


@pytest.mark.parametrize("name", ["1st", "a-b", "a b", "\u00e4", "_x", "a" * 65, 'a"', "a/b"])
def test_names_that_are_none(name):
    with pytest.raises(InputError, match=r"^name must be a letter and at most 63 letters, digits and underscores more, not "):
        VerilogOptions(name)


def test_resets_that_are_none():
    with pytest.raises(InputError, match=r"^reset must be sync or async, not 'both'$"):
        VerilogOptions(reset="both")
    with pytest.raises(InputError, match=r"^reset_active must be high or low, not 'down'$"):
        VerilogOptions(reset_active="down")


@pytest.mark.cosim
@pytest.mark.parametrize("simulator", [pytest.param("icarus", marks=needs_icarus), "verilator"])
def test_engines_in_one_design(simulator, random_network, tmp_path):
    """Two of one shape, one of another, and modules of the first with the weights of a fourth in another folder."""
    packages = two_engines(random_network, tmp_path)
    said = run_benches(packages, simulator, tmp_path)
    assert re.findall(r"^(\w+): IMAGES 16 TAKEN 16 WRONG 0", said, flags=re.M) == sorted(bench_of(p) for p in packages)


@pytest.mark.cosim
@needs_icarus
def test_engines_that_share_names_clash(random_network, tmp_path):
    """Equal contents are read once; with other contents of the same name, a simulator stops."""
    packages = two_engines(random_network, tmp_path)
    twice = [*packages, replace(packages[0], bench="again")]
    assert run_benches(twice, "icarus", tmp_path).count("WRONG 0") == len(twice)
    other = packages[2].folder / "rtl" / "c_engine.sv"
    other.write_text(other.read_text().replace("c_engine", "a_engine"))
    assert "already declared" in run_benches(packages, "icarus", tmp_path, fails=True)

"""The integrator's package: its benches run in another place, without oxnor, on both simulators."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network
from helpers.packages import bench_text, environment, two_engines

from oxnor.hw.emit.generate import generate
from oxnor.hw.emit.integration import IMAGES, example_count, example_images
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.models import golden, zoo
from oxnor.sim.runner import toolchain

needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)
SIMULATORS = [pytest.param("icarus", marks=needs_icarus), "verilator"]
FIXTURES = Path(__file__).parents[1] / "fixtures"
#: Verilator compiles longer than it runs.
SMALL = {"shape": (12, 6, 3)}
STRUCTURES = {"one beat": {}, "scores": {"macro_size": (8, 16), "folding": [(2, 4), (1, 2)], "stream_width": 8}, "class alone": {"target": "ice40"}}


@pytest.fixture
def engine(random_network, tmp_path):
    """Return a maker of engine folders."""

    def make(structure, *, wrong=False, shape=(37, 13, 5), verilog=None, **options):
        network = random_network(shape, affine=True, name="example")
        folder = tmp_path / "engine"
        generate(network, folder, EngineConfig.for_network(network, **STRUCTURES[structure], **options), verilog=verilog)
        if wrong:
            path = folder / "examples" / "expected.mem"
            lines = path.read_text().splitlines()
            lines[3] = f"{int(lines[3], 16) ^ 1:0{len(lines[3])}x}"
            path.write_text("\n".join(lines) + "\n")
        return folder

    return make


def run(command, folder, env):
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False)


def plain_bench(folder, simulator, bench="bench"):
    """Run the commands that README.md there gives, and return what the bench says."""
    env = environment(simulator)
    tool = {"icarus": "iverilog", "verilator": "verilator"}[simulator]
    (command,) = re.findall(rf"^    ({tool} .* {bench} .*)$", (folder / "README.md").read_text(), flags=re.M)
    done = run(["bash", "-c", command], folder, env)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.cosim
@pytest.mark.parametrize("simulator", [SIMULATORS[0], pytest.param("verilator", marks=pytest.mark.slow)])
def test_plain_bench(simulator, engine):
    said = plain_bench(engine("one beat", **SMALL) if simulator == "verilator" else engine("scores"), simulator)
    assert f"IMAGES {IMAGES} TAKEN {IMAGES} WRONG 0 MAGIC 4f584e52" in said
    assert "PASS" in said


@pytest.mark.cosim
@needs_icarus
@pytest.mark.parametrize(("structure", "options"), [
    ("one beat", {}), ("scores", {"reset": "async", "reset_active": "low", "name": "mine"}),
])  # fmt: skip
def test_bench_of_the_wishbone_slave(structure, options, engine):
    folder = engine(structure, verilog=VerilogOptions(bus="wishbone", **options))
    said = plain_bench(folder, "icarus", "bench_wishbone")
    assert f"IMAGES {IMAGES} TAKEN {IMAGES} WRONG 0 ERRORS 0 MAGIC 4f584e52\nPASS" in said


@pytest.mark.cosim
@needs_icarus
def test_plain_bench_finds_one_wrong_result(engine):
    said = plain_bench(engine("class alone", wrong=True), "icarus")
    assert f"IMAGES {IMAGES} TAKEN {IMAGES} WRONG 1" in said
    assert "FAIL" in said


@pytest.mark.cosim
@needs_icarus
@pytest.mark.parametrize(("latency", "verdict"), [(2, "WRONG 0 "), (1, "FAIL")])
def test_own_macro_with_two_cycles_takes_the_place_of_the_stub(engine, latency, verdict):
    folder = engine("scores", macro_kind="blackbox", sense_latency=latency)
    shutil.copy(FIXTURES / "rram_macro_2cycle.sv", folder / "rtl" / "rram_macro.sv")
    assert verdict in plain_bench(folder, "icarus")


# Outside of the repository nothing of Verilator's runtime is kept: it is compiled anew.
@pytest.mark.cosim
@pytest.mark.parametrize("simulator", [SIMULATORS[0], pytest.param("verilator", marks=pytest.mark.slow)])
def test_cocotb_bench(simulator, engine, tmp_path):
    """Run with an oxnor that cannot be imported."""
    folder = engine("one beat", **SMALL) if simulator == "verilator" else engine("scores")
    blocked = tmp_path / "blocked" / "oxnor"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('this bench must not need oxnor')")
    env = environment(simulator) | {"PYTHONPATH": str(blocked.parent)}
    done = run([sys.executable, "examples/test_engine.py", simulator], folder, env)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "TESTS 2 FAILED 0" in done.stdout


@pytest.mark.cosim
@needs_icarus
def test_cocotb_bench_finds_one_wrong_result(engine):
    done = run([sys.executable, "examples/test_engine.py", "icarus"], engine("scores", wrong=True), environment("icarus"))
    assert done.returncode == 1
    assert "TESTS 2 FAILED 1" in done.stdout


@pytest.mark.cosim
@needs_icarus
def test_core_files(random_network, tmp_path):
    """The core of one engine runs its own bench; a design takes the cores of three, two of one shape."""
    pytest.importorskip("fusesoc", reason="needs the package fusesoc")
    fusesoc = shutil.which("fusesoc") or Path(sys.executable).with_name("fusesoc")
    *packages, other = two_engines(random_network, tmp_path)
    shutil.rmtree(other.data)
    benches = "".join(bench_text(p).replace(f"{p.data}/mem/", "mem/") for p in packages)
    instances = "".join(f"  {p.bench} {p.bench} ();\n" for p in packages)
    (tmp_path / "all.sv").write_text(f"{benches}module all;\n{instances}  initial #100000 $finish;\nendmodule\n")
    depend = "".join(f"      - oxnor:engine:{name}\n" for name in "abc")
    (tmp_path / "all.core").write_text(
        "CAPI=2:\nname: oxnor:test:all\nfilesets:\n  bench:\n    files: [all.sv: {file_type: systemVerilogSource}]\n"
        f"    depend:\n{depend}targets:\n  default:\n    filesets: [bench]\n    toplevel: all\n"
        "    default_tool: icarus\n    tools:\n      icarus:\n        iverilog_options: [-g2012]\n"
    )
    for core, target, runs in (("oxnor:engine:a", ["--target", "sim"], 1), ("oxnor:test:all", [], 3)):
        done = run([fusesoc, "--cores-root", ".", "run", *target, core], tmp_path, environment("icarus"))
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert (done.stdout + done.stderr).count(f"IMAGES {IMAGES} TAKEN {IMAGES} WRONG 0") == runs


@pytest.mark.parametrize("options", [
    {}, {"bus": "wishbone", "reset": "async", "reset_active": "low", "flow": "librelane"},
], ids=["axi", "wishbone"])  # fmt: skip
def test_documentation_is_that_of_the_hardware(engine, options):
    folder = engine("scores", verilog=VerilogOptions(**options))
    text, sidecar = (folder / "README.md").read_text(), json.loads((folder / "oxnor.json").read_text())
    slave = sidecar.get("wishbone", {"ports": []})
    if slave["ports"]:
        assert "| `aresetn` | input | 1 | reset, active low, asynchronous; its end" in text
    assert all(f"`{p.name}`" in text for p in folder.glob("*.*") if p.name != "README.md" and p.name[0] != ".")
    assert all(f"`{p.name}/`" in text for p in folder.iterdir() if p.is_dir())
    assert "if False" not in text
    (setting,) = re.findall("export MAKEFLAGS=(.*)", text)
    assert setting in (toolchain._wheel() or toolchain.Tool("", Path(), "", {"MAKEFLAGS": setting})).env["MAKEFLAGS"]
    for port in sidecar["ports"] + slave["ports"]:
        assert f"| `{port['name']}` | {port['direction']} | {port['width']} |" in text
    for register in sidecar["registers"]:
        assert f"| 0x{register['offset']:02X} | `{register['name']}` | {register['access']} | {register['description']} |" in text
    assert "config." not in text
    assert "``" not in text
    core = (folder / "oxnor_engine.core").read_text()
    for name in sidecar["sources"]:
        assert f"- rtl/{name}\n" in core
    for name in sidecar["images"]:
        assert f"- mem/{name}: {{copyto: mem/{name}}}\n" in core


def test_documentation_of_a_spiking_engine(tmp_path):
    sidecar = generate(zoo.load("mnist-spirit"), tmp_path / "e").sidecar
    text = (tmp_path / "e" / "README.md").read_text()
    assert all(f"| `{p['name']}` | {p['direction']} | {p['width']} |" in text for p in sidecar["ports"])
    assert all(f"| 0x{r['offset']:02X} | `{r['name']}` | {r['access']} | {r['description']} |" in text for r in sidecar["registers"])
    assert all(f"`{p.name}`" in text for p in (tmp_path / "e").glob("oxnor*"))
    assert not re.search("``|:[a-z]+:`|config[.]", text)


def test_documentation_of_a_convolution(tmp_path):
    """Whoever drives the stream must know in which order the bits of a picture come."""
    conv = Conv(6, pool=(2, 2), window={"groups": 3, "top": 1, "bottom": 1})
    sidecar = generate(random_conv_network((5, 7, 3), [conv], planes=8), tmp_path / "e").sidecar
    text = (tmp_path / "e" / "README.md").read_text()
    assert "A binarized neural network, 5x7x3-C6p1x0g3-P-9-4, generated" in text
    assert "Its 5 x 7 x 3 elements come row by row, and all channels of a pixel together.\n" in text
    assert "Of each element 8 bits follow each other, the lowest first.\n" in text
    first = sidecar["layers"][0]
    assert (first["window"]["groups"], first["pool"]) == (3, {"height": 2, "width": 2, "step_y": 2, "step_x": 2})
    assert "window" not in sidecar["layers"][1]


def test_vectors_are_the_golden_models(engine, random_network):
    """Read back by hand: words of the stream, lowest bit first."""
    folder = engine("scores")
    sidecar = json.loads((folder / "oxnor.json").read_text())
    beats = [int(line, 16) for line in (folder / "examples" / "images.mem").read_text().split()]
    results = [int(line, 16) for line in (folder / "examples" / "expected.mem").read_text().split()]
    width, per_image = sidecar["stream"]["width"], sidecar["stream"]["beats"]
    assert (len(beats), len(results)) == (IMAGES * per_image, IMAGES)
    images = [[beats[k * per_image + i // width] >> i % width & 1 for i in range(37)] for k in range(IMAGES)]
    network = random_network((37, 13, 5), affine=True, name="example")
    np.testing.assert_array_equal(np.array(images, bool), example_images(network))
    layout = sidecar["result"]
    for word, scores in zip(results, golden.scores(network, np.array(images, bool)), strict=True):
        assert word & (1 << layout["class_width"]) - 1 == np.argmax(scores)
        for k, s in enumerate(scores):
            found = word >> layout["class_width"] + k * layout["score_width"] & (1 << layout["score_width"]) - 1
            assert found == int(s) & (1 << layout["score_width"]) - 1


@pytest.mark.parametrize(("latency", "interval", "images"), [(216, 64, 16), (16_211, 11_784, 16), (170_886, 47_136, 2), (10**6, 10**6, 2)])
def test_slow_engines_have_fewer_images(latency, interval, images):
    assert example_count({"latency": latency, "initiation_interval": interval, "stream": {"beats": 1}}) == images


def test_digits_are_digits():
    network = zoo.load("mnist-tfc")
    assert example_images(network).shape == (IMAGES, 784)
    assert 50 < example_images(network).sum(axis=1).mean() < 200


def test_generated_folder_needs_no_tool_to_look_at(engine):
    folder = engine("class alone")
    assert sorted(p.name for p in folder.iterdir()) == [
        ".oxnor-files.json", "README.md", "examples", "mem", "oxnor.json", "oxnor_engine.core", "oxnor_engine.f",
        "oxnor_engine.sdc", "rtl",
    ]
    assert sorted(p.name for p in (folder / "examples").iterdir()) == ["bench.sv", "expected.mem", "images.mem", "test_engine.py"]
    assert "@" not in (folder / "examples" / "bench.sv").read_text().replace("@(posedge clk)", "")


@pytest.mark.parametrize(("options", "result"), [
    ({"with_scores": False}, "the class in the low 8 bits. |"),
    ({}, "the class in the low 8 bits; above them, score k in 8 bits, two's complement. |"),
    ({"margin": True}, "in 15 bits, and a bit that is 1 if this is less than the register MIN_MARGIN; above them, score k in"),
])  # fmt: skip
def test_ports_of_a_result_are_those_of_the_engine(options, result, random_network, tmp_path):
    network = random_network((37, 13, 5))
    generate(network, tmp_path / "engine", EngineConfig.for_network(network, **options))
    text = (tmp_path / "engine" / "README.md").read_text()
    assert result in text
    assert not any(word in text for word in ("False", "True", "config.", "1 beats"))

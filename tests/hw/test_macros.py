"""Kinds of macro: the same ports, everything they read is written, and nothing changes for engines of bits."""

import re
from dataclasses import replace
from importlib.resources import files

import pytest

from oxnor.hw.emit.generate import generate
from oxnor.hw.macros.rram_macro import RramMacro
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.macro_kinds import DEFAULT_MACRO, MACRO_TYPES
from oxnor.hw.placement.drawn_devices import DeviceDraw
from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import DeviceModel

DEVICE = DeviceModel("toy", 10_000.0, 200_000.0, 0.5, 0.6, 0.2, 0.3)


def ports(kind):
    text = files("oxnor.hw").joinpath("rtl", MACRO_TYPES[kind].rtl_source).read_text()
    header = text[text.index(f"module {MACRO_TYPES[kind].module} ") : text.index(");\n")]
    found = re.findall(r"(input|output) +(?:wire|reg) *(\[[^\]]*\])? *(\w+)", header)
    return {name: (direction, width) for direction, width, name in found}


@pytest.mark.parametrize("kind", MACRO_TYPES)
def test_every_kind_has_the_same_ports(kind):
    assert ports(kind) == ports(DEFAULT_MACRO)
    assert set(ports(kind)) == {"clk", *(name for name in RramMacro(4, 4, kind=kind).signature.members)}


@pytest.mark.parametrize("kind", MACRO_TYPES)
def test_generated_folder_has_all_that_a_macro_reads(kind, tmp_path, random_network):
    network = random_network((37, 13, 5))
    config = EngineConfig.for_network(network, macro_size=(16, 8), folding=[(2, 4), (1, 2)], macro_kind=kind)
    draws = {"devices": DeviceDraw(DEVICE, seed=3)} if MACRO_TYPES[kind].has_devices else {}
    sidecar = generate(network, tmp_path / "a", config, **draws)
    assert sidecar["macro_kind"] == kind
    used = set()
    for path in (tmp_path / "a/rtl").iterdir():
        used |= set(re.findall(r'"(mem/[^"]+)"', path.read_text()))
    assert used == {f"mem/{p.name}" for p in (tmp_path / "a/mem").iterdir()}
    (macro,) = [p for p in (tmp_path / "a/rtl").iterdir() if p.name.startswith("rram_macro")]
    assert macro.read_bytes() == files("oxnor.hw").joinpath("rtl", MACRO_TYPES[kind].rtl_source).read_bytes()
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
    assert old.macro_kind == "devices"
    assert new.digest[:16] == "9b5e8f1de1209cd5"


@pytest.mark.parametrize("option", ["fault_injector", "programming"])
def test_a_macro_can_do_what_its_type_says(monkeypatch, random_network, option):
    able = {"can_flip": option != "fault_injector", "can_program": option != "programming"}
    monkeypatch.setitem(MACRO_TYPES, "plain", replace(MACRO_TYPES["bits"], **able))
    EngineConfig.for_network(random_network((9, 3)), macro_kind="bits", **{option: True})
    with pytest.raises(InputError) as e:
        EngineConfig.for_network(random_network((9, 3)), macro_kind="plain", **{option: True})
    assert str(e.value) == f"{option} must not be asked of macros of type plain"


def test_refuses():
    with pytest.raises(InputError) as e:
        LayerConfig("dense", 9, 3, 16, 9, 1, 1, macro_kind="flash")
    assert str(e.value) == "macro_kind must be one of bits, devices, blackbox, not 'flash'"
    layers = tuple(LayerConfig("scores", 9, 3, 16, 9, 1, 1, macro_kind=kind) for kind in ("twin", "bits"))
    with pytest.raises(InputError) as e:
        EngineConfig(layers, 8, False)
    assert str(e.value) == "all layers must have macros of one kind, not bits, devices"

"""Emitted folders: one file a component, the same bytes twice, nothing overwritten."""

import hashlib
import json
import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module

from oxnor.hw.blocks.popcount import Popcount
from oxnor.hw.emit.generate import generate
from oxnor.hw.emit.verilog import emit_component
from oxnor.hw.interface.registers import REGISTERS
from oxnor.hw.macros.program_bus import ProgramBus, fan_out
from oxnor.hw.params.engine import EngineConfig
from oxnor.models.base.errors import InputError


def contents(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_same_inputs_give_the_same_bytes(tmp_path, random_network):
    network = random_network((37, 13, 5))
    config = EngineConfig.for_network(network, target="asic")
    generate(network, tmp_path / "a", config)
    generate(network, tmp_path / "b", config)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    # Another network of the same structure: the same Verilog, other images.
    generate(random_network((37, 13, 5), seed=1), tmp_path / "c", config)
    changed = {name for name, data in contents(tmp_path / "c").items() if contents(tmp_path / "a")[name] != data}
    assert changed
    assert all(name.startswith(("mem/", "examples/")) or name in ("oxnor.json", "README.md") for name in changed)
    assert "examples/bench.sv" not in changed


def test_sidecar_describes_what_is_there(tmp_path, random_network):
    network = random_network((37, 13, 5))
    generated = generate(network, tmp_path / "a")
    sidecar = generated.sidecar
    assert repr(generated) == (
        f"Generated({network.name!r} in {tmp_path / 'a'}: oxnor_engine, {len(sidecar['sources'])} Verilog files,"
        f" {len(sidecar['images'])} memory files, 2 macros)"
    )
    assert generated.to_json() == {"directory": str(tmp_path / "a")} | sidecar
    assert json.loads((tmp_path / "a/oxnor.json").read_text()) == sidecar
    for folder, names in (("rtl", sidecar["sources"]), ("mem", sidecar["images"])):
        files = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "a" / folder).iterdir()}
        assert files == names
    assert (tmp_path / "a/oxnor_engine.f").read_text().split() == [f"rtl/{n}" for n in sidecar["sources"]]
    top = (tmp_path / "a/rtl/oxnor_engine.sv").read_text()
    declared = re.findall(r"^    (input|output) +(?:wire|reg) +(?:\[(\d+):0\])? *(\w+),?$", top, flags=re.M)
    said = [(p["direction"], str(p["width"] - 1) if p["width"] > 1 else "", p["name"]) for p in sidecar["ports"]]
    assert declared == said
    sizes = {re.sub(r"slice_\d+", "slice", m["name"]): m for m in sidecar["modules"]}
    assert sizes["rram_macro"] == {"name": "rram_macro", "instances": 2, "register_bits": 0, "memory_bits": 64 * 37}
    name, *numbers = sizes["oxnor_register_slice"].values()
    assert numbers == [1, int(name.split("_")[-1]) + 1, 0]
    assert [r["name"] for r in sidecar["registers"]] == [r.name for r in REGISTERS]
    assert (sidecar["latency"], sidecar["initiation_interval"]) == (1 + 16 + 9, 13)


def test_every_module_is_its_own_file_and_each_init_file_exists(tmp_path, random_network):
    generate(random_network((100, 30, 5)), tmp_path / "a", EngineConfig.for_network(random_network((100, 30, 5)), target="asic"))
    used = set()
    for path in (tmp_path / "a/rtl").iterdir():
        text = path.read_text()
        assert re.findall(r"^module (\w+)", text, flags=re.M) == [path.stem]
        assert text.startswith("// ")
        # Icarus 11 wakes always_comb without end if it reads anything, and no always @* that reads nothing.
        assert "always_comb" not in text
        if path.name.startswith("oxnor"):
            assert not re.findall(r"^  reg .* = ", text, flags=re.M)
        for block in re.findall(r"^  always @\* begin\n((?:    .*\n)+)", text, flags=re.M):
            assert re.findall(r"(?:= |if \(|case \(|casez \()[~!]*([a-z]\w*)", block)
        assert "@INIT_FILE@" not in text
        used |= set(re.findall(r'\{MEM_DIR, "([^"]+)"\}', text))
    assert used == {p.name for p in (tmp_path / "a/mem").iterdir()}


def test_component_alone(tmp_path):
    emitted = emit_component(Popcount(100), tmp_path)
    assert [p.name for p in emitted.sources] == [
        f"oxnor_popcount_{n}{part}.sv" for n in (100, 36, 64) for part in ("", "_tree")
    ]
    assert emitted.top == "oxnor_popcount_100"


def test_folders_that_are_not_ours_stay(tmp_path, random_network):
    network = random_network((9, 4, 3))
    (tmp_path / "a").mkdir()
    generate(network, tmp_path / "a")
    generate(network, tmp_path / "a")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError) as e:
        generate(network, other)
    assert str(e.value) == f"{other}: must be new, empty or written by this command before, and has other files in it; with `force` it is kept under another name"
    assert (other / "thesis.tex").read_text() == "years of work"
    generate(network, other, force=True)
    assert not (other / "thesis.tex").exists()
    assert (tmp_path / "other.old" / "thesis.tex").read_text() == "years of work"
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="must be a folder, not a file"):
        generate(network, tmp_path / "file")


def test_nothing_is_left_of_a_failed_run(tmp_path, random_network, monkeypatch):
    network = random_network((9, 4, 3))
    generate(network, tmp_path / "a")
    before = contents(tmp_path / "a")
    monkeypatch.setattr("oxnor.hw.emit.generate.write_images", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate(network, tmp_path / "a")
    assert contents(tmp_path / "a") == before
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_hundreds_of_macros_on_one_bus():
    """What comes back is a tree: a chain as long is deeper than Python's stack."""
    m = Module()
    source = ProgramBus().flip().create(path=("source",))
    buses = [ProgramBus().create(path=(f"bus{k}",)) for k in range(350)]
    fan_out(m, source, [(bus, source.macro == k) for k, bus in enumerate(buses)])
    text = rtlil.convert(m, ports=[source.q, *(bus.q for bus in buses)])
    assert text.count("cell $or") == 3 * 349


def test_long_lines_are_broken():
    """Verilator reads 40,000 tokens of a line; a vector of 4,608 bits in another order has more."""
    from oxnor.hw.emit.module import LINE_MAX, _fold

    parts = [f"x[{k}]" for k in range(9000)]
    text = f"  assign y = {{{', '.join(parts)}}};\n  assign z = {{{', '.join(parts[:9])}}};"
    lines = _fold(text)
    assert max(map(len, lines)) <= LINE_MAX
    assert " ".join(lines).split() == text.split()
    assert lines[-1] == text.split("\n")[1]

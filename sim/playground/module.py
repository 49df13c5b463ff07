"""An engine as a WebAssembly module: emitted Verilog, through Yosys' CXXRTL and zig's C++ compiler."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError, install
from oxnor.sim.runner.synthesis import Tool, find_yosys, packaged_tool, run_tool, yosys_share
from oxnor.sim.verify.engines import Verilog

TOP = "playground"
#: Seconds that the compiler may take.
TIMEOUT_S = 3600
#: The C++ around the engine.
SOURCE = "engine.cpp"
#: A reactor: a command would destroy the design after its `main`.
_FLAGS = (
    "-target", "wasm32-wasi", "-mexec-model=reactor", "-std=c++17", "-O2", "-s", "-fno-exceptions", "-DNDEBUG", "-w",
)  # fmt: skip
_MEMBER = re.compile(
    r"// \\hdlname: (?P<path>[^\n]+)\n(?:\s*//[^\n]*\n)*\s*(?P<kind>wire|value|memory)<(?P<bits>\d+)> (?P<name>\w+)"
)
#: What a page looks at, beside the streams between layers.
_SIGNALS = re.compile(
    r"layer\d+ (array (busy|row|tile_v\d+_h\d+ (count|macro (r|xr))|coefficient_rom q)|neuron\d+_fire"
    r"|tile_d\d+_a\d+ (sensed|macro (r|xr))|neuron\d+ v)"
)
#: Memories that a page fills, by the name that it knows.
_MEMORIES = re.compile(r"(layer\d+ .*(?:macro|coefficient_rom)|seeds)(?:_\d+)? mem")


@dataclass(frozen=True)
class Module:
    """A compiled engine.

    Parameters
    ----------
    wasm : bytes
    description : dict
        Beats and results in words, and which signals, memories and inner streams it gives; JSON-able.
    """

    wasm: bytes
    description: dict[str, Any]


@dataclass(frozen=True)
class _Member:
    """A member of the C++ class: ``path`` is its place in the design, ``kind`` wire, value or memory."""

    path: str
    kind: str
    bits: int
    name: str

    @property
    def words(self) -> int:
        return -(-self.bits // 32)

    @property
    def pointer(self) -> str:
        return f"top.{self.name}[0].data" if self.kind == "memory" else f"words_of(top.{self.name})"


def _members(header: str) -> list[_Member]:
    found = _MEMBER.finditer(header)
    return [_Member(m["path"].removeprefix("engine "), m["kind"], int(m["bits"]), m["name"]) for m in found]


def _wrapper(ports: list[dict[str, Any]], top: str) -> str:
    """Return a module with the streams of an engine alone: nobody writes its registers, and outputs are taken.

    Outputs are gated by an input that stays 0. So they are logic, whose value a cycle sees before its edge, and not
    registers of which some bits are constant, for which CXXRTL would go through all logic twice.
    """
    streams = [p for p in ports if not p["name"].startswith("s_axil_") and not re.match(r"m_.*_tready", p["name"])]
    header = "".join(f",\n  {p['direction']} wire [{p['width'] - 1}:0] {p['name']}" for p in streams)
    inner, gates, joins = "", "", []
    for p in ports:
        name, width = p["name"], p["width"]
        if p not in streams:
            if p["direction"] == "input":
                joins.append(f".{name}({width}'d{int(name.startswith('m_'))})")
        elif p["direction"] == "input":
            joins.append(f".{name}({name})")
        else:
            inner += f"  wire [{width - 1}:0] inner_{name};\n"
            gates += f"  assign {name} = inner_{name} ^ {{{width}{{zero}}}};\n"
            joins.append(f".{name}(inner_{name})")
    body = f"{inner}{gates}  {top} engine ({', '.join(joins)});"
    return f"module {TOP} (\n  input wire zero{header}\n);\n{body}\nendmodule\n"


def _streams(text: str) -> dict[str, str]:
    """Return the streams that leave layers and pools, by unit: the wire with which the next unit takes a transfer."""
    found = {}
    for unit, ports in re.findall(r"[ )] ((?:layer|pool)\d+) \((.*?)\n  \);", text, re.S):
        if ready := re.search(r"\.o__ready\((\w+)\)", ports):
            found[unit] = ready[1]
    return found


def _tapped(streams: Mapping[str, str]) -> list[str]:
    return sorted({w for u, ready in streams.items() for w in (f"{u}_o__valid", f"{u}_o__payload", ready)})


def find_zig() -> Tool:
    """Return zig's C++ compiler, which brings a C++ library for WebAssembly.

    Raises
    ------
    InputError
        If its package is not installed.
    """
    code = "import os, sys, ziglang; zig = os.path.join(os.path.dirname(ziglang.__file__), 'zig');"
    code += "os.execv(zig, [zig, 'c++', *sys.argv[1:]])"
    tool = packaged_tool("ziglang", "ziglang", code)
    if tool is None:
        raise InputError(f"zig is not installed, which compiles an engine for a page: {install('playground')}")
    return tool


def find_cxxrtl() -> tuple[Tool, Path]:
    """Return a Yosys, and the folder of CXXRTL's headers that came with it.

    Raises
    ------
    InputError
        If there is none.
    """
    yosys = find_yosys()
    if yosys is None:
        raise InputError(f"Yosys is not installed, which makes C++ of an engine: {install('playground')}")
    return yosys, yosys_share(yosys) / "include" / "backends" / "cxxrtl" / "runtime"


def _script(sources: list[str], engine: str, streams: Mapping[str, str]) -> str:
    keep = [f"{engine}/w:{name}" for name in _tapped(streams)]
    lines = [
        f"read_verilog -sv {' '.join(sources)}",
        f"hierarchy -top {TOP}",
        "proc",
        # What a page looks at stays a wire of its own.
        f"setattr -set keep 1 {' '.join(keep)} */w:neuron*_fire",
        "opt_expr",
        "opt_clean -purge",
        # Not `memory`: it would take memories that nothing writes for constants, and a page does write them.
        "memory_collect",
        "flatten",
        "opt -full",
        "opt_clean -purge",
        # Registers of which some bits are constant would take a second round in every cycle.
        "splitnets -driver",
        "opt_clean -purge",
        "write_cxxrtl -O6 -g0 -header engine.cc",
    ]
    return "\n".join(lines) + "\n"


def _table(kind: str, name: str, entries: list[str]) -> str:
    return f"{kind} {name}[] = {{{', '.join(entries) or '{}'}}};\n"


def _design(
    members: list[_Member], sidecar: Mapping[str, Any], streams: Mapping[str, str], converges: bool
) -> tuple[str, dict[str, Any]]:
    """Return ``design.h``, and what it says as a JSON-able dict."""
    by_path = {m.path: m for m in members if sum(n.path == m.path for n in members) == 1}
    widths = {p["name"]: p["width"] for p in sidecar["ports"]}
    signals = [m for m in by_path.values() if _SIGNALS.fullmatch(m.path)]
    memories = [m for m in by_path.values() if m.kind == "memory" and _MEMORIES.fullmatch(m.path)]
    # The last stream is that of the scores, which a result has.
    inner = {u: (f"{u}_o__valid", ready, f"{u}_o__payload") for u, ready in list(streams.items())[:-1]}
    taps = [u for u, wires in inner.items() if all(w in by_path for w in wires)]
    beat_words, result_words = -(-widths["s_axis_tdata"] // 32), -(-widths["m_axis_tdata"] // 32)
    text = (
        f"constexpr unsigned BEATS = {sidecar['stream']['beats']}, BEAT_WORDS = {beat_words};\n"
        f"constexpr unsigned RESULT_WORDS = {result_words}, TAP_COUNT = {len(taps) + ('m_spike_tdata' in widths)};\n"
        f"constexpr bool CONVERGES = {str(converges).lower()};\n"
    )
    text += _table("uint32_t *const", "SIGNALS", [m.pointer for m in signals] or ["nullptr"])
    text += _table("uint32_t *const", "MEMORIES", [m.pointer for m in memories])
    tables = []
    for u in taps:
        wires = [by_path[w] for w in inner[u]]
        tables.append(f"{{{', '.join(w.pointer for w in wires)}, {wires[2].words}}}")
    described_taps = [[u, by_path[f"{u}_o__payload"].bits] for u in taps]
    if spikes := widths.get("m_spike_tdata"):
        port = "words_of(top.p_m__spike__t{})"
        tables.append(f"{{{port.format('valid')}, nullptr, {port.format('data')}, {-(-spikes // 32)}}}")
        described_taps.append(["m_spike", spikes])
    text += _table("const Tap", "TAPS", tables)
    described = {
        "beats": sidecar["stream"]["beats"], "beat_bits": widths["s_axis_tdata"], "result": sidecar["result"],
        "result_words": result_words,
        "signals": [[m.path, m.bits] for m in signals],
        "memories": [[_MEMORIES.sub(r"\1", m.path), m.bits] for m in memories],
        "taps": described_taps,
    }  # fmt: skip
    return text, described


def _counted(name: str, text: str) -> tuple[str, str]:
    """Return a popcount's module as a black box, and the C++ that counts in its place."""
    width, out = (int(n) for n in re.findall(r"\[(\d+):0\]", text)[:2])
    module = name.removesuffix(".sv")
    box = (
        f"(* blackbox, cxxrtl_blackbox *) module {module} (\n  input wire [{width}:0] i,\n"
        f"  (* cxxrtl_comb *) output wire [{out}:0] o\n);\nendmodule\n"
    )
    return box, f"using bb_p_{module.replace('_', '__')} = counted<{width + 1}, {out + 1}>;\n"


def _prepare(verilog: Verilog, place: Path, trees: bool) -> tuple[list[str], dict[str, str]]:
    """Write the sources, and memory files of zeros, into a folder; return the names and the streams."""
    engine, counted = verilog.sidecar["top"], ""
    texts = {p.name: p.read_text() for p in verilog.sources if p.stem != verilog.top}
    if not trees:
        for name in [n for n in texts if re.fullmatch(r"\w+_popcount_\d+\.sv", n)]:
            texts[name], more = _counted(name, texts[name].partition("module")[2])
            counted += more
        texts = {n: text for n, text in texts.items() if not n.endswith("_tree.sv")}
    (place / "counted.h").write_text(counted)
    texts[f"{TOP}.sv"] = _wrapper(verilog.sidecar["ports"], engine)
    for name, text in texts.items():
        (place / name).write_text(text)
    (place / "mem").mkdir()
    for name in sorted(set(re.findall(r'"(\w+\.mem)"', "".join(texts.values())))):
        (place / "mem" / name).write_text("0\n")
    return sorted(texts), _streams(texts[f"{engine}.sv"])


def compile_module(verilog: Verilog, place: Path, trees: bool = True) -> Module:
    """Compile emitted Verilog in an empty folder.

    Parameters
    ----------
    verilog : Verilog
    place : Path
    trees : bool
        Compile the adder trees of the popcounts; else ones are counted, as under the define ``OXNOR_BEHAVIOURAL``.

    Raises
    ------
    InputError
        If a tool is missing.
    oxnor.sim.runner.synthesis.ToolError
        If a tool fails.
    """
    (yosys, include), zig = find_cxxrtl(), find_zig()
    names, streams = _prepare(verilog, place, trees)
    (place / "script.ys").write_text(_script(names, verilog.sidecar["top"], streams))
    run_tool(yosys, ["script.ys"], place, "yosys.log", timeout_s=TIMEOUT_S)
    members = _members((place / "engine.h").read_text())
    converges = "bool converged = true;" in (place / "engine.cc").read_text()
    design, described = _design(members, verilog.sidecar, streams, converges)
    (place / "design.h").write_text(design)
    shutil.copy(str(files(__package__) / SOURCE), place)
    arguments = [*_FLAGS, "-I", str(include), "-I", ".", SOURCE, "-o", "engine.wasm"]
    run_tool(zig, arguments, place, "zig.log", timeout_s=TIMEOUT_S)
    return Module((place / "engine.wasm").read_bytes(), described)

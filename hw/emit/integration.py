"""What an integrator needs beside the Verilog: core file, constraints, example benches, documentation."""

from __future__ import annotations

import fnmatch
import inspect
import re
from collections.abc import Iterable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.engine.engine import Engine
from oxnor.hw.interface.registers import MAGIC
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.placement.drawn_devices import EngineDevices
from oxnor.models import golden
from oxnor.models.base.bits import hex_lines, pack_bytes, unpack_bytes, word_bits
from oxnor.models.base.files import write_text
from oxnor.models.base.rng import stream
from oxnor.models.base.words import counted
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.networks.binarized import Network

from .verilog import Description

#: Images of the example benches.
IMAGES = 16
#: Clock period of the constraints, in ns: chosen.
PERIOD_NS = 10.0
#: What the example bench connects to the engine's inputs; every other input is tied to 0.
_DRIVEN = {
    "clk": "clk", "rst": "rst", "aresetn": "!rst",
    "s_axis_tdata": "beats[sent < IMAGES * BEATS ? sent : 0]", "s_axis_tvalid": "valid",
    "s_axis_tready": "ready", "s_axis_tlast": "sent % BEATS == BEATS - 1", "m_axis_tdata": "out_data",
    "m_axis_tvalid": "out_valid", "m_axis_tready": "out_ready", "s_axil_arvalid": "arvalid",
    "s_axil_arready": "arready", "s_axil_rdata": "rdata", "s_axil_rvalid": "rvalid", "s_axil_rready": "1'b1",
}  # fmt: skip


def example_images(network: Network) -> NDArray[np.bool_]:
    """Return the bits of the example images, shape (IMAGES, n_in): digits if they fit, else drawn ones."""
    if network.input_rule.features(network.n_in) == 784 and not network.input_rule.signs:
        return golden.binarize(network, load_mnist("test")[0][:IMAGES])
    g = stream("vectors", seed=0, layer=0, trial=0)
    return g.integers(0, 2, size=(IMAGES, network.n_in), dtype=np.uint8).astype(bool)


def beats(bits: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return images (n, n_in) as beats (n * beats, width): bit i of an image is bit i % width of beat i // width."""
    return unpack_bytes(pack_bytes(bits, width)).reshape(-1, width)


def results(scores: NDArray[np.int64], config: EngineConfig) -> NDArray[np.bool_]:
    """Return what the output stream carries for scores of shape (n, n_out), shape (n, result width)."""
    parts = [word_bits(np.argmax(scores, axis=1), config.class_width)]
    if config.margin:
        # No result is unsure after reset.
        margins = np.minimum(golden.margins(scores), config.margin_max)
        parts.append(word_bits(margins, config.margin_bits + 1))
    if config.with_scores:
        parts.append(word_bits(scores, config.score_width))
    return np.concatenate(parts, axis=1)


def _filled(name: str, values: dict[str, object]) -> str:
    text = files("oxnor.hw").joinpath("examples", f"{name}.in").read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda m: str(values[m[1]]), text)


def _connections(ports: list[Description]) -> str:
    lines = []
    for port in ports:
        tied = "" if port["direction"] == "output" else f"{port['width']}'h0"
        lines.append(f"      .{port['name']}({_DRIVEN.get(port['name'], tied)})")
    return ",\n".join(lines)


def core_name(sidecar: Description) -> str:
    """Return the name of the FuseSoC core, without its version."""
    name = sidecar["name"] or re.sub(r"[^A-Za-z0-9_]", "_", sidecar["network"]["name"])
    return f"oxnor:engine:{name}"


def core_file(sidecar: Description) -> str:
    """Return the FuseSoC core description (CAPI2)."""
    top, spiking = sidecar["top"], sidecar.get("kind") == "spiking"

    def listed(names: Iterable[str], suffix: str = "") -> str:
        return "".join(f"      - {n}{suffix.format(n)}\n" for n in names)

    rtl = listed(f"rtl/{n}" for n in sidecar["sources"])
    mem = listed((f"mem/{n}" for n in sidecar["images"]), ": {{copyto: {0}}}")
    what = "Spiking" if spiking else "Binarized"
    text = (
        f"CAPI=2:\nname: {core_name(sidecar)}:{version('oxnor')}\n"
        f"description: {what} neural network {sidecar['network']['label']} on differential RRAM macros\n\n"
        f"filesets:\n  rtl:\n    files:\n{rtl}    file_type: systemVerilogSource\n"
        f"  mem:\n    files:\n{mem}    file_type: user\n"
    )
    if not spiking:
        text += (
            "  bench:\n    files:\n"
            "      - examples/bench.sv: {file_type: systemVerilogSource}\n"
            "      - examples/images.mem: {copyto: examples/images.mem, file_type: user}\n"
            "      - examples/expected.mem: {copyto: examples/expected.mem, file_type: user}\n"
        )
    text += f"\ntargets:\n  default:\n    filesets: [rtl, mem]\n    toplevel: {top}\n"
    if not spiking:
        text += (
            "  sim:\n    filesets: [rtl, mem, bench]\n    toplevel: bench\n    default_tool: icarus\n    tools:\n"
            "      icarus:\n        iverilog_options: [-g2012]\n"
            "      verilator:\n        mode: binary\n"
            "        verilator_options: [--timing, -CFLAGS, -fcoroutines, -Wno-fatal]\n"
        )
    return text


def constraints(sidecar: Description) -> str:
    """Return constraints of the top module (SDC): its clock, and delays of all its inputs and outputs."""
    reset = sidecar["reset"]
    names: dict[str, list[str]] = {"input": [], "output": []}
    for port in sidecar["ports"]:
        if port["name"] not in ("clk", reset["port"]):
            names[port["direction"]].append(port["name"] + ("[*]" if port["width"] > 1 else ""))
    text = f"""# Constraints of {sidecar["top"]}. The clock period, and the shares of it that pass outside, are chosen:
# set your own.
set period {PERIOD_NS}
create_clock -name clk -period $period [get_ports clk]
set_clock_uncertainty [expr 0.02 * $period] [get_clocks clk]
"""
    for direction, ports in names.items():
        text += f"set_{direction}_delay [expr 0.3 * $period] -clock clk [get_ports {{{' '.join(ports)}}}]\n"
    if reset["kind"] == "async":
        text += "# Its begin needs no timing. Its end does (recovery, removal): synchronize that outside.\n"
    return text + f"set_input_delay [expr 0.3 * $period] -clock clk [get_ports {reset['port']}]\n"


def _members(unit: type) -> dict[str, str]:
    """Return what the docstring of a unit says of its ports: pattern to text."""
    doc = inspect.getdoc(unit) or ""
    section = re.search(r"^Members\n-+\n(.*?)(?:\n\n\S|\Z)", doc, flags=re.M | re.S)
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in (section[1] if section else "").splitlines():
        if line[:1].strip():
            names = [n.strip("` ") for n in line.split(" : ")[0].split(",")]
        elif line.strip():
            for n in names:
                texts[n] = f"{texts.get(n, '')} {line.strip()}".strip()
    return texts


def _ports_table(config: EngineConfig, ports: list[Description], reset: Description) -> str:
    """Return the rows of the table of ports; of ports described together, the first has the text."""
    members = _members(Engine)
    when = "synchronous" if reset["kind"] == "sync" else "asynchronous; its end must be in step with the clock"
    clocks = _CLOCK | {reset["port"]: f"reset, active {reset['active']}, {when}"}
    shown: set[str] = set()
    rows = []
    for port in ports:
        name = port["name"]
        text = next((text for pattern, text in members.items() if fnmatch.fnmatch(name, pattern)), clocks.get(name, ""))
        text = _that_hold(text, config)
        text = re.sub(r"``config\.(\w+)``", lambda m: str(getattr(config, m[1])), text)
        text = text.replace("``oxnor.hw.interface.registers.REGISTERS``", "below").replace("``", "`")
        rows.append(f"| `{name}` | {port['direction']} | {port['width']} | {'' if text in shown else text} |\n")
        shown.add(text)
    return "".join(rows)


def _that_hold(text: str, config: EngineConfig) -> str:
    """Return a text without the clauses that begin with an option which the engine does not have."""
    clauses = []
    for clause in text.rstrip(".").split("; "):
        option = re.search(r" if ``config\.(\w+)``,", clause)
        if option is None:
            clauses.append(clause)
        elif getattr(config, option[1]):
            clauses.append(clause.replace(f"{option[0]}", ""))
    return "; ".join(clauses) + "." * text.endswith(".")


def _order(network: Network) -> str:
    """Return in which order the bits of an image lie, where they are not just its inputs; begins with a new line."""
    shape, planes = network.layers[0].shape_in, network.layers[0].planes
    text = ""
    if len(shape) == 3:
        text = f"\nIts {' x '.join(map(str, shape))} elements come row by row, and all channels of a pixel together."
    if planes > 1:
        text += f"\nOf each element {planes} bits follow each other, the lowest first."
    return text


def readme(network: Network, config: EngineConfig, sidecar: Description) -> str:
    """Return the documentation of the folder; ports, registers and timing are those of the hardware's own source."""
    ports = _ports_table(config, sidecar["ports"], sidecar["reset"])
    registers = "".join(
        f"| 0x{r['offset']:02X} | `{r['name']}` | {r['access']} | {r['description']} |\n" for r in sidecar["registers"]
    )
    layers = "".join(
        f"| {k} | {y['kind']} | {y['n_in']} | {y['n_out']} | {y['macros']} of {y['rows']} x {y['cols']} |"
        f" {y['reads']} | {y['latency']} |\n"
        for k, y in enumerate(sidecar["layers"])
    )
    windows = ""
    if config.has_windows:
        windows = "Inputs and reads of a convolution are those of one window; `oxnor.json` has where its windows lie.\n"
    top, width = sidecar["top"], config.stream_width
    beats_of = counted(config.beats, "beat")
    verilate = f"verilator --binary --timing -CFLAGS -fcoroutines -Wno-fatal --top bench -f {top}.f examples/bench.sv"
    fields = []
    if config.margin:
        at = config.class_width + config.margin_bits
        fields.append(
            f"how far its score leads the second best, at most {config.margin_max}, in the {config.margin_bits} bits"
            f" above; bit {at} says that this is less than `MIN_MARGIN`"
        )
    if config.with_scores:
        fields.append(f"scores of {config.score_width} bits each above {'that' if config.margin else 'it'}")
    more = "".join(f", {field}" for field in fields)
    described = network.input_rule.described()
    threshold = described.get("input_threshold", "")
    if isinstance(threshold, list):
        threshold = "its `input_threshold` in `oxnor.json`"
    rule = f"Features become bits by `input_rule` in `oxnor.json`: {network.input_rule.words()}."
    if threshold != "":
        rule = f"A grey pixel is 1 iff it is {threshold} or more."
    prefix = f"{sidecar['name']}_" if sidecar["name"] else ""
    files = [f"`rtl/{prefix}{name}.sv`" for name in dict.fromkeys(y.macro.module for y in config.layers)]
    needed = _needed_macros(config, sidecar)
    macros = f"{' and '.join(files)} {'is' if len(files) == 1 else 'are'}"
    return f"""# {top}: {network.name}

A binarized neural network, {network.label}, generated by oxnor {version("oxnor")}.
`oxnor.json` says the same as this page to programs.

| what | where |
|---|---|
| Verilog, one module a file; {macros} to be replaced by a real macro on a chip | `rtl/` |
| weights, thresholds and identity for `$readmemh` | `mem/` |
| file list | `{top}.f` |
| constraints: clock, delays of inputs and outputs | `{top}.sdc` |
| FuseSoC core file | `{top}.core` |
| example benches, {IMAGES} images and the results of the golden model | `examples/` |

## Run the examples

From this folder, without oxnor:

    iverilog -g2012 -s bench -o bench.vvp -c {top}.f examples/bench.sv && vvp bench.vvp
    {verilate} && obj_dir/Vbench
    python examples/test_engine.py icarus        # cocotb 2
    python examples/test_engine.py verilator
    fusesoc --cores-root . run --target sim {core_name(sidecar)}

{needed}{" " if needed else ""}The Verilog benches print `PASS` or `FAIL`; the cocotb bench ends with exit code 0 or 1.

## In a design

The memory files are read relative to the folder in which a tool runs; the parameter `MEM_DIR` of `{top}` says where
else they are, and ends with `/`. So two instances with other memory files are two networks of one shape.
Engines generated with another `--name` each have no name in common: modules, memory files and FuseSoC cores begin
with it. A file that several file lists name is read once.

## Ports

| port | direction | bits | what |
|---|---|---|---|
{ports}
An image is {config.n_in} bits in {beats_of} of {width}: bit i is bit i % {width} of beat i // {width},
and `s_axis_tlast` goes with the last beat. {rule}{_order(network)}
A result is one beat: the class in the low {config.class_width} bits{more}.

## Registers

AXI4-Lite, 32 bits wide. The two lowest bits of an address are not looked at: an unaligned address is that of the word
around it. A read is accepted every other cycle at most.

| address | name | access | what |
|---|---|---|---|
{registers}
{_wishbone(sidecar)}## Structure and timing

| layer | kind | inputs | neurons | macros | reads | latency |
|---|---|---|---|---|---|---|
{layers}
{windows}Latency {sidecar["latency"]} cycles, one image every {sidecar["initiation_interval"]} cycles.{_reads(config)}
Structure {sidecar["structure"][:16]}, network {network.digest[:16]}.
"""


def _wishbone(sidecar: Description) -> str:
    """Return the section on the Wishbone slave around the engine, "" if there is none."""
    slave = sidecar.get("wishbone")
    if not slave:
        return ""
    image, result, stream = (f"0x{slave[name]:X}" for name in ("image", "result", "stream"))
    return f"""## Wishbone

`{slave["top"]}` is a Wishbone B4 slave around the engine: classic cycles, 32 bits, byte addresses of 12 bits.
Below {image} are the registers above. Write an image to {image} word by word, and read a result from {result};
{stream} says in bit 0 that there is room for a word, in bit 1 that a result waits, in bit 2 that a word or a read was
in vain, and is written to clear bit 2. Everything else is answered with `wb_err`.

"""


def _reads(config: EngineConfig) -> str:
    """Return how long reads take, if it is more than a cycle."""
    if not config.has_fixed_times:
        return (
            " These are the least, as the macros answer when they are ready: exact where every access to a cell takes"
            f" {config.layers[0].sense_latency} cycles."
        )
    cycles = dict.fromkeys(y.sense_latency for y in config.layers if y.sense_latency > 1)
    return f" A read takes {' or '.join(map(str, cycles))} cycles: `q` is taken so long after `sense`." * bool(cycles)


_CLOCK = {"clk": "clock, rising edge"}


def _needed_macros(config: EngineConfig, sidecar: Description) -> str:
    """Return what must be put in the place of macros that are only declared, "" if there are none."""
    modules = {y.macro.module for y in config.layers if not y.macro.can_simulate}
    if not modules:
        return ""
    names = " and ".join(f"{sidecar['name']}_{m}" if sidecar["name"] else m for m in sorted(modules))
    where = "in the place of what rtl/ only declares: without it every result is wrong."
    return f"This engine needs your macro {names} {where}"


def write_package(
    network: Network,
    config: EngineConfig,
    sidecar: Description,
    directory: Path,
    devices: EngineDevices | None = None,
) -> None:
    """Write documentation, and example benches with their vectors.

    Parameters
    ----------
    network : Network
    config : EngineConfig
    sidecar : dict
        Of the emitted engine.
    directory : path
        The folder of the engine.
    devices : EngineDevices, optional
        What its macros hold, if these are devices.
    """
    bits = example_images(network)
    expected = devices.scores(bits) if devices else golden.scores(network, bits)
    limit = 8 * (sidecar["latency"] + IMAGES * (sidecar["initiation_interval"] + config.beats)) + 1000
    needed = _needed_macros(config, sidecar)
    values = {
        "MACROS": f"// {needed}\n" if needed else "", "SAYS": f'    $display("{needed}");\n' if needed else "",
        "WARNS": f"    print({needed!r})\n" if needed else "",
        "TOP": sidecar["top"], "WIDTH": config.stream_width, "RESULT": config.result_width, "BEATS": config.beats,
        "IMAGES": IMAGES, "LIMIT": limit, "MAGIC": f"{MAGIC:08X}", "PORTS": _connections(sidecar["ports"]),
    }  # fmt: skip
    write_text(directory / "examples" / "bench.sv", _filled("bench.sv", values))
    write_text(directory / "examples" / "test_engine.py", _filled("test_engine.py", values))
    write_text(directory / "examples" / "images.mem", hex_lines(beats(bits, config.stream_width)))
    write_text(directory / "examples" / "expected.mem", hex_lines(results(expected, config)))
    write_text(directory / "README.md", readme(network, config, sidecar))

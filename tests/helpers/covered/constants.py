"""Bits of signals that Yosys proves constant in the builds whose coverage is taken: these cannot change.

    PYTHONPATH=tests python tests/helpers/covered/constants.py build/coverage/builds/*

What a memory gives is anything, whatever file it is loaded with, and so is what models of devices do. So a bit is constant
by the Verilog alone: tied ports, bits above a value's range, parts that the parameters of a build leave out. Constant too,
of whatever value, is the word of a memory that has one and that nothing writes.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

from helpers.covered.points import is_testbench

from oxnor.sim.runner import synthesis

#: Models of devices, which are simulated only; so are macros of tests.
MODELS = ("rram_cells", "rram_macro_devices", "rram_macro_ternary_devices")
_OF_A_TEST = "// Test double"
#: What Yosys reads in their place: memories that nothing writes.
READ_ONLY = {
    "coefficient_word.sv": """module coefficient_word #(parameter WIDTH = 16, parameter INIT_FILE = "") (output wire [WIDTH-1:0] q);
  (* anyconst *) reg [WIDTH-1:0] word;
  assign q = word;
endmodule
""",
    "coefficient_rom.sv": """module coefficient_rom #(parameter ROWS = 1, parameter WIDTH = 16, parameter INIT_FILE = "",
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1) (
    input wire clk, input wire en, input wire [ROW_BITS-1:0] row, output wire [WIDTH-1:0] q);
  (* anyconst *) reg [WIDTH-1:0] word;
  (* anyseq *) reg [WIDTH-1:0] any;
  generate if (ROWS == 1) assign q = word; else assign q = any; endgenerate
endmodule
""",
}


def bounded(name, text):
    """Return a source in which the high half of a number of events is 0 where a circuit gives it, so wherever it goes.

    So is bit 15 of a tick, as no window is longer than 2^15 ticks.
    """
    port = re.search(r"\boutput +(wire|reg) +\[(\d+):0\] +o__payload\b", text)
    if not port or not re.match(r"oxnor_(spike_serializer_|spiking_engine_(events|encoder)\b)", name):
        return text
    kind, top = port[1], int(port[2])  # the number is in the highest 32 bits; of a first event, `last` and the tick are below
    mask = (1 << top - 15) - 1 - (0 if name.startswith("oxnor_spike") else 1 << top - 33)
    ports, end, body = re.sub(r"\bo__payload\b", "o__payload_any", text).partition("\n);\n")
    ports = ports.replace("o__payload_any", "o__payload").replace(port[0], port[0].replace(" reg ", " wire "))
    both = f"{kind} [{top}:0] o__payload_any;\nassign o__payload = o__payload_any & {top + 1}'h{mask:x};\n"
    return ports + end + both + body


def script(kept, texts):
    """Return the lines of a script for Yosys, of a build's circuits; none if it has none."""
    models = [n for n, text in texts.items() if Path(n).stem in MODELS or text.startswith(_OF_A_TEST)]
    circuits = [n for n in texts if n.endswith(".sv") and not is_testbench(texts[n]) and n not in models]
    if not circuits:
        return []
    top, read = kept["top"], " ".join(["read_verilog -sv -nomem2reg", *(f"-D{n}={v}" for n, v in kept["defines"].items())])
    is_there = any(re.search(rf"\bmodule {top}\b", texts[n]) for n in circuits)  # else it is a testbench
    return [
        f"{read} {' '.join(f'given/{n}' for n in circuits)}",
        *(f"{read} -lib given/{n}" for n in models),
        *(f"chparam -set {n} {v} {top}" for n, v in kept["parameters"].items() if is_there),
        f"hierarchy -check {f'-top {top}' if is_there else '-auto-top'}",
        "proc",
        # From here on what memories give, and all that nothing drives, may be anything.
        "delete t:$mem* t:$memrd* t:$memwr* t:$meminit*",
        "setundef -undriven -anyseq",
        "setattr -set keep 1 w:*",
        # Of arithmetic too single bits: the low ones of a shifted number. What is undefined is taken for nothing.
        *("flatten", "opt", "alumacc", "opt -fine", "write_json netlist.json"),
    ]


def constants(folder):
    """Return {module: {signal: [constant, free]}} of a build, as masks of bits; None if Yosys cannot say.

    A bit is constant if it is in each instance of the module, even if not always the same. What was found is kept in
    the folder, by a hash of this file.
    """
    done = folder / f"constants-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]}.json"
    if done.exists():
        return json.loads(done.read_text())
    kept = json.loads((folder / "build.json").read_text())
    texts = {n: (folder / n).read_text() for n in kept["sources"]}
    given = folder / "given"
    given.mkdir(exist_ok=True)
    for name, text in texts.items():
        text = READ_ONLY.get(name, bounded(name, text))
        (given / name).write_text(re.sub(r"\$readmemh\([^;]*\);", "begin end", text))
    lines, found = script(kept, texts), {}
    (folder / "constants.ys").write_text("\n".join(lines) + "\n")
    try:
        if lines:
            synthesis.run_tool(synthesis.find_yosys(), ["constants.ys"], folder, "constants.log", timeout_s=600)
            found = of_netlist(json.loads((folder / "netlist.json").read_text()))
            (folder / "netlist.json").unlink()
    except synthesis.ToolError as error:
        found = None
        print(error, file=sys.stderr)
    done.write_text(json.dumps(found))
    return found


def of_netlist(netlist):
    """Return the same of a flattened netlist as Yosys writes it."""
    top, module = next((n, m) for n, m in netlist["modules"].items() if int(m["attributes"].get("top", "0"), 2))
    scopes = {"": module["attributes"].get("hdlname", top)}
    for name, cell in module["cells"].items():
        if cell["type"] == "$scopeinfo":
            a = cell["attributes"]
            scopes[a.get("hdlname", name).replace(" ", ".")] = a.get("module_hdlname", a.get("module", name))
    constant_bits = {"0", "1"}
    for cell in module["cells"].values():
        if cell["type"] == "$anyconst":
            constant_bits.update(cell["connections"]["Y"])
    found = {}
    for name, net in module["netnames"].items():
        scope, _, signal = net["attributes"].get("hdlname", name).replace(" ", ".").rpartition(".")
        if scope in scopes:
            bits = [(k, bit in constant_bits) for k, bit in enumerate(net["bits"], net.get("offset", 0))]
            masks = [sum(1 << k for k, constant in bits if constant), sum(1 << k for k, constant in bits if not constant)]
            signals = found.setdefault(scopes[scope], {})
            constant, free = signals.get(signal, masks)
            signals[signal] = [(constant | masks[0]) & ~(free | masks[1]), free | masks[1]]
    return found


if __name__ == "__main__":
    for name in sys.argv[1:]:
        constants(Path(name))

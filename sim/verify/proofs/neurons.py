"""Proof of the invariant of any spiking neuron that has it: for every number of events."""

from __future__ import annotations

from pathlib import Path

from oxnor.hw.emit.verilog import emit_component
from oxnor.hw.neurons.spiking import IfNeuron, has_invariant
from oxnor.models.base.errors import InputError
from oxnor.models.networks.spiking import Neuron

from .prover import Proof, prove
from .units import break_source

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

#: Where |weight| <= theta and nothing is held back, V stays below the threshold, and so it never saturates.
_BOUND = "  always @* assert (v > -{theta} && v < {theta});\n"


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
    emitted = emit_component(IfNeuron(neuron), directory / "rtl")
    if break_with:
        break_source(emitted, break_with)
    bounded = neuron.weight_max <= neuron.theta and neuron.bipolar and not neuron.refractory and not neuron.v_init
    top = _TOP.format(
        name=emitted.top, weight_msb=neuron.weight_max.bit_length(), weight_max=neuron.weight_max,
        v_msb=neuron.v_bits - 1, tick=", .tick(tick)" if neuron.refractory else "",
        bound=_BOUND.format(theta=neuron.theta + (neuron.compare == "gt")) if bounded else "",
    )  # fmt: skip
    (directory / "neuron_proof.sv").write_text(top)
    names = [*(f"rtl/{p.name}" for p in emitted.sources), "neuron_proof.sv"]
    return prove(directory, names, "neuron_proof", depth=depth, defines=("OXNOR_ASSERT",))

"""Checker of a neuron in simulation and proof: the ports of ``hw/rtl/spiking_invariant.sv``."""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib.wiring import In

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for
from oxnor.models.networks.spiking import Neuron


class SpikingInvariant(Unit):
    """Asserts theta * (positive - negative spikes) + V = v_init + sum of the signed weights after every event.

    Empty unless the define ``OXNOR_ASSERT`` is set. An image in which V has saturated is not checked further.

    Parameters
    ----------
    neuron : Neuron

    Members
    -------
    clear, en, weight, fire, negative, v
        Those of the neuron.
    saturated : ``In(1)``
        V would have left its range at this event.
    """

    rtl_source = "spiking_invariant.sv"

    def __init__(self, neuron: Neuron):
        weight_bits = bits_for(neuron.weight_max) + 1 + neuron.fraction
        self.verilog_parameters = {
            "THETA": neuron.theta,
            "V_INIT": neuron.v_init,
            "V_BITS": neuron.v_bits,
            "WEIGHT_BITS": weight_bits,
        }
        super().__init__(
            {
                "clear": In(1),
                "en": In(1),
                "weight": In(signed(weight_bits)),
                "fire": In(1),
                "negative": In(1),
                "saturated": In(1),
                "v": In(signed(neuron.v_bits)),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "spiking_invariant"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        raise NotImplementedError("The checker is SystemVerilog: simulate the emitted Verilog")

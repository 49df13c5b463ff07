"""What travels between the units of a spiking engine."""

from __future__ import annotations

from amaranth.lib import data

from oxnor.hw.params.spiking import NUMBER_BITS, TICK_BITS
from oxnor.hw.params.widths import bits_for


def event_layout(n_in: int, layer: int) -> data.StructLayout:
    """Return the layout of an event for layer number `layer` of `n_in` inputs.

    ``numbers[k]`` is how many events layer k has been given for this image, the present one or the one that caused it
    included. With ``last`` 1 it is no event but the end of an image: the address, sign and tick mean nothing.
    """
    return data.StructLayout(
        {
            "address": bits_for(n_in - 1),
            "negative": 1,
            "tick": TICK_BITS,
            "last": 1,
            "numbers": data.ArrayLayout(NUMBER_BITS, layer + 1),
        }
    )


def spikes_layout(n_out: int, layer: int) -> data.StructLayout:
    """Return the layout of what layer number `layer` answers to an event: a bit and a sign for each of its neurons."""
    return data.StructLayout(
        {
            "fired": n_out,
            "negative": n_out,
            "tick": TICK_BITS,
            "last": 1,
            "numbers": data.ArrayLayout(NUMBER_BITS, layer + 1),
        }
    )

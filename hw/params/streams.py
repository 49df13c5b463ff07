"""What a stream between two layers carries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VectorStream:
    """The vectors that a layer takes: made once, for the layer that sends them and the one that receives them.

    Parameters
    ----------
    bits : int
        Bits a beat, the lowest elements of a vector first.
    beats : int
        Beats a vector.
    vectors : int
        Vectors an image.
    planes : int
        Bits of an element, a beat for each.
    from_register : bool
        Whether the sender holds a vector in a register; else beats come straight from its comparisons.
    into_register : bool
        Whether the receiver keeps a vector in a register; else it reads each beat as it comes.
    """

    bits: int
    beats: int
    vectors: int = 1
    planes: int = 1
    from_register: bool = True
    into_register: bool = True

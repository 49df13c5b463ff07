"""Admission control: lets images into an engine so that nothing inside it ever has to wait."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for


class Admission(Unit):
    """Admission of images: one every `interval` cycles at most, and only while there is a place for its result.

    Behind it every layer is free when an image comes and every result has a place, so that no ready goes from layer to
    layer. ``go`` does not depend on the other ports of the same cycle.

    Parameters
    ----------
    interval : int
        Cycles from image to image, at least 1.
    places : int
        Images that may be inside, their results not delivered yet, at least 1.

    Members
    -------
    go : ``Out(1)``
        An image may enter in this cycle.
    entered : ``In(1)``
        One does; only while ``go``.
    delivered : ``In(1)``
        A result leaves.
    inside : ``Out(bits_for(places))``
        Images inside.
    """

    def __init__(self, interval: int, places: int):
        if interval < 1 or places < 1:
            raise ValueError(f"Interval and places must be 1 or more, not {interval} and {places}")
        self.interval = interval
        self.places = places
        super().__init__({"go": Out(1), "entered": In(1), "delivered": In(1), "inside": Out(bits_for(places))})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_admission_{self.interval}_{self.places}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        rested = Signal(init=1)
        m.d.comb += self.go.eq(rested & (self.inside != self.places))
        m.d.sync += self.inside.eq(self.inside + self.entered - self.delivered)
        if self.interval > 1:
            waited = Signal(bits_for(self.interval - 1))
            with m.If(self.entered):
                m.d.sync += [rested.eq(0), waited.eq(1)]
            with m.Elif(~rested):
                m.d.sync += [rested.eq(waited == self.interval - 1), waited.eq(waited + 1)]
        return m

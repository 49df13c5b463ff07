"""The neuron: integrates partial counts and fires at its threshold."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, ValueLike
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for


class Neuron(Unit):
    """Integrate-and-fire neuron in its binarized setting: it integrates the partial counts of one input vector,
    compares the total with its threshold, and starts again from zero.

    ``total`` and ``fire`` are combinational on the present partial count and the sum of those before it, so they are
    valid in the cycle of the last partial count.

    Parameters
    ----------
    n_in : int
        Number of synapses, or what they count together where some count more than once.
    slices : int
        Number of partial counts to a plane of a vector. With 1, and one plane, there is no register.
    planes : int
        Bit planes of an input, the last one first: what was integrated doubles from plane to plane.
    levels : int
        Thresholds.
    has_zeros : bool
        Whether inputs may be zeros, which count half: partial counts double, and ``zeros`` of them count once.
    shortcut : int
        How often the bit ``own`` counts in each plane, beside the synapses; 0: there is none. Not with zeros.

    Members
    -------
    en : ``In(1)``
        Integrate ``partial`` at this clock edge.
    first : ``In(1)``
        ``partial`` is the first of a vector: what was integrated before is forgotten.
    double : ``In(1)``
        ``partial`` is the first of a further plane: what was integrated before counts twice. Only with several planes.
    partial : ``In(bits_for(n_in))``
        Partial count. The sum over a plane must be in [0, n_in].
    threshold : ``In(levels * bits_for(most + 1))``
        Each in [0, most + 1], where most = (n_in + shortcut) * (2**planes - 1), twice as much with zeros.
    zeros : ``In(bits_for(n_in))``
        Inputs of the vector that are zeros, valid with the first partial count of each plane. Only if there may be any.
    own : ``In(1)``
        Bit of the plane, valid with its first partial count. Only with a shortcut.
    total : ``Out(bits_for(most))``
        Sum of the partial counts up to the present one.
    fire : ``Out(levels)``
        total >= threshold.

    See Also
    --------
    oxnor.models.golden.binarized.popcount_threshold : bit-true model.
    """

    def __init__(
        self, n_in: int, slices: int, planes: int = 1, levels: int = 1, has_zeros: bool = False, shortcut: int = 0
    ):
        if n_in < 1 or not 1 <= slices <= n_in:
            raise ValueError(f"Slices must be in [1, n_in = {n_in}], not {slices}")
        self.n_in = n_in
        self.slices = slices
        self.planes = planes
        self.levels = levels
        self.has_zeros = has_zeros
        self.shortcut = shortcut
        self.has_clock = slices > 1 or planes > 1
        most = (n_in + shortcut) * ((1 << planes) - 1) << has_zeros
        members = {
            "en": In(1),
            "first": In(1),
            "partial": In(bits_for(n_in)),
            "threshold": In(levels * bits_for(most + 1)),
            "total": Out(bits_for(most)),
            "fire": Out(levels),
        }
        if planes > 1:
            members["double"] = In(1)
        if has_zeros:
            members["zeros"] = In(bits_for(n_in))
        if shortcut:
            members["own"] = In(1)
        super().__init__(members)

    @property
    def module_name(self) -> str:  # noqa: D102
        planes, levels = (f"_{name}{n}" if n > 1 else "" for name, n in (("p", self.planes), ("l", self.levels)))
        zeros, shortcut = "_z" * self.has_zeros, f"_r{self.shortcut}" if self.shortcut else ""
        return f"oxnor_neuron_{self.n_in}{'_s' if self.slices > 1 else ''}{planes}{levels}{zeros}{shortcut}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        start: ValueLike = self.zeros if self.has_zeros else Mux(self.own, self.shortcut, 0) if self.shortcut else 0
        partial = self.partial << 1 if self.has_zeros else self.partial
        if not self.has_clock:
            m.d.comb += self.total.eq(partial + start if self.has_zeros or self.shortcut else partial)
        else:
            integrated = Signal(len(self.total), reset_less=True)
            before = integrated if self.planes == 1 else Mux(self.double, integrated << 1, integrated)
            if self.planes > 1 and (self.has_zeros or self.shortcut):
                # Of each plane its own bit or the zeros, which double with what the planes before count. Beside the
                # partial count, where synthesis adds three numbers at once.
                begins = self.first | self.double
                own = Mux(begins, self.zeros, 0) if self.has_zeros else Mux(self.own & begins, self.shortcut, 0)
                partial, start = partial + own, 0
            m.d.comb += self.total.eq(partial + Mux(self.first, start, before))
            with m.If(self.en):
                m.d.sync += integrated.eq(self.total)
        width = len(self.threshold) // self.levels
        m.d.comb += [self.fire[k].eq(self.total >= self.threshold.word_select(k, width)) for k in range(self.levels)]
        return m


class SummingNeuron(Unit):
    """Integrate-and-fire neuron that adds up the popcounts of all presentations of an input vector, compares the total
    with its threshold, and starts again from zero.

    Parameters
    ----------
    n_in : int
        Number of synapses, or what they count together where some count more than once.
    slices : int
        Number of partial counts to a presentation.
    presentations : int
        How often a vector is read.
    levels : int
        Thresholds.

    Members
    -------
    en, first, partial, threshold, total, fire
        As of :class:`Neuron`; the largest total is n_in * presentations.
    """

    def __init__(self, n_in: int, slices: int, presentations: int, levels: int = 1):
        self.n_in, self.slices, self.presentations, self.levels = n_in, slices, presentations, levels
        self.has_clock = slices * presentations > 1
        most = n_in * presentations
        super().__init__(
            {
                "en": In(1), "first": In(1), "partial": In(bits_for(n_in)),
                "threshold": In(levels * bits_for(most + 1)), "total": Out(bits_for(most)), "fire": Out(levels),
            }
        )  # fmt: skip

    @property
    def module_name(self) -> str:  # noqa: D102
        levels = f"_l{self.levels}" if self.levels > 1 else ""
        return f"oxnor_summing_neuron_{self.n_in}_{self.presentations}{'_s' if self.slices > 1 else ''}{levels}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        total: ValueLike = self.partial
        if self.has_clock:
            integrated = Signal(len(self.total), reset_less=True)
            total = self.partial + Mux(self.first, 0, integrated)
            with m.If(self.en):
                m.d.sync += integrated.eq(self.total)
        width = len(self.threshold) // self.levels
        m.d.comb += self.total.eq(total)
        m.d.comb += [self.fire[k].eq(self.total >= self.threshold.word_select(k, width)) for k in range(self.levels)]
        return m

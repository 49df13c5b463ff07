"""An RBM beside the macro that holds its devices: pulses of learning and the programming controller on one bus."""

from __future__ import annotations

from amaranth.hdl import Module, Mux
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.engine.controller import NAMES, Memories, Programming
from oxnor.hw.macros.program_bus import WORD, ProgramBus, connect_macro
from oxnor.hw.macros.rram_macro import RramMacro
from oxnor.hw.params.layer import LayerConfig

from .pulse_writer import PulseWriter
from .rbm_learner import RbmLearner, pattern_layout

#: Ports that are those of the learner.
_LEARNER = ("load", "seed", "write", "row", "column", "weight", "drawn", "first", "negative", "second", "value")


class LearningArray(Unit):
    """A learner, the writer of its pulses, the engine's programming controller and a macro of pairs, unchanged.

    The controller forms, programs, verifies and reads rows while no pattern is in the learner; meanwhile pulses wait.

    Parameters
    ----------
    visible, hidden, threshold, batch : int
        As for :class:`oxnor.hw.learning.rbm_learner.RbmLearner`.

    Members
    -------
    i, load, seed, write, row, column, weight, drawn, first, negative, second, value
        Those of the learner.
    written, read, value_written, values : ``In`` and ``Out``
        Registers of the controller: its ``written``, ``read``, ``value`` and ``values``.
    pulse, erases : ``Out(1)``, pulse_row, pulse_column : ``Out(16)``
        A pulse of learning begins at this clock edge, and where.
    """

    def __init__(self, visible: int, hidden: int, threshold: int, batch: int):
        self.learner = RbmLearner(visible, hidden, threshold, batch)
        rows, columns = self.learner.rows, self.learner.columns
        config = LayerConfig("dense", columns, rows, rows, columns, across=1, groups=1)
        self.programming = Programming((Memories(config, 0),))
        self.writer, self.macro = PulseWriter(rows, columns), RramMacro(rows, columns)
        ports = {name: self.learner.signature.members[name] for name in _LEARNER}
        n = len(NAMES)
        super().__init__(
            ports | {
                "i": In(stream.Signature(pattern_layout(visible))),
                "written": In(n), "read": In(n), "value_written": In(WORD),
                "values": Out(data.ArrayLayout(WORD, n)),
                "pulse": Out(1), "erases": Out(1), "pulse_row": Out(16), "pulse_column": Out(16),
            }
        )  # fmt: skip

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_learning_array_{self.learner.visible}_{self.learner.hidden}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        learner, writer, controller = self.learner, self.writer, self.programming
        units = {"learner": learner, "writer": writer, "programming": controller, "macro": self.macro}
        for name, unit in units.items():
            place(m, platform, name, unit)
        for name in _LEARNER:
            ours, its = getattr(self, name), getattr(learner, name)
            m.d.comb += its.eq(ours) if learner.signature.members[name].flow == In else ours.eq(its)
        connect(m, learner.o, writer.i)
        m.d.comb += [
            learner.i.payload.eq(self.i.payload),
            learner.i.valid.eq(self.i.valid & ~controller.hold),
            self.i.ready.eq(learner.i.ready & ~controller.hold),
            controller.idle.eq(learner.i.ready),
            controller.written.eq(self.written),
            controller.read.eq(self.read),
            controller.value.eq(self.value_written),
            self.values.eq(controller.values),
            writer.busy.eq(controller.bus.active),
            self.pulse.eq(writer.bus.valid & writer.bus.ready),
            self.erases.eq(learner.o.payload.erases),
            self.pulse_row.eq(writer.bus.row),
            self.pulse_column.eq(writer.bus.column),
        ]
        self._share_the_bus(m)
        return m

    def _share_the_bus(self, m: Module) -> None:
        bus = ProgramBus().create()
        controller, writer = self.programming.bus, self.writer.bus
        for name, member in ProgramBus().members.items():
            ours, first, second = (getattr(b, name) for b in (bus, controller, writer))
            if member.flow == Out:
                m.d.comb += ours.eq(Mux(controller.active, first, second))
            else:
                m.d.comb += [first.eq(ours), second.eq(ours)]
        m.d.comb += [self.macro.sense.eq(0), self.macro.row.eq(0), self.macro.x.eq(0)]
        connect_macro(m, bus, self.macro)

"""The bus on which the programming controller reaches every macro and every coefficient memory."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .cell_adapter import CellAdapter
from .rram_macro import RramMacro

#: Bits of a word of the bus.
WORD = 32
FORM, SET, RESET = 0, 1, 2


class ProgramBus(wiring.Signature):
    """From the controller to its memories, and back from the one that is selected.

    Members
    -------
    active : ``Out(1)``
        The controller has the engine: macros sense what it says, and only then.
    select : ``Out(1)``
        The memory is within this unit.
    macro : ``Out(24)``
        v * H + h; V * H is the coefficient memory of the layer.
    row : ``Out(16)``
    sense, x : ``Out(1)``
        Sense that row with all inputs at `x`.
    word : ``Out(16)``
        Which 32 bits of the row ``q`` shows, and ``write`` changes.
    valid, op, side, column : ``Out``
        One FORM (0), SET (1) or RESET (2), as on the macro's own port: `column` is that of a pair.
    write, data : ``Out``
        Write a word of a coefficient memory.
    ready, done : ``In(1)``
        Of the macro's port.
    q : ``In(32)``
        What was sensed last.
    """

    def __init__(self) -> None:
        forward = {
            "active": 1, "select": 1, "macro": 24, "row": 16, "sense": 1, "x": 1, "word": 16,
            "valid": 1, "op": 2, "side": 1, "column": 16, "write": 1, "data": WORD,
        }  # fmt: skip
        back = {"ready": 1, "done": 1, "q": WORD}
        super().__init__({k: Out(n) for k, n in forward.items()} | {k: In(n) for k, n in back.items()})


def fan_out(m: Module, source: wiring.PureInterface, targets: Sequence[tuple[wiring.PureInterface, Value]]) -> None:
    """Connect the bus of a unit to those of the units in it, (bus, whether it is selected) each."""
    shared = [name for name, member in ProgramBus().members.items() if member.flow == Out and name != "select"]
    back: dict[str, list[Value]] = {"ready": [], "done": [], "q": []}
    for target, selected in targets:
        m.d.comb += target.select.eq(source.select & selected)
        m.d.comb += [getattr(target, name).eq(getattr(source, name)) for name in shared]
        for name, values in back.items():
            values.append(getattr(target, name))
    m.d.comb += [getattr(source, name).eq(_any(values)) for name, values in back.items()]


def _any(values: list[Value]) -> Value:
    """Return the OR of values: as a tree, as a chain of hundreds is deeper than Python's stack."""
    while len(values) > 1:
        pairs = [a | b for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[len(pairs) * 2 :]
    return values[0]


def connect_macro(m: Module, bus: wiring.PureInterface, macro: RramMacro | CellAdapter) -> None:
    """Let the bus have a macro while it is active: what was assigned before holds otherwise."""
    with m.If(bus.active):
        m.d.comb += [
            macro.sense.eq(bus.select & bus.sense),
            macro.row.eq(bus.row),
            macro.x.eq(bus.x.replicate(macro.cols)),
        ]
        if macro.type.can_flip:
            m.d.comb += macro.flip.eq(0)
        if macro.type.latency > 1:
            m.d.comb += macro.en.eq(1)
    m.d.comb += [
        macro.prog_valid.eq(bus.select & bus.valid),
        macro.prog_op.eq(bus.op),
        macro.prog_side.eq(bus.side),
        macro.prog_row.eq(bus.row),
        macro.prog_col.eq(bus.column),
        bus.ready.eq(bus.select & macro.prog_ready),
        bus.done.eq(bus.select & macro.prog_done),
    ]
    word_of(m, bus, macro.synapses)


def word_of(m: Module, bus: wiring.PureInterface, q: Value) -> None:
    """Give the selected word of `q` back on the bus, 0 if the unit is not selected."""
    words = -(-len(q) // WORD)
    with m.If(bus.select), m.Switch(bus.word):
        for k in range(words):
            with m.Case(k):
                m.d.comb += bus.q.eq(q[k * WORD : (k + 1) * WORD])

"""Testbench of an RBM beside its macro: all that it says in every cycle, whatever a host and the patterns do."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from oxnor.hw.engine.controller import NAMES
from oxnor.hw.interface.registers import PROGRAMMING_COMMANDS
from oxnor.hw.macros.program_bus import RESET, SET, WORD
from oxnor.sim.benches.models.base import Inputs, Outputs
from oxnor.sim.benches.models.controller import Controller, Values
from oxnor.sim.benches.models.learning import RbmLearner
from oxnor.sim.benches.support import Scoreboard, job, known, limit, start

#: Cycles from one reset to the next on average, while a pulse is done and else; for which patterns are mostly 1 or 0.
_RESETS, _PHASE = (100, 5000), 1000
#: Registers that are written most often.
_OFTEN = ("PROG_ROW", "PROG_DATA", "PROG_COMMAND", "PROG_COMMAND")

#: Signals inside of the unit: what its macro is told.
_INSIDE = {"sense", *(f"bus__{name}" for name in ("valid", "x", "op", "side", "row", "column"))}


class Machine(RbmLearner):
    """The learner, the writer of its pulses, the programming controller, and the pairs of the macro.

    Parameters
    ----------
    settings : dict
        Those of the learner; under "controller" those of the controller.
    """

    def __init__(self, settings: dict[str, Any]):
        # What the macro holds, and answers; a reset changes nothing there.
        self.pairs, self.answer, self.done = [0] * (settings["visible"] + 1), 0, 0
        super().__init__(settings)
        self.answer = self._ones

    def reset(self) -> None:  # noqa: D102
        super().reset()
        self.controller = Controller(self.settings["controller"])
        self.pulsing = False
        self._ones = (1 << self.shape[1]) - 1
        #: Registers that are written and read in this cycle; "" for none.
        self.access = "", ""

    @property
    def is_free(self) -> bool:
        """Whether no pattern is in the learner."""
        return super().idle

    @property
    def idle(self) -> bool:
        """Whether a pattern may come."""
        return self.is_free and not (self.controller.held or self.controller.busy)

    def draw(self) -> Inputs:  # noqa: D102
        inputs, written, read, value = super().draw(), "", "", random.getrandbits(WORD)
        del inputs["o__ready"]
        if inputs["i__valid"] and self.idle and random.random() < 0.2:
            # A pattern at the same clock edge: its pulses wait for the bus.
            written = "PROG_COMMAND"
        elif random.random() < 0.05:
            written = random.choice((*NAMES, *_OFTEN))
            value = self._value(written, value)
        if random.random() < 0.1:
            read = random.choice((*NAMES, "PROG_FAIL"))
        self.access = written, read
        names = {"written": written, "read": read}
        return inputs | {k: 1 << NAMES.index(v) if v else 0 for k, v in names.items()} | {"value_written": value}

    def _value(self, name: str, value: int) -> int:
        """Return a value for a register, mostly one that leads to a row."""
        if name == "PROG_COMMAND":  # half of them without FORM and PROGRAM
            return value & ~random.choice((0, PROGRAMMING_COMMANDS["FORM"] | PROGRAMMING_COMMANDS["PROGRAM"]))
        most = {"PROG_LAYER": 1, "PROG_MACRO": 1, "PROG_RETRIES": 3, "PROG_ROW": self.shape[0] + 1}.get(name)
        if name == "PROG_HOLD":
            return value & ~int(random.random() < 0.7)
        return value if most is None or random.random() < 0.02 else random.randrange(most)

    def _drawn_pattern(self) -> NDArray[np.int64]:
        """Return a pattern whose bits push the counters one way for a while."""
        ones = 0.95 if self.cycle // _PHASE % 2 else 0.05
        return np.array([int(random.random() < ones) for _ in range(self.shape[0] - 1)])

    @property
    def asks(self) -> bool:
        """Whether the learner asks for a pulse."""
        return bool(self.scan) and self._asks(*self.scan[0])

    def bus(self) -> Values:
        """Return what is on the bus: what the controller says while it is busy, or a pulse that may begin."""
        nothing = {"sense": 0, "valid": 0}
        if self.controller.busy:
            place = {"row": self.controller.kept["PROG_ROW"], "column": self.controller.pair()}
            return nothing | self.controller.bus | place
        if self.pulsing or not self.asks:
            return nothing
        row, column = self.scan[0]
        op = SET if self.counts[row, column] > 0 else RESET
        return nothing | {"valid": 1, "op": op, "side": 0, "row": row, "column": column}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        bus = self.bus()
        found = super().outputs(i) | {
            "pulse": int(bus["valid"] and not self.controller.busy),
            "values": sum(value << WORD * NAMES.index(name) for name, value in self.controller.registers().items()),
            # Within the unit: what the macro is told, of which some changes nothing in this one.
            "sense": bus["sense"], "bus__valid": bus["valid"],
        }  # fmt: skip
        del found["o__valid"], found["o__payload"]
        if found["pulse"]:
            found |= {"erases": int(bus["op"] == SET), "pulse_row": bus["row"], "pulse_column": bus["column"]}
        if bus["sense"]:
            found |= {"bus__x": bus["x"], "bus__row": bus["row"]}
        if bus["valid"]:
            found |= {f"bus__{name}": bus[name] for name in ("op", "side", "row", "column")}
        return found

    def edge(self, i: Inputs) -> None:  # noqa: D102
        bus, done, may_come = self.bus(), self.done, self.idle
        told = {"ready": 1, "done": done, "idle": int(self.is_free), "q": self.answer}
        was_busy = self.controller.busy
        super().edge(i | {"o__ready": int(self.pulsing and done), "i__valid": int(i["i__valid"] and may_come)})
        self.controller.edge(*self.access, i["value_written"], told)
        self.pulsing = not done if self.pulsing else bool(bus["valid"] and not was_busy)
        self._carry_out(bus)

    def reset_edge(self, i: Inputs) -> None:  # noqa: D102
        self._carry_out(self.bus())
        self.reset()

    def _carry_out(self, bus: Values) -> None:
        """Let the macro take what is on the bus."""
        if bus["sense"]:
            row = self.pairs[bus["row"]]
            self.answer = row if bus["x"] else row ^ self._ones
        if bus["valid"]:
            bit = 1 << bus["column"]
            is_one = bus["side"] ^ (bus["op"] != RESET)
            self.pairs[bus["row"]] = self.pairs[bus["row"]] & ~bit | bit * is_one
        self.done = bus["valid"]


@cocotb.test()
async def as_its_model(dut: Any) -> None:
    """Patterns, commands and accesses at any time, holds now and then; pulses of both kinds, of which some wait."""
    settings = job()
    model, board = Machine(settings), Scoreboard("output")
    limit(settings["cycles"] + 20)
    sent = dict.fromkeys(model.draw(), 0)
    await start(dut, **sent)
    pulses, waits = dict.fromkeys((SET, RESET), 0), 0
    looks_inside = cocotb.SIM_NAME.startswith("Icarus")  # Verilator keeps no names of what is inside
    for _ in range(settings["cycles"]):
        inputs = model.draw() | {"rst": int(random.random() < 1 / _RESETS[not model.pulsing])}
        for name, value in inputs.items():
            if sent.get(name) != value:
                getattr(dut, name).value = sent[name] = value
        await RisingEdge(dut.clk)
        expected = model.outputs(inputs)
        for name, wanted in expected.items():
            if wanted is not None and (looks_inside or name not in _INSIDE):
                handle = getattr(dut, name)
                # As text: numbers of that many bits take most of the time.
                text = f"{wanted & (1 << len(handle)) - 1:0{len(handle)}b}"
                board.check(str(handle.value), text, f"({name} in cycle {model.cycle})")
        if looks_inside:
            # The row has one word, and shows it if that is what the bus asks for.
            answer = model.answer if known(dut.bus__word) == 0 else 0
            board.check(known(dut.bus__q), answer, f"(bus__q in cycle {model.cycle})")
        if expected["pulse"]:
            pulses[model.bus()["op"]] += 1
        waits += bool(model.controller.busy and model.asks)
        model.cycle += 1
        (model.reset_edge if inputs["rst"] else model.edge)(inputs)
    dut._log.info("%d cycles, pulses %s, %d cycles in which one waits", settings["cycles"], pulses, waits)
    assert min(*pulses.values(), waits) > settings["cycles"] // 2000, f"{pulses}, {waits} cycles in which one waits"

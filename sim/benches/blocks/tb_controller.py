"""Testbench of the programming controller: all that it says in every cycle, for any accesses and any answers of macros.

The answers are drawn, and right as often as a test says: no macro is needed to know what a command must do with them.
"""

from __future__ import annotations

import random
from typing import Any

import cocotb
from amaranth.lib.wiring import Out
from cocotb.triggers import RisingEdge

from oxnor.hw.engine.controller import NAMES
from oxnor.hw.interface.registers import PROGRAMMING_COMMANDS
from oxnor.hw.macros.program_bus import WORD, ProgramBus
from oxnor.sim.benches.models.controller import SETTINGS, Controller, Values
from oxnor.sim.benches.support import Scoreboard, job, limit, start

INPUTS = ("clk", "rst", "idle", "written", "read", "value", "bus__ready", "bus__done", "bus__q")
OUTPUTS = (
    "hold", "refused", "layer", "values",
    *(f"bus__{n}" for n, member in ProgramBus().members.items() if member.flow == Out),
)  # fmt: skip
#: Cycles for which a host stays as it is, and from one reset to the next, on average.
_PHASE, _RESETS = 250, 3000


class Host:
    """Draws what a host and the macros do.

    Parameters
    ----------
    dut : cocotb handle
    settings : dict
        As for :class:`Controller`.
    """

    def __init__(self, dut: Any, settings: dict[str, Any]):
        self.ports = {name: getattr(dut, name) for name in INPUTS + OUTPUTS}
        self.widths = {name: len(self.ports[name]) for name in OUTPUTS}
        self.settings = settings
        self.board, self.cycle = Scoreboard("output"), 0
        self.model = Controller(settings)
        self.odds = {"ready": 0.9, "done": 0.9, "idle": 0.95}
        self.reads = 0.1
        self.sent: Values = {}
        #: Probability that a word is answered with errors, and how many of its bits may be wrong then.
        self.errors, self.most = 0.5, 1

    def _value(self, name: str) -> int:
        """Return a value for a register, mostly one that leads to a row."""
        value = random.getrandbits(WORD)
        if name == "PROG_COMMAND":  # mostly without CLEAR, FORM and PROGRAM
            return value & ~sum(bit for bit, odds in ((1, 0.8), (2, 0.9), (4, 0.6)) if random.random() < odds)
        if name == "PROG_RETRIES":
            return random.choice((0, 1, 2, value))
        if name not in ("PROG_LAYER", "PROG_MACRO", "PROG_ROW") or random.random() < 0.1:
            return value
        layers = self.settings["layers"]
        of = layers[self.model.kept["PROG_LAYER"] % len(layers)]
        if name == "PROG_LAYER":
            low = random.randrange(len(layers))
        else:
            most = of["macros" if name == "PROG_MACRO" else "rows"]
            edges = (0, most - 1, most, of["macros"], of["passes"] - 1, of["passes"])
            low = random.choice(edges) if random.random() < 0.5 else random.randrange(most)
        return low ^ 1 << random.randrange(WORD) if random.random() < 0.1 else low

    def _accesses(self) -> tuple[str, str]:
        """Return the registers that are written and read in this cycle."""
        written = read = ""
        if self.model.busy:
            if random.random() < 0.05:
                written = random.choice(NAMES)
        elif random.random() < 0.8:
            written = random.choice(
                ("PROG_LAYER", "PROG_MACRO", "PROG_ROW", "PROG_DATA", "PROG_DATA", "PROG_COMMAND", random.choice(NAMES))
            )
        if random.random() < self.reads:
            read = random.choice((*NAMES, "PROG_DATA", *["PROG_FAIL"] * 6))
        return written, read

    async def step(self, written: str = "", read: str = "", value: int = 0, *, resets: bool = False) -> None:
        """Let one cycle pass, and compare all outputs with what they must be."""
        model = self.model
        i = {name: int(random.random() < p) for name, p in self.odds.items()}
        i["q"] = random.getrandbits(WORD)
        if "right" in model.bus:
            wrong = random.sample(range(WORD), self.most) if random.random() < self.errors else []
            i["q"] = model.bus["right"] ^ sum(1 << k for k in wrong)
        inputs = {
            "rst": int(resets), "idle": i["idle"], "value": value, "bus__ready": i["ready"], "bus__done": i["done"],
            "bus__q": i["q"], "written": 1 << NAMES.index(written) if written else 0,
            "read": 1 << NAMES.index(read) if read else 0,
        }  # fmt: skip
        for name, sent in inputs.items():
            if self.sent.get(name) != sent:
                self.ports[name].value = self.sent[name] = sent
        await RisingEdge(self.ports["clk"])
        self._compare(written, i["idle"])
        self.cycle += 1
        if resets:
            self.model = Controller(self.settings)
        else:
            model.edge(written, read, value, i)

    def _compare(self, written: str, idle: int) -> None:
        model = self.model
        is_command = written == "PROG_COMMAND"
        expected = {
            "hold": model.held | model.busy, "layer": model.kept["PROG_LAYER"], "bus__macro": model.kept["PROG_MACRO"],
            "refused": int((written not in ("", "PROG_HOLD") and model.busy) or (is_command and not idle)),
            "bus__row": model.kept["PROG_ROW"], "bus__active": model.busy, "bus__select": 1,
            # What the steps have left is on the bus between commands too.
            "bus__word": model.word, "bus__column": model.pair(),
            "values": sum(value << WORD * NAMES.index(name) for name, value in model.registers().items()),
            **{f"bus__{name}": model.bus.get(name, 0) for name in ("sense", "valid", "write")},
            # These say something only where there is something to say.
            **{f"bus__{name}": model.bus[name] for name in ("x", "op", "side", "data")
               if name in model.bus},
        }  # fmt: skip
        for name, value in expected.items():
            # As text: numbers of that many bits take most of the time.
            got, wanted = str(self.ports[name].value), f"{value:0{self.widths[name]}b}"
            if got != wanted and name == "values":  # the first register that differs
                words = [(r, *(t[-WORD * (k + 1) :][:WORD] for t in (got, wanted))) for k, r in enumerate(NAMES)]
                name, got, wanted = next(w for w in words if w[1] != w[2])
            self.board.check(got, wanted, f"{name}, cycle {self.cycle}")

    def change(self) -> None:
        """Be another host, beside other macros."""
        self.odds = {"ready": random.choice((0.5, 1)), "done": random.choice((0.5, 1)), "idle": 0.9}
        self.reads = random.choice((0.02, 0.1, 0.4))
        self.errors, self.most = random.choice((0, 0.3, 1)), random.choice((1, 1, 4, 12))

    async def random_step(self) -> None:
        """Let one cycle pass with any accesses, or seldom a reset."""
        if random.random() < 1 / _RESETS:
            await self.step(resets=True)
        written, read = self._accesses()
        await self.step(written, read, self._value(written) if written else random.getrandbits(WORD))


async def begin(dut: Any) -> Host:
    """Start the clock, and reset the controller."""
    limit(60_000)
    await start(dut, idle=1, written=0, read=0, value=0, bus__ready=0, bus__done=0, bus__q=0)
    return Host(dut, job())


@cocotb.test()
async def any_commands(dut: Any) -> None:
    """Commands on any row, accesses at any time, any answers."""
    host = await begin(dut)
    for k in range(host.settings["cycles"]):
        if k % _PHASE == 0:
            host.change()
        await host.random_step()


@cocotb.test()
async def rows_that_do_not_exist(dut: Any) -> None:
    """Every bit of the numbers of a row counts."""
    host = await begin(dut)
    host.odds["idle"] = 1
    memories = [
        {"PROG_LAYER": number, "PROG_MACRO": macro, "PROG_ROW": 0}
        for number, layer in enumerate(host.settings["layers"])
        for macro in (random.randrange(layer["macros"]), layer["macros"])
    ]
    for row in memories:
        for name, bit in [(setting, bit) for setting in row for bit in range(SETTINGS[setting])]:
            for written, value in (row | {name: row[name] ^ 1 << bit}).items():
                await host.step(written, value=value)
            await host.step("PROG_COMMAND", value=random.choice((0, PROGRAMMING_COMMANDS["READ"])))
            while host.model.busy:
                await host.step()


@cocotb.test()
async def every_command(dut: Any) -> None:
    """Every sum of commands, on a row of a macro and of coefficients: what each step leads to."""
    host = await begin(dut)
    host.odds["idle"] = 1
    layers = host.settings["layers"]
    layer = min(range(len(layers)), key=lambda k: layers[k]["cols"])
    for macro in (0, layers[layer]["macros"]):
        for name, value in (("PROG_LAYER", layer), ("PROG_MACRO", macro), ("PROG_RETRIES", 1)):
            await host.step(name, value=value)
        for commands in range(sum(PROGRAMMING_COMMANDS.values()) + 1):
            await host.step("PROG_COMMAND", value=commands)
            while host.model.busy:
                await host.step()
    # A command without steps leaves the word and the column of any row where they are.
    host.errors = 1
    for number, of in enumerate(layers):
        for macro in (0, of["macros"]):
            row = {"PROG_LAYER": number, "PROG_MACRO": macro, "PROG_RETRIES": 0}
            for name, value in (*row.items(), ("PROG_COMMAND", PROGRAMMING_COMMANDS["VERIFY"]), ("PROG_COMMAND", 0)):
                await host.step(name, value=value)
                while host.model.busy:
                    await host.step()


@cocotb.test()
async def all_addresses(dut: Any) -> None:
    """Addresses of any rows come out in order, however many there are and whenever they are taken."""
    host = await begin(dut)
    host.errors, host.odds["idle"] = 1, 1
    layers = host.settings["layers"]
    most = max(range(len(layers)), key=lambda k: layers[k]["rows"])
    for k in range(host.settings["cycles"] // 50):
        if k % 10 == 0:
            host.reads, host.most = random.choice((0.05, 0.4, 1)), random.choice((4, 12, WORD))
        if k % 40 == 0:
            await host.step(resets=True)
        number = random.randrange(len(layers)) if random.random() < 0.2 else most  # others take long
        of = layers[number]
        macro = random.randrange(of["macros"] + (number != most))
        writes = {
            "PROG_LAYER": number, "PROG_MACRO": macro,
            "PROG_ROW": random.randrange(of["rows"] if macro < of["macros"] else of["passes"]),
            "PROG_COMMAND": PROGRAMMING_COMMANDS["VERIFY"],
        }  # fmt: skip
        for name, value in writes.items():
            await host.step(name, value=value)
        while host.model.busy:
            await host.step(read="PROG_FAIL" if random.random() < host.reads else "")


@cocotb.test()
async def as_many_retries(dut: Any) -> None:
    """What fails again and again is programmed just as often as PROG_RETRIES says."""
    host = await begin(dut)
    host.errors, host.most, host.odds["idle"] = 1, WORD, 1
    layers = host.settings["layers"]
    narrow = min(range(len(layers)), key=lambda k: layers[k]["width"] or WORD)
    short = min(range(len(layers)), key=lambda k: layers[k]["cols"])
    # Of pairs an attempt takes any number of cycles, of coefficients the same always.
    rows = [(retries, narrow, layers[narrow]["macros"]) for retries in (255, 129, 64, 38, 16, 8)]
    for retries, layer, macro in (*rows, (38, short, 0)):
        writes = {
            "PROG_LAYER": layer, "PROG_MACRO": macro, "PROG_ROW": 0,
            "PROG_RETRIES": retries, "PROG_COMMAND": PROGRAMMING_COMMANDS["REPAIR"],
        }  # fmt: skip
        for name, value in writes.items():
            await host.step(name, value=value)
        while host.model.busy:
            await host.step()
        assert host.model.attempts == retries

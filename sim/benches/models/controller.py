"""What the programming controller does, cycle by cycle, beside macros that answer anything."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from oxnor.hw.engine.controller import NAMES
from oxnor.hw.interface.registers import PROGRAMMING_COMMANDS
from oxnor.hw.macros.program_bus import FORM, RESET, SET, WORD
from oxnor.hw.params.widths import bits_for

#: Bits of the registers that keep what is written, and addresses of failing synapses that are kept.
SETTINGS = {"PROG_LAYER": 16, "PROG_MACRO": 24, "PROG_ROW": 16, "PROG_WORD": 16, "PROG_RETRIES": 8}
DEPTH = 8
ONES = (1 << WORD) - 1
#: What is on the bus and in the registers; what comes of them.
Values = dict[str, int]
Step = Generator[Values, Values, None]


def swapped(word: int) -> int:
    """Return a word whose bits have changed places two by two."""
    return (word & 0x55555555) << 1 | (word & 0xAAAAAAAA) >> 1


class Controller:
    """What the controller must do, cycle by cycle.

    Parameters
    ----------
    settings : dict
        From ``job.json``: ``layers``, of which each has macros, rows, cols, passes, width and ternary; ``words``,
        ``latency`` and ``answers`` as :class:`oxnor.hw.engine.sequence.ProgrammingSequence` has them.
    """

    def __init__(self, settings: dict[str, Any]):
        self.settings = settings
        self.kept = dict.fromkeys(SETTINGS, 0)
        words = settings["words"]
        self.data, self.result = [0] * words, [0] * words
        #: Of PROG_WORD those bits count that number the words; a number beyond the last is that of no word.
        self.mask = (1 << bits_for(words - 1)) - 1
        self.held = self.busy = self.done = self.error = self.failing = 0
        self.places = [(0, 0)] * DEPTH
        self.attempts = 0
        #: The word and the bit of the row that a step is at, and leaves behind.
        self.word = self.column = 0
        self.clear()
        self.steps: Step | None = None
        #: What the bus carries in this cycle, and under "right" what a row that is as it should be answers.
        self.bus: Values = {}

    def clear(self) -> None:
        """Forget counts and addresses."""
        self.pulses = self.failures = self.lost = self.first = self.waiting = 0

    def registers(self) -> Values:
        """Return what each register reads as."""
        word = self.kept["PROG_WORD"] & self.mask
        status = (self.busy, self.done, self.error, self.failing, int(self.waiting > 0), self.lost)
        macro, row = self.places[self.first]
        return dict.fromkeys(NAMES, 0) | self.kept | {
            "PROG_HOLD": self.held, "PROG_DATA": self.result[word] if word < len(self.result) else 0,
            "PROG_STATUS": sum(bit << k for k, bit in enumerate(status)), "PROG_FAILURES": self.failures,
            "PROG_FAIL_MACRO": macro, "PROG_FAIL": row, "PROG_PULSES": self.pulses,
        }  # fmt: skip

    def selected(self) -> tuple[bool, int, bool] | None:
        """Return of the selected row if it is a macro's, its bits, and if pairs hold two; None without one."""
        layer, macro, row = (self.kept[f"PROG_{name}"] for name in ("LAYER", "MACRO", "ROW"))
        if layer < len(self.settings["layers"]):
            of = self.settings["layers"][layer]
            if macro < of["macros"] and row < of["rows"]:
                return True, of["cols"], of["ternary"]
            if macro == of["macros"] and of["width"] and row < of["passes"]:
                return False, of["width"], False
        return None

    def pair(self) -> int:
        """Return the pair of the present bit: of two in a macro of three states, whatever its row."""
        layers, layer = self.settings["layers"], self.kept["PROG_LAYER"]
        of = layers[layer] if layer < len(layers) else None
        return self.column >> int(bool(of and of["ternary"] and self.kept["PROG_MACRO"] < of["macros"]))

    def edge(self, written: str, read: str, value: int, i: Values) -> None:
        """Take a clock edge, with the names of the registers accessed, "" if none is, and the other inputs."""
        takes = read == "PROG_FAIL" and self.waiting > 0
        starts = written == "PROG_COMMAND" and not self.busy and i["idle"]
        is_free, full = not self.busy, self.waiting == DEPTH
        column = -1
        if self.steps is not None:
            column = self.bus.get("failed", -1)
            self.pulses = self.pulses + (self.bus.get("valid", 0) & i["ready"]) & ONES
            try:
                self.bus = self.steps.send(i)
            except StopIteration:
                self.steps, self.bus = None, {}
                self.busy, self.done = 0, 1
        if column >= 0:
            self._push(column, full)
        if takes:
            self.first, self.waiting = (self.first + 1) % DEPTH, self.waiting - 1
        if written == "PROG_HOLD":
            self.held = value & 1
        if is_free:
            self._keep(written, read, value)
        if starts:
            if value & PROGRAMMING_COMMANDS["CLEAR"]:
                self.clear()
            self.busy, self.done, self.error, self.failing = 1, 0, 0, 0
            self.steps = self._command({name for name, bit in PROGRAMMING_COMMANDS.items() if value & bit})
            self.bus = next(self.steps)

    def _keep(self, written: str, read: str, value: int) -> None:
        word = self.kept["PROG_WORD"]
        if written in SETTINGS:
            self.kept[written] = value & (1 << SETTINGS[written]) - 1
        if written == "PROG_DATA" and word & self.mask < len(self.data):
            self.data[word & self.mask] = value
        if "PROG_DATA" in (written, read):
            self.kept["PROG_WORD"] = word + 1 & 0xFFFF

    def _push(self, column: int, full: bool) -> None:
        self.failures = self.failures + 1 & ONES
        if full:
            self.lost = 1
            return
        macro = (self.kept["PROG_LAYER"] & 0xFF) << 24 | self.kept["PROG_MACRO"]
        self.places[(self.first + self.waiting) % DEPTH] = macro, self.kept["PROG_ROW"] << 16 | column
        self.waiting += 1

    def _bit(self, words: Sequence[int], column: int) -> int:
        return words[column // WORD] >> column % WORD & 1

    def _words(self, bits: int) -> Iterator[tuple[int, int]]:
        """Be at each word of a row, and yield it and its bits in use."""
        self.word = self.column = 0
        for word in range(-(-bits // WORD)):
            yield word, (1 << min(WORD, bits - word * WORD)) - 1
            self.word += 1

    def _columns(self, bits: int, step: int) -> Iterator[int]:
        """Be at each pair of a row, and yield its first bit."""
        self.word = self.column = 0
        while self.column < bits:
            yield self.column
            self.column += step

    def _command(self, wanted: set[str]) -> Step:
        """Yield what a command has on the bus in each of its cycles."""
        yield {}
        row = self.selected()
        if row is None:
            self.error = 1
            return
        is_macro, bits, ternary = row
        if "FORM" in wanted and is_macro:
            for _ in self._columns(bits, 1 + ternary):
                for side in (0, 1):
                    yield from self._pulse(FORM, side)
        if "PROGRAM" in wanted:
            yield from self._program(is_macro, bits, ternary)
        self.attempts = 0
        while {"VERIFY", "REPAIR"} & wanted:
            yield from self._verify(is_macro, bits, ternary)
            yield {}
            if not (self.failing and "REPAIR" in wanted and self.attempts < self.kept["PROG_RETRIES"]):
                break
            self.attempts += 1
            yield from self._program(is_macro, bits, ternary, self.result)
        if self.failing and {"VERIFY", "REPAIR"} & wanted:
            for column in self._columns(bits, 1):
                yield {"failed": column} if self._bit(self.result, column) else {}
        if {"READ", "READ_INVERTED"} & wanted:
            x = int("READ" in wanted)
            self.word = self.column = 0
            yield from self._sense(is_macro, x)
            for word, used in self._words(bits):
                i = yield {}
                self.result[word] = (swapped(i["q"]) if ternary and not x else i["q"]) & used

    def _pulse(self, op: int, side: int) -> Step:
        while not (yield {"valid": 1, "op": op, "side": side})["ready"]:
            pass
        while not (yield {})["done"]:
            pass

    def _program(self, is_macro: bool, bits: int, ternary: bool, only: Sequence[int] = ()) -> Step:
        """Program all that is in the row, or of a macro the pairs of the bits that are 1 in `only`."""
        if not is_macro:
            for word, _ in self._words(bits):
                yield {"write": 1, "data": self.data[word]}
            return
        for column in self._columns(bits, 1 + ternary):
            held = [self._bit(self.data, column + k) for k in range(1 + ternary)]
            if only and not any(self._bit(only, column + k) for k in range(1 + ternary)):
                yield {}
                continue
            # A 1 is BL in LRS and BLb in HRS. Of three states the second bit says so of BL, the inverse of the first
            # of BLb.
            yield from self._pulse(RESET, held[-1])
            yield from self._pulse(SET if len({*held}) == 1 else RESET, 1 - held[-1])

    def _verify(self, is_macro: bool, bits: int, ternary: bool) -> Step:
        self.failing = self.word = self.column = 0
        for x in (1, 0) if is_macro else (1,):
            yield from self._sense(is_macro, x)
            for word, used in self._words(bits):
                expected = self.data[word] if x else ~self.data[word] & ONES
                crosses = ternary and not x
                right = swapped(expected) if crosses else expected
                i = yield {"right": right}
                differs = ((swapped(i["q"]) if crosses else i["q"]) ^ expected) & used
                self.result[word] = differs | (0 if x else self.result[word])
                self.failing |= int(differs != 0 or self.result[word] != 0)
            self.word = 0

    def _sense(self, is_macro: bool, x: int) -> Step:
        for k in range(self.settings["latency"]):
            i = yield {"sense": int(k == 0), "x": x}
        if self.settings["answers"] and is_macro:
            while not i["ready"]:
                i = yield {"x": x}

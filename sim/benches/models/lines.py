"""Models of bytes on serial lines; what comes over a line is drawn by a partner that sometimes errs."""

from __future__ import annotations

import random
from collections import deque
from typing import ClassVar

from oxnor.hw.interface.link_protocol import IDLE

from .base import Inputs, Model, Outputs


class UartTransmitter(Model):
    """A byte becomes ten bits: a start bit, the byte from its lowest bit on, a stop bit."""

    def reset(self) -> None:  # noqa: D102
        self.line: list[int] = []

    def draw(self) -> Inputs:  # noqa: D102
        return {"data": random.getrandbits(8), "valid": self.flag("valid")}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        return {"tx": self.line[0] if self.line else 1, "ready": int(not self.line)}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if self.line:
            self.line.pop(0)
        elif i["valid"]:
            bits = [0, *(i["data"] >> k & 1 for k in range(8)), 1]
            self.line = [b for b in bits for _ in range(self.settings["divisor"])]


class UartReceiver(Model):
    """Ten bits become a byte, each sampled in its middle; the line is seen two cycles late."""

    at_rest: ClassVar[Inputs] = {"rx": 1}

    def reset(self) -> None:  # noqa: D102
        self.seen = deque([1, 1, 1], 3)  # the line two cycles ago, one more, one more
        self.pending: list[int] = []
        self.bits: list[int] = []
        self.timer = 0
        self.came: Outputs = {"valid": 0, "error": 0, "data": None}

    def draw(self) -> Inputs:  # noqa: D102
        d = self.settings["divisor"]
        if not self.pending:
            bits = [0, *(random.getrandbits(1) for _ in range(8)), int(random.random() < 0.9)]
            self.pending = [b for b in bits for _ in range(d)]
            kind = random.random()
            if kind < 0.1:  # noise, shorter and longer than half a bit
                self.pending = [0] * random.randint(1, d)
            elif kind < 0.3:  # a partner whose clock is a little slower or faster
                at = random.randrange(4 * d, 6 * d)
                self.pending[at : at + random.getrandbits(1)] = [self.pending[at]] * random.randrange(2)
            self.pending += [1] * random.choice((0, 1, random.randrange(3 * d)))
        return {"rx": self.pending.pop(0)}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        return self.came

    def edge(self, i: Inputs) -> None:  # noqa: D102
        line, before = self.seen[1], self.seen[2]
        self.came = {"valid": 0, "error": 0, "data": None}
        if self.timer:
            self.timer -= 1
            if self.timer == 0:
                self.bits.append(line)
                self.timer = self.settings["divisor"]
                if len(self.bits) == 1 and line:  # too short for a start bit
                    self.timer, self.bits = 0, []
                elif len(self.bits) == 10:
                    byte = sum(b << k for k, b in enumerate(self.bits[1:9]))
                    self.came = {"valid": line, "error": 1 - line, "data": byte if line else None}
                    self.timer, self.bits = 0, []
        elif before and not line:
            self.timer = self.settings["divisor"] // 2
        self.seen.appendleft(i["rx"])


class SpiPeripheral(Model):
    """Bytes both ways, the highest bit first; the controller's pins are seen two cycles late.

    An answer counts as sent at the first rising edge of its byte.
    """

    at_rest: ClassVar[Inputs] = {"cs_n": 1}

    def reset(self) -> None:  # noqa: D102
        self.pins = deque([(0, 1, 0)] * 3, 3)
        self.pending: list[tuple[int, int, int]] = []
        self.count, self.byte, self.out, self.offered = 0, 0, IDLE, 0
        self.valid, self.error = 0, 0
        self.waiting: int | None = None

    def draw(self) -> Inputs:  # noqa: D102
        if not self.pending:
            self.pending = [(0, 1, random.getrandbits(1))] * random.randint(3, 20)
            bits = 8 * random.randint(1, 3) - (random.randint(1, 7) if random.random() < 0.2 else 0)
            for _ in range(bits):
                data = random.getrandbits(1)
                # Of even and odd lengths, as the controller's clock is not the unit's.
                low, high = (random.choice((4, 4, 5, 9)) for _ in range(2))
                self.pending += [(0, 0, data)] * low + [(1, 0, data)] * high
            self.pending += [(0, 0, 0)] * 4
        sck, cs_n, copi = self.pending.pop(0)
        if self.waiting is None and self.flag("answer"):
            self.waiting = random.choice((random.getrandbits(8), 0x80, 0x01))
        return {
            "sck": sck, "cs_n": cs_n, "copi": copi, "answer_valid": int(self.waiting is not None),
            "answer": random.getrandbits(8) if self.waiting is None else self.waiting,
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        (sck, cs_n, _), (sck_before, _, _) = self.pins[1], self.pins[2]
        rises = not cs_n and sck and not sck_before
        return {
            "cipo": self.out >> 7 & 1, "valid": self.valid, "error": self.error, "selected": int(not cs_n),
            "data": self.byte if self.valid else None, "answer_ready": int(bool(rises and self.offered)),
        }  # fmt: skip

    def edge(self, i: Inputs) -> None:  # noqa: D102
        (sck, cs_n, copi), (sck_before, cs_n_before, _) = self.pins[1], self.pins[2]
        rises, falls = (not cs_n and sck != sck_before and sck == level for level in (1, 0))
        ends = cs_n and not cs_n_before
        if self.outputs(i)["answer_ready"]:
            self.waiting = None
        self.valid, self.error = int(rises and self.count == 7), int(bool(ends and self.count))
        if (cs_n_before and not cs_n) or (falls and self.count == 0):
            self.out, self.offered = (i["answer"], 1) if i["answer_valid"] else (IDLE, 0)
        elif falls:
            self.out = self.out << 1 & 0xFF
        if rises:
            self.byte, self.count, self.offered = (self.byte << 1 | copi) & 0xFF, (self.count + 1) % 8, 0
        if ends:
            self.count = self.offered = 0
        self.pins.appendleft((i["sck"], i["cs_n"], i["copi"]))

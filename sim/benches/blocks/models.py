"""What small units do, in a few lines of Python each, cycle by cycle."""

from __future__ import annotations

import random
import zlib
from typing import Any

import numpy as np

from oxnor.models.networks.layers.presentations import limits
from oxnor.models.networks.spiking import Neuron

#: What a unit's ports carry in a cycle. An output that says nothing is None.
Inputs = dict[str, int]
Outputs = dict[str, int | None]
#: Cycles for which a stream is as busy as it is.
_PHASE = 40


class Model:
    """A unit: what it gives for its inputs, what a clock edge does to it, and inputs that it may get.

    Parameters
    ----------
    settings : dict
        From the run's ``job.json``.
    """

    def __init__(self, settings: dict[str, Any]):
        self.settings = settings
        self.cycle = 0
        self.busy: dict[str, float] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything."""

    def draw(self) -> Inputs:
        """Return the inputs of a cycle."""
        raise NotImplementedError

    def outputs(self, i: Inputs) -> Outputs:
        """Return the outputs of the same cycle."""
        raise NotImplementedError

    def edge(self, i: Inputs) -> None:
        """Take the clock edge that ends the cycle."""

    def flag(self, name: str) -> int:
        """Return a bit of a handshake: for a while mostly 1, for a while mostly 0."""
        if self.cycle % _PHASE == 0 or name not in self.busy:
            self.busy[name] = random.choice((0.05, 0.5, 0.95))
        return int(random.random() < self.busy[name])


class Fifo(Model):
    """Queue that delays nothing while it is empty and somebody takes."""

    def reset(self) -> None:  # noqa: D102
        self.kept: list[int] = []

    def draw(self) -> Inputs:  # noqa: D102
        payload = random.getrandbits(self.settings["width"])
        return {"i__valid": self.flag("i"), "i__payload": payload, "o__ready": self.flag("o")}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        ready, valid = len(self.kept) < self.settings["depth"], bool(self.kept) or i["i__valid"]
        payload = self.kept[0] if self.kept else i["i__payload"]
        return {"i__ready": int(ready), "o__valid": int(valid), "o__payload": payload if valid else None}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        o = self.outputs(i)
        if i["i__valid"] and o["i__ready"]:
            self.kept.append(i["i__payload"])
        if o["o__valid"] and i["o__ready"]:
            self.kept.pop(0)


class RegisterSlice(Model):
    """A place for what comes while nobody takes; it is not filled in the cycle in which it is emptied."""

    def reset(self) -> None:  # noqa: D102
        self.kept: int | None = None

    def draw(self) -> Inputs:  # noqa: D102
        payload = random.getrandbits(self.settings["width"])
        return {"i__valid": self.flag("i"), "i__payload": payload, "o__ready": self.flag("o")}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        is_full = self.kept is not None
        valid = is_full or i["i__valid"]
        payload = self.kept if is_full else i["i__payload"]
        return {"i__ready": int(not is_full), "o__valid": int(valid), "o__payload": payload if valid else None}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["o__ready"]:
            self.kept = None
        elif i["i__valid"] and self.kept is None:
            self.kept = i["i__payload"]


class Admission(Model):
    """An image every so many cycles at most, and never more inside than there are places."""

    def reset(self) -> None:  # noqa: D102
        self.inside, self.since = 0, self.settings["interval"]

    def draw(self) -> Inputs:  # noqa: D102
        go = bool(self.outputs({})["go"])
        return {"entered": self.flag("i") & go, "delivered": self.flag("o") & (self.inside > 0)}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        free = self.inside < self.settings["places"]
        # SystemVerilog has a word of the plain name.
        return {"go": int(free and self.since >= self.settings["interval"]), "inside_": self.inside}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        self.inside += i["entered"] - i["delivered"]
        self.since = 1 if i["entered"] else self.since + 1


class FrameAssembler(Model):
    """Frames of the right number of beats become images; others are dropped whole and counted at their end."""

    def reset(self) -> None:  # noqa: D102
        self.frame: list[int] = []
        self.image: int | None = None

    def draw(self) -> Inputs:  # noqa: D102
        beats, width = self.settings["beats"], self.settings["width"]
        ends = random.random() < (0.8 if len(self.frame) == beats - 1 else 0.1)
        data = random.getrandbits(width)
        return {"tvalid": self.flag("i"), "tlast": int(ends), "tdata": data, "o__ready": self.flag("o")}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        ready = self.image is None or i["o__ready"]
        wrong = ready and i["tvalid"] and i["tlast"] and len(self.frame) + 1 != self.settings["beats"]
        return {
            "tready": int(ready), "dropped": int(wrong), "o__valid": int(self.image is not None),
            "o__payload": self.image,
        }  # fmt: skip

    def edge(self, i: Inputs) -> None:  # noqa: D102
        ready, width = self.outputs(i)["tready"], self.settings["width"]
        if i["o__ready"]:
            self.image = None
        if i["tvalid"] and ready:
            self.frame.append(i["tdata"])
            if i["tlast"]:
                if len(self.frame) == self.settings["beats"]:
                    whole = sum(beat << k * width for k, beat in enumerate(self.frame))
                    self.image = whole & (1 << self.settings["n_in"]) - 1
                self.frame = []


class AxiLite(Model):
    """Registers on AXI4-Lite; addresses, data and answers are offered at any time, while others wait too."""

    OKAY, SLVERR = 0, 2

    def reset(self) -> None:  # noqa: D102
        self.address: int | None = None
        self.data: tuple[int, int] | None = None
        self.answer: int | None = None
        self.read: tuple[int, int] | None = None

    def draw(self) -> Inputs:  # noqa: D102
        n = len(self.settings["access"])
        values = sum(random.getrandbits(32) << 32 * k for k in range(n))
        strobes = random.choice((15, 15, random.getrandbits(4)))
        return {
            **{f"{c}valid": self.flag(c) for c in ("aw", "w", "ar")}, "bready": self.flag("b"),
            "rready": self.flag("r"), "awaddr": self._address(n), "araddr": self._address(n), "wstrb": strobes,
            "wdata": random.getrandbits(32), "values": values, "awprot": random.getrandbits(3),
            "arprot": random.getrandbits(3),
        }  # fmt: skip

    @staticmethod
    def _address(n: int) -> int:
        # One that is there, or one of whose address a bit is another.
        register = random.randrange(n) ^ random.choice((0, 1)) << random.randrange(6)
        return 4 * register + random.getrandbits(2)

    def _writes(self) -> int | None:
        """Return the register that is written in this cycle; None if none is."""
        access = self.settings["access"]
        if self.address is None or self.data is None or self.answer is not None:
            return None
        k = self.address >> 2
        return k if k < len(access) and access[k] == "rw" and self.data[1] == 15 else None

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        k, register = i["araddr"] >> 2, self._writes()
        reads = i["arvalid"] and self.read is None and k < len(self.settings["access"])
        return {
            "awready": int(self.address is None), "wready": int(self.data is None),
            "bvalid": int(self.answer is not None), "bresp": self.answer,
            "written": 0 if register is None else 1 << register,
            "value_written": None if register is None or self.data is None else self.data[0],
            "arready": int(self.read is None), "read": 1 << k if reads else 0, "rvalid": int(self.read is not None),
            "rdata": self.read and self.read[0], "rresp": self.read and self.read[1],
        }  # fmt: skip

    def edge(self, i: Inputs) -> None:  # noqa: D102
        k = i["araddr"] >> 2
        if self.read is not None:
            self.read = None if i["rready"] else self.read
        elif i["arvalid"]:
            there = k < len(self.settings["access"])
            self.read = (i["values"] >> 32 * k & 0xFFFFFFFF, self.OKAY) if there else (0, self.SLVERR)
        if self.answer is not None:
            if i["bready"]:
                self.address = self.data = self.answer = None
        elif self.address is not None and self.data is not None:
            self.answer = self.SLVERR if self._writes() is None else self.OKAY
        else:
            if self.address is None and i["awvalid"]:
                self.address = i["awaddr"]
            if self.data is None and i["wvalid"]:
                self.data = i["wdata"], i["wstrb"]


class Crc32(Model):
    """CRC-32 of bytes, each of which takes eight cycles after its own."""

    def reset(self) -> None:  # noqa: D102
        self.bytes, self.left = b"", 0

    def draw(self) -> Inputs:  # noqa: D102
        valid = self.flag("i") if self.left == 0 else 0
        return {"data": random.getrandbits(8), "valid": valid, "clear": int(random.random() < 0.01)}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        return {"value": None if self.left else zlib.crc32(self.bytes) ^ 0xFFFFFFFF}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        self.left = max(0, self.left - 1)
        if i["valid"]:
            self.bytes, self.left = self.bytes + bytes([i["data"]]), 8
        if i["clear"]:
            self.bytes, self.left = b"", 0


class Presenter(Model):
    """Random bits of integers, presentation by presentation."""

    def reset(self) -> None:  # noqa: D102
        self.presentation = 0
        self.limits = limits(400, self.settings["width"] * self.settings["slices"]).astype(int)

    def draw(self) -> Inputs:  # noqa: D102
        width, at = self.settings["width"], random.randrange(self.settings["slices"])
        row = self.limits[self.presentation, at * width : (at + 1) * width]
        # Around the limits, where one more or less decides.
        values = [int(random.choice((n, n + 1, n - 1, random.getrandbits(8)))) & 0xFF for n in row]
        last = self.presentation + 1 == len(self.limits)
        return {
            "advance": self.flag("advance"), "restart": int(last or random.random() < 0.02), "slice": at,
            "values": sum(v << 8 * k for k, v in enumerate(values)),
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        width = self.settings["width"]
        row = self.limits[self.presentation, i["slice"] * width : (i["slice"] + 1) * width]
        values = np.array([i["values"] >> 8 * k & 0xFF for k in range(width)])
        return {"bits": sum(int(b) << k for k, b in enumerate(values > row))}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["advance"]:
            self.presentation = 0 if i["restart"] else self.presentation + 1


class ColumnCount(Model):
    """Ones in each column of a stack of words."""

    def draw(self) -> Inputs:  # noqa: D102
        share = random.random()
        bits = self.settings["lanes"] * self.settings["columns"]
        return {"i": sum((random.random() < share) << k for k in range(bits))}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        lanes, columns = self.settings["lanes"], self.settings["columns"]
        counts = [sum(i["i"] >> v * columns + n & 1 for v in range(lanes)) for n in range(columns)]
        planes = lanes.bit_length()
        return {"o": sum((c >> b & 1) << b * columns + n for n, c in enumerate(counts) for b in range(planes))}


class IfNeuron(Model):
    """Spiking neuron, from the text of :class:`oxnor.models.networks.spiking.Neuron`."""

    def reset(self) -> None:  # noqa: D102
        self.neuron = Neuron(**self.settings["neuron"])
        self.v, self.until = self.neuron.v_init, 0

    def draw(self) -> Inputs:  # noqa: D102
        p = self.neuron
        # To one side for a while, so that the membrane saturates.
        side = 1 if self.flag("side") else -1
        size = random.choice((p.weight_max, random.randint(0, p.weight_max)))
        found = {"clear": int(random.random() < 0.02), "en": self.flag("en"), "weight": side * size}
        if p.refractory:
            tick = random.choice((self.until + random.randint(-1, 1), random.getrandbits(16)))
            found["tick"] = max(0, min(tick, (1 << 16) - 1))
        if p.leak:
            found["leak"] = int(random.random() < 0.1)
        return found

    def _step(self, i: Inputs) -> tuple[int, bool, bool, bool]:
        p = self.neuron
        v = max(p.v_min, min(p.v_max, self.v + (i["weight"] << p.fraction)))
        up = v > p.theta if p.compare == "gt" else v >= p.theta
        down = p.bipolar and (-v > p.theta if p.compare == "gt" else -v >= p.theta)
        return v, up, down, not p.refractory or i["tick"] >= self.until

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        _, up, down, awake = self._step(i)
        fire = i["en"] and awake and (up or down)
        return {"v": self.v, "fire": int(bool(fire)), "negative": int(down) if fire else None}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        p = self.neuron
        v, up, down, awake = self._step(i)
        # A spike is one although the neuron is cleared or leaks in its cycle: nothing uses them together.
        if i["en"] and awake and (up or down) and p.refractory:
            self.until = i["tick"] + p.refractory
        if i["clear"]:
            self.v, self.until = p.v_init, 0
        elif i.get("leak"):
            self.v -= (abs(self.v) * p.leak_factor >> p.leak) * (1 if self.v >= 0 else -1)
        elif i["en"]:
            if not awake:
                v = v if p.refractory_integrate else 0
            elif up or down:
                v = p.v_reset if p.reset == "zero" else v - p.theta if up else v + p.theta
            self.v = v


#: By the name in a job.
MODELS: dict[str, type[Model]] = {
    model.__name__: model
    for model in (Fifo, RegisterSlice, Admission, FrameAssembler, AxiLite, Crc32, Presenter, ColumnCount, IfNeuron)
}

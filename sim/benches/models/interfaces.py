"""Models of buses and lines."""

from __future__ import annotations

import random
import zlib

from .base import Inputs, Model, Outputs


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
        # One bit that is missing must be enough to refuse a write.
        strobes = random.choice((15, 15, 15 ^ 1 << random.randrange(4), random.getrandbits(4)))
        return {
            **{f"{c}valid": self.flag(c) for c in ("aw", "w", "ar")}, "bready": self.flag("b"),
            "rready": self.flag("r"), "awaddr": self._address(n, writes=True), "araddr": self._address(n),
            "wstrb": strobes, "wdata": random.getrandbits(32), "values": values, "awprot": random.getrandbits(3),
            "arprot": random.getrandbits(3),
        }  # fmt: skip

    def _address(self, n: int, *, writes: bool = False) -> int:
        # One that is there, or one of whose address a bit is another; of writes, mostly one that may be written.
        register = self.settings["access"].index("rw") if writes and random.random() < 0.7 else random.randrange(n)
        register ^= random.choice((0, 1)) << random.randrange(6)
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


class EventCounters(Model):
    """Counters of events and of cycles, which begin anywhere."""

    def reset(self) -> None:  # noqa: D102
        self.counts, self.cycles, self.high, self.happened, self.runs = [0] * 5, 0, 0, [0] * 5, 1

    def reset_edge(self, i: Inputs) -> None:  # noqa: D102
        self.reset()
        self.runs = 0  # the next edge says that cycles count, the one after it counts

    def draw(self) -> Inputs:  # noqa: D102
        # A few below a carry, as far as it goes, or anything.
        near = (1 << random.randrange(1, 65)) - random.randrange(1, 5)
        value = random.choice((near, random.getrandbits(64))) & (1 << 64) - 1
        return {
            "events": sum(self.flag(f"event{k}") << k for k in range(5)), "clear": int(random.random() < 0.01),
            "low": self.flag("low"), "set": int(random.random() < 0.1), "value": value,
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        counts = sum(count << 32 * k for k, count in enumerate(self.counts))
        return {"counts": counts, "cycles_low": self.cycles & (1 << 32) - 1, "cycles_high": self.high}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["low"]:
            self.high = self.cycles >> 32
        counts, cycles = [c + h for c, h in zip(self.counts, self.happened, strict=True)], self.cycles + self.runs
        if i["clear"]:
            counts, cycles = [0] * 5, 0
        if i["set"]:
            counts, cycles = [i["value"]] * 5, i["value"]
        self.counts, self.cycles = [c & (1 << 32) - 1 for c in counts], cycles & (1 << 64) - 1
        self.happened, self.runs = [i["events"] >> k & 1 for k in range(5)], 1

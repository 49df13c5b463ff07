"""Models of memories."""

from __future__ import annotations

import random

from .base import Inputs, Model, Outputs


class RowBuffer(Model):
    """A port to write and one to read; nobody asks for a word as it is written."""

    def reset(self) -> None:  # noqa: D102
        self.words: dict[int, int] = getattr(self, "words", {})  # a reset leaves a memory as it is
        self.q: int | None = getattr(self, "q", None)

    def draw(self) -> Inputs:  # noqa: D102
        n = self.settings["words"]
        write, to, of = self.flag("write"), random.randrange(n), random.randrange(n)
        return {
            "write": write, "write_address": to, "data": random.getrandbits(self.settings["width"]),
            "read": int(bool(self.flag("read") and not (write and to == of))), "read_address": of,
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        return {"q": self.q}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["read"]:
            self.q = self.words.get(i["read_address"])
        if i["write"]:
            self.words[i["write_address"]] = i["data"]


class LinkBuffer(RowBuffer):
    """One port; what was read is lost as a word is written."""

    def draw(self) -> Inputs:  # noqa: D102
        return {
            "write": self.flag("write"), "read": self.flag("read"), "data": random.getrandbits(16),
            "address": random.randrange(self.settings["words"]),
        }  # fmt: skip

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["write"]:
            self.words[i["address"]], self.q = i["data"], None
        elif i["read"]:
            self.q = self.words.get(i["address"])


class CoefficientRam(RowBuffer):
    """Rows that are read whole and written 32 bits at a time; without ``write``, a memory that is only read."""

    def reset(self) -> None:  # noqa: D102
        self.rows: list[int] = getattr(self, "rows", [int(row, 16) for row in self.settings["rows"]])
        self.q = getattr(self, "q", None)

    def draw(self) -> Inputs:  # noqa: D102
        found = {"en": self.flag("en"), "row": random.randrange(len(self.rows))}
        if self.settings["writes"]:
            data = random.getrandbits(32)
            found |= {"write": self.flag("write"), "word": self._word(), "data": data}
        return found

    def _word(self) -> int:
        words = -(-self.settings["width"] // 32)
        # One that is there, or one of whose number a bit is another.
        return random.randrange(words) ^ random.choice((0, 0, 1 << random.randrange(16)))

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["en"]:
            self.q = self.rows[i["row"]]
        if i.get("write"):
            at, mask = 32 * i["word"], (1 << self.settings["width"]) - 1
            row = self.rows[i["row"]] & ~(0xFFFFFFFF << at) | i["data"] << at
            self.rows[i["row"]] = row & mask


class PackedMacro(Model):
    """Rows of pairs of three states, two bits each: all of them are read in turn."""

    def reset(self) -> None:  # noqa: D102
        self.reads = 0
        self.both: int | None = None

    def draw(self) -> Inputs:  # noqa: D102
        n, cols, sense = len(self.settings["rows"]), self.settings["cols"], self.flag("sense")
        row = self.reads % n if sense else random.randrange(n)
        return {"sense": sense, "row": row, "x": random.getrandbits(cols), "flip": random.getrandbits(2 * cols)}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        if self.both is None:
            return {"agree": None, "disagree": None}
        pairs = [(self.both ^ i["flip"]) >> 2 * k & 3 for k in range(self.settings["cols"])]
        return {
            "agree": sum((pair == 3) << k for k, pair in enumerate(pairs)),
            "disagree": sum((pair == 0) << k for k, pair in enumerate(pairs)),
        }

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["sense"]:
            self.reads += 1
            signs = sum(3 << 2 * k for k in range(self.settings["cols"]) if not i["x"] >> k & 1)
            self.both = self.settings["rows"][i["row"]] ^ signs


class PayloadBuffer(Model):
    """Words of a payload, read one after the other; results take the place of what has been read."""

    def reset(self) -> None:  # noqa: D102
        self.words: dict[int, int] = getattr(self, "words", {})
        self.count, self.index, self.more = 0, 0, 0
        self.word: int | None = None

    def draw(self) -> Inputs:  # noqa: D102
        n = self.settings["words"]
        kind = random.random()
        comes, rewinds, stores = (int(kind < 0.3), int(0.3 < kind < 0.34), int(0.34 < kind < 0.44))
        advances = int(kind > 0.5 and self.index < n)
        back = int(0.44 < kind < 0.5 and self.index > 0)
        count = self.count if random.random() < 0.9 else random.randint(0, n)
        return {
            "i_write": comes, "i_address": random.randrange(n), "i_word": random.getrandbits(16), "count": count,
            "rewind": rewinds, "advance": advances, "back": back, "store": stores,
            "store_address": random.randrange(n), "store_word": random.getrandbits(16),
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        return {"word": self.word, "index": self.index, "more": self.more}

    def reset_edge(self, i: Inputs) -> None:  # noqa: D102
        self.edge(i)  # what comes is written all the same
        self.reset()

    def edge(self, i: Inputs) -> None:  # noqa: D102
        self.count = i["count"]
        if i["store"] or i["i_write"]:
            at, word = (i["store_address"], i["store_word"]) if i["store"] else (i["i_address"], i["i_word"])
            self.words[at], self.word = word, None
        elif i["advance"]:
            self.word = self.words.get(self.index)
        before = self.index
        self.index = 0 if i["rewind"] else self.index + i["advance"] - i["back"]
        # One cycle late after a rewind, and at rest.
        moves = i["advance"] and not i["rewind"]
        self.more = 1 if i["back"] and not moves else int((self.index if moves else before) != i["count"])

"""Models of what is on the streams."""

from __future__ import annotations

import random

from .base import Inputs, Model, Outputs


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


class Gather(Model):
    """Pixels become a vector; the first of the next one is taken as it leaves."""

    def reset(self) -> None:  # noqa: D102
        self.come: list[int] = []
        self.vector: int | None = None

    def draw(self) -> Inputs:  # noqa: D102
        payload = random.getrandbits(self.settings["width"])
        return {"i__valid": self.flag("i"), "i__payload": payload, "o__ready": self.flag("o")}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        is_there = self.vector is not None
        return {
            "i__ready": int(not is_there or i["o__ready"]), "o__valid": int(is_there), "o__payload": self.vector
        }  # fmt: skip

    def edge(self, i: Inputs) -> None:  # noqa: D102
        takes = i["i__valid"] and self.outputs(i)["i__ready"]
        if i["o__ready"]:
            self.vector = None
        if takes:
            self.come.append(i["i__payload"])
        if len(self.come) == self.settings["pixels"]:
            self.vector = sum(p << k * self.settings["width"] for k, p in enumerate(self.come))
            self.come = []


class GatherMemory(Model):
    """The same into a memory: one vector is read while the next one comes."""

    def reset(self) -> None:  # noqa: D102
        self.come: list[int] = []
        self.offered: list[int] | None = None
        self.taken: list[int] | None = None
        self.q: int | None = None

    def draw(self) -> Inputs:  # noqa: D102
        take = int(self.offered is not None and self.flag("take"))
        # As a vector is taken, the first pixel of the next one comes where the one before lies.
        read = int(self.taken is not None and not take and self.flag("read"))
        return {
            "i__valid": self.flag("i"), "i__payload": random.getrandbits(self.settings["width"]), "take": take,
            "read": read, "pixel": random.randrange(self.settings["pixels"]),
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        is_there = self.offered is not None
        return {"i__ready": int(not is_there or i["take"]), "offered": int(is_there), "q": self.q}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        takes = i["i__valid"] and self.outputs(i)["i__ready"]
        if i["read"] and self.taken is not None:
            self.q = self.taken[i["pixel"]]
        if i["take"]:
            self.taken, self.offered = self.offered, None
        if takes:
            self.come.append(i["i__payload"])
        if len(self.come) == self.settings["pixels"]:
            self.offered, self.come = self.come, []


class ImageBuffer(Model):
    """Frames of the right number of beats become images, which leave as pixels; two fit.

    An image makes room as the last of its words is read from the memory; a word is a few pixels.
    """

    def reset(self) -> None:  # noqa: D102
        self.frame: list[int] = []
        self.images: list[list[list[int]]] = []  # words of pixels that have not been read
        self.shown: list[int] = []
        self.first = False
        self.waits = 0

    def draw(self) -> Inputs:  # noqa: D102
        # Now and then, at any pixel, nobody takes for as long as two images may come.
        self.waits = 30 if random.random() < 0.02 else max(0, self.waits - 1)
        ends = random.random() < (0.9 if len(self.frame) == self.settings["beats"] - 1 else 0.05)
        data, takes = random.getrandbits(self.settings["width"]), self.flag("o") if not self.waits else 0
        return {"tvalid": self.flag("i"), "tlast": int(ends), "tdata": data, "o__ready": takes}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        ready = len(self.images) < 2
        wrong = ready and i["tvalid"] and i["tlast"] and len(self.frame) + 1 != self.settings["beats"]
        valid = bool(self.shown)
        return {
            "tready": int(ready), "dropped": int(wrong), "o__valid": int(valid),
            "o__payload": self.shown[0] if valid else None, "first": int(self.first) if valid else None,
        }  # fmt: skip

    def edge(self, i: Inputs) -> None:  # noqa: D102
        takes, s = i["tvalid"] and self.outputs(i)["tready"], self.settings
        reads = self.images and (not self.shown or (i["o__ready"] and len(self.shown) == 1))
        if self.shown and i["o__ready"]:
            self.shown, self.first = self.shown[1:], False
        if reads:
            words = self.images[0]
            self.first = len(words) == s["words"]
            self.shown = words.pop(0)
            self.images = self.images[not words :]
        if takes:
            self.frame.append(i["tdata"])
            if i["tlast"]:
                if len(self.frame) == s["beats"]:
                    whole = sum(beat << k * s["width"] for k, beat in enumerate(self.frame))
                    pixels = [whole >> k * s["bits"] & (1 << s["bits"]) - 1 for k in range(s["pixels"])]
                    self.images.append([pixels[k : k + s["lanes"]] for k in range(0, s["pixels"], s["lanes"])])
                self.frame = []

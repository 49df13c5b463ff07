"""Models of what computes."""

from __future__ import annotations

import random

import numpy as np

from oxnor.models.analog.trainable_integer import IntegerTrainableAdc
from oxnor.models.networks.encoders import lfsr_draw
from oxnor.models.networks.layers.presentations import limits
from oxnor.models.networks.spiking import Neuron
from oxnor.models.rbm.digital import TABLE_BITS, TABLE_STEPS, WEIGHT_STEPS, sigmoid_table, table_address

from .base import Inputs, Model, Outputs


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
            # So late that the neuron sleeps until the image is over.
            tick = tick if random.random() < 0.98 else (1 << 16) - random.randint(1, 4)
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


class Integrate(Model):
    """Neuron that integrates partial counts, of planes that double or of presentations that add up."""

    def reset(self) -> None:  # noqa: D102
        self.integrated: int | None = None

    def draw(self) -> Inputs:  # noqa: D102
        s = self.settings
        partial = random.choice((0, s["n_in"], random.randint(0, s["n_in"])))
        found = {"en": self.flag("en"), "first": int(self.integrated is None or random.random() < 0.3),
                 "partial": partial, "threshold": 0}  # fmt: skip
        if s["planes"] > 1:
            found["double"] = random.getrandbits(1)
        if s["has_zeros"]:
            found["zeros"] = random.randint(0, s["n_in"])
        if s["shortcut"]:
            found["own"] = random.getrandbits(1)
        total = self._total(found)
        if total > s["most"]:  # no vector has so much
            found["first"], found["partial"] = 1, min(partial, s["n_in"] - found.get("zeros", 0))
            total = self._total(found)
        width = (s["most"] + 1).bit_length()
        # Around the total, where one more or less decides, and alike but for a bit.
        for k in range(s["levels"]):
            near = total + random.randint(-1, 1), total ^ 1 << random.randrange(width), random.getrandbits(width)
            found["threshold"] |= max(0, min(random.choice(near), s["most"] + 1)) << k * width
        return found

    def _total(self, i: Inputs) -> int:
        zeros = self.settings["has_zeros"]
        before = 0 if i["first"] else (self.integrated or 0) << i.get("double", 0)
        begins = i["first"] or i.get("double", 0)
        own = i.get("zeros", 0) + self.settings["shortcut"] * i.get("own", 0)
        return (i["partial"] << zeros) + before + (own if begins else 0)

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        total, width = self._total(i), (self.settings["most"] + 1).bit_length()
        thresholds = [i["threshold"] >> k * width & (1 << width) - 1 for k in range(self.settings["levels"])]
        return {"total": total, "fire": sum((total >= t) << k for k, t in enumerate(thresholds))}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["en"]:
            self.integrated = self._total(i)


class SampledNeuron(Model):
    """A state a cycle: the low bits of an LFSR against the sigmoid of a sum."""

    def reset(self) -> None:  # noqa: D102
        self.state = 1

    def draw(self) -> Inputs:  # noqa: D102
        half = 1 << self.settings["width"] - 1
        total = random.choice((random.randint(-600, 600), random.randrange(-half, half), half - 1, -half))
        # Where one address more or less decides: near the number that is drawn.
        number = self.state & (1 << TABLE_BITS) - 1
        near = int(np.searchsorted(sigmoid_table(), number, side="right")) - (1 << TABLE_BITS - 1)
        steps = WEIGHT_STEPS // TABLE_STEPS
        total = random.choice((total, near * steps + random.randint(-steps, 2 * steps)))
        return {
            "total": total & 2 * half - 1, "draw": self.flag("draw"), "load": int(random.random() < 0.05),
            "seed": random.randrange(1, 1 << 32),
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        half = 1 << self.settings["width"] - 1
        total = i["total"] - 2 * half * (i["total"] >= half)
        return {"o": int(self.state & (1 << TABLE_BITS) - 1 < sigmoid_table()[table_address(total)])}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["load"]:
            self.state = i["seed"]
        elif i["draw"]:
            self.state = int(lfsr_draw(np.uint32(self.state)))


class PulseCounter(Model):
    """Signed count that asks for a pulse at its threshold."""

    def reset(self) -> None:  # noqa: D102
        self.count, self.left = 0, self.settings["batch"]

    def draw(self) -> Inputs:  # noqa: D102
        asks = self.outputs({})["request"]
        count = int(self.left > 0 and self.flag("count"))
        side = self.flag("side")  # to one side for a while
        either = random.getrandbits(2) if random.random() < 0.3 else 1 + side
        taken = int(bool(not count and asks and (self.left == 0 or random.random() < 0.1)))
        return {"count": count, "plus": either & 1, "minus": either >> 1, "taken": taken}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        asks = abs(self.count) >= self.settings["threshold"]
        return {"value": self.count, "request": int(asks), "erases": int(self.count > 0)}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["count"]:
            self.count += i["plus"] - i["minus"]
            self.left -= 1
        elif i["taken"]:
            self.count += self.settings["threshold"] * (-1 if self.count > 0 else 1)
        if self.left == 0 and abs(self.count) < self.settings["threshold"]:
            self.left = self.settings["batch"]


class IsaacColumn(Model):
    """Conversions of a column of ISAAC: clipped, flipped, shifted, added to the offset of the weights."""

    def reset(self) -> None:  # noqa: D102
        self.total = 0

    def draw(self) -> Inputs:  # noqa: D102
        s = self.settings
        top = (1 << s["cell_bits"]) - 1
        flipped, ones = random.getrandbits(1), random.choice((s["rows"], random.randint(0, s["rows"])))
        most = top * (ones if flipped else s["rows"])
        near = min(most, (1 << s["adc_bits"]) + random.randint(-1, 1))
        count = random.choice((0, most, near, random.randint(0, most)))
        inputs = s["input_bits"] + (s["rows"] * s["groups"]).bit_length()
        return {
            "en": self.flag("en"), "first": int(random.random() < 0.4), "count": count, "flipped": flipped,
            "ones": ones, "shift": random.randrange(s["input_bits"] + s["weight_bits"]),
            "inputs": random.choice((random.getrandbits(inputs), (1 << inputs) - 1, 1 << random.randrange(inputs))),
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        return {"o": self.total}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        s = self.settings
        if not i["en"]:
            return
        code = min(i["count"], (1 << s["adc_bits"]) - 1)
        value = ((1 << s["cell_bits"]) - 1) * i["ones"] - code if i["flipped"] else code
        before = -(i["inputs"] << s["weight_bits"] - 1) if i["first"] else self.total
        self.total = before + (value << i["shift"])


class TrainableConverter(Model):
    """Converter that learns, beside its bit-true model; weights are written at any time."""

    def reset(self) -> None:  # noqa: D102
        n, width = self.settings["bits"], self.settings["width"]
        self.adc = IntegerTrainableAdc(width, np.zeros((n, n), np.int64), np.zeros(n, np.int64))

    def _value(self, near: int) -> int:
        """Return a number that may be one more or less than another, alike but for a bit, an end, or anything."""
        width = self.settings["width"]
        top = (1 << width) - 1
        drawn = (near + random.randint(-1, 1), near ^ 1 << random.randrange(width), random.randint(0, top), 0, top)
        return max(0, min(random.choice(drawn), top))

    def draw(self) -> Inputs:  # noqa: D102
        n, width = self.settings["bits"], self.settings["width"]
        k = random.randrange(n)
        above = np.array([random.getrandbits(1) for _ in range(n)])
        reference = int(self.adc.biases[k] + self.adc.weights[k, k + 1 :] @ above[k + 1 :])
        value = self._value(reference)
        step = 1 << random.randrange(width)
        # Small ones, so that their sums are reached; or a step from an end.
        data = self._value(step), self._value((1 << width) - step), random.getrandbits(width) >> 2
        return {
            "i": value, "teach": self.flag("teach"), "rate": random.randrange(width),
            # Often wrong in one bit alone.
            "right": random.choice((random.getrandbits(n), self.adc.code(value) ^ 1 << random.randrange(n))),
            "write": self.flag("write"), "index": random.randrange(n * n),
            "data": random.choice(data),
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        return {"o": self.adc.code(i["i"])}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        row, column = divmod(i["index"], self.settings["bits"])
        if i["teach"]:
            self.adc.learn(i["i"], i["right"], i["rate"])
        if i["write"] and row == column:
            self.adc.biases[row] = i["data"]
        elif i["write"] and column > row:
            self.adc.weights[row, column] = i["data"]

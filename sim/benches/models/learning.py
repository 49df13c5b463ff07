"""What an RBM that learns does, cycle by cycle, with patterns and weights that tell its sums apart."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from oxnor.models.networks.encoders import lfsr_draw
from oxnor.models.rbm.digital import TABLE_BITS, TABLE_STEPS, WEIGHT_BITS, WEIGHT_STEPS, DigitalRbm, sigmoid_table

from .base import Inputs, Model, Outputs

_TABLE, _RATIO = sigmoid_table(), WEIGHT_STEPS // TABLE_STEPS
_HALF = 1 << TABLE_BITS - 1


class RbmLearner(Model):
    """States drawn one a cycle, all counters at once, and pulses that wait until they are taken.

    Weights and the LFSR are written while no state is drawn.
    """

    def reset(self) -> None:  # noqa: D102
        self.shape = self.settings["visible"] + 1, self.settings["hidden"] + 1
        self.rbm = DigitalRbm(np.zeros(self.shape, np.int64), self.settings["threshold"], 1)
        self.counts = self.rbm.counts.copy()
        #: What was drawn and what is yet to be, as (name, bit, state); the steps of a scan that are left.
        self.states: Inputs = dict.fromkeys(("first", "negative", "second"), 0)
        self.left: list[tuple[str, int, int]] = []
        self.scan: list[tuple[int, int]] = []
        self.counting, self.is_last, self.in_batch = False, False, 0
        #: Inputs of the next cycles in which a pattern may come.
        self.plan: list[Inputs] = []

    @property
    def idle(self) -> bool:
        """Whether a pattern may come."""
        return not (self.left or self.counting or self.scan)

    def draw(self) -> Inputs:  # noqa: D102
        visible, hidden = (n - 1 for n in self.shape)
        inputs = {
            "load": 0, "seed": random.randrange(1, 1 << 32), "write": 0, "row": random.randint(0, visible),
            "column": random.randint(0, hidden), "weight": random.getrandbits(WEIGHT_BITS), "i__valid": 0,
            "i__payload": random.getrandbits(visible + 1), "o__ready": self.flag("taken"),
        }  # fmt: skip
        if not self.plan:
            if self.idle and not self.flag("pauses"):
                self.plan = self._planned()
            elif random.random() < 0.05:  # an offer that waits
                self.plan = [self._pattern(self._drawn_pattern())]
        if self.plan and (self.idle or "i__valid" in self.plan[0]):
            inputs |= self.plan[0]
        elif not self.left:
            inputs |= {"write": int(random.random() < 0.1), "load": int(random.random() < 0.05)}
        return inputs

    def _drawn_pattern(self) -> NDArray[np.int64]:
        return np.array([random.getrandbits(1) for _ in range(self.shape[0] - 1)])

    def _pattern(self, visible: NDArray[np.int64]) -> Inputs:
        """Return what offers a pattern; a batch ends with it, at the latest, when it has as many as it may."""
        last = self.in_batch + 1 >= self.settings["batch"] or random.random() < 0.2
        return {"i__valid": 1, "i__payload": int(visible @ (1 << np.arange(len(visible)))) | int(last) << len(visible)}

    def _planned(self) -> list[Inputs]:
        """Return writes of weights, then a pattern with the last of them.

        Many sums are then where a unit just fires with the number that it will get, or 1 below: there, a wrong bit of
        any weight in them shows.
        """
        plan: list[Inputs] = []
        w, state = self.rbm.weights.copy(), self.rbm.state

        def write(row: int, column: int, weight: int) -> None:
            w[row, column] = weight
            plan.append({"write": 1, "row": row, "column": column, "weight": weight & (1 << WEIGHT_BITS) - 1})

        def fire(cells: list[tuple[int, int]], free: list[tuple[int, int]]) -> bool:
            """Return the next state, of a sum of weights, of which one that is free may be written before."""
            nonlocal state
            number, state = state & (1 << TABLE_BITS) - 1, int(lfsr_draw(np.uint32(state)))
            least = (int(np.searchsorted(_TABLE, number, "right")) - _HALF) * _RATIO
            cell, total = random.choice(free), sum(int(w[c]) for c in cells)
            wanted = int(w[cell]) + least - random.getrandbits(1) - total
            if random.random() < 0.6 and -(1 << WEIGHT_BITS - 1) <= wanted < 1 << WEIGHT_BITS - 1:
                write(*cell, wanted)
            return sum(int(w[c]) for c in cells) >= least

        if random.random() < 0.3:
            state = random.randrange(1, 1 << 32)
            plan.append({"load": 1, "seed": state})
        while random.random() < 0.4:
            reach = random.choice((8, 1 << WEIGHT_BITS - 1))
            write(random.randrange(self.shape[0]), random.randrange(self.shape[1]), random.randrange(-reach, reach))
        visible = self._drawn_pattern()
        rows, columns = [*np.flatnonzero(visible).tolist(), len(visible)], []
        for k in range(self.shape[1] - 1):
            cells = [(i, k) for i in rows]
            columns += [k] * fire(cells, cells)
        columns.append(self.shape[1] - 1)
        for i in range(len(visible)):
            cells = [(i, k) for k in columns]
            fire(cells, cells[-1:] if visible[i] else cells)  # the others are in the sums before
        pattern = self._pattern(visible)
        if plan and random.getrandbits(1):  # all at one clock edge
            pattern |= plan.pop()
        return [*plan, pattern]

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        row, column = self.scan[0] if self.scan else (0, 0)
        asks = bool(self.scan) and self._asks(row, column)
        rows = (self.shape[0] - 1).bit_length()
        payload = row | column << rows | int(self.counts[row, column] > 0) << rows + (self.shape[1] - 1).bit_length()
        return self.states | {
            "i__ready": int(self.idle), "drawn": int(self.counting), "o__valid": int(asks),
            "o__payload": payload if asks else None, "value": int(self.counts[i["row"], i["column"]]),
        }  # fmt: skip

    def _asks(self, row: int, column: int) -> bool:
        """Return whether a counter asks: the model has all pulses of a batch taken at once."""
        return bool(self.counts[row, column] != self.rbm.counts[row, column])

    def edge(self, i: Inputs) -> None:  # noqa: D102
        idle = self.idle
        if i["write"]:
            half = 1 << WEIGHT_BITS - 1
            self.rbm.weights[i["row"], i["column"]] = (i["weight"] ^ half) - half
        if i["load"]:
            self.rbm.state = i["seed"]
        if idle and self.plan:
            self.plan.pop(0)
        if idle and i["i__valid"]:
            self._accept(i["i__payload"])
        elif self.left:
            name, bit, state = self.left.pop(0)
            self.states[name] = self.states[name] & ~(1 << bit) | state << bit
            self.counting = not self.left
        elif self.counting:
            self.counts, self.counting = self.rbm.counts.copy(), False
            if self.is_last:
                self.rbm.requests()
                self.scan, self.in_batch = [*np.ndindex(*self.shape)], 0
        elif self.scan and (i["o__ready"] or not self._asks(*self.scan[0])):
            at = self.scan.pop(0)
            self.counts[at] = self.rbm.counts[at]

    def _accept(self, payload: int) -> None:
        visible = payload >> np.arange(self.shape[0] - 1) & 1
        drawn = zip(self.states, self.rbm.sample(visible), strict=True)
        self.left = [(name, k, state) for name, states in drawn for k, state in enumerate(states.tolist())]
        self.is_last, self.in_batch = bool(payload >> len(visible)), self.in_batch + 1

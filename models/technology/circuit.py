"""The circuit that reads a bit: two columns of devices, a precharge sense amplifier, and the XNOR between them.

Source of the circuit: Zhao et al., IEEE Trans. Circuits Syst. I 61 (2014); with the XNOR inside, Hirtzlin et al.,
Frontiers in Neuroscience 13:1383 (2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from oxnor.models.base.errors import InputError

from .process import CORNERS, SHIPPED

#: How a bit is stored, and what it is compared with.
CELLS = {
    "2t2r": "a pair of complementary devices, compared with each other; the input is in the amplifier",
    "1t1r": "one device, compared with a resistor in a reference column; no input",
}
#: Time that a bit line of 64 fF takes to settle at 1.8 V, in ns: chosen. It scales with the capacitance, and is never
#: shorter than the outputs take.
SETTLED_NS, SETTLED_FF, SETTLED_MIN_NS = 12.0, 64.0, 3.0
#: By how much longer precharge and decision are given at lower supplies: chosen, so that both settle in simulations.
_PRECHARGE = ((0.9, 160.0), (1.0, 40.0), (1.2, 6.0), (1.5, 2.0), (1.8, 1.0), (2.0, 1.0))
_DECISION = ((0.9, 6.0), (1.0, 3.0), (1.2, 1.6), (1.5, 1.2), (1.8, 1.0), (2.0, 1.0))
#: Limits of numbers, (low, high, unit).
LIMITS = {
    "lrs": (100.0, 1e7, "ohm"),
    "hrs": (100.0, 1e9, "ohm"),
    "row_capacitance": (0.01, 100.0, "fF"),
    "output_capacitance": (0.0, 1000.0, "fF"),
    "temperature": (-40.0, 125.0, "degrees C"),
    "precharge_ns": (0.1, 1e5, "ns"),
}
WIDTHS = ("latch_width", "precharge_width", "switch_width", "access_width")
ROWS_MAX = 4096


def _slower(vdd: float, table: Sequence[tuple[float, float]]) -> float:
    """Return by how much longer something is given than at 1.8 V, between the supplies of a table."""
    for (low, slow), (high, fast) in pairwise(table):
        if vdd <= high:
            share = (vdd - low) / (high - low)
            return math.exp(math.log(slow) * (1 - share) + math.log(fast) * share)
    return 1.0


@dataclass(frozen=True)
class ReadCircuit:
    """A column of devices with its sense amplifier, and the conditions of a read.

    Parameters
    ----------
    cell : str
        A key of :data:`CELLS`.
    lrs, hrs : float
        Resistances of the device, or of both, in ohm. In a ``1t1r`` column the reference is their geometric mean.
    rows : int
        Devices on a bit line.
    row_capacitance : float
        Of a bit line for each row, in fF: wire and the drain of the access transistors that are off.
    output_capacitance : float
        Load of each output, in fF.
    vdd : float
        Supply, in V.
    corner : str
        A key of :data:`oxnor.models.technology.process.CORNERS`.
    temperature : float
        In degrees C.
    precharge_ns : float, optional
        Time for which outputs and bit lines are precharged. Default: :meth:`settled_ns`.
    latch_width, precharge_width, switch_width, access_width : float
        Widths in um of the latch (both kinds), the precharge transistors, the switches of the XNOR and the access
        transistors.
    process : str
        Name of the models.
    """

    cell: str = "2t2r"
    lrs: float = 5e3
    hrs: float = 100e3
    rows: int = 64
    row_capacitance: float = 1.0
    output_capacitance: float = 5.0
    vdd: float = 1.8
    corner: str = "tt"
    temperature: float = 27.0
    precharge_ns: float | None = None
    latch_width: float = 1.0
    precharge_width: float = 1.0
    switch_width: float = 2.0
    access_width: float = 2.0
    process: str = SHIPPED

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise InputError(f"must be one of {', '.join(CELLS)}, not {self.cell!r}", parameter="cell")
        if self.corner not in CORNERS:
            raise InputError(f"must be one of {', '.join(CORNERS)}, not {self.corner!r}", parameter="corner")
        if not 0.9 <= self.vdd <= 2.0:
            raise InputError(f"must be in [0.9, 2.0] V, not {self.vdd:g}", parameter="vdd")
        if self.precharge_ns is None:
            object.__setattr__(self, "precharge_ns", self.settled_ns())
        for name, (low, high, unit) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"must be in [{low:g}, {high:g}] {unit}, not {value:g}", parameter=name)
        if not self.hrs > self.lrs:
            raise InputError(f"must be above `lrs` = {self.lrs:g} ohm, not {self.hrs:g}", parameter="hrs")
        if isinstance(self.rows, bool) or not 1 <= self.rows <= ROWS_MAX:
            raise InputError(f"must be in [1, {ROWS_MAX}], not {self.rows}", parameter="rows")
        for name in WIDTHS:
            if not 0 < getattr(self, name) <= 1000:
                raise InputError(f"must be in (0, 1000] um, not {getattr(self, name):g}", parameter=name)

    @property
    def bit_line_ff(self) -> float:
        """Capacitance of a bit line, in fF, without that of the transistors at its end."""
        return self.rows * self.row_capacitance

    @property
    def ratio(self) -> float:
        """HRS over LRS."""
        return self.hrs / self.lrs

    @property
    def reference(self) -> float:
        """Resistance of the reference column of a ``1t1r`` read, in ohm."""
        return math.sqrt(self.lrs * self.hrs)

    @property
    def precharge(self) -> float:
        """Time of the precharge, in ns."""
        assert self.precharge_ns is not None
        return self.precharge_ns

    def settled_ns(self) -> float:
        """Return the time of a precharge that settles, in ns: 12 ns at 64 fF and 1.8 V."""
        time = max(SETTLED_MIN_NS, SETTLED_NS * self.bit_line_ff / SETTLED_FF) * _slower(self.vdd, _PRECHARGE)
        return float(f"{time:.4g}")

    def sense_ns(self, resistance: float, steady: float = 2.0, times: float = 5.0) -> float:
        """Return a time in which a decision is sure to be over, in ns: a fixed part, and `times` the RC of a line."""
        return (steady + times * resistance * self.bit_line_ff * 1e-6) * _slower(self.vdd, _DECISION)

    def turned(self, **changes: Any) -> ReadCircuit:
        """Return the circuit with `changes`; a precharge that followed from supply and capacitance follows again."""
        if "precharge_ns" not in changes and self.precharge_ns == self.settled_ns():
            changes["precharge_ns"] = None
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return all parameters, by name."""
        return asdict(self)

    def describe(self) -> str:
        """Return the circuit and its conditions in one line."""
        widths = "/".join(f"{getattr(self, name):g}" for name in WIDTHS)
        return (
            f"{self.cell.upper()} precharge sense amplifier in {self.process}, {self.lrs:g}/{self.hrs:g} ohm,"
            f" {self.rows} rows of {self.row_capacitance:g} fF, {self.vdd:g} V, {self.corner}, {self.temperature:g} C,"
            f" precharge {self.precharge:g} ns, W {widths} um (latch/precharge/switch/access)"
        )

"""Which circuits a study simulates: the one that was asked for, and what changes when one condition does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oxnor.models.base.errors import InputError

from .circuit import WIDTHS, ReadCircuit

#: Values that a study turns, one at a time; "ratio" is HRS over LRS.
READS: Mapping[str, tuple[Any, ...]] = {
    "precharge_ns": (3.0, 6.0),
    "ratio": (1.2, 5.0, 100.0),
    "rows": (32, 128, 256, 1024),
    "vdd": (1.5, 1.2, 1.0),
    "lrs": (2e3, 20e3, 50e3),
    "corner": ("ss", "ff"),
    "temperature": (-40.0, 85.0),
}
READS_FULL: Mapping[str, tuple[Any, ...]] = {
    "precharge_ns": (2.0, 3.0, 4.0, 6.0, 8.0, 24.0, 48.0),
    "ratio": (1.2, 1.5, 2.0, 5.0, 10.0, 50.0, 100.0),
    "rows": (1, 16, 32, 128, 256, 512, 1024),
    "vdd": (1.65, 1.5, 1.35, 1.2, 1.1, 1.0, 0.9),
    "lrs": (1e3, 2e3, 10e3, 20e3, 50e3, 100e3),
    "corner": ("ss", "ff", "sf", "fs"),
    "temperature": (-40.0, 0.0, 85.0, 125.0),
}
OFFSETS_FULL: Mapping[str, tuple[Any, ...]] = {
    "vdd": (1.5, 1.2, 1.1, 1.0, 0.9),
    "precharge_ns": (2.0, 3.0, 4.0, 6.0, 8.0),
    "lrs": (2e3, 20e3, 50e3),
    "rows": (256, 1024),
    "widths": ((5.0, 3.0, 5.0, 5.0), (0.55, 0.55, 0.55, 0.55)),
    "corner": ("ss", "ff"),
    "temperature": (-40.0, 85.0),
}
#: Ratios at which supplies are simulated too, for the laws of energy and delay.
RATIOS = (2.0, 5.0, 100.0)
DRAWS, DRAWS_FULL, DRAWS_MAX = 200, 400, 100_000


@dataclass(frozen=True)
class Plan:
    """What a study simulates.

    Parameters
    ----------
    circuit : ReadCircuit
        The circuit that was asked for.
    reads, offsets : tuple of ReadCircuit
        Each once, in the order of a report.
    draws : int
        Amplifiers of each offset.
    seed : int
        Key of their mismatch.
    noises : tuple of ReadCircuit
    """

    circuit: ReadCircuit
    reads: tuple[ReadCircuit, ...]
    offsets: tuple[ReadCircuit, ...]
    draws: int
    seed: int = 0
    noises: tuple[ReadCircuit, ...] = ()

    def __post_init__(self) -> None:
        if not 2 <= self.draws <= DRAWS_MAX:
            raise InputError(f"must be in [2, {DRAWS_MAX}], not {self.draws}", parameter="draws")


def turned(circuit: ReadCircuit, name: str, value: Any) -> ReadCircuit:
    """Return the circuit with one condition turned; another LRS leaves the ratio of the resistances as it is."""
    if name == "ratio":
        return circuit.turned(hrs=circuit.lrs * value)
    if name == "lrs":
        return circuit.turned(lrs=value, hrs=value * circuit.ratio)
    if name == "widths":
        return circuit.turned(**dict(zip(WIDTHS, value, strict=True)))
    return circuit.turned(**{name: value})


def _all(circuit: ReadCircuit, axes: Mapping[str, Sequence[Any]]) -> list[ReadCircuit]:
    return [circuit] + [turned(circuit, name, value) for name, values in axes.items() for value in values]


def plan(circuit: ReadCircuit, *, full: bool = False, draws: int | None = None, seed: int = 0) -> Plan:
    """Return the default study of a circuit, 20 reads and one offset; or with `full` that of all conditions."""
    reads = _all(circuit, READS_FULL if full else READS)
    offsets = _all(circuit, OFFSETS_FULL if full else {})
    if full:
        supplies = READS_FULL["vdd"]
        reads += [turned(turned(circuit, "vdd", v), "ratio", r) for v in supplies for r in RATIOS]
        other = circuit.turned(cell="1t1r" if circuit.cell == "2t2r" else "2t2r")
        reads += _all(other, READS)
        offsets += [other, *(turned(other, "vdd", v) for v in OFFSETS_FULL["vdd"])]
    count = draws if draws is not None else DRAWS_FULL if full else DRAWS
    noises = [circuit] + ([turned(circuit, "vdd", v) for v in OFFSETS_FULL["vdd"]] if full else [])
    return Plan(
        circuit, tuple(dict.fromkeys(reads)), tuple(dict.fromkeys(offsets)), count, seed, tuple(dict.fromkeys(noises))
    )


def difference(circuit: ReadCircuit, base: ReadCircuit) -> str:
    """Return what a circuit has that `base` has not, in words; nothing if they are the same."""
    texts = []
    for name, unit in _UNITS.items():
        value, other = getattr(circuit, name), getattr(base, name)
        if value != other and not (name == "hrs" and abs(circuit.ratio / base.ratio - 1) < 1e-9):
            text = f"{value:g}" if isinstance(value, int | float) else value.upper() if name == "cell" else value
            texts.append(unit.format(text))
    if abs(circuit.ratio / base.ratio - 1) >= 1e-9:
        texts = [t for t in texts if not t.startswith("HRS")] + [f"ratio {circuit.ratio:g}"]
    return ", ".join(texts)


_UNITS = {
    "cell": "{}", "lrs": "LRS {} ohm", "hrs": "HRS {} ohm", "rows": "{} rows", "row_capacitance": "{} fF a row",
    "output_capacitance": "load {} fF", "vdd": "{} V", "corner": "corner {}", "temperature": "{} C",
    "latch_width": "latch {} um", "precharge_width": "precharge {} um", "switch_width": "switches {} um",
    "access_width": "access {} um", "precharge_ns": "precharge {} ns",
}  # fmt: skip

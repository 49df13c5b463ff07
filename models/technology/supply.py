"""Amplifier, energy and delay of a read against the supply: between the supplies that were simulated, nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from itertools import pairwise
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import DeviceModel, Provenance

from .circuit import ReadCircuit
from .conditions import turned
from .offsets import statistics
from .results import Results, shipped

#: Numbers of :class:`SupplyCurve` that are above 0 at each supply.
_COLUMNS = ("stays", "turns", "noise", "energy_fj", "delay_ns", "precharge_ns")


def _between(x: float, places: Sequence[float], values: Sequence[float]) -> float:
    """Return a value above 0 between rising places, linear in its logarithm."""
    k = next(k for k in range(1, len(places)) if x <= places[k] or k == len(places) - 1)
    share = (x - places[k - 1]) / (places[k] - places[k - 1])
    return math.exp((1 - share) * math.log(values[k - 1]) + share * math.log(values[k]))


@dataclass(frozen=True)
class SupplyCurve:
    """What a read is like at each supply, at one ratio of the resistances.

    Parameters
    ----------
    circuit : str
        In words, at its own supply.
    ratio : float
        HRS over LRS.
    reads : int
        Weights that an image reads.
    vdd : tuple of float
        Supplies that were simulated, rising, in V.
    stays, turns, noise : tuple of float
        Standard deviations in ln R, at each supply.
    energy_fj, delay_ns, precharge_ns : tuple of float
        Of a bit.
    """

    circuit: str
    ratio: float
    reads: int
    vdd: tuple[float, ...]
    stays: tuple[float, ...]
    turns: tuple[float, ...]
    noise: tuple[float, ...]
    energy_fj: tuple[float, ...]
    delay_ns: tuple[float, ...]
    precharge_ns: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.vdd) < 2 or any(a >= b for a, b in pairwise(self.vdd)):
            raise InputError("vdd must be two or more rising supplies")
        for name in ("vdd", *_COLUMNS):
            values = getattr(self, name)
            if len(values) != len(self.vdd) or not all(0 < v < 1e12 for v in values):
                raise InputError(f"{name} must be a number above 0 for each supply")
        if not 1 < self.ratio < 1e12 or not 1 <= self.reads < 1 << 63:
            raise InputError("ratio must be above 1, and reads 1 or more")

    def at(self, vdd: float, name: str) -> float:
        """Return one of the numbers at a supply.

        Raises
        ------
        InputError
            Outside the supplies that were simulated.
        """
        low, high = self.vdd[0], self.vdd[-1]
        if not low <= vdd <= high:
            rule = f"in [{low:g}, {high:g}] V, where the amplifier was simulated"
            raise InputError(f"must be {rule}, not {vdd:g}", parameter="values")
        return _between(vdd, self.vdd, getattr(self, name))

    def image_nj(self, vdd: float) -> float:
        """Return the energy of all reads of an image, in nJ."""
        return 1e-6 * self.reads * self.at(vdd, "energy_fj")

    def device(self, device: DeviceModel, vdd: float) -> DeviceModel:
        """Return a device with the amplifier at a supply."""
        source = f"{self.circuit}; between simulated supplies at {vdd:g} V"
        about = Provenance(source, "simulated", device.valid_cycles, device.valid_seconds)
        names = {"offset_sigma": "stays", "turning_offset_sigma": "turns", "read_noise_sigma": "noise"}
        numbers: dict[str, Any] = {field: self.at(vdd, name) for field, name in names.items()}
        return replace(device, provenance={**device.provenance, **dict.fromkeys(names, about)}, **numbers)

    def to_json(self) -> dict[str, Any]:
        """Return the curve as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any, where: str) -> SupplyCurve:
        """Return the curve of a JSON value that is not trusted; `where` names it in errors."""
        names = [f.name for f in fields(cls)]
        if not isinstance(value, dict) or set(value) != set(names):
            raise InputError(f"{where}: supply must have {', '.join(names)}")
        lists = {n: value[n] for n in ("vdd", *_COLUMNS)}
        ok = isinstance(value["circuit"], str) and value["circuit"].isprintable() and type(value["reads"]) is int
        ok = ok and all(isinstance(v, list) for v in lists.values())
        if not ok or not all(type(v) in (int, float) for vs in (*lists.values(), [value["ratio"]]) for v in vs):
            raise InputError(f"{where}: supply must hold a text and numbers")
        try:
            return cls(**{**value, **{n: tuple(v) for n, v in lists.items()}})
        except InputError as e:
            raise InputError(f"{where}: supply.{e}") from None


def supplies(results: Results, base: ReadCircuit) -> list[float]:
    """Return the supplies at which everything was simulated of a circuit, rising."""
    circuits = {c.vdd: c for c in results.offsets if c == turned(base, "vdd", c.vdd)}
    return sorted(v for v, c in circuits.items() if c in results.reads and c in results.noises)


def lrs_range(results: Results | None = None, base: ReadCircuit | None = None) -> tuple[float, float]:
    """Return the lowest and the highest LRS, in ohm, for which a circuit's offsets were simulated at its own supply."""
    results, base = results or shipped(), base or ReadCircuit()
    known = [c.lrs for c in results.offsets if c == turned(base, "lrs", c.lrs)]
    return min(known), max(known)


def supply_curve(
    ratio: float, reads: int = 1, results: Results | None = None, base: ReadCircuit | None = None
) -> SupplyCurve:
    """Return what is known of a circuit against its supply.

    Parameters
    ----------
    ratio : float
        HRS over LRS: energy and delay are interpolated between those that were simulated.
    reads : int
        Weights that an image reads.
    results : Results, optional
        Default: those that are shipped.
    base : ReadCircuit, optional
        Default: the default circuit.

    Raises
    ------
    InputError
        If the ratio is outside those that were simulated at every supply.
    """
    results, base = results or shipped(), base or ReadCircuit()
    circuits = [turned(base, "vdd", v) for v in supplies(results, base)]
    by_ratio = [{c.ratio: r for c, r in results.reads.items() if turned(at, "ratio", c.ratio) == c} for at in circuits]
    known = sorted(set.intersection(*map(set, by_ratio)))
    if not known[0] <= ratio <= known[-1]:
        rule = f"in [{known[0]:g}, {known[-1]:g}], where reads were simulated at every supply"
        raise InputError(f"HRS / LRS must be {rule}, not {ratio:.4g}")
    logs, x = [math.log(r) for r in known], math.log(ratio)
    columns: dict[str, list[float]] = {name: [] for name in _COLUMNS}
    for circuit, at in zip(circuits, by_ratio, strict=True):
        offsets = statistics(results.offsets[circuit])
        assert offsets is not None
        assert offsets.stays is not None
        assert offsets.turns is not None
        columns["stays"].append(offsets.stays.sigma)
        columns["turns"].append(offsets.turns.sigma)
        columns["noise"].append(results.noises[circuit].sigma)
        columns["precharge_ns"].append(circuit.precharge)
        columns["energy_fj"].append(_between(x, logs, [at[r].total_fj for r in known]))
        columns["delay_ns"].append(_between(x, logs, [at[r].delay_ns or math.inf for r in known]))
    numbers: dict[str, Any] = {name: tuple(values) for name, values in columns.items()}
    return SupplyCurve(base.describe(), ratio, reads, tuple(c.vdd for c in circuits), **numbers)


@cache
def shipped_curve(ratio: float, reads: int = 1) -> SupplyCurve:
    """Return :func:`supply_curve` of the shipped results."""
    return supply_curve(ratio, reads)

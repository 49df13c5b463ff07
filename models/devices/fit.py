"""Devices of one age from measured resistances: medians and spreads of ln R, their confidence, and normality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats as tests
from scipy.special import ndtri

from oxnor.models.base.errors import InputError

from .lab.files import STATES, Readings
from .model import UNITS, DeviceModel, Provenance
from .uncertainty import BASE, CONFIDENCE, Uncertainty

#: Below this p-value, ln R is called not normal.
NORMAL_P = 0.01
#: Most lines of outliers in a report.
_LINES_MAX = 20
#: Fewest devices whose first readings are tested for normality; with fewer, the readings less their device's mean are.
_DEVICES_MIN = 20
#: Most readings that the test of normality takes: beyond, its p-value is not accurate.
_SHAPIRO_MAX = 5000


@dataclass(frozen=True)
class StateFit:
    """One state: ln(R / ohm) as a normal distribution.

    Parameters
    ----------
    count, devices : int
        Readings, and devices that they are of.
    median : float
        exp(mu), in ohm, with the ends of its interval ``median_low`` and ``median_high``.
    sigma : float
        Standard deviation of ln R over devices and cycles, with its interval.
    device_sigma, cycle_sigma : float or None
        Its parts, from device to device and from cycle to cycle of a device: the root of the sum of their squares is
        about `sigma`. None where the readings cannot tell: one reading a device, or one device.
    normal_p : float or None
        p-value of the test of Shapiro and Wilk on ln R, of independent readings; None for fewer than 8.
    outliers : tuple of int
        Lines of the file that are further from the median than any reading of a normal ln R would be, once in a hundred
        files. They are counted in all that is above.
    """

    count: int
    devices: int
    median: float
    median_low: float
    median_high: float
    sigma: float
    sigma_low: float
    sigma_high: float
    device_sigma: float | None
    cycle_sigma: float | None
    normal_p: float | None
    outliers: tuple[int, ...]

    @property
    def normal(self) -> bool | None:
        """Whether ln R passes for normal; None if there are too few readings to say."""
        return None if self.normal_p is None else self.normal_p >= NORMAL_P


@dataclass(frozen=True, eq=False)
class Fit:
    """The readings of one age and the two states in them.

    Parameters
    ----------
    path : str
    lrs, hrs : StateFit
    readings : Readings
    cycles, seconds : float
        Age of the devices; 0 where the file does not say it.
    """

    path: str
    lrs: StateFit
    hrs: StateFit
    readings: Readings
    cycles: float = 0.0
    seconds: float = 0.0

    def __repr__(self) -> str:
        return (
            f"Fit({Path(self.path).name!r}, LRS {self.lrs.median:.4g} ohm (sigma {self.lrs.sigma:.4g}),"
            f" HRS {self.hrs.median:.4g} ohm (sigma {self.hrs.sigma:.4g}), {len(self.per_device)} devices)"
        )

    @cached_property
    def values(self) -> dict[str, NDArray[np.float64]]:
        """Readings of ``LRS`` and ``HRS`` as ln(R / ohm), in the order of the file."""
        r = self.readings
        return {state: r.ln_r[r.hrs == (state == "HRS")] for state in STATES}

    @cached_property
    def per_device(self) -> dict[str, tuple[int, int]]:
        """Readings of LRS and of HRS of each device."""
        r = self.readings
        counts = [np.bincount(r.device[r.hrs == hrs], minlength=len(r.names)).tolist() for hrs in (False, True)]
        return {name: (a, b) for name, a, b in zip(r.names, *counts, strict=True) if a + b}

    @property
    def ages(self) -> tuple[Fit, ...]:
        """The fit of each age: this one."""
        return (self,)

    def at(self, cycles: float | None = None, seconds: float | None = None) -> dict[str, float]:
        """Return the age to report: what is given, else that of the readings."""
        given = {"cycles": cycles, "seconds": seconds}
        return {axis: float(getattr(self, axis) if age is None else age) for axis, age in given.items()}

    def device(self, cycles: float | None = None, seconds: float | None = None, name: str | None = None) -> DeviceModel:
        """Return the device, which holds at the age that was measured and at no other.

        What a resistance does not tell (offset, read noise, forming, wear, relaxation) is left ideal.

        Parameters
        ----------
        cycles, seconds : float, optional
            Age of the devices, where the file does not say it. Default: :attr:`cycles` and :attr:`seconds`.
        name : str, optional
            Default: that of the file.
        """
        known = self.readings.ages
        age = self.at(None if "cycles" in known else cycles, None if "seconds" in known else seconds)
        valid = tuple((value, value) for value in age.values())
        numbers = {f"{s}_{n}": getattr(fit, n) for s, fit in self._states for n in ("median", "sigma")}
        ends = {
            f"{s}_{n}": (getattr(fit, f"{n}_low"), getattr(fit, f"{n}_high"))
            for s, fit in self._states
            for n in ("median", "sigma")
        }
        try:
            return DeviceModel(
                name or Path(self.path).stem, **numbers, valid_cycles=valid[0], valid_seconds=valid[1],
                description=description_of(self.readings), provenance=provenance_of(self.ages, ends, valid),
                uncertainty=self._uncertainty(ends),
            )  # fmt: skip
        except InputError as e:
            raise InputError(f"{self.path}: {e}") from None

    @property
    def _states(self) -> tuple[tuple[str, StateFit], ...]:
        return ("lrs", self.lrs), ("hrs", self.hrs)

    def _uncertainty(self, ends: Mapping[str, tuple[float, float]]) -> Uncertainty:
        """Return what the intervals of medians and sigmas say, each number by itself."""
        freedom = max(1, min(max(fit.devices, 2) if fit.devices > 1 else fit.count for _, fit in self._states) - 1)
        reach = float(tests.t.ppf(0.5 + CONFIDENCE / 2, freedom))
        sds = []
        for name in BASE:
            low, high = ends[name]
            sd = math.log(high / low) / (2 * reach)
            state = getattr(self, name[:3])
            sds.append(sd if name.endswith("median") else sd * state.sigma)
        return Uncertainty(BASE, np.diag(np.square(sds)), float(freedom))

    def to_json(self) -> dict[str, Any]:
        """Return the report of the fit as a JSON object, without the readings."""
        states = {
            name: asdict(fit)
            | {"outliers": list(fit.outliers[:_LINES_MAX]), "outlier_count": len(fit.outliers)}
            | {"log_normal": fit.normal}
            for name, fit in self._states
        }
        counts = [a + b for a, b in self.per_device.values()]
        found = {"file": self.path, "confidence": CONFIDENCE, "cycles": self.cycles, "seconds": self.seconds}
        found |= {"read_as": list(self.readings.assumed), "temperature": self.readings.temperature or None}
        return found | states | {"devices": len(counts), "readings_per_device": [min(counts), max(counts)]}


def provenance_of(
    fits: Sequence[Fit], ends: Mapping[str, tuple[float, float]], valid: Sequence[tuple[float, float]]
) -> dict[str, Provenance]:
    """Return where each number of a fitted device comes from; `ends` are the intervals of the measured ones."""
    file = Path(fits[0].path).name
    ideal = Provenance("not in the measurements: left ideal", "chosen", *valid)
    found = {key: ideal for key in UNITS if "." not in key}
    for name, (low, high) in ends.items():
        of_state = [getattr(fit, "hrs" if "hrs" in name else "lrs") for fit in fits]
        count, devices = sum(fit.count for fit in of_state), max(fit.devices for fit in of_state)
        ages = f" at {len(fits)} ages" if len(fits) > 1 else ""
        source = f"fit to {file}: {count} readings of {devices} devices{ages}, {100 * CONFIDENCE:g} % interval"
        digits = ".6g" if name.endswith("median") else ".4g"
        found[name] = Provenance(f"{source} {low:{digits}} to {high:{digits}}", "measured", *valid)
    return found


def description_of(readings: Readings) -> str:
    """Return what a device was fitted to."""
    temperature = readings.temperature
    unit = "" if " " in temperature else " (no unit given)"
    return f"fitted to {Path(readings.path).name}" + f", at a temperature of {temperature}{unit}" * bool(temperature)


def fit_readings(readings: Readings, cycles: float = 0.0, seconds: float = 0.0) -> Fit:
    """Return the fit of readings of one age.

    Raises
    ------
    InputError
        If a state has fewer than two readings, or all the same ones, or the states are not in order.
    """
    path, fits = readings.path, []
    for state in STATES:
        mine = readings.hrs == (state == "HRS")
        x = readings.ln_r[mine]
        if len(x) < 2:
            raise InputError(f"{path}: must have at least 2 readings of {state}, not {len(x)}")
        if np.ptp(x) == 0:
            raise InputError(f"{path}: the readings of {state} must differ, and are all the same")
        fits.append(_fit(x, readings.device[mine], readings.lines[mine]))
    lrs_fit, hrs_fit = fits
    if lrs_fit.median >= hrs_fit.median:
        raise InputError(
            f"{path}: HRS must have a higher median than LRS, not {hrs_fit.median:.4g} against {lrs_fit.median:.4g} ohm"
        )
    return Fit(path, lrs_fit, hrs_fit, readings, cycles, seconds)


def _fit(x: NDArray[np.float64], group: NDArray[np.int64], lines: NDArray[np.int64]) -> StateFit:
    """Return the fit of ln R readings `x`, of the devices `group`: a one-way analysis of variance."""
    _, group, sizes = np.unique(group, return_inverse=True, return_counts=True)
    n, k = x.size, sizes.size
    means = np.bincount(group, x) / sizes
    within = float(np.sum((x - means[group]) ** 2)) / (n - k) if n > k else 0.0  # mean squares
    between = float(np.sum(sizes * (means - x.mean()) ** 2)) / (k - 1) if k > 1 else 0.0
    each = (n - float(np.sum(sizes**2)) / n) / (k - 1) if k > 1 else math.inf  # readings a device, of an even design
    # sigma^2 = between / each + (1 - 1 / each) within; its degrees of freedom by Satterthwaite.
    parts = [(between / each, k - 1), ((1 - 1 / each) * within, n - k)]
    variance = sum(value for value, _ in parts)
    freedom = variance**2 / sum(value**2 / df for value, df in parts if df > 0)
    of_device = max(0.0, (between - within) / each)
    error = math.sqrt(of_device * float(np.sum(sizes**2)) / n**2 + within / n if n > k else variance / n)
    half = (1 - CONFIDENCE) / 2
    reach = error * float(tests.t.ppf(1 - half, k - 1 if k > 1 else n - 1))
    low, high = (freedom * variance / float(tests.chi2.ppf(q, freedom)) for q in (1 - half, half))
    mu = float(x.mean())
    split = k > 1 and n > k
    return StateFit(
        n, k, math.exp(mu), math.exp(mu - reach), math.exp(mu + reach),
        math.sqrt(variance), math.sqrt(low), math.sqrt(high),
        math.sqrt(of_device) if split else None, math.sqrt(within) if split else None,
        _normal_p(x, group, means), _outliers(x, lines),
    )  # fmt: skip


def _normal_p(x: NDArray[np.float64], group: NDArray[np.int64], means: NDArray[np.float64]) -> float | None:
    """Return the p-value of normality of readings that are independent of each other."""
    _, first = np.unique(group, return_index=True)
    independent = x[np.sort(first)] if len(means) >= _DEVICES_MIN else x - means[group]
    if len(independent) < 8 or np.ptp(independent) == 0:
        return None
    some = np.linspace(0, len(independent) - 1, min(len(independent), _SHAPIRO_MAX)).astype(int)
    return float(tests.shapiro(independent[some]).pvalue)


def _outliers(x: NDArray[np.float64], lines: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the lines further from the median than so many normal numbers reach, 99 times in 100."""
    centre = np.median(x)
    spread = np.median(np.abs(x - centre)) / ndtri(0.75)
    if spread == 0:
        return ()
    limit = -float(ndtri(0.01 / (2 * x.size)))
    return tuple(int(line) for line in lines[np.abs(x - centre) > limit * spread])

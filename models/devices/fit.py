"""Device models from measured resistances: medians and spreads of ln R, their confidence, and a test of normality."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats as tests
from scipy.special import ndtri

from oxnor.models.base.errors import InputError

from .model import UNITS, DeviceModel, Provenance

COLUMNS = ("device", "state", "resistance")
STATES = ("LRS", "HRS")
#: Of every interval.
CONFIDENCE = 0.99
#: Below this p-value, ln R is called not normal.
NORMAL_P = 0.01
_SIZE_MAX = 1 << 26
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
    """A file of resistances and the two states in it.

    Parameters
    ----------
    path : str
    lrs, hrs : StateFit
    values : dict of str to ndarray of float
        Readings of ``LRS`` and ``HRS`` as ln(R / ohm), in the order of the file.
    per_device : dict of str to (int, int)
        Readings of LRS and of HRS of each device.
    """

    path: str
    lrs: StateFit
    hrs: StateFit
    values: dict[str, NDArray[np.float64]]
    per_device: dict[str, tuple[int, int]]

    def __repr__(self) -> str:
        return (
            f"Fit({Path(self.path).name!r}, LRS {self.lrs.median:.4g} ohm (sigma {self.lrs.sigma:.4g}),"
            f" HRS {self.hrs.median:.4g} ohm (sigma {self.hrs.sigma:.4g}), {len(self.per_device)} devices)"
        )

    def device(self, cycles: float = 0.0, seconds: float = 0.0, name: str | None = None) -> DeviceModel:
        """Return the device, which holds up to `cycles` SET/RESET cycles and `seconds` after programming.

        What a resistance does not tell (offset, read noise, forming, wear, relaxation) is left ideal.
        """
        valid = ((0.0, float(cycles)), (0.0, float(seconds)))
        file = Path(self.path).name
        ideal = Provenance("not in the measurements: left ideal", "chosen", *valid)
        provenance = {key: ideal for key in UNITS if "." not in key}
        for state, fit in (("lrs", self.lrs), ("hrs", self.hrs)):
            source = f"fit to {file}: {fit.count} readings of {fit.devices} devices, {100 * CONFIDENCE:g} % interval"
            median = f"{source} {fit.median_low:.6g} to {fit.median_high:.6g}"
            provenance[f"{state}_median"] = Provenance(median, "measured", *valid)
            sigma = f"{source} {fit.sigma_low:.4g} to {fit.sigma_high:.4g}"
            provenance[f"{state}_sigma"] = Provenance(sigma, "measured", *valid)
        return DeviceModel(
            name or Path(self.path).stem, self.lrs.median, self.hrs.median, self.lrs.sigma, self.hrs.sigma,
            valid_cycles=valid[0], valid_seconds=valid[1], description=f"fitted to {file}", provenance=provenance,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return the report of the fit as a JSON object."""
        states = {
            name: asdict(fit) | {"outliers": list(fit.outliers), "log_normal": fit.normal}
            for name, fit in (("lrs", self.lrs), ("hrs", self.hrs))
        }
        counts = {device: {"lrs": a, "hrs": b} for device, (a, b) in self.per_device.items()}
        return {"file": self.path, "confidence": CONFIDENCE, **states, "per_device": counts}


def fit_csv(path: str | Path) -> Fit:
    """Return the fit of a CSV file with the columns ``device``, ``state`` (LRS or HRS) and ``resistance`` (ohm).

    Other columns are ignored; upper and lower case are the same.

    Raises
    ------
    InputError
        Naming the file, the line, the column and the rule that it breaks.
    """
    text = str(path)
    rows = _read(Path(path))
    per_device: dict[str, tuple[int, int]] = {}
    for device, state, _, _ in rows:
        lrs, hrs = per_device.get(device, (0, 0))
        per_device[device] = (lrs + (state == "LRS"), hrs + (state == "HRS"))
    number = {device: k for k, device in enumerate(per_device)}
    values, fits = {}, []
    for state in STATES:
        mine = [row for row in rows if row[1] == state]
        if len(mine) < 2:
            raise InputError(f"{text}: must have at least 2 readings of {state}, not {len(mine)}")
        values[state] = np.array([ln_r for _, _, ln_r, _ in mine])
        if np.ptp(values[state]) == 0:
            raise InputError(f"{text}: the readings of {state} must differ, and are all the same")
        group = np.array([number[device] for device, _, _, _ in mine])
        fits.append(_fit(values[state], group, np.array([line for _, _, _, line in mine])))
    lrs_fit, hrs_fit = fits
    if lrs_fit.median >= hrs_fit.median:
        raise InputError(
            f"{text}: HRS must have a higher median than LRS, not {hrs_fit.median:.4g} against {lrs_fit.median:.4g} ohm"
        )
    return Fit(text, lrs_fit, hrs_fit, values, per_device)


def _read(path: Path) -> list[tuple[str, str, float, int]]:
    """Return (device, state, ln R, line) of each line."""
    rows = []
    try:
        if path.stat().st_size > _SIZE_MAX:
            raise InputError(f"{path}: must have at most {_SIZE_MAX} bytes, not {path.stat().st_size}")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            head = [cell.strip().lower() for cell in next(reader, [])]
            for column in COLUMNS:
                if head.count(column) != 1:
                    problem = "is missing" if column not in head else "must be there once"
                    known = ", ".join(head) or "none"
                    raise InputError(f"{path}: line 1: column {column!r} {problem}: there are {known}")
            places = [head.index(column) for column in COLUMNS]
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    rows.append(_row(cells, places, f"{path}: line {reader.line_num}", reader.line_num))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not a file") from None
    except OSError as e:
        raise InputError(f"{path}: cannot be read ({e.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: must be a CSV file, and is not text in UTF-8") from None
    except csv.Error as e:
        raise InputError(f"{path}: line {reader.line_num}: must be CSV ({e})") from None
    return rows


def _row(cells: list[str], places: list[int], where: str, line: int) -> tuple[str, str, float, int]:
    if len(cells) <= max(places):
        raise InputError(f"{where} must have at least {max(places) + 1} columns, not {len(cells)}")
    device, state, text = (cells[k].strip() for k in places)
    if not device:
        raise InputError(f"{where}: device must be a name, not empty")
    if state.upper() not in STATES:
        raise InputError(f"{where}: state must be LRS or HRS, not {state!r:.40}")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(f"{where}: resistance must be a number above 0 ohm, not {text!r:.40}")
    return device, state.upper(), math.log(value), line


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

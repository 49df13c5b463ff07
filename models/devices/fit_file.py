"""Devices from a file of readings: of one age, or of several with the law that joins them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.words import counted

from .ageing import AGES_MIN, LAW_OF, AgeingLaw, ages_of, fit_law
from .counted import counted_pairs
from .error_rates import device_rates
from .fit import Fit, description_of, fit_readings, provenance_of
from .lab.files import FileFormat, Readings, read_readings
from .model import DeviceModel
from .states import LogLaw
from .uncertainty import BASE, CONFIDENCE


@dataclass(frozen=True, eq=False)
class AgedFit:
    """A file of readings at several ages: the fit of each, and the law of ageing.

    Parameters
    ----------
    path : str
    axis : str
        What the ages are: "cycles" or "seconds".
    ages : tuple of Fit
        Rising.
    law : AgeingLaw
    readings : Readings
    other : float
        The age on the other axis, the same for all.
    """

    path: str
    axis: str
    ages: tuple[Fit, ...]
    law: AgeingLaw
    readings: Readings
    other: float = 0.0

    def __repr__(self) -> str:
        low, high = self.span
        return f"AgedFit({Path(self.path).name!r}, {len(self.ages)} ages, {low:g} to {high:g} {self.axis})"

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last age that was measured."""
        values = self.readings.ages[self.axis]
        return float(values.min()), float(values.max())

    @property
    def lrs(self) -> Any:
        """LRS at the first age."""
        return self.ages[0].lrs

    @property
    def hrs(self) -> Any:
        """HRS at the first age."""
        return self.ages[0].hrs

    @cached_property
    def values(self) -> dict[str, NDArray[np.float64]]:
        """Readings of the first age; as :attr:`Fit.values`."""
        return self.ages[0].values

    def at(self, cycles: float | None = None, seconds: float | None = None) -> dict[str, float]:
        """Return the age to report: what is given, else the first that was measured."""
        default = {axis: self.span[0] if axis == self.axis else self.other for axis in LAW_OF}
        given = {"cycles": cycles, "seconds": seconds}
        return {axis: default[axis] if age is None else float(age) for axis, age in given.items()}

    def device(self, cycles: float | None = None, seconds: float | None = None, name: str | None = None) -> DeviceModel:
        """Return the device with its law, which holds between the first and the last age.

        Parameters
        ----------
        cycles, seconds : float, optional
            Age on the other axis, where the file does not say it.
        name : str, optional
            Default: that of the file.
        """
        law, none = self.law, LogLaw()
        age = self.at(cycles, seconds)
        valid = {axis: self.span if axis == self.axis else (age[axis], age[axis]) for axis in LAW_OF}
        numbers = {key: getattr(law, key) for key in BASE}
        laws = {name: law.law if LAW_OF[self.axis] == name else none for name in LAW_OF.values()}
        provenance = provenance_of(self.ages, law.intervals, (valid["cycles"], valid["seconds"]))
        try:
            return DeviceModel(
                name or Path(self.path).stem, **numbers, wear=laws["wear"], relaxation=laws["relaxation"],
                valid_cycles=valid["cycles"], valid_seconds=valid["seconds"], description=description_of(self.readings),
                provenance=provenance, uncertainty=law.uncertainty,
            )  # fmt: skip
        except InputError as e:
            raise InputError(f"{self.path}: no {LAW_OF[self.axis]} law: {e}") from None

    def moved(self, cycles: float, seconds: float) -> Readings:
        """Return all readings as the law moves them to one age: as far from its median, in sigmas, as they were."""
        r, device = self.readings, self.device(cycles, seconds)
        to = device.at(cycles, seconds)
        ln_r = np.empty_like(r.ln_r)
        for age in np.unique(r.ages[self.axis]):
            was = device.at(**{"cycles": cycles, "seconds": seconds, self.axis: float(age)})
            for s in ("lrs", "hrs"):
                mine = (r.ages[self.axis] == age) & (r.hrs == (s == "hrs"))
                z = (r.ln_r[mine] - getattr(was, f"{s}_mu")) / getattr(was, f"{s}_sigma")
                ln_r[mine] = getattr(to, f"{s}_mu") + getattr(to, f"{s}_sigma") * z
        return replace(r, ln_r=ln_r, ages={})

    def to_json(self) -> dict[str, Any]:
        """Return the report of the fits and the law as a JSON object, without the readings."""
        law, name = self.law, LAW_OF[self.axis]
        numbers = {key: getattr(law, key) for key in BASE}
        numbers |= {f"{name}.{key}": value for key, value in asdict(law.law).items()}
        ends = {key: dict(zip(("low", "high"), law.intervals[key], strict=True)) for key in numbers}
        about = {"name": name, "resampled": law.resampled}
        return {
            "file": self.path, "confidence": CONFIDENCE, "read_as": list(self.readings.assumed),
            "temperature": self.readings.temperature or None, "axis": self.axis, "ages": self._rows(),
            "law": about | {"numbers": {key: {"value": v, **ends[key]} for key, v in numbers.items()}},
        }  # fmt: skip

    def _rows(self) -> list[dict[str, Any]]:
        """Return what each age says by itself, and what the law says of it."""
        rows, device = [], self.device()
        for fit in self.ages:
            age = {self.axis: getattr(fit, self.axis)}
            single, counted_rate = fit.device(), counted_pairs(fit.readings)
            found = {key: value for key, value in fit.to_json().items() if key in ("lrs", "hrs", "devices")}
            rates = {
                "closed_form": device_rates(single, **self.at(**age)).ber_2t2r,
                "law": device_rates(device, **self.at(**age)).ber_2t2r,
                "counted": counted_rate.to_json(),
            }
            rows.append(age | found | {"ber_2t2r": rates})
        return rows


def fit_csv(
    path: str | Path,
    form: FileFormat = FileFormat(),  # noqa: B008 (frozen)
    *,
    law: bool = True,
    **age: float | None,
) -> Fit | AgedFit:
    """Return the fit of a file of readings; see :func:`oxnor.models.devices.lab.files.read_readings`.

    Parameters
    ----------
    path : path
    form : FileFormat
        How the file is written, where that is not to be found out.
    law : bool
        Fit the law of ageing to readings of several ages; without it, one age must be chosen.
    **age : float, optional
        `cycles`, `seconds`: the age of the devices where the file does not say it; without `law`, the one to fit.

    Raises
    ------
    InputError
        Naming the file, the line, the column and the rule that it breaks; or if readings of several ages are neither
        joined by a law nor one of them chosen.
    """
    readings = read_readings(path, form)
    if not len(readings.ln_r):
        return fit_readings(readings)
    several = [axis for axis, values in readings.ages.items() if values.min() < values.max()]
    if not law:
        for axis in several:
            readings = _one_age(readings, axis, age.get(axis))
        several = []
    one = {axis: float(values[0]) for axis, values in readings.ages.items() if axis not in several}
    for axis, value in one.items():
        asked = age.get(axis)
        if asked is not None and asked != value:
            raise InputError(f"must be {value:g}, the age of the readings in {path}, not {asked:g}", parameter=axis)
    default = {axis: one.get(axis, age.get(axis) or 0.0) for axis in LAW_OF}
    unknown = [axis for axis in LAW_OF if axis not in readings.ages and age.get(axis) is None]
    if "cycles" in unknown:
        fresh = " and ".join(f"0 {axis}" for axis in unknown)
        readings = replace(readings, assumed=(*readings.assumed, f"an age of {fresh}, as the file does not say it"))
    if not several:
        return fit_readings(readings, **default)
    if len(several) > 1:
        rule = "must have several ages in cycles or in seconds, not in both"
        raise InputError(f"{path}: {rule}: say `column` seconds=none")
    return _with_law(readings, several[0], default)


def _one_age(readings: Readings, axis: str, wanted: float | None) -> Readings:
    there = np.unique(readings.ages[axis])
    several = _ages(there, axis)
    if wanted is None:
        raise InputError(f"{readings.path}: must be of one age without a law, not of {several}: say `{axis}`")
    if wanted not in there:
        raise InputError(f"must be one of the ages in {readings.path}, {several}, not {wanted:g}", parameter=axis)
    return readings.only(readings.ages[axis] == wanted)


def _ages(there: NDArray[np.float64], axis: str) -> str:
    return f"{counted(len(there), 'age')} from {there[0]:g} to {there[-1]:g} {axis}"


def _with_law(readings: Readings, axis: str, default: Mapping[str, float]) -> AgedFit:
    each = ages_of(readings.ages[axis])
    fits = []
    for age in np.unique(each):
        part = readings.only(each == age)
        if all(np.unique(part.ln_r[part.hrs == hrs]).size > 1 for hrs in (False, True)):
            try:
                fits.append(fit_readings(part, **(dict(default) | {axis: float(age)})))
            except InputError as e:
                at = f"{readings.path}: at {age:g} {axis} "
                raise InputError(e.message.replace(f"{readings.path}: ", at, 1)) from None
    if len(fits) < AGES_MIN:
        there = _ages(np.unique(readings.ages[axis]), axis)
        raise InputError(
            f"{readings.path}: holds {there}, and a {LAW_OF[axis]} law needs {AGES_MIN} with 2 readings of each state:"
            f" choose one by `law` and `{axis}`, or say `column` {axis}=none if they are no ages"
        )
    other = next(default[name] for name in LAW_OF if name != axis)
    return AgedFit(readings.path, axis, tuple(fits), fit_law(readings, axis), readings, other)

"""The curves of a device as numbers: error rates against those of 1T1R, against cycles, and those of each age."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base.files import write_text
from oxnor.models.devices.error_rates import separation_curve, wear_curve
from oxnor.models.devices.fit import Fit
from oxnor.models.devices.fit_file import AgedFit
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.rate_intervals import rate_intervals
from oxnor.sim.sweeps.export import csv_text

_HEAD = ("panel", "curve", "x", "y", "low", "high")


def write_curves(
    path: Path, aged: tuple[DeviceModel, float, float] | None = None, fit: Fit | AgedFit | None = None
) -> None:
    """Write every curve of a device's picture as CSV.

    Parameters
    ----------
    path : Path
    aged : (DeviceModel, float, float), optional
        The device, its cycles and the seconds since it was programmed. Default: one sigma for both states.
    fit : Fit or AgedFit, optional
        What it was fitted to.
    """
    write_text(path, csv_text(_HEAD, [row for part in (_errors(aged), _wear(aged), _ages(fit)) for row in part]))


def _errors(aged: tuple[DeviceModel, float, float] | None) -> Iterator[tuple[Any, ...]]:
    curve = separation_curve(*aged) if aged else separation_curve()
    for name, rates in curve.items():
        for x, y in zip(curve["ber_1t1r"].tolist(), rates.tolist(), strict=True):
            yield "errors", name, x, y, None, None


def _wear(aged: tuple[DeviceModel, float, float] | None) -> Iterator[tuple[Any, ...]]:
    if aged is None or not aged[0].wear.changes:
        return
    device, _, seconds = aged
    curve = wear_curve(device, seconds=seconds)
    ends = [rate_intervals(device, c, seconds) for c in curve.cycles.tolist()]
    for name, rates in curve.rates.items():
        for x, y, known in zip(curve.cycles.tolist(), rates.tolist(), ends, strict=True):
            yield "wear", name, x, y, *known.get(name, (None, None))


def _ages(fit: Fit | AgedFit | None) -> Iterator[tuple[Any, ...]]:
    for each in fit.ages if fit is not None else ():
        axis = fit.axis if isinstance(fit, AgedFit) else "cycles"
        age = getattr(each, axis)
        for state, found in (("lrs", each.lrs), ("hrs", each.hrs)):
            yield axis, f"{state}_median", age, found.median, found.median_low, found.median_high
            yield axis, f"{state}_sigma", age, found.sigma, found.sigma_low, found.sigma_high
        for state, values in each.values.items():
            x = np.sort(values)
            for k, value in enumerate(np.exp(x).tolist()):
                yield f"fit at {age:g} {axis}", f"{state} rank", value, (k + 0.5) / len(x), None, None

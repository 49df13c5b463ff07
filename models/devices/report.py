"""The content of ``oxnor device show`` as JSON objects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from . import model as devices
from .codes import CODES
from .counted import counted_pairs, counted_singles
from .draws import Estimate
from .error_rates import (
    ErrorRates,
    best_reference,
    comparison,
    device_rates,
    equal_reference,
    separation_for,
    separations,
    single_ended,
    wear_curve,
)
from .fit import Fit
from .fit_file import AgedFit
from .model import DeviceModel
from .rate_intervals import rate_intervals
from .tails import tail_rate
from .three_states import ternary_rates

#: What each field of :class:`ErrorRates` is, and how many devices it stores a bit in.
RATES: dict[str, tuple[str, float]] = {
    "ber_1t1r": ("1T1R, best reference", 1.0),
    "ber_1t1r_equal": ("1T1R, equalising reference", 1.0),
    "ber_2t2r": ("2T2R, ideal amplifier", 2.0),
    "ber_2t2r_offset": ("2T2R with offset", 2.0),
    "ber_2t2r_read": ("2T2R with offset and read noise", 2.0),
    **{f"secded_{c.n}_{c.k}": (f"1T1R with {c.name}", c.redundancy) for c in CODES},
}
assert tuple(RATES) == tuple(f.name for f in fields(ErrorRates))


def presets() -> list[dict[str, Any]]:
    """Return one object a shipped preset."""
    rows = []
    for name in devices.names():
        model = devices.load(name)
        rates = device_rates(model)
        rows.append(
            {
                "name": name,
                "description": model.description,
                "ber_1t1r": rates.ber_1t1r,
                "ber_2t2r_offset": rates.ber_2t2r_offset,
                "wears": model.wear.changes,
            }
        )
    return rows


def table(target: float | None = None) -> dict[str, Any]:
    """Return the comparison for states of one sigma and ideal amplifiers, which needs no device.

    Parameters
    ----------
    target : float, optional
        A target error rate: adds the separation, in sigmas, at which each kind of storage reaches it.
    """
    tables: dict[str, Any] = {"error_rates": comparison(), "separations": separations()}
    return tables | ({} if target is None else {"target": _target(target)})


def describe(
    model: DeviceModel,
    *,
    cycles: float = 0.0,
    seconds: float = 0.0,
    target: float | None = None,
) -> dict[str, Any]:
    """Return what a device is and how often it errs.

    Parameters
    ----------
    model : DeviceModel
    cycles, seconds : float
        Its age.
    target : float, optional
        A target error rate: adds the separation at which the device, with its sigmas, would reach it.
    """
    stats = model.at(cycles, seconds)
    seen = single_ended(stats, model.single_offset_sigma)
    report: dict[str, Any] = {
        "device": model.name,
        "description": model.description,
        "cycles": cycles,
        "seconds": seconds,
        "states": {
            "lrs_median": math.exp(stats.lrs_mu),
            "hrs_median": math.exp(stats.hrs_mu),
            "lrs_sigma": stats.lrs_sigma,
            "hrs_sigma": stats.hrs_sigma,
            "ratio": math.exp(stats.separation),
        },
        "reference": {
            "best": math.exp(best_reference(seen)),
            "equalising": math.exp(equal_reference(seen)),
        },
        "error_rates": asdict(device_rates(model, cycles, seconds)),
        "three_states": _three_states(model, cycles, seconds),
    }
    if ends := rate_intervals(model, cycles, seconds):
        report["intervals"] = {key: {"low": low, "high": high} for key, (low, high) in ends.items()}
    if target is not None:
        aged = {"lrs_sigma": stats.lrs_sigma, "hrs_sigma": stats.hrs_sigma, "forming_yield": model.forming_yield}
        aged |= {"offset_sigma": model.pair_offset_sigma, "noise_sigma": model.read_noise_sigma}
        aged |= {"single_offset_sigma": model.single_offset_sigma}
        report["target"] = _target(target, **aged)
    if model.wear.changes:
        curve = wear_curve(model, seconds=seconds)
        report["wear_curve"] = {"cycles": curve.cycles.tolist()} | {k: v.tolist() for k, v in curve.rates.items()}
    return report | {"preset": model.to_json()}


def _three_states(model: DeviceModel, cycles: float, seconds: float) -> dict[str, float]:
    """Return the error rates of pairs of three states, and their threshold in ohm."""
    rates = asdict(ternary_rates(model, cycles, seconds))
    return rates | {"threshold": math.exp(rates["threshold"])}


def measured(fit: Fit | AgedFit, model: DeviceModel, *, cycles: float = 0.0, seconds: float = 0.0) -> dict[str, Any]:
    """Return what the readings themselves say of the error rates, with no law of ln R or with the one that fits best.

    Parameters
    ----------
    fit : Fit or AgedFit
        Readings of several ages are moved to this one by their law.
    model : DeviceModel
        What was fitted.
    cycles, seconds : float
        Its age.
    """
    readings = fit.readings if isinstance(fit, Fit) else fit.moved(cycles, seconds)
    pairs = counted_pairs(readings)
    singles = counted_singles(readings, best_reference(model.at(cycles, seconds)))
    found: dict[str, Any] = {
        "fit": fit.to_json(),
        "counted": {"ber_1t1r": singles.to_json(), "ber_2t2r": pairs.to_json(), "moved": isinstance(fit, AgedFit)},
    }
    tail = tail_rate(readings)
    if tail is not None:
        states = {s: {"law": t.law.name, "held_out": t.held_out} for s, t in (("lrs", tail.lrs), ("hrs", tail.hrs))}
        found["tail"] = {"ber_2t2r": {"rate": tail.rate, "low": tail.low, "high": tail.high}, **states}
    rate = device_rates(model, cycles, seconds).ber_2t2r
    reasons = [
        f"ln R of {state} is not normal (p = {p:.2g})"
        for state, each in (("LRS", fit.lrs), ("HRS", fit.hrs))
        if (p := each.normal_p) is not None and not each.normal
    ]
    if tail is not None:
        reasons += [
            f"{state} follows {_TAILS[t.law.name]} better"
            for state, t in (("LRS", tail.lrs), ("HRS", tail.hrs))
            if t.law.name != "normal"
        ]
    if not pairs.low <= rate <= pairs.high:
        reasons.append(f"2T2R is {rate:.2g} in closed form and {pairs.rate:.2g} counted")
    return found | {"not_log_normal": reasons}


#: The laws of :mod:`oxnor.models.devices.tails` in words.
_TAILS = {"mixture": "a mixture of two normal laws", "extreme": "a law of extreme values"}


def monte_carlo(drawn: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return the part of the report about a Monte Carlo."""
    return {"monte_carlo": {key: asdict(e) | {"rate": e.rate} for key, e in drawn.items()}}


def _target(target: float, **sigmas: float) -> dict[str, Any]:
    kinds = [k for k in RATES if sigmas or k not in ("ber_1t1r_equal", "ber_2t2r_offset", "ber_2t2r_read")]
    return {"error_rate": target} | {k: asdict(separation_for(target, k, **sigmas)) for k in kinds}

"""Intervals of the bit error rates of a device whose numbers were measured."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from .codes import CODES
from .error_rates import ErrorRates, amplifier
from .model import UNFORMED_OHM, DeviceModel
from .uncertainty import CONFIDENCE

Array = NDArray[np.float64]
_RATES = tuple(f.name for f in fields(ErrorRates))


def rate_intervals(
    device: DeviceModel, cycles: float = 0.0, seconds: float = 0.0, confidence: float = CONFIDENCE
) -> dict[str, tuple[float, float]]:
    """Return the interval of every rate of :class:`ErrorRates` in closed form.

    The numbers of the device are drawn from what is known of them; an interval holds the middle of the rates. A sigma
    that comes out larger or smaller does so by a factor, so that it stays above 0.

    Returns
    -------
    dict of str to (float, float)
        Empty if the device's numbers are not measured.
    """
    if device.uncertainty is None:
        return {}
    stats, draws = device.at(cycles, seconds), device.uncertainty.draws()
    decades = {"wear": device.wear.decades(cycles), "relaxation": device.relaxation.decades(seconds)}
    zero = np.zeros(len(next(iter(draws.values()))))

    def off(base: str, slope: str) -> Array:
        return draws.get(base, zero) + sum(d * draws.get(f"{law}.{slope}", zero) for law, d in decades.items())

    low_mu = stats.lrs_mu + off("lrs_median", "lrs_mu")
    high_mu = stats.hrs_mu + off("hrs_median", "hrs_mu")
    low = stats.lrs_sigma * np.exp(np.clip(off("lrs_sigma", "lrs_sigma") / stats.lrs_sigma, -20, 20))
    high = stats.hrs_sigma * np.exp(np.clip(off("hrs_sigma", "hrs_sigma") / stats.hrs_sigma, -20, 20))
    rates = rates_of(low_mu, low, high_mu, high, *amplifier(device))
    tail = (1 - confidence) / 2
    ends = {name: np.quantile(rates[name], (tail, 1 - tail)) for name in _RATES}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def rates_of(
    low_mu: Array, low: Array, high_mu: Array, high: Array, offset: float = 0.0, noise: float = 0.0,
    formed: float = 1.0, single_offset: float = 0.0,
) -> dict[str, Array]:  # fmt: skip
    """Return the rates of :func:`oxnor.models.devices.error_rates.error_rates` of many devices at once.

    Parameters
    ----------
    low_mu, low, high_mu, high : ndarray of float, shape (n,)
        Means and sigmas of ln R of LRS and HRS.
    offset, noise : float
        Of the sense amplifier, in ln units.
    formed : float
        Probability that a device formed.
    single_offset : float
        Of the amplifier of single devices, in ln units.
    """
    d = np.maximum(high_mu - low_mu, 1e-9)
    a, b = (np.hypot(sigma, single_offset) if single_offset else sigma for sigma in (low, high))
    p, q = a**-2.0, b**-2.0
    log_ratio = 2 * np.log(b / a)
    best = (d * d * q + log_ratio) / (d * q + np.sqrt(np.maximum(d * d * p * q + log_ratio * (p - q), 0)))
    far = math.log(UNFORMED_OHM) - low_mu

    def single(t: Array) -> Array:
        above = formed * ndtr(-t / a) + (1 - formed) * ndtr((far - t) / b)
        below = formed * ndtr((t - d) / b) + (1 - formed) * ndtr((t - far) / b)
        return (above + below) / 2

    def pair(extra: float) -> Array:
        both = ndtr(-d / np.sqrt(low**2 + high**2 + extra))
        instead_of_hrs = ndtr(-far / np.sqrt(low**2 + high**2 + extra))
        instead_of_lrs = ndtr((far - d) / np.sqrt(2 * high**2 + extra))
        mixed = formed * (1 - formed) * (instead_of_hrs + instead_of_lrs)
        return formed**2 * both + mixed + (1 - formed) ** 2 / 2

    at_best = single(best)
    rates = {
        "ber_1t1r": at_best, "ber_1t1r_equal": single(d * a / (a + b)), "ber_2t2r": pair(0.0),
        "ber_2t2r_offset": pair(offset**2), "ber_2t2r_read": pair(offset**2 + noise**2),
    }  # fmt: skip
    return rates | {f"secded_{code.n}_{code.k}": code.residual(at_best) for code in CODES}

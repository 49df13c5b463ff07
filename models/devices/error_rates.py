"""Bit error rates of 1T1R, 2T2R and error-correcting codes in closed form, from the statistics of a device.

ln R of a state is normal, so every rate is a tail Q(x) = Phi(-x) of the normal distribution, with D the distance of the
means of ln R:

- 1T1R, one device compared with a reference t: (Q((t - mu_L) / s_L) + Q((mu_H - t) / s_H)) / 2;
- 2T2R, two complementary devices compared with each other: Q(D / sqrt(s_L^2 + s_H^2));
- with an offset of the sense amplifier, and noise in each read: their variances are added under the root. Of the two
  parts of the offset, what stays and what turns with the input, one read has their sum or their difference, which for
  normal numbers is the same: their variances are added too;
- with an offset of the amplifier that compares with a reference: its variance is added to those of both states;
- a code on 1T1R bits: :meth:`oxnor.models.devices.codes.Secded.residual` of the 1T1R rate.

Source of the comparison: Hirtzlin et al., Frontiers in Neuroscience 13:1383 (2020), arXiv 1908.04066.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from oxnor.models.base.errors import InputError

from .codes import CODES
from .model import UNFORMED_OHM, DeviceModel
from .states import Statistics

#: The smallest error rate that the inverse functions accept.
TARGET_MIN = 1e-30
# The mean of LRS where the separation alone counts: an unformed device is above every HRS that is tried.
_FAR = -1000.0


def equal_reference(stats: Statistics) -> float:
    """Return the reference, as ln(R / ohm), at which LRS and HRS err equally often: both at rate Q(D / (s_L + s_H))."""
    return stats.lrs_mu + stats.separation * stats.lrs_sigma / (stats.lrs_sigma + stats.hrs_sigma)


def best_reference(stats: Statistics) -> float:
    """Return the reference, as ln(R / ohm), with the fewest errors in all: where the two densities cross.

    Equal to :func:`equal_reference` if the sigmas are equal. The crossing is a root of a quadratic, written so that it
    is the minimum of the two, and that equal sigmas are no special case.
    """
    d, low, high = stats.separation, stats.lrs_sigma**-2, stats.hrs_sigma**-2
    log_ratio = 2 * math.log(stats.hrs_sigma / stats.lrs_sigma)
    root = math.sqrt(d * d * low * high + log_ratio * (low - high))
    return stats.lrs_mu + (d * d * high + log_ratio) / (d * high + root)


def ber_1t1r(stats: Statistics, reference: float | None = None, forming_yield: float = 1.0) -> float:
    """Return the bit error rate of single devices against a reference, for as many LRS as HRS.

    Parameters
    ----------
    stats : Statistics
    reference : float, optional
        ln(R / ohm). Default: :func:`best_reference` of the devices that formed.
    forming_yield : float
        An unformed device reads as HRS.
    """
    t = best_reference(stats) if reference is None else reference
    above = forming_yield * ndtr((stats.lrs_mu - t) / stats.lrs_sigma)
    below = forming_yield * ndtr((t - stats.hrs_mu) / stats.hrs_sigma)
    unformed = math.log(UNFORMED_OHM)
    above += (1 - forming_yield) * ndtr((unformed - t) / stats.hrs_sigma)
    below += (1 - forming_yield) * ndtr((t - unformed) / stats.hrs_sigma)
    return float(above + below) / 2


def ber_2t2r(
    stats: Statistics, offset_sigma: float = 0.0, noise_sigma: float = 0.0, forming_yield: float = 1.0
) -> float:
    """Return the bit error rate of complementary pairs.

    Parameters
    ----------
    stats : Statistics
    offset_sigma : float
        Of the sense amplifier, in ln units. The rate is over amplifiers too; one amplifier has more or fewer errors.
    noise_sigma : float
        Of one read, in ln units. Without it the rate is that of bits that are wrong at every read.
    forming_yield : float
        Probability that a device formed. One unformed device decides for its pair, two leave it to chance.
    """
    low, high, extra = stats.lrs_sigma**2, stats.hrs_sigma**2, offset_sigma**2 + noise_sigma**2
    both = ndtr(-stats.separation / math.sqrt(low + high + extra))
    unformed = math.log(UNFORMED_OHM)
    instead_of_hrs = ndtr((stats.lrs_mu - unformed) / math.sqrt(low + high + extra))
    instead_of_lrs = ndtr((unformed - stats.hrs_mu) / math.sqrt(2 * high + extra))
    y = forming_yield
    return float(y * y * both + y * (1 - y) * (instead_of_hrs + instead_of_lrs) + (1 - y) ** 2 / 2)


@dataclass(frozen=True)
class ErrorRates:
    """Bit error rates of one device, used in each of the ways that are compared.

    Parameters
    ----------
    ber_1t1r : float
        Single devices, the reference with the fewest errors; with the offset of their amplifiers, if they have one.
    ber_1t1r_equal : float
        Single devices, the reference at which both states err equally often.
    ber_2t2r : float
        Pairs, ideal sense amplifier.
    ber_2t2r_offset : float
        Pairs with the offset of the sense amplifier: the share of weights that are wrong at every read of one input.
    ber_2t2r_read : float
        The same with read noise: the share of wrong bits in one read.
    secded_8_4, secded_39_32, secded_72_64 : float
        Data bits that are wrong after the decoder of a code on single devices (``ber_1t1r``). (8,4) stores two devices
        for each bit, as 2T2R does.
    """

    ber_1t1r: float
    ber_1t1r_equal: float
    ber_2t2r: float
    ber_2t2r_offset: float
    ber_2t2r_read: float
    secded_8_4: float
    secded_39_32: float
    secded_72_64: float


def single_ended(stats: Statistics, offset_sigma: float) -> Statistics:
    """Return the states as an amplifier with an offset sees them against its reference."""
    if not offset_sigma:
        return stats
    low, high = (math.hypot(sigma, offset_sigma) for sigma in (stats.lrs_sigma, stats.hrs_sigma))
    return Statistics(stats.lrs_mu, low, stats.hrs_mu, high)


def error_rates(
    stats: Statistics, offset_sigma: float = 0.0, noise_sigma: float = 0.0, forming_yield: float = 1.0,
    single_offset_sigma: float = 0.0,
) -> ErrorRates:  # fmt: skip
    """Return the bit error rates of devices with these statistics.

    Parameters
    ----------
    stats : Statistics
    offset_sigma, noise_sigma, forming_yield : float
        As for :func:`ber_2t2r`.
    single_offset_sigma : float
        Offset of the amplifiers that compare single devices with a reference, in ln units.
    """
    seen = single_ended(stats, single_offset_sigma)
    single = ber_1t1r(seen, None, forming_yield)
    return ErrorRates(
        single,
        ber_1t1r(seen, equal_reference(seen), forming_yield),
        ber_2t2r(stats, 0.0, 0.0, forming_yield),
        ber_2t2r(stats, offset_sigma, 0.0, forming_yield),
        ber_2t2r(stats, offset_sigma, noise_sigma, forming_yield),
        *(float(code.residual(single)) for code in CODES),
    )


def device_rates(device: DeviceModel, cycles: float = 0.0, seconds: float = 0.0) -> ErrorRates:
    """Return the bit error rates of `device` after `cycles`, `seconds` after programming."""
    stats = device.at(cycles, seconds)
    return error_rates(stats, *amplifier(device))


def amplifier(device: DeviceModel) -> tuple[float, float, float, float]:
    """Return what :func:`error_rates` wants to know of a device beside its states."""
    return device.pair_offset_sigma, device.read_noise_sigma, device.forming_yield, device.single_offset_sigma


def equal_sigma_2t2r(p: ArrayLike) -> NDArray[np.float64]:
    """Return the 2T2R rate Phi(sqrt(2) InvPhi(p)) of devices whose 1T1R rate is `p`, if both states have one sigma."""
    return ndtr(math.sqrt(2) * ndtri(np.asarray(p, np.float64)))


@dataclass(frozen=True, eq=False)
class WearCurve:
    """Bit error rates against SET/RESET cycles.

    Parameters
    ----------
    cycles : ndarray of float, shape (k,)
    rates : dict of str to ndarray of float, shape (k,)
        The fields of :class:`ErrorRates`.
    """

    cycles: NDArray[np.float64]
    rates: dict[str, NDArray[np.float64]]

    def __repr__(self) -> str:
        return f"WearCurve({len(self.cycles)} points, {self.cycles.min():.4g} to {self.cycles.max():.4g} cycles)"


def wear_curve(device: DeviceModel, cycles: ArrayLike | None = None, seconds: float = 0.0) -> WearCurve:
    """Return the error rates of a device at a number of cycles.

    Parameters
    ----------
    device : DeviceModel
    cycles : array of float, optional
        Default: five a decade from 1 to the end of the range in which the device holds.
    seconds : float
        After programming.

    Raises
    ------
    InputError
        If a number of cycles is outside the range in which the device holds.
    """
    if cycles is None:
        low, high = device.valid_cycles
        low = max(low, 1.0)
        points = np.geomspace(low, high, max(2, 1 + round(5 * math.log10(high / low)))) if high > low else [high]
        cycles = np.clip(points, low, high)
    at = np.asarray(cycles, np.float64).ravel()
    rows = [asdict(device_rates(device, float(c), seconds)) for c in at]
    return WearCurve(at, {key: np.array([row[key] for row in rows]) for key in rows[0]})


def separation_curve(
    device: DeviceModel | None = None, cycles: float = 0.0, seconds: float = 0.0, points: int = 81
) -> dict[str, NDArray[np.float64]]:
    """Return how all rates fall as the two states are moved apart and all else stays.

    Parameters
    ----------
    device : DeviceModel, optional
        Whose sigmas, offset, noise and yield stay. Default: one sigma for both states, ideal amplifiers.
    cycles, seconds : float
        Its age.
    points : int
        Number of separations.

    Returns
    -------
    dict of str to ndarray of float, shape (points,)
        The fields of :class:`ErrorRates`, falling.
    """
    stats = device.at(cycles, seconds) if device else Statistics(0.0, 1.0, 1.0, 1.0)
    extra = amplifier(device) if device else ()
    low, high = stats.lrs_sigma, stats.hrs_sigma
    end = max(9.5 * (low + high) / 2, 1.3 * stats.separation)
    span = np.linspace(0.75 * (low + high), end, points)
    rows = [asdict(error_rates(Statistics(_FAR, low, _FAR + x, high), *extra)) for x in span.tolist()]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


@dataclass(frozen=True)
class Separation:
    """The separation of the two states for a target error rate.

    Parameters
    ----------
    difference : float
        D, in ln units.
    ratio : float
        HRS median over LRS median, exp(D).
    in_sigmas : float
        d = D / sqrt((s_L^2 + s_H^2) / 2): in units of the sigma, if both states have one.
    """

    difference: float
    ratio: float
    in_sigmas: float


def separation_for(
    target: float,
    kind: str,
    *,
    lrs_sigma: float = 1.0,
    hrs_sigma: float = 1.0,
    offset_sigma: float = 0.0,
    noise_sigma: float = 0.0,
    forming_yield: float = 1.0,
    single_offset_sigma: float = 0.0,
) -> Separation:
    """Return the separation at which devices, used in one way, reach an error rate.

    Parameters
    ----------
    target : float
        Bit error rate, in [1e-30, 0.4].
    kind : str
        A field of :class:`ErrorRates`.
    lrs_sigma, hrs_sigma, offset_sigma, noise_sigma, forming_yield, single_offset_sigma : float
        As for :func:`error_rates`.

    Raises
    ------
    InputError
        If `target` is out of its range, or lies below what unformed devices alone cause.
    """
    if not TARGET_MIN <= target <= 0.4:
        raise InputError(f"target error rate must be in [{TARGET_MIN:g}, 0.4], not {target:g}")
    sigma = math.sqrt((lrs_sigma**2 + hrs_sigma**2) / 2)
    widest = math.sqrt(2 * sigma**2 + offset_sigma**2 + noise_sigma**2 + 2 * single_offset_sigma**2)

    def excess(d: float) -> float:
        stats = Statistics(_FAR, lrs_sigma, _FAR + d, hrs_sigma)
        rates = error_rates(stats, offset_sigma, noise_sigma, forming_yield, single_offset_sigma)
        return math.log(max(getattr(rates, kind), 1e-300)) - math.log(target)

    low, high = 1e-9 * widest, 2 * 12 * widest
    floor = excess(high)
    if floor > 0:
        rate = target * math.exp(floor)
        raise InputError(f"target error rate must be above {rate:.3g}, which unformed devices cause, not {target:g}")
    from scipy.optimize import brentq  # half a second, which hardly anything needs

    d = float(brentq(excess, low, high, xtol=1e-13 * widest, rtol=1e-14))
    return Separation(d, math.exp(d), d / sigma)


#: 1T1R bit error rates of :func:`comparison`.
COMPARISON_RATES = (5e-2, 3.3e-2, 1e-2, 1e-3, 1e-4, 1e-5)
#: Wanted 2T2R error rates of :func:`separations`.
SEPARATION_RATES = (4e-2, 3.3e-2, 1e-2, 1e-3, 1e-4, 1e-6, 1e-9)


def comparison(rates: Iterable[float] = COMPARISON_RATES) -> list[dict[str, float]]:
    """Return, for each 1T1R rate, the rates of 2T2R and of the codes, and two estimates for each code.

    For devices whose states have one sigma, read by ideal sense amplifiers.
    """
    rows = []
    for p in rates:
        row = {"ber_1t1r": float(p), "ber_2t2r": float(equal_sigma_2t2r(p))}
        for code in CODES:
            key = f"secded_{code.n}_{code.k}"
            row[key] = float(code.residual(p))
            row |= {f"{key}_estimate": float(code.estimate(p)), f"{key}_pessimistic": float(code.pessimistic(p))}
        rows.append(row)
    return rows


def separations(targets: Iterable[float] = SEPARATION_RATES) -> list[dict[str, float]]:
    """Return, for each target 2T2R rate, the separation in sigmas and the 1T1R rate there; both states of one sigma."""
    rows = []
    for p in targets:
        x = float(ndtri(p))
        rows.append({"ber_2t2r": float(p), "in_sigmas": -math.sqrt(2) * x, "ber_1t1r": float(ndtr(x / math.sqrt(2)))})
    return rows

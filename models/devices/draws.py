"""Devices drawn at random: pairs of a network and their bit errors, and Monte Carlo of every closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.faults.error_models import MACRO
from oxnor.models.faults.fault_map import FaultMap, shapes_of
from oxnor.models.faults.march import as_states
from oxnor.models.networks.binarized import Network

from .codes import CODES, Secded
from .error_rates import ErrorRates, best_reference, device_rates, equal_reference, single_ended
from .model import UNFORMED_OHM, DeviceModel
from .states import Statistics
from .three_states import levels, sense_threshold

#: Devices that are held in memory at once.
_CHUNK = 1 << 21
#: Largest number of Monte Carlo trials of one closed form.
TRIALS_MAX = 10**9


def log_resistance(
    lrs: NDArray[np.bool_], formed: NDArray[np.bool_] | None, z: NDArray[np.float64], stats: Statistics
) -> NDArray[np.float64]:
    """Return ln(R / ohm) of devices from standard normal numbers.

    Parameters
    ----------
    lrs : ndarray of bool
        Which devices were programmed to LRS; the others are HRS.
    formed : ndarray of bool, optional
        Which formed. Default: all. The others are at :data:`UNFORMED_OHM`, with the spread of HRS.
    z : ndarray of float
        One number a device; the same number at another age of the device gives the same device, aged.
    stats : Statistics
    """
    mu = np.where(lrs, stats.lrs_mu, stats.hrs_mu)
    sigma = np.where(lrs, stats.lrs_sigma, stats.hrs_sigma)
    if formed is not None:
        mu = np.where(formed, mu, math.log(UNFORMED_OHM))
        sigma = np.where(formed, sigma, stats.hrs_sigma)
    return mu + sigma * z


def _pair_bits(
    weights: NDArray[np.bool_], formed: NDArray[np.bool_] | None, z: NDArray[np.float64], offset: NDArray[np.float64],
    stats: Statistics,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return the bits that pairs read as; the last axis of `formed` and `z` is (BL, BLb)."""
    pair = np.stack([weights, ~weights], axis=-1)  # bit 1: BL in LRS, BLb in HRS
    ln_r = log_resistance(pair, formed, z, stats)
    return ln_r[..., 1] - ln_r[..., 0] + offset > 0


def draw_faults(
    network: Network,
    device: DeviceModel,
    *,
    seed: int = 0,
    trial: int = 0,
    cycles: float = 0.0,
    seconds: float = 0.0,
    macro: tuple[int, int] = MACRO,
    noise: bool = False,
    pair_states: int = 2,
) -> FaultMap:
    """Return the errors of a network whose weights are pairs of `device`, each programmed once.

    A pair reads as 1 iff ln R_BLb - ln R_BL + offset > 0. Where that is not its weight, the synapse is flipped; a pair
    with an unformed device is stuck at what it reads. The offset is that of the sense amplifier of the pair's column in
    its macro, referred to the bit lines: it acts in the same direction for both inputs, so that an error is an inverted
    weight. What turns with the input a map cannot say, which knows no inputs: each synapse gets it as for an input that
    is drawn for it, so that a read errs as often as in a device macro, which takes the input itself.

    Parameters
    ----------
    network : Network
    device : DeviceModel
    seed, trial : int
        Key of the draw, each in [0, 2**63). Another age or another offset with the same key gives the same devices.
    cycles, seconds : float
        Age of every device, as for :meth:`DeviceModel.at`.
    macro : (rows, cols)
        The synapse of neuron j and input i is in macro (j // rows, i // cols), column i % cols.
    noise : bool
        Whether the map is that of one read of each pair, with its noise, or of what is wrong at every read.
    pair_states : int
        3: two synapses of a weight are one pair, with both devices in HRS where they differ
        (:mod:`oxnor.models.devices.three_states`), in layers whose weights have an even number of them. A column is one
        of pairs then.

    Raises
    ------
    InputError
        If the device does not hold at that age, or a key or the size of the macros is out of its range.
    """
    rng.check_key("seed", seed)
    rng.check_key("trial", trial)
    rows, cols = macro
    if rows < 1 or cols < 1:
        raise InputError(f"must be two positive integers, not {macro!r}", parameter="macro")
    stats = device.at(cycles, seconds)
    if pair_states not in (2, 3):
        raise InputError(f"must be 2 or 3, not {pair_states!r}", parameter="pair_states")
    threshold = sense_threshold(device)
    flips, stuck_0, stuck_1 = {}, {}, {}
    for i, layer in enumerate(network.layers):
        weights = np.asarray(layer.weights, bool)
        three = pair_states == 3 and layer.weight_code.fits_pairs
        if three:
            weights = as_states(weights).reshape(len(weights), -1, 2)
        n_out, n_in = weights.shape[:2]
        z, forming, offsets = (
            rng.stream(kind, seed=seed, layer=i, trial=trial) for kind in ("device", "forming", "offset")
        )
        offset = device.offset_sigma * offsets.standard_normal((math.ceil(n_out / rows), n_in))
        noises = rng.stream("pair-noise", seed=seed, layer=i, trial=trial)
        turning = _turning(device, offset.shape, (n_out, n_in), rows, (seed, i, trial))
        wrong: list[NDArray[np.int64]] = []
        zeros: list[NDArray[np.int64]] = []
        ones: list[NDArray[np.int64]] = []
        step = max(1, _CHUNK // (2 * n_in))
        for start in range(0, n_out, step):
            block = weights[start : start + step]
            shape = (len(block), n_in, 2)
            formed = forming.random(shape) < device.forming_yield if device.forming_yield < 1 else None
            at = offset[np.arange(start, start + len(block)) // rows]
            if turning is not None:
                at = at + turning[start : start + len(block)]
            if noise:
                at = at + device.read_noise_sigma * noises.standard_normal(shape[:2])
            normal = z.standard_normal(shape)
            if three:
                pair = np.stack([block[..., 1], ~block[..., 0]], axis=-1)
                is_one, is_zero = levels(log_resistance(pair, formed, normal, stats), at, threshold)
                bits = np.stack([is_one | is_zero, is_one], axis=-1)
            else:
                bits = _pair_bits(block, formed, normal, at, stats)
            stuck = np.zeros(shape[:2], bool) if formed is None else np.asarray(~formed.all(axis=-1))
            stuck = np.broadcast_to(stuck[..., None], block.shape) if three else stuck
            for mask, into in (((bits != block) & ~stuck, wrong), (stuck & ~bits, zeros), (stuck & bits, ones)):
                into.append(np.flatnonzero(mask) + start * (2 * n_in if three else n_in))
        flips[i], stuck_0[i], stuck_1[i] = (np.concatenate(parts) for parts in (wrong, zeros, ones))
    return FaultMap(shapes_of(network), flips, stuck_0, stuck_1)


def _turning(
    device: DeviceModel, amplifiers: tuple[int, ...], shape: tuple[int, ...], rows: int, key: tuple[int, int, int]
) -> NDArray[np.float64] | None:
    """Return the part of the offset that turns with the input, at an input drawn for each synapse; None without one."""
    if not device.turning_offset_sigma:
        return None
    seed, layer, trial = key
    g = rng.stream("turning", seed=seed, layer=layer, trial=trial)
    offset = device.turning_offset_sigma * g.standard_normal(amplifiers)
    return offset[np.arange(shape[0]) // rows] * np.where(g.random(shape) < 0.5, -1.0, 1.0)


@dataclass(frozen=True)
class Estimate:
    """An error rate by Monte Carlo.

    Parameters
    ----------
    errors, trials : int
        Bits that were wrong, and bits that were drawn.
    low, high : float
        Ends of the 99 % confidence interval of the rate.
    exact : float
        The rate in closed form.
    agrees : bool
        True unless the closed form is outside the 99.9999 % interval: by chance that is once in a million.
    """

    errors: int
    trials: int
    low: float
    high: float
    exact: float
    agrees: bool

    @property
    def rate(self) -> float:
        """Share of wrong bits."""
        return self.errors / self.trials


def interval(errors: float, trials: float, confidence: float = 0.99) -> tuple[float, float]:
    """Return the confidence interval of a rate from independent trials (Clopper and Pearson)."""
    half = (1 - confidence) / 2
    low = float(betaincinv(errors, trials - errors + 1, half)) if errors else 0.0
    high = float(betaincinv(errors + 1, trials - errors, 1 - half)) if errors < trials else 1.0
    return low, high


def check_trials(trials: int) -> None:
    """Raise InputError unless `trials` is a number of Monte Carlo trials."""
    if isinstance(trials, bool) or not isinstance(trials, int) or not 1 <= trials <= TRIALS_MAX:
        raise InputError(f"Monte Carlo trials must be in [1, {TRIALS_MAX}], not {trials!r}")


def monte_carlo(
    device: DeviceModel,
    trials: int,
    *,
    cycles: float = 0.0,
    seconds: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Estimate]:
    """Return every rate of :class:`ErrorRates` by drawing devices, reading them, and running the decoders.

    Parameters
    ----------
    device : DeviceModel
    trials : int
        Bits for each rate, in [1, 1e9]; for a code, rounded up to whole words.
    cycles, seconds : float
        Age of the devices.
    seed : int
        Key of the draws.
    progress : callable, optional
        Told of (bits drawn, bits in all).
    """
    check_trials(trials)
    rng.check_key("seed", seed)
    stats, exact = device.at(cycles, seconds), device_rates(device, cycles, seconds)
    estimates: dict[str, Estimate] = {}
    names = [f.name for f in fields(ErrorRates)]
    for k, name in enumerate(names):
        code = {f"secded_{c.n}_{c.k}": c for c in CODES}.get(name)
        words = -(-trials // (code.k if code else 1))
        step = _CHUNK // (2 * (code.n if code else 1))
        wrong = squares = 0
        for chunk in range(-(-words // step)):
            g = rng.stream("monte-carlo", seed=seed, layer=k, trial=chunk)
            count = min(step, words - chunk * step)
            errors = _code_errors(g, count, code, device, stats) if code else _bit_errors(g, count, name, device, stats)
            wrong += int(errors.sum())
            squares += int((errors * errors).sum())
            if progress:
                progress(k * trials + min((chunk + 1) * step * trials // words, trials), len(names) * trials)
        # Wrong bits of one word come together: they count for as many independent trials as their variance says.
        bits = code.k if code else 1
        cluster = squares / wrong if wrong else float(bits)
        low, high = interval(wrong / cluster, words * bits / cluster)
        widest = interval(wrong / cluster, words * bits / cluster, 1 - 1e-6)
        value = getattr(exact, name)
        estimates[name] = Estimate(wrong, words * bits, low, high, value, widest[0] <= value <= widest[1])
    return estimates


def _formed(g: np.random.Generator, shape: tuple[int, ...], device: DeviceModel) -> NDArray[np.bool_] | None:
    return g.random(shape) < device.forming_yield if device.forming_yield < 1 else None


def _bit_errors(
    g: np.random.Generator, count: int, name: str, device: DeviceModel, stats: Statistics,
    stored: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """Return 1 for each of `count` bits that is read wrong, else 0; the bits are drawn if they are not given."""
    bits = g.random(count) < 0.5 if stored is None else stored
    if name.startswith("ber_1t1r"):
        seen = single_ended(stats, device.single_offset_sigma)
        reference = equal_reference(seen) if name.endswith("equal") else best_reference(seen)
        ln_r = log_resistance(bits, _formed(g, (count,), device), g.standard_normal(count), stats)
        if device.single_offset_sigma:
            ln_r += device.single_offset_sigma * g.standard_normal(count)
        return ((ln_r < reference) != bits).astype(np.int64)
    offset = np.zeros(count)
    if name != "ber_2t2r":
        offset += device.offset_sigma * g.standard_normal(count)
        if device.turning_offset_sigma:
            x = g.random(count) < 0.5
            offset += np.where(x, 1.0, -1.0) * device.turning_offset_sigma * g.standard_normal(count)
    if name == "ber_2t2r_read":
        offset += device.read_noise_sigma * g.standard_normal(count)
    formed = _formed(g, (count, 2), device)
    return (_pair_bits(bits, formed, g.standard_normal((count, 2)), offset, stats) != bits).astype(np.int64)


def _code_errors(
    g: np.random.Generator, count: int, code: Secded, device: DeviceModel, stats: Statistics
) -> NDArray[np.int64]:
    """Return the number of wrong data bits of each of `count` words of single devices, after the decoder."""
    stored = code.encode(g.random((count, code.k)) < 0.5)
    wrong = _bit_errors(g, count * code.n, "ber_1t1r", device, stats, stored.ravel()).reshape(stored.shape)
    return (code.decode(stored ^ wrong.astype(bool)) ^ stored)[:, : code.k].sum(axis=1)

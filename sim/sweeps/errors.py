"""How the errors of a trial are drawn: by their kind, of devices at an age, and several kinds at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.devices.draws import draw_faults
from oxnor.models.devices.error_rates import separation_for
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.states import Statistics
from oxnor.models.faults.error_models import ERROR_MODELS
from oxnor.models.faults.fault_map import FaultMap, shapes_of
from oxnor.models.faults.read_errors import SEED_MAX, ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.models.technology.supply import SupplyCurve, lrs_range, shipped_curve

from .trial import ALL_LAYERS, Key

if TYPE_CHECKING:
    from .params import SweepParams

#: A pair that several kinds name does what the first of them says: what is stuck, is stuck.
_ORDER = ("cluster", "stuck", "device", "asymmetric", "sign", "step", "static")
#: Kinds of error that may be there beside those of the sweep.
BESIDE = (*ERROR_MODELS, "read")


def _reads(key: Key, seed: int) -> ReadErrors:
    g = rng.stream("read", seed=seed, layer=0, trial=key.trial)
    return ReadErrors.from_ber(key.rate, int(g.integers(SEED_MAX, endpoint=True)))


def _read(network: Network, key: Key, params: SweepParams) -> ReadErrors:
    return _reads(key, params.seed)


def _layer(key: Key) -> int | None:
    return None if key.layer == ALL_LAYERS else key.layer


def _static(network: Network, key: Key, params: SweepParams) -> FaultMap:
    return FaultMap.draw(
        network, ber=key.rate, kind=params.kind, seed=params.seed, trial=key.trial, layer=_layer(key), **params.options
    )


def _device(network: Network, key: Key, params: SweepParams) -> FaultMap:
    device = params.device
    assert device is not None
    if not key.rate:
        return FaultMap(shapes_of(network))
    age: dict[str, float] = {}
    if params.against == "ber":
        apart = separation_for(
            key.rate,
            "ber_2t2r_offset",
            lrs_sigma=device.lrs_sigma,
            hrs_sigma=device.hrs_sigma,
            offset_sigma=device.pair_offset_sigma,
            forming_yield=device.forming_yield,
        )
        # Its states are moved, not aged: the laws do not count.
        drawn_from = replace(_fixed(device, device), hrs_median=device.lrs_median * apart.ratio)
    else:
        drawn_from, age = device_at(device, params.against, key.rate, params.age)
    about: dict[str, Any] = {**params.options, **age}
    # Against the supply the static offset and the noise of a read are both of the circuit: a trial is one read.
    about |= {"noise": True} if params.against == "vdd" else {}
    drawn = draw_faults(network, drawn_from, seed=params.seed, trial=key.trial, **about)
    return drawn if key.layer == ALL_LAYERS else drawn.only(key.layer)


def device_at(
    device: DeviceModel, against: str, value: float, age: Mapping[str, float]
) -> tuple[DeviceModel, dict[str, float]]:
    """Return the device that an experimenter has turned to a value, and its age.

    Parameters
    ----------
    device : DeviceModel
    against : str
        "cycles" or "seconds": its age. "sigma": the spread of ln R, root mean square of both states; their ratio stays.
        "ratio": of the medians, HRS over LRS; LRS stays. "vdd": the supply of its sense amplifiers, which are those of
        the circuit whose results are shipped.
    value : float
    age : mapping of str to float
        Cycles and seconds; that which is turned is not.

    Raises
    ------
    InputError
        If the device does not hold at that age, or there is no such device.
    """
    if against in ("cycles", "seconds"):
        return device, dict(age) | {against: value}
    if against == "vdd":
        return supply_of(device, age).device(device, value), dict(age)
    stats = device.at(**age)
    low, high = math.exp(stats.lrs_mu), math.exp(stats.hrs_mu)
    fixed = replace(_fixed(device, stats), lrs_median=low, hrs_median=high)
    if against == "ratio":
        return replace(fixed, hrs_median=fixed.lrs_median * value), {}
    factor = value / spread(stats.lrs_sigma, stats.hrs_sigma)
    return replace(fixed, lrs_sigma=factor * fixed.lrs_sigma, hrs_sigma=factor * fixed.hrs_sigma), {}


def supply_of(device: DeviceModel, age: Mapping[str, float], reads: int = 1) -> SupplyCurve:
    """Return what the shipped circuit does at each supply with the ratio of a device's resistances.

    Its LRS is that of the circuit: where offsets were simulated at another they are much the same.
    """
    stats, (low, high) = device.at(**age), lrs_range()
    if not low <= math.exp(stats.lrs_mu) <= high:
        rule = f"in [{low:g}, {high:g}] ohm, where offsets were simulated, not {math.exp(stats.lrs_mu):.4g}"
        raise InputError(f"device {device.name!r}: LRS must be {rule}")
    try:
        return shipped_curve(math.exp(stats.separation), reads)
    except InputError as e:
        raise InputError(f"device {device.name!r}: {e}") from None


def _fixed(device: DeviceModel, sigmas: DeviceModel | Statistics) -> DeviceModel:
    """Return the device without its laws of ageing, with these sigmas."""
    return DeviceModel(
        device.name, device.lrs_median, device.hrs_median, sigmas.lrs_sigma, sigmas.hrs_sigma, device.offset_sigma,
        device.read_noise_sigma, device.forming_yield, turning_offset_sigma=device.turning_offset_sigma,
        single_offset_sigma=device.single_offset_sigma,
    )  # fmt: skip


def spread(lrs_sigma: float, hrs_sigma: float) -> float:
    """Return the root mean square of the sigmas of both states."""
    return math.sqrt((lrs_sigma**2 + hrs_sigma**2) / 2)


#: How the errors of a trial are drawn, by their kind.
TRIAL_ERRORS: Mapping[str, Callable[[Network, Key, SweepParams], FaultMap | ReadErrors]] = {
    **dict.fromkeys(ERROR_MODELS, _static),
    "read": _read,
    "device": _device,
}


def draw_errors(network: Network, key: Key, params: SweepParams) -> FaultMap | ReadErrors:
    """Return the errors of a trial, those beside its kind included; none at rate 0."""
    errors = TRIAL_ERRORS[params.kind](network, key, params)
    if not params.also or not key.rate:
        return errors
    maps: dict[str, FaultMap] = {}
    reads = errors if isinstance(errors, ReadErrors) else None
    if isinstance(errors, FaultMap):
        maps[params.kind] = errors
    for kind, rate in params.also.items():
        beside = Key(key.layer, rate, key.trial)
        if kind == "read":
            reads = _reads(beside, params.seed)
        else:
            maps[kind] = FaultMap.draw(
                network, ber=rate, kind=kind, seed=params.seed, trial=key.trial, layer=_layer(key)
            )
    joined = FaultMap(shapes_of(network), read=reads)
    for kind in sorted(maps, key=_ORDER.index):
        joined = joined.over(maps[kind])
    return joined


def check_beside(kind: str, also: Mapping[str, float]) -> None:
    """Raise InputError unless the errors beside a kind are of other kinds, at rates that there are."""
    for name, rate in also.items():
        if name not in BESIDE:
            raise InputError(f"must be KIND=RATE with a kind of {', '.join(BESIDE)}, not {name!r}", parameter="also")
        if name == kind:
            raise InputError(f"must be of another kind than `kind` {kind}", parameter="also")
        if not 0 < rate <= 1:
            raise InputError(f"must be KIND=RATE with a rate in (0, 1], not {rate:g}", parameter="also")
        if name == "read":
            try:
                ReadErrors.from_ber(rate)
            except InputError as e:
                raise InputError(e.message, parameter="also") from None

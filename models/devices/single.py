"""Weights in single devices (1T1R), as bits or in words of a code: the BL devices of the pairs of ``draws``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.faults.error_models import MACRO
from oxnor.models.faults.fault_map import FaultMap, shapes_of
from oxnor.models.networks.binarized import Network

from .codes import Secded
from .draws import log_resistance
from .error_rates import best_reference, single_ended
from .model import DeviceModel
from .states import Statistics

_EMPTY = np.zeros(0, np.int64)


def draw_single(
    network: Network,
    device: DeviceModel,
    code: Secded | None = None,
    *,
    seed: int = 0,
    trial: int = 0,
    cycles: float = 0.0,
    seconds: float = 0.0,
) -> FaultMap:
    """Return the errors of a network whose weights are single devices, compared with the best reference.

    A weight is the BL device of the pair that :func:`oxnor.models.devices.draws.draw_faults` has for the same key.

    Parameters
    ----------
    network : Network
    device : DeviceModel
    code : Secded, optional
        Each neuron's weights are stored in words of this code, the last one filled up with zeros that are never wrong;
        the check bits have devices of their own. Default: bits as they are.
    seed, trial, cycles, seconds
        As for :func:`oxnor.models.devices.draws.draw_faults`.

    Raises
    ------
    InputError
        If the device does not hold at that age, or a key is out of its range.
    """
    rng.check_key("seed", seed)
    rng.check_key("trial", trial)
    stats = device.at(cycles, seconds)
    flips = {}
    for k, layer in enumerate(network.layers):
        weights = np.asarray(layer.weights, bool)
        z, forming, checks, offsets = (
            rng.stream(kind, seed=seed, layer=k, trial=trial) for kind in ("device", "forming", "checks", "single")
        )
        normal, formed = z.standard_normal((*weights.shape, 2))[..., 0], None
        if device.forming_yield < 1:
            formed = (forming.random((*weights.shape, 2)) < device.forming_yield)[..., 0]
        amplifiers = np.arange(len(weights)) // MACRO[0]  # one a column of a macro
        drawn = offsets.standard_normal((int(amplifiers[-1]) + 1, weights.shape[1]))
        offset = device.single_offset_sigma * drawn[amplifiers]
        reference = best_reference(single_ended(stats, device.single_offset_sigma))
        bits = _read(weights, formed, normal, stats, offset) < reference
        if code is not None:
            bits = _decoded(weights, bits, code, device, stats, checks, reference)
        flips[k] = np.flatnonzero(bits != weights)
    none = dict.fromkeys(flips, _EMPTY)
    return FaultMap(shapes_of(network), flips, none, dict(none))


def _read(
    stored: NDArray[np.bool_], formed: NDArray[np.bool_] | None, z: NDArray[np.float64], stats: Statistics,
    offset: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Return what the amplifiers compare with the reference."""
    return log_resistance(stored, formed, z, stats) + offset


def _decoded(
    weights: NDArray[np.bool_], bits: NDArray[np.bool_], code: Secded, device: DeviceModel, stats: Statistics,
    g: np.random.Generator, reference: float,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return the weights after the decoder, of those that were read."""
    n_out, n_in = weights.shape
    filler = np.zeros((n_out, -n_in % code.k), bool)
    data, read = (np.hstack([v, filler]).reshape(-1, code.k) for v in (weights, bits))
    check = code.encode(data)[:, code.k :]
    formed = g.random(check.shape) < device.forming_yield if device.forming_yield < 1 else None
    offset = device.single_offset_sigma * g.standard_normal(check.shape)
    compared = _read(check, formed, g.standard_normal(check.shape), stats, offset)
    words = np.hstack([read, compared < reference])
    return code.decode(words)[:, : code.k].reshape(n_out, -1)[:, :n_in]

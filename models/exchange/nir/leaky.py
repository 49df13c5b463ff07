"""Leaky neurons of NIR on integers: the nearest leak, a grid of weights, and a threshold in fractions of a step.

NIR's LIF node is tau dv/dt = v_leak - v + r I. In a tick dt, as its writers and readers step it, v loses v dt / tau,
and gains dt / tau times v_leak and r times the weight of each spike. It fires when v > v_threshold, and then v is
v_reset.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.spiking import Neuron

from .neuron import ROUNDING, Fitted, levels_of

#: Seconds of a tick: what snnTorch writes its time constants with.
TICK = 1e-4
#: What a leak rounds to nothing is at most this part of the threshold.
_DEAD = 1 / 256
_FRACTION_MAX, _LEAK_MAX = 16, 31


@dataclass(frozen=True)
class Leaky:
    """The neurons of a LIF node, in units of potential and of a tick, a value a neuron.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_out, n_in)
        What a spike adds; with biases a column more, what a tick adds.
    decay : ndarray of float64, shape (n_out,)
        Part of the potential that is lost in a tick.
    threshold, reset : ndarray of float64, shape (n_out,)
    """

    weights: NDArray[np.float64]
    decay: NDArray[np.float64]
    threshold: NDArray[np.float64]
    reset: NDArray[np.float64]

    @classmethod
    def of(
        cls, weights: NDArray[np.float64], bias: NDArray[np.float64], numbers: Mapping[str, NDArray], tick: float
    ) -> Leaky:
        """Return the neurons of a node's numbers, behind weights and the biases of their sums."""
        decay = tick / numbers["tau"]
        if not ((decay > 0) & (decay < 1)).all():
            raise InputError(f"tau must be above a tick of {tick:g} s in every neuron (`tick` is another one)")
        gain = numbers["r"] * decay
        drive = gain * bias + decay * numbers["v_leak"]
        weights = gain[:, None] * weights
        if drive.any():
            weights = np.column_stack([weights, drive])
        reset = numbers.get("v_reset", np.zeros(len(decay)))
        return cls(weights, decay, numbers["v_threshold"], reset)


def nearest_leak(decay: float, bits: int) -> tuple[int, int]:
    """Return (leak, factor) with factor / 2**leak next to `decay`, the factor having at most so many bits."""
    choices = []
    for leak in range(1, _LEAK_MAX + 1):
        factor = min(max(1, round(decay * 2.0**leak)), (1 << bits) - 1, (1 << leak) - 1)
        choices.append((abs(factor / 2.0**leak - decay), leak, factor))
    _, leak, factor = min(choices)
    return leak, factor


def fit_leaky(
    source: Leaky, changes: Mapping[str, Any], events: int, *, bits: int, rounding: bool
) -> tuple[Fitted, dict[str, Any]]:
    """Return a LIF layer on integers, and what its leak became.

    Parameters
    ----------
    source : Leaky
    changes : mapping
        Fields of :class:`Neuron` that replace those of NIR.
    events : int
        Most events of an image, for the width of V.
    bits : int
        Bits of the leak's multiplier; 1: a power of two.
    rounding : bool
        Take the nearest grid of ``weight_max`` steps (default 4) if the weights lie on none, and one time constant,
        the median, where the neurons have several.

    Raises
    ------
    InputError
        If there is no such layer.
    """
    Neuron(**{name: changes[name] for name in ("compare", "weight_max") if name in changes})  # refuses wrong ones
    if not (source.threshold > 0).all():
        raise InputError("v_threshold must be above 0 in every neuron")
    decay = float(np.median(source.decay))
    if np.ptp(source.decay) > ROUNDING * decay and not rounding:
        raise InputError("tau must be the same in every neuron (`rounding` takes the median)")
    weights, begin = source.weights / source.threshold[:, None], source.reset / source.threshold
    subtract = changes.get("reset") == "subtract"
    if np.ptp(begin) > ROUNDING and not subtract:
        raise InputError("v_reset must be the same part of v_threshold in every neuron")
    if not subtract and not (begin < 1).all():
        raise InputError("v_threshold must be above v_reset in every neuron")
    levels, step, error = levels_of(weights, changes.get("weight_max"), rounding)
    leak, factor = nearest_leak(decay, bits)
    top = 1 / step
    fraction = min(max(0, math.ceil(math.log2(2.0**leak / factor / (_DEAD * top)))), _FRACTION_MAX)
    # As far as V can go: what all inputs take away in a tick, until the leak makes up for it.
    least = np.minimum(np.rint(weights / step), 0).sum(axis=1).min()
    down = min(-least * 2.0**leak / factor, float(events) * levels) + levels
    while True:
        theta = top * 2.0**fraction
        exact = round(theta) if abs(theta - round(theta)) <= max(ROUNDING, 1e-7 * theta) else theta
        limit = math.ceil(exact) if subtract or changes.get("compare") == "ge" else math.floor(exact) + 1
        back = 0 if subtract else round(float(begin[0]) * theta)
        bound = max(limit + (levels << fraction), down * 2.0**fraction, abs(back)) + 1
        v_bits = int(bound).bit_length() + 1
        if v_bits <= 31 or not fraction:
            break
        fraction -= 1
    own: dict[str, Any] = {
        "theta": max(1, limit), "bipolar": False, "weight_max": levels, "v_bits": min(31, v_bits), "leak": leak,
        "leak_factor": factor, "fraction": fraction,
    }  # fmt: skip
    own |= {"compare": "gt"} if subtract else {"reset": "zero", "v_reset": back}
    if not subtract:
        # From here on equality is explicit, whichever comparison the source has.
        changes = {k: v for k, v in changes.items() if k != "compare"}
    if subtract and own["theta"] > exact:
        own["compare"] = "ge"  # above a value between two integers is at the next one
    neuron = Neuron(**(own | dict(changes)))
    here = np.rint(weights / step).astype(np.int64)
    rounded = int((np.abs(weights / step - here) > ROUNDING).sum())
    record = {"source": decay, "leak": factor / 2.0**leak, "taus": int(np.unique(np.round(source.decay, 12)).size)}
    return Fitted(here, neuron, step, error, rounded), record

"""Conversion of neurons to NIR and back: real weights, a threshold to be exceeded, a reset to a value.

NIR's integrate-and-fire node adds r * w at a spike of weight w, fires when v > v_threshold, and then has v = v_reset.
On a grid of integers v > t is v >= floor(t) + 1, so such a node is a :class:`oxnor.models.networks.spiking.Neuron`
if its weights lie on a grid. :mod:`.leaky` has the nodes that decay, which leave every grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.spiking import Neuron

#: Steps off the grid that rounding of float32 explains.
ROUNDING = 1e-5
#: Most cells of a bank: :class:`Neuron` has no more.
_LEVELS_MAX = 15


def to_nir(neuron: Neuron) -> tuple[str, dict[str, float]]:
    """Return the kind of the NIR node that comes nearest to a neuron, and its parameters; time is in ticks."""
    zero = neuron.reset == "zero"
    start = neuron.v_init if zero else 0  # NIR starts at 0, so that potentials are shifted
    half = 0.5 if zero and neuron.compare == "ge" else 0.0
    unit = 2.0**neuron.fraction
    numbers = {"r": 1.0, "v_threshold": (neuron.theta - half - start) / unit}
    numbers["v_reset"] = (neuron.v_reset - start) / unit
    if not neuron.leak:
        return "IF", numbers
    tau = -1 / math.log1p(-neuron.leak_factor * 2.0**-neuron.leak)
    return "LIF", numbers | {"r": tau, "tau": tau, "v_leak": -start / unit}


def losses(neuron: Neuron) -> list[str]:
    """Return the properties of a neuron that NIR cannot express, for messages."""
    subtract = neuron.reset == "subtract"
    return [
        text
        for text, lost in {
            "negative spikes": neuron.bipolar,
            "reset by subtraction": subtract,
            "firing at the threshold itself": subtract and neuron.compare == "ge",
            "v_init": subtract and neuron.v_init != 0,
            "refractory periods": neuron.refractory > 0,
            "the integers of the leak": neuron.leak > 0,
            f"saturation at {neuron.v_bits} bits": True,
        }.items()
        if lost
    ]


@dataclass(frozen=True)
class Fitted:
    """A layer of NIR on a grid of integers.

    Parameters
    ----------
    weights : ndarray of int64, shape (n_out, n_in)
    neuron : Neuron
    step : float
        What the integer 1 is, in units of v_threshold - v_reset.
    error : float
        Largest distance of a weight, or of what else must be an integer, from the grid, in steps.
    rounded : int
        How many weights are further off than float32 rounds.
    """

    weights: NDArray[np.int64]
    neuron: Neuron
    step: float
    error: float
    rounded: int


def _fewest(off: Callable[[int], float], most: int, rounding: bool, what: str) -> int:
    """Return the fewest steps of a grid on which all lies, 0 if it has to be rounded; `off` gives the largest error."""
    levels = next((k for k in range(1, most + 1) if off(k) <= ROUNDING), 0)
    if not levels and not rounding:
        best = min(range(1, most + 1), key=off)
        raise InputError(
            f"{what} must be whole multiples of one step, at most {most} of it: with {best} the largest error is"
            f" {off(best):.2g} of a step (`rounding` takes the nearest)"
        )
    return levels


def levels_of(scaled: NDArray[np.float64], most: int | None, rounding: bool) -> tuple[int, float, float]:
    """Return the fewest steps, the step and the largest error in steps of a grid on which weights lie.

    Raises
    ------
    InputError
        If there is none and they may not be rounded.
    """
    peak = float(np.abs(scaled).max(initial=0))
    if not peak:
        return 1, 1.0, 0.0

    def off(levels: int) -> float:
        steps = scaled * (levels / peak)
        return float(np.abs(steps - np.rint(steps)).max(initial=0))

    levels = _fewest(off, most or _LEVELS_MAX, rounding, "weights") or most or Neuron().weight_max
    return levels, peak / levels, off(levels)


def fit(
    weights: NDArray[np.float64],
    threshold: NDArray[np.float64],
    reset: NDArray[np.float64],
    changes: Mapping[str, Any],
    events: int,
    *,
    rounding: bool,
) -> Fitted:
    """Return an integrate-and-fire layer of NIR as integers.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_out, n_in)
        With r and all scales in them.
    threshold, reset : ndarray of float64, shape (n_out,)
        v_threshold and v_reset.
    changes : mapping
        Fields of :class:`Neuron` that replace those of NIR.
    events : int
        Most events of an image, for the width of V.
    rounding : bool
        Take the nearest grid of ``weight_max`` steps (default 4) if the weights lie on none.

    Raises
    ------
    InputError
        If there is no such layer.
    """
    Neuron(**{name: changes[name] for name in ("compare", "weight_max") if name in changes})  # refuses wrong ones
    subtract = changes.get("reset") == "subtract"
    start = np.zeros(len(weights)) if subtract else -reset
    height = threshold + start
    if not (height > 0).all():
        raise InputError("v_threshold must be above v_reset in every neuron")
    # In units of its own height every neuron has the threshold 1.
    scaled, begin = weights / height[:, None], start / height
    if np.ptp(begin) > ROUNDING:
        raise InputError("v_reset must be the same part of v_threshold in every neuron")
    peak, most = float(np.abs(scaled).max(initial=0)), changes.get("weight_max", _LEVELS_MAX)

    def on(levels: int) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        step = peak / levels if peak else 1.0
        rest = np.append(begin, 1.0 if subtract else 0.0) / step
        return step, scaled / step, rest

    def off(levels: int) -> float:
        _, here, rest = on(levels)
        return max(float(np.abs(a - np.rint(a)).max(initial=0)) for a in (here, rest))

    levels = _fewest(off, most, rounding, "weights and threshold") or changes.get("weight_max", Neuron().weight_max)
    step, here, rest = on(levels)
    distance = np.abs(here - np.rint(here))
    top = 1 / step
    if abs(top - round(top)) <= max(ROUNDING, 1e-7 * top):
        top = round(top)
    own: dict[str, Any]
    if subtract:
        own = {"theta": max(1, round(top)), "compare": "gt"}
    else:
        # From here on equality is explicit, whichever comparison the source has.
        own = {"theta": max(1, math.ceil(top) if changes.get("compare") == "ge" else math.floor(top) + 1)}
        changes = {k: v for k, v in changes.items() if k != "compare"} | {"compare": "ge"}
    first = int(np.rint(rest[0]))
    reach = events * levels + abs(first) + own["theta"]
    own |= {"reset": "zero", "bipolar": False, "weight_max": levels, "v_init": first,
            "v_bits": min(31, reach.bit_length() + 1)}  # fmt: skip
    neuron = Neuron(**(own | dict(changes)))
    return Fitted(np.rint(here).astype(np.int64), neuron, step, off(levels), int((distance > ROUNDING).sum()))

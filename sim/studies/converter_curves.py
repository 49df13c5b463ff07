"""Curves of a converter that learns: transfer, DNL and INL before and after, and ENOB while it learns."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.analog.trainable import RATES, TrainableAdc, quality, uniform_teacher
from oxnor.models.base import rng
from oxnor.sim.drawing.plots import Plot

#: Samples after which converters are measured.
STAGES = (0, 100, 300, 1000, 3000, 10_000, 20_000)
_POINTS = 2000


@dataclass(frozen=True, eq=False)
class Learning:
    """How some converters learnt.

    Parameters
    ----------
    samples : tuple of int
        After how many samples they were measured.
    enob : ndarray of float, shape (stages, converters)
    before, after : TrainableAdc
    """

    samples: tuple[int, ...]
    enob: NDArray[np.floating]
    before: TrainableAdc
    after: TrainableAdc


def learning(
    bits: int = 4, mismatch: float = 0.5, converters: int = 10, samples: tuple[int, ...] = STAGES, *, seed: int = 0
) -> Learning:
    """Train converters on equal steps, and measure them on the way.

    Parameters
    ----------
    bits : int
    mismatch : float
        Relative standard deviation of every weight and bias.
    converters : int
    samples : tuple of int
        Rising; the rate falls after half of the last.
    seed : int
    """
    g = rng.stream("mismatch", seed=seed, layer=0, trial=0)
    adc = TrainableAdc.draw(bits, mismatch, g, converters)
    before, found = copy.deepcopy(adc), [quality(adc).enob]
    values, teacher = g.random(samples[-1]), uniform_teacher(bits)
    for start, end in pairwise(samples):
        for rate, part in zip(RATES, np.split(values[start:end], [max(0, samples[-1] // 2 - start)]), strict=True):
            if len(part):
                adc.train(part, teacher, g, (rate,))
        found.append(quality(adc).enob)
    return Learning(samples, np.array(found), before, adc)


def learning_plot(result: Learning) -> Plot:
    """Return the transfer of the first converter before and after, and the ENOB of all while they learn."""
    bits = result.before.bits

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        left, right = figure.subplots(1, 2)
        v = (np.arange(_POINTS) + 0.5) / _POINTS
        for adc, name, colour in ((result.before, "before", "orange"), (result.after, "after", "blue")):
            codes = adc.codes(np.repeat(v[:, None], len(adc.biases), 1))[:, 0]
            left.plot(v, codes, color=colours[colour], lw=1.6, label=name)
        left.plot(v, uniform_teacher(bits)(v), color=colours["muted"], ls=":", lw=1, label="ideal")
        left.set(xlabel="input, share of full scale", ylabel="code")
        left.legend(loc="upper left")
        x = np.maximum(result.samples, 30)
        right.plot(x, result.enob, color=colours["blue"], lw=1, alpha=0.6)
        right.axhline(quality(TrainableAdc.ideal(bits)).enob[0], color=colours["line"], ls="--", lw=1)
        right.set_xscale("log")
        right.set(xlabel="training samples (left end: none)", ylabel="effective bits")
        for axes in (left, right):
            axes.grid(True, lw=0.5, alpha=0.4)

    return Plot(f"A converter of {bits} bits before and after it has learnt", (10.5, 4.2), draw)

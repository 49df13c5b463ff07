"""A passive cochlea: cascade of filters, hair cells and automatic gain, after Lyon (1982) and Slaney (1988).

R. F. Lyon, "A computational model of filtering, detection and compression in the cochlea", ICASSP 1982; M. Slaney,
"Lyon's cochlear model", Apple Technical Report 13, 1988: the equations and constants are theirs, the program is ours.
"""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray

#: Q of a channel, distance of channels in bandwidths, and the corner below which bandwidths are constant, Hz.
_Q, _STEP, _BREAK = 8.0, 0.25, 1000.0
#: Where the zero of a channel lies, how sharp it is, and the corner of the outer ear, Hz.
_ZERO_OFFSET, _ZERO_SHARPNESS, _EAR_HZ = 1.5, 5.0, 300.0
#: Targets and time constants (s) of the four stages of gain control, slowest first.
_TARGETS, _TAUS = np.array([0.0032, 0.0016, 0.0008, 0.0004]), np.array([0.64, 0.16, 0.04, 0.01])
#: The output is smoothed over this many of its intervals.
_SMOOTHING = 3.0


def _second_order(hz: NDArray[np.float64], q: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Return 1 + a / z + b / z**2 with its pair of roots at a frequency and Q, shape (n, 3)."""
    centre = 2 * np.pi * np.asarray(hz, float) / rate
    rho = np.exp(-centre / (2 * np.asarray(q, float)))
    theta = centre * np.sqrt(1 - 1 / (4 * np.asarray(q, float) ** 2))
    return np.stack([np.ones_like(rho), -2 * rho * np.cos(theta), rho**2], axis=-1)


def _with_gain(filters: NDArray[np.float64], gain: NDArray[np.float64], hz: float, rate: float) -> NDArray[np.float64]:
    """Return filters (b0, b1, b2, a1, a2) with a gain at a frequency."""
    z = np.exp(-2j * np.pi * hz / rate) ** np.arange(3)
    top, bottom = filters[:, :3] @ z, np.column_stack([np.ones(len(filters)), filters[:, 3:]]) @ z
    scaled = filters.copy()
    scaled[:, :3] *= (gain * np.abs(bottom / top))[:, None]
    return scaled


@cache
def channels(rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centre frequencies, Hz, highest first, and the cascade: two filters of the ear, then one a channel."""

    def width(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.sqrt(np.asarray(hz) ** 2 + _BREAK**2) / _Q

    half = rate / 2
    top = float(half - width(half) * _STEP * _ZERO_OFFSET + width(half) * _STEP)
    low = _BREAK / np.sqrt(4 * _Q**2 - 1)

    def place(hz: float) -> float:
        return float(_Q / _STEP * np.log(hz + np.sqrt(hz**2 + _BREAK**2)))

    count = int(np.floor(place(top) - place(low)))
    far = (top + np.sqrt(top**2 + _BREAK**2)) / np.exp(np.arange(1, count + 1) * _STEP / _Q)
    centres = (far - _BREAK**2 / far) / 2
    zeros = centres + width(centres) * _STEP * _ZERO_OFFSET
    filters = np.hstack([
        _second_order(zeros, _ZERO_SHARPNESS * zeros / width(centres), rate),
        _second_order(centres, centres / width(centres), rate)[:, 1:],
    ])  # fmt: skip
    ratio = np.append(np.nan, centres[:-1] / centres[1:])
    ratio[0] = ratio[1]
    filters = _with_gain(filters, ratio, 0, rate)
    ear = np.array([
        [0, 1, -np.exp(-2 * np.pi * _EAR_HZ / rate), 0, 0],
        [1, 0, -1, *_second_order(np.array(top), np.array(top / width(top)), rate)[1:]],
    ])  # fmt: skip
    return centres, np.ascontiguousarray(np.vstack([_with_gain(ear, np.ones(2), rate / 4, rate), filters]))


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _run(sound, filters, targets, rates, smooth, every, out):
    n, stages = filters.shape[0], targets.shape[0]
    ears = 2
    kept, gain = np.zeros((2, n)), np.zeros((stages, n))
    before, cells = np.zeros((stages, n)), np.empty(n)
    smoothed = np.zeros((2, n))
    for t in range(sound.shape[0]):
        x = sound[t]
        for i in range(n):
            f = filters[i]
            y = f[0] * x + kept[0, i]
            kept[0, i] = f[1] * x - f[3] * y + kept[1, i]
            kept[1, i] = f[2] * x - f[4] * y
            x = y
            cells[i] = max(y, 0.0)
        for k in range(stages):
            before[k] = gain[k]
            for i in range(n):
                cells[i] *= max(1 - before[k, i], 0.0)
                left = before[k, max(i - 1, 0)]
                right = before[k, min(i + 1, n - 1)]
                near = (left + before[k, i] + right) * (1 - rates[k]) / 3
                gain[k, i] = min(cells[i] * rates[k] / targets[k] + near, 1.0)
        for i in range(ears, n):
            # The channel above less this one, and what falls below 0 is silent.
            own = max(cells[i - 1] - cells[i], 0.0)
            smoothed[0, i] += smooth * (own - smoothed[0, i])
            smoothed[1, i] += smooth * (smoothed[0, i] - smoothed[1, i])
        if (t + 1) % every == 0 and (t + 1) // every <= out.shape[0]:
            out[(t + 1) // every - 1] = smoothed[1, ears:]


def cochleagram(sound: NDArray[np.float64], rate: float, every: int) -> NDArray[np.float64]:
    """Return the activity of the channels, highest first, one row each `every` samples.

    Parameters
    ----------
    sound : ndarray of float64, shape (n,)
        In [-1, 1]; n at least `every`.
    rate : float
        Samples a second.
    every : int

    Returns
    -------
    activity : ndarray of float64, shape (n // every, channels)
    """
    filters = channels(rate)[1]
    out = np.empty((len(sound) // every, len(filters) - 2))
    rates = 1 - np.exp(-1 / (_TAUS * rate))
    smooth = 1 - np.exp(-1 / (every / rate * _SMOOTHING * rate))
    _run(np.ascontiguousarray(sound, float), filters, _TARGETS, rates, smooth, every, out)
    return out

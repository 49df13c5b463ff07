"""Pulses on the devices of a crossbar, and stochastic gradient descent by outer products: numba kernels.

A crossbar is a :class:`Tile` of arrays. Constants of its update law are in `Tile.law`, and the numbers
of each device in `Tile.cells`, at the indices named here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from .draws import normal, uniform

#: Kinds of law. The linear one is also that of constant steps (slopes 0) and of soft bounds.
IDEAL, LINEAR, EXPONENTIAL, EXPONENTIAL_RATE, TABLE = range(5)
#: Indices of the constants of a law.
KIND, DW_MIN, C2C, ADDITIVE, C2C_OFFSET, C2C_SLOPE, WRITE_NOISE, KEEP = range(8)
A, B, GAMMA_UP, GAMMA_DOWN, A_UP, A_DOWN = range(8, 14)
CONSTANTS = 14
#: Indices of the numbers of a device: state, what its law has of its own, reference, table, pulses it has had.
STATE, UP, DOWN, SLOPE_UP, SLOPE_DOWN, LOW, HIGH, REFERENCE, TABLE_OF, PULSES = range(10)
NUMBERS = 10
#: A device of a pair above this share of its range is reset, and the difference is written anew.
REFRESH = 0.75
#: Rules of training; whether Tiki-Taka is its second version is said by the size of the digital memory.
SGD, MOMENTUM, TIKI_TAKA = range(3)
#: Options of kernels that kernels alone call, and of the others: what nothing calls takes time to compile.
_INNER = {"nogil": True, "cache": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_OUTER = {"nogil": True, "cache": True, "no_cfunc_wrapper": True}
#: Images between two leaks of capacitors.
LEAK_EVERY = 100


class Tile(NamedTuple):
    """A crossbar: inputs are rows, outputs are columns.

    Members
    -------
    cells : ndarray of float64, shape (devices a weight, n_in, n_out, NUMBERS)
    seen : ndarray of float64, shape (n_in, n_out)
        Weights as reads see them.
    law : ndarray of float64, shape (CONSTANTS,)
    tables : ndarray of float32, shape (tables, 2, conductances, quantiles)
        Change of the state by a pulse down or up.
    """

    cells: NDArray[np.float64]
    seen: NDArray[np.float64]
    law: NDArray[np.float64]
    tables: NDArray[np.float32]


# The functions of one device take arrays, not a tile: each array of a tuple is counted as a reference, which takes
# longer than a pulse.
@numba.njit(nogil=True, cache=True, inline="always")
def mean_step(cells, law, side, i, j, up):
    """Return the mean change of the state of a device by one pulse; not for tables."""
    w = cells[side, i, j, STATE]
    step = cells[side, i, j, UP] if up else cells[side, i, j, DOWN]
    if law[KIND] == LINEAR:
        slope = cells[side, i, j, SLOPE_UP] if up else cells[side, i, j, SLOPE_DOWN]
        return step - slope * w if up else -(step + slope * w)
    low, high = cells[side, i, j, LOW], cells[side, i, j, HIGH]
    reach = max(high - low, 1e-12)
    gamma = law[GAMMA_UP] if up else law[GAMMA_DOWN]
    if law[KIND] == EXPONENTIAL:
        z = 2 * law[A] * w / reach + law[B]
        if up:
            return step * max(1 - law[A_UP] * math.exp(gamma * z), 0.0)
        return -step * max(1 - law[A_DOWN] * math.exp(-gamma * z), 0.0)
    # dw/dt falls as exp(-gamma (w - low) / reach): its exact solution over the length of a pulse.
    far = w - low if up else high - w
    change = reach / gamma * math.log1p(gamma / reach * step * math.exp(-gamma * far / reach))
    return change if up else -change


@numba.njit(nogil=True, cache=True, inline="always")
def _table_step(tables, table, w, up, s):
    bins, points = tables.shape[2], tables.shape[3]
    k = min(max(int((w + 1) / 2 * (bins - 1) + 0.5), 0), bins - 1)
    at = uniform(s) * (points - 1)
    j, side = int(at), 1 if up else 0
    low = tables[table, side, k, j]
    return low + (at - j) * (tables[table, side, k, min(j + 1, points - 1)] - low)


@numba.njit(nogil=True, cache=True, inline="always")
def _pulse(cells, law, tables, side, i, j, up, s):
    """Give one pulse to one device."""
    w = cells[side, i, j, STATE]
    if law[KIND] == TABLE:
        w += _table_step(tables, int(cells[side, i, j, TABLE_OF]), w, up, s)
    else:
        step = mean_step(cells, law, side, i, j, up)
        if law[C2C] > 0:
            if law[ADDITIVE] > 0:
                spread = cells[side, i, j, UP] if up else cells[side, i, j, DOWN]
            else:
                spread = abs(step) + law[C2C_OFFSET] + law[C2C_SLOPE] * abs(w)
            step += law[C2C] * spread * normal(s)
        w += step
    cells[side, i, j, STATE] = min(max(w, cells[side, i, j, LOW]), cells[side, i, j, HIGH])
    cells[side, i, j, PULSES] += 1


@numba.njit(**_INNER)
def _refresh(cells, law, tables, i, j, s):
    """Reset both devices of a pair and write their difference anew, if one is near its end."""
    a, b = cells[0, i, j, STATE], cells[1, i, j, STATE]
    if max(a - REFRESH * cells[0, i, j, HIGH], b - REFRESH * cells[1, i, j, HIGH]) <= 0:
        return
    for side in range(2):
        cells[side, i, j, STATE] = 0.0
        cells[side, i, j, PULSES] += 1
    side = 0 if a > b else 1
    for _ in range(int(abs(a - b) / law[DW_MIN])):
        if cells[side, i, j, STATE] >= abs(a - b):
            break
        _pulse(cells, law, tables, side, i, j, True, s)


@numba.njit(**_OUTER)
def write(cells, seen, law, tables, i, j, n, up, s):
    """Give `n` pulses, at least 1, to a weight; a device of a pair knows pulses up alone.

    Reads then see the state, less the reference and with a new write noise.
    """
    pair = cells.shape[0] == 2
    for _ in range(n):
        _pulse(cells, law, tables, 1 if pair and not up else 0, i, j, up or pair, s)
    if pair:
        _refresh(cells, law, tables, i, j, s)
    w = cells[0, i, j, STATE] - (cells[1, i, j, STATE] if pair else cells[0, i, j, REFERENCE])
    if law[WRITE_NOISE] > 0:
        w += law[WRITE_NOISE] * normal(s)
    seen[i, j] = w


@numba.njit(**_INNER)
def trains(x, d, rate, longest):
    """Return (slots, gain of the inputs, gain of the errors) of the pulse trains of an update.

    With update management and update length management: both sides fire with equal probability at their largest value,
    and trains are as short as the largest product allows.
    """
    x_most, d_most = 0.0, 0.0
    for v in x:
        x_most = max(x_most, abs(v))
    for v in d:
        d_most = max(d_most, abs(v))
    if x_most == 0 or d_most == 0:
        return 0, 0.0, 0.0
    slots = int(min(math.ceil(rate * x_most * d_most), longest))
    gain = math.sqrt(rate / slots)
    return slots, gain * math.sqrt(d_most / x_most), gain * math.sqrt(x_most / d_most)


@numba.njit(**_OUTER)
def update_closed(tile, x, d, lr, longest, s):
    """Change weights by -lr x d: the mean number of coincidences of each, rounded at random."""
    cells, seen, law, tables = tile
    slots, gain_x, gain_d = trains(x, d, lr / law[DW_MIN], longest)
    for i in range(x.size):
        p = slots * min(gain_x * abs(x[i]), 1.0)
        if p == 0:
            continue
        for j in range(d.size):
            n = int(p * min(gain_d * abs(d[j]), 1.0) + uniform(s))
            if n:
                write(cells, seen, law, tables, i, j, n, x[i] * d[j] < 0, s)


@numba.njit(**_OUTER)
def update_exact(tile, x, d, lr, longest, s):
    """Change weights by -lr x d: in each slot, rows and columns fire at random; where both do, a device has a pulse."""
    cells, seen, law, tables = tile
    slots, gain_x, gain_d = trains(x, d, lr / law[DW_MIN], longest)
    rows, columns = np.empty(x.size, np.int64), np.empty(d.size, np.int64)
    for _ in range(slots):
        n_rows, n_columns = 0, 0
        for i in range(x.size):
            if x[i] != 0 and uniform(s) < gain_x * abs(x[i]):
                rows[n_rows] = i
                n_rows += 1
        for j in range(d.size):
            if d[j] != 0 and uniform(s) < gain_d * abs(d[j]):
                columns[n_columns] = j
                n_columns += 1
        for a in range(n_rows):
            i = rows[a]
            for b in range(n_columns):
                j = columns[b]
                write(cells, seen, law, tables, i, j, 1, x[i] * d[j] < 0, s)


@numba.njit(**_INNER)
def _update(tile, x, d, lr, longest, exact, s):
    if tile.law[KIND] == IDEAL:
        seen = tile.seen
        for i in range(x.size):
            if x[i] != 0:
                for j in range(d.size):
                    seen[i, j] -= lr * x[i] * d[j]
    elif exact:
        update_exact(tile, x, d, lr, longest, s)
    else:
        update_closed(tile, x, d, lr, longest, s)


@numba.njit(**_INNER)
def _momentum(tile, memory, x, d, lr, momentum, s):
    """Change every weight by its momentum, a running mean of outer products."""
    cells, seen, law, tables = tile
    for i in range(x.size):
        for j in range(d.size):
            memory[i, j] = momentum * memory[i, j] + (1 - momentum) * x[i] * d[j]
            change = -lr * memory[i, j]
            if law[KIND] == IDEAL:
                seen[i, j] += change
                continue
            n = int(abs(change) / law[DW_MIN] + uniform(s))
            if n:
                write(cells, seen, law, tables, i, j, n, change > 0, s)


@numba.njit(**_INNER)
def _transfer(tile, fast, memory, j, rate, s):
    """Move on the fast weights of one output: at once, or through a digital memory (Tiki-Taka 2)."""
    cells, seen, law, tables = tile
    moved = fast.seen
    buffered = memory.shape[0] == seen.shape[0]
    for i in range(seen.shape[0]):
        change = rate * moved[i, j]
        if law[KIND] == IDEAL:
            seen[i, j] += change
            continue
        if buffered:
            memory[i, j] += change
            n = int(abs(memory[i, j]) / law[DW_MIN])
            up = memory[i, j] > 0
            memory[i, j] -= n * law[DW_MIN] if up else -n * law[DW_MIN]
        else:
            n = int(abs(change) / law[DW_MIN] + uniform(s))
            up = change > 0
        if n:
            write(cells, seen, law, tables, i, j, n, up, s)


@numba.njit(**_INNER)
def _learn(rule, weights, fast, memory, x, d, rates, longest, exact, step, s):
    """Do one update of a layer; rates: (learning rate, momentum or rate of transfer)."""
    if rule == SGD:
        _update(weights, x, d, rates[0], longest, exact, s)
    elif rule == MOMENTUM:
        _momentum(weights, memory, x, d, rates[0], rates[1], s)
    else:
        _update(fast, x, d, rates[0], longest, exact, s)
        _transfer(weights, fast, memory, step % d.size, rates[1], s)


@numba.njit(**_OUTER)
def leak(tile, images):
    """Let the charge of capacitors leak for as long as a number of images takes."""
    if tile.law[KEEP] < 1:
        cells, seen, law, _ = tile
        kept = law[KEEP] ** images
        for i in range(seen.shape[0]):
            for j in range(seen.shape[1]):
                seen[i, j] *= kept
                for side in range(cells.shape[0]):
                    cells[side, i, j, STATE] *= kept


@numba.njit(**_INNER)
def forward(tile, x, y):
    """Write x times the weights to `y`."""
    y[:] = 0.0
    seen = tile.seen
    for i in range(x.size):
        if x[i] != 0:
            for j in range(y.size):
                y[j] += x[i] * seen[i, j]


@numba.njit(**_OUTER)
def epoch(images, labels, order, layers, fast, memory, rule, rates, longest, exact, s):
    """Train a network of two layers, sigmoid and softmax, on one image after the other.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, pixels)
    labels : ndarray of int64, shape (n,)
    order : ndarray of int64
        The images, as they come.
    layers, fast : tuple of two Tile
        Weights with a row of biases behind; the fast arrays of Tiki-Taka, otherwise not used.
    memory : tuple of two ndarray of float64
        Digital numbers of each weight: momentum, or what is still to be transferred.
    rule : int
    rates : tuple of float
        Learning rate, and momentum or rate of transfer.
    longest : int
        Slots of the longest pulse train.
    exact : bool
        Whether coincidences are drawn slot by slot.
    s : ndarray of uint64, shape (4,)
        State of the random numbers.
    """
    pixels, hidden, classes = images.shape[1], layers[0].seen.shape[1], layers[1].seen.shape[1]
    x, h = np.ones(pixels + 1), np.ones(hidden + 1)
    z, p, back = np.empty(hidden), np.empty(classes), np.empty(hidden)
    for step in range(order.size):
        k = order[step]
        for i in range(pixels):
            x[i] = images[k, i] / 255.0
        forward(layers[0], x, z)
        for j in range(hidden):
            h[j] = 1 / (1 + math.exp(-z[j]))
        forward(layers[1], h, p)
        most, total = p[0], 0.0
        for c in range(classes):
            most = max(most, p[c])
        for c in range(classes):
            p[c] = math.exp(p[c] - most)
            total += p[c]
        for c in range(classes):
            p[c] = p[c] / total - (1.0 if c == labels[k] else 0.0)
        for j in range(hidden):
            found = 0.0
            for c in range(classes):
                found += layers[1].seen[j, c] * p[c]
            back[j] = found * h[j] * (1 - h[j])
        _learn(rule, layers[1], fast[1], memory[1], h, p, rates, longest, exact, step, s)
        _learn(rule, layers[0], fast[0], memory[0], x, back, rates, longest, exact, step, s)
        if step % LEAK_EVERY == LEAK_EVERY - 1:
            for t in range(2):
                leak(layers[t], LEAK_EVERY)
                leak(fast[t], LEAK_EVERY)

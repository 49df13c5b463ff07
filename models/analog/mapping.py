"""How signed weights become conductances, and how the sums that the array gives become sums of weights again.

Two families: real weights (:data:`MAPPINGS`), and weights of -1 and +1 (and 0 where a mapping can) with inputs of -1
and +1 (:data:`SIGN_MAPPINGS`).

The equations of the second family are those of Pelke et al., arXiv 2505.14303 (CIM-Explorer), whose numbers they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class WeightMapping:
    """A mapping of weights in [-1, 1] to states in [0, 1] of one or two cells.

    Parameters
    ----------
    name, description : str
    cells : int
        Cells of a weight.
    subtracts_inputs : bool
        Whether half the sum of the inputs is subtracted, in digital, from what the cells give.
    """

    name: str
    description: str
    cells: int
    subtracts_inputs: bool = False

    def states(self, weights: Floats) -> tuple[Floats, ...]:
        """Return the states, in [0, 1], of the cells of each weight in [-1, 1]."""
        if self.name == "differential":
            return np.maximum(weights, 0), np.maximum(-weights, 0)
        if self.name == "two-sided":
            return (1 + weights) / 2, (1 - weights) / 2
        return ((weights + 1) / 2,)

    def weights(self, *states: Floats) -> Floats:
        """Return the weights that states stand for, after the subtraction of the inputs: undoes :meth:`states`."""
        return states[0] - states[1] if self.cells == 2 else 2 * states[0] - 1


#: Mappings of real weights.
MAPPINGS: Mapping[str, WeightMapping] = {
    m.name: m
    for m in (
        WeightMapping("differential", "two cells, of which the one of the other sign is at its lowest state", 2),
        WeightMapping("two-sided", "two cells, moved in opposite directions from the middle", 2),
        WeightMapping("offset", "one cell; half the sum of the inputs is subtracted", 1, True),
    )
}


def mapping(name: str) -> WeightMapping:
    """Return a mapping of real weights by its name."""
    if name not in MAPPINGS:
        raise InputError(f"must be one of {', '.join(MAPPINGS)}, not {name!r}", parameter="mapping")
    return MAPPINGS[name]


def quantised(weights: Floats, bits: int) -> Floats:
    """Return weights in [-1, 1] at the nearest of 2**bits - 1 levels, of which 0 is one."""
    most = (1 << (bits - 1)) - 1
    return np.rint(weights * most) / most


def sliced(weights: NDArray[np.integer], bits: int, slice_bits: int) -> NDArray[np.int64]:
    """Return the slices of integers, least significant first, each with the sign of its weight.

    Parameters
    ----------
    weights : ndarray of int
        Magnitudes below 2**bits.
    bits, slice_bits : int

    Returns
    -------
    ndarray of int64, shape (ceil(bits / slice_bits), *weights.shape)
        Their sum weighted with 2**(slice_bits * s) is `weights`.
    """
    w = np.asarray(weights, np.int64)
    if np.abs(w).max(initial=0) >> bits:
        raise InputError(f"must be below 2**{bits}", parameter="weights")
    magnitude, shifts = np.abs(w), np.arange(0, bits, slice_bits).reshape(-1, *([1] * w.ndim))
    return np.sign(w) * ((magnitude >> shifts) & ((1 << slice_bits) - 1))


@dataclass(frozen=True)
class SignMapping:
    """A mapping of weights of -1 and +1, with inputs of -1 and +1.

    With G the states of the cells, D their difference, u = (1 + x) / 2 and v = (1 - x) / 2 the inputs as currents, and
    states counted in units of HRS = h and LRS = h + 1, the sum z of w x over the rows is:

    ====  ==================================================  ========  ===========
    name  z                                                   cells     conversions
    ====  ==================================================  ========  ===========
    I     2 sum(D u) - sum(w)                                 2         1
    II    -2 sum(D v) + sum(w)                                2         1
    III   2 sum(G u) - 2 sum(G v) - (1 + 2 h) sum(x)          1         2
    IV    2 sum(G' v) - 2 sum(G' u) + (1 + 2 h) sum(x)        1         2
    V     2 sum(G+ u + G- v) - n (1 + 2 h)                    2         1
    VI    sum(D (u - v))                                      2         1
    ====  ==================================================  ========  ===========

    G' holds the inverse of the weight. n counts the weights that are not 0, for which both cells are HRS.

    Parameters
    ----------
    name, description : str
    cells, conversions : int
        Of a weight, and of a partial sum.
    is_ternary : bool
        Whether a weight can be 0.
    """

    name: str
    description: str
    cells: int
    conversions: int
    is_ternary: bool


#: Mappings of -1 and +1, by the names of arXiv 2505.14303.
SIGN_MAPPINGS: Mapping[str, SignMapping] = {
    m.name: m
    for m in (
        SignMapping("I", "differential columns, inputs of +1 on", 2, 1, True),
        SignMapping("II", "differential columns, inputs of -1 on", 2, 1, True),
        SignMapping("III", "one cell, read with the inputs of +1 and then with those of -1", 1, 2, False),
        SignMapping("IV", "one cell with the inverse weight, read twice", 1, 2, False),
        SignMapping("V", "complementary rows on one column", 2, 1, True),
        SignMapping("VI", "differential columns and inputs of both signs: 2T2R pairs, currents added", 2, 1, True),
    )
}
#: The largest and the smallest partial sum that each converts, for R rows and HRS = h in units of LRS - HRS.
SPANS: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    # (constant, factor of h) of the lowest and the highest, in units of R
    "I": ((-2, 0), (2, 0)),
    "II": ((-2, 0), (2, 0)),
    "III": ((0, 0), (2, 2)),
    "IV": ((0, 0), (2, 2)),
    "V": ((0, 2), (2, 2)),
    "VI": ((-1, 0), (1, 0)),
}


def sign_mapping(name: str) -> SignMapping:
    """Return a mapping of -1 and +1 by its name."""
    if name not in SIGN_MAPPINGS:
        raise InputError(f"must be one of {', '.join(SIGN_MAPPINGS)}, not {name!r}", parameter="mapping")
    return SIGN_MAPPINGS[name]


def span(name: str, rows: int, hrs: float = 0.0) -> tuple[float, float]:
    """Return the lowest and the highest partial sum that a converter of `rows` rows can see without device errors.

    The unit is that of z. `hrs` is h.
    """
    (a, b), (c, d) = SPANS[name]
    return rows * (a + b * hrs), rows * (c + d * hrs)


def converted(name: str, x: Floats, plus: Floats, minus: Floats, columns: Floats) -> list[Floats]:
    """Return what the converters of a partial sum see.

    Parameters
    ----------
    name : str
        A key of :data:`SIGN_MAPPINGS`.
    x : ndarray of float, shape (n, rows)
        Inputs, -1 and +1.
    plus, minus : ndarray of float, shape (rows, n_out)
        States of the cells of the weight and of its inverse, in units of LRS - HRS. Of III only the first is used, of
        IV the second.
    columns : ndarray of float, shape (n_out,)
        What the sum of the cells' states is over the rows: of `plus` - `minus` for I and II, of the cell for III and
        IV, of `plus` + `minus` for V.
    """
    if name == "VI":
        return [x @ (plus - minus)]
    if name in ("I", "II"):
        return [x @ (plus - minus) + (columns if name == "I" else -columns)]
    if name == "V":
        return [x @ (plus - minus) + columns]
    signed = x @ (plus if name == "III" else minus)
    return [columns + signed, columns - signed]


def column_sums(name: str, plus: Floats, minus: Floats) -> Floats:
    """Return what :func:`converted` takes as `columns`."""
    if name == "V":
        return plus.sum(axis=0) + minus.sum(axis=0)
    if name in ("III", "IV"):
        return (plus if name == "III" else minus).sum(axis=0)
    return plus.sum(axis=0) - minus.sum(axis=0)


def recovered(name: str, codes: list[Floats], x: Floats, weights: Floats, hrs: float = 0.0) -> Floats:
    """Return the sums of w x, shape (n, n_out), from converted partial sums.

    Parameters
    ----------
    name : str
    codes : list of ndarray, shape (n, n_out)
        What the converters give.
    x : ndarray of float, shape (n, rows)
    weights : ndarray of float, shape (rows, n_out)
    hrs : float
        h, as the chip's designer knows it.
    """
    if name == "VI":
        return codes[0]
    if name in ("I", "II"):
        total = weights.sum(axis=0)
        return codes[0] - total if name == "I" else codes[0] + total
    if name == "V":
        return codes[0] - (np.abs(weights).sum(axis=0) + 2 * hrs * len(weights))
    both = (codes[0] - codes[1]) if name == "III" else (codes[1] - codes[0])
    offset = (1 + 2 * hrs) * x.sum(axis=1, keepdims=True)
    return both - offset if name == "III" else both + offset

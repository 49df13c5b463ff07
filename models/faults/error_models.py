"""Models of static errors: which synapses of one layer are wrong, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError, check_rate
from oxnor.models.networks.layers.weight_code import WeightCode

#: What fails as a whole in a cluster.
CLUSTERS = ("row", "column", "amplifier")
#: Default word lines and columns of the macros that clusters are drawn on: those of the published array.
MACRO = (32, 32)
_EMPTY = np.zeros(0, np.int64)


def _sample(g: np.random.Generator, n: int, share: float) -> NDArray[np.int64]:
    """Return each of range(n) with probability `share`.

    A binomial count and then that many distinct positions: the same distribution as one Bernoulli draw each, without
    touching every one.
    """
    return g.choice(n, size=g.binomial(n, share), replace=False, shuffle=False)


def static(g: np.random.Generator, weights: NDArray[np.bool_], ber: float) -> dict[str, NDArray[np.int64]]:
    """Each synapse holds the wrong bit with probability `ber`."""
    return {"flips": _sample(g, weights.size, ber)}


def asymmetric(
    g: np.random.Generator, weights: NDArray[np.bool_], ber: float, *, ratio: float = 0.0
) -> dict[str, NDArray[np.int64]]:
    """A 1 reads as 0 with probability 2 * ber / (1 + ratio), and a 0 as 1 with `ratio` times that.

    So `ber` is the mean of both rates. `ratio` is in [0, 1]; 0: only ones turn into zeros. Where a rate would be
    above 1, it is 1.
    """
    check_rate("ratio", ratio)
    down = min(1.0, 2 * ber / (1 + ratio))
    flat = weights.reshape(-1)
    ones, zeros = np.flatnonzero(flat), np.flatnonzero(~flat)
    return {"flips": np.concatenate([ones[_sample(g, ones.size, down)], zeros[_sample(g, zeros.size, down * ratio)]])}


def stuck(
    g: np.random.Generator, weights: NDArray[np.bool_], ber: float, *, ones: float = 0.5
) -> dict[str, NDArray[np.int64]]:
    """Each pair is stuck with probability `ber`: at 1 with probability `ones`, else at 0."""
    check_rate("ones", ones)
    indices = _sample(g, weights.size, ber)
    at_one = g.random(indices.size) < ones
    return {"stuck_0": indices[~at_one], "stuck_1": indices[at_one]}


def cluster(
    g: np.random.Generator,
    weights: NDArray[np.bool_],
    ber: float,
    *,
    shape: str = "column",
    macro: tuple[int, int] = MACRO,
) -> dict[str, NDArray[np.int64]]:
    """Each line of a macro fails with probability `ber`, and all synapses on it with it.

    The weights are tiled by macros of (rows, columns): neuron // rows, input // columns. ``row``: a broken word line,
    whose pairs carry no current: the amplifiers decide by themselves, each pair is stuck at a bit drawn for it.
    ``column``: a bit line broken at a drawn row: the pairs beyond are stuck, all at one drawn bit. ``amplifier``: a
    sense amplifier that always decides the same: its whole column is stuck at one drawn bit.
    """
    if shape not in CLUSTERS:
        raise InputError(f"must be one of {', '.join(CLUSTERS)}, not {shape!r}", parameter="shape")
    rows, cols = (int(n) for n in macro)
    if rows < 1 or cols < 1:
        raise InputError(f"must have at least 1 row and 1 column, not {rows}x{cols}", parameter="macro")
    n_out, n_in = weights.shape
    index = np.arange(weights.size).reshape(n_out, n_in)
    parts: list[list[NDArray[np.int64]]] = [[], []]
    across, down = -(-n_in // cols), -(-n_out // rows)
    lines = n_out * across if shape == "row" else n_in * down
    for line in np.sort(_sample(g, lines, ber)):
        if shape == "row":
            neuron, tile = divmod(int(line), across)
            pairs = index[neuron, tile * cols : (tile + 1) * cols]
            bits = g.random(pairs.size) < 0.5
            parts[0].append(pairs[~bits])
            parts[1].append(pairs[bits])
            continue
        tile, column = divmod(int(line), n_in)
        pairs = index[tile * rows : (tile + 1) * rows, column]
        bit = int(g.integers(2))
        broken = int(g.integers(pairs.size)) if shape == "column" else 0
        parts[bit].append(pairs[broken:])
    zeros, ones = (np.concatenate(part) if part else _EMPTY for part in parts)
    return {"stuck_0": zeros, "stuck_1": ones}


#: How each kind of static error is drawn for one layer; a new kind is an entry here and a number in ``rng.STREAMS``.
def sign(
    g: np.random.Generator, weights: NDArray[np.bool_], ber: float, *, code: WeightCode
) -> dict[str, NDArray[np.int64]]:
    """Each weight has the other sign with probability `ber`; one that is 0 stays.

    `weights` has the shape (n_out, inputs, synapses of a weight), as in :func:`step`. Of binary weights both are what
    :func:`static` is.
    """
    wrong = _sample(g, weights[..., 0].size, ber)
    held = weights.reshape(-1, code.bits)[wrong]
    return _turned(wrong, held, code.encode(-code.decode(held)))


def step(
    g: np.random.Generator, weights: NDArray[np.bool_], ber: float, *, code: WeightCode, moves: str = "all"
) -> dict[str, NDArray[np.int64]]:
    """Each weight moves by one value with probability `ber`, up or down by chance where both are there.

    Of a ternary weight that is the error that is seen in pairs: +1 or -1 reads as 0, or 0 as one of them. `moves` says
    which weights do: ``all``, ``zero`` (0 reads as +1 or -1) or ``nonzero`` (+1 and -1 read as 0).
    """
    if moves not in MOVES:
        raise InputError(f"must be one of {', '.join(MOVES)}, not {moves!r}", parameter="moves")
    synapses = weights.reshape(-1, code.bits)
    if moves == "all":
        wrong = _sample(g, weights[..., 0].size, ber)
    else:
        is_zero = code.decode(synapses) == 0
        of_them = np.flatnonzero(is_zero if moves == "zero" else ~is_zero)
        wrong = of_them[_sample(g, len(of_them), ber)]
    values = code.decode(synapses[wrong])
    falls = (g.random(len(wrong)) < 0.5) & (values > -code.top) | (values == code.top)
    return _turned(wrong, synapses[wrong], code.encode(np.where(falls, values - 2, values + 2)))


def _turned(
    wrong: NDArray[np.int64], held: NDArray[np.bool_], read: NDArray[np.bool_]
) -> dict[str, NDArray[np.int64]]:
    """Return which synapses of the weights `wrong` turn where these hold some bits and read as others."""
    return {"flips": (wrong[:, None] * held.shape[1] + np.arange(held.shape[1]))[held != read]}


#: Which weights the kind ``step`` moves.
MOVES = ("all", "zero", "nonzero")
#: Kinds whose rate is of weights, not of synapses.
OF_WEIGHTS = ("sign", "step")
ERROR_MODELS: Mapping[str, Callable[..., dict[str, NDArray[np.int64]]]] = {
    "static": static,
    "asymmetric": asymmetric,
    "stuck": stuck,
    "cluster": cluster,
    "sign": sign,
    "step": step,
}

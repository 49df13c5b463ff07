"""Plain arrays in an ``.npz``: ``w0, t0, w1, t1, ..., wN`` (and ``scales``, ``offsets``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader
from oxnor.models.exchange.folding.graph import ELEMENTS_MAX, FILE_MAX, Graph, Node

_NUMBERS = ["|b1", "|u1", "|i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8", "<u2", "<u4", "<u8"]
_NORM = ("gamma", "beta", "mean", "variance")


def read_arrays(path: Path) -> Graph:
    """Return the graph of an ``.npz`` of plain arrays.

    ``wK`` has shape (n_out, n_in), of bool, {0, 1} or {-1, +1}. A hidden layer has either ``tK``, shape (n_out,): it
    fires iff its popcount >= tK; or ``gammaK, betaK, meanK, varianceK`` (and ``epsK``): it fires iff the batch norm of
    2 * popcount - n_in is 0 or more. The last layer has ``scales`` and ``offsets``, or neither. ``input_threshold``,
    one or one an input: a pixel is 1 iff it reaches it; default 128.

    Raises
    ------
    InputError
        Naming the array and the rule that it breaks.
    """
    with NpzReader(path) as source:
        names = source.names
        if "header" in names:
            raise InputError("is a network of oxnor already: use it as it is")
        count = 0
        while f"w{count}" in names:
            count += 1
        if not count:
            raise InputError(f"must hold arrays w0, t0, w1, t1, ..., and has {', '.join(sorted(names)[:12]) or 'none'}")
        if count > 64:
            raise InputError(f"must have at most 64 layers, not {count}")
        known = {f"{k}{i}" for i in range(count) for k in ("w", "t", *_NORM, "eps")}
        strange = names - known - {"scales", "offsets", "input_threshold", "name"}
        if strange:
            raise InputError(
                f"must hold nothing but w, t, {', '.join(_NORM)}, eps by layer, scales, offsets and input_threshold,"
                f" not {', '.join(sorted(strange)[:8])}"
            )
        left = FILE_MAX
        arrays: dict[str, NDArray] = {}
        for name in sorted(names - {"name"}):
            arrays[name] = source.any_array(name, _NUMBERS, 2, left)
            left -= arrays[name].nbytes
    return graph_of_arrays(arrays, count)


def signs(name: str, array: NDArray) -> NDArray[np.float32]:
    """Return weights as -1 and +1, shape (n_in, n_out)."""
    if array.ndim != 2 or not array.size:
        raise InputError(f"{name} must have shape (n_out, n_in), not {array.shape}")
    if array.size > ELEMENTS_MAX:
        raise InputError(f"{name} must have at most {ELEMENTS_MAX:,} elements, not {array.size:,}")
    if array.dtype != bool:
        binary, bipolar = np.isin(array, (0, 1)).all(), np.isin(array, (-1, 1)).all()
        if not (binary or bipolar):
            raise InputError(f"{name} must hold 0 and 1, or -1 and +1, and has other values")
    return np.where(array > 0, np.float32(1), np.float32(-1)).T


def _vector(arrays: dict[str, NDArray], name: str, n: int) -> NDArray:
    array = arrays[name]
    if array.shape != (n,):
        raise InputError(f"{name} must have shape ({n},), not {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{name} must be finite")
    return array


def graph_of_arrays(arrays: dict[str, NDArray], count: int, notes: tuple[str, ...] = ()) -> Graph:
    """Return the graph of `count` layers whose arrays are named as in :func:`read_arrays`."""
    threshold = np.ravel(arrays.get("input_threshold", np.array(128))).astype(np.float32)
    inputs = arrays["w0"].shape[-1] if arrays["w0"].ndim else 0
    if threshold.size not in (1, inputs) or not ((threshold >= 0) & (threshold <= 256)).all():
        raise InputError(f"input_threshold must be one number in [0, 256], or {inputs}, one an input")
    constants: dict[str, NDArray] = {"one": np.ones((), np.float32), "cut": threshold}
    nodes = [
        Node("input", "Sub", ("x", "cut"), ("x_cut",)),
        Node("input_bits", "BipolarQuant", ("x_cut", "one"), ("b",)),
    ]
    here, n_in = "b", 0
    for k in range(count):
        w = signs(f"w{k}", arrays[f"w{k}"])
        n, m = w.shape
        if k and n != n_in:
            raise InputError(f"w{k} must have {n_in} inputs, as w{k - 1} has neurons, not {n}")
        constants[f"w{k}"] = w
        nodes.append(Node(f"w{k}", "MatMul", (here, f"w{k}"), (f"z{k}",)))
        norm = [f"{name}{k}" for name in _NORM]
        has_norm, has_t = all(name in arrays for name in norm), f"t{k}" in arrays
        if k == count - 1:
            if has_t or has_norm:
                raise InputError(f"t{k} must not be there: the last layer gives scores")
            here = _last(arrays, constants, nodes, k, n, m)
            break
        if has_t == has_norm:
            raise InputError(f"layer {k} must have t{k}, or all of {', '.join(norm)}, and not both")
        if has_t:
            t = _vector(arrays, f"t{k}", m).astype(np.float64)
            if ((t < 0) | (t > n + 1) | (t != np.rint(t))).any():
                raise InputError(f"t{k} must be whole numbers in [0, {n + 1}]")
            constants[f"t{k}"] = (2 * t - n).astype(np.float32)  # p >= T is the same as 2p - n >= 2T - n
            nodes.append(Node(f"t{k}", "Sub", (f"z{k}", f"t{k}"), (f"y{k}",)))
        else:
            for name in norm:
                constants[name] = _vector(arrays, name, m).astype(np.float32)
            eps = float(np.ravel(arrays.get(f"eps{k}", np.array(1e-5)))[0])
            nodes.append(Node(f"gamma{k}", "BatchNormalization", (f"z{k}", *norm), (f"y{k}",), {"epsilon": eps}))
        here, n_in = f"b{k}", m
        nodes.append(Node(f"sign{k}", "BipolarQuant", (f"y{k}", "one"), (here,)))
    n = constants["w0"].shape[0]
    return Graph(tuple(nodes), constants, "x", (None, n), (here,), "byte", notes=notes, exact_scores=True)


def _last(arrays: dict[str, NDArray], constants: dict[str, NDArray], nodes: list[Node], k: int, n: int, m: int) -> str:
    """Add score = scale * (z + n) / 2 + offset, in float64, which holds it exactly."""
    scales = _vector(arrays, "scales", m) if "scales" in arrays else np.ones(m)
    offsets = _vector(arrays, "offsets", m) if "offsets" in arrays else np.zeros(m)
    for name, values in {"scales": scales, "offsets": offsets}.items():
        if (np.rint(values) != values).any() or (np.abs(values.astype(np.float64)) >= 2.0**31).any():
            raise InputError(f"{name} must be whole numbers in (-2**31, 2**31)")
    constants["scales"] = scales.astype(np.float64) / 2
    constants["offsets"] = offsets.astype(np.float64) + scales.astype(np.float64) * n / 2
    nodes += [
        Node("popcount", "Cast", (f"z{k}",), ("z",), {"to": 11}),
        Node("scales", "Mul", ("z", "scales"), ("s",)), Node("offsets", "Add", ("s", "offsets"), ("scores",)),
    ]  # fmt: skip
    return "scores"

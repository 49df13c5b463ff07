"""Plain arrays in an ``.npz``: ``w0, t0, w1, t1, ..., wN`` (and ``scales``, ``offsets``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader
from oxnor.models.exchange.folding.graph import ELEMENTS_MAX, FILE_MAX, Graph, Node, Unsupported

_NUMBERS = ["|b1", "|u1", "|i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8", "<u2", "<u4", "<u8"]
_NORM = ("gamma", "beta", "mean", "variance")


def read_arrays(path: Path, float_end: bool = False) -> Graph:
    """Return the graph of an ``.npz`` of plain arrays; the last layer may have float weights if `float_end`.

    ``wK`` has shape (n_out, n_in), of bool, {0, 1} or {-1, +1}. A hidden layer has either ``tK``, shape (n_out,): it
    fires iff its popcount >= tK; or ``gammaK, betaK, meanK, varianceK`` (and ``epsK``): it fires iff the batch norm of
    2 * popcount - n_in is 0 or more. The last layer has ``scales`` and ``offsets``, or neither. ``input_threshold``,
    one or one an input: a pixel is 1 iff it reaches it; default 128. Float weights of the last layer multiply bits of
    -1 and +1, and its scores are ``scales`` times their sum plus ``offsets``, of any size.

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
            raise InputError(f"must hold arrays w0, t0, w1, t1, ..., and has {_listed(names) or 'none'}")
        if count > 64:
            raise InputError(f"must have at most 64 layers, not {count}")
        known = {f"{k}{i}" for i in range(count) for k in ("w", "t", *_NORM, "eps")}
        strange = names - known - {"scales", "offsets", "input_threshold", "name"}
        if strange:
            raise InputError(
                f"must hold nothing but w, t, {', '.join(_NORM)}, eps by layer, scales, offsets and input_threshold,"
                f" not {_listed(strange)}"
            )
        left = FILE_MAX
        arrays: dict[str, NDArray] = {}
        for name in sorted(names - {"name"}):
            arrays[name] = source.any_array(name, _NUMBERS, 2, left)
            left -= arrays[name].nbytes
    return graph_of_arrays(arrays, count, float_end=float_end)


def _listed(names: set[str]) -> str:
    """Return names of a file in one line."""
    return ", ".join(" ".join(name.split()) for name in sorted(names)[:12])


def _wrong(arrays: dict[str, NDArray], count: int, float_end: bool) -> list[str]:
    """Return what is wrong with the arrays of a network, one sentence each."""
    found: list[str] = []
    threshold, first = np.ravel(arrays.get("input_threshold", np.array(128))), arrays["w0"]
    inputs = first.shape[-1] if first.ndim else 0
    if threshold.size not in (1, inputs) or not ((threshold >= 0) & (threshold <= 256)).all():
        found.append(f"input_threshold must be one number in [0, 256], or {inputs}, one an input")
    before = None
    for k in range(count):
        w, last = arrays[f"w{k}"], k == count - 1
        is_float = last and not _is_signs(w)
        found += _wrong_weights(f"w{k}", w, last, float_end)
        if w.ndim != 2 or not w.size:
            before = None
            continue
        m, n = w.shape
        if before is not None and n != before:
            found.append(f"w{k} must have {before} inputs, as w{k - 1} has neurons, not {n}")
        before = m
        norm = [f"{name}{k}" for name in _NORM]
        has_norm, has_t = all(name in arrays for name in norm), f"t{k}" in arrays
        if last and (has_t or has_norm):
            found.append(f"t{k} must not be there: the last layer gives scores")
        elif not last and has_t == has_norm:
            found.append(f"layer {k} must have t{k}, or all of {', '.join(norm)}, and not both")
        vectors = ["scales", "offsets"] if last else [f"t{k}", *norm]
        wrong = {name: _wrong_vector(name, arrays[name], m) for name in vectors if name in arrays}
        found += [text for text in wrong.values() if text]
        if not last and wrong.get(f"t{k}") == "":
            t = arrays[f"t{k}"].astype(np.float64)
            if ((t < 0) | (t > n + 1) | (t != np.rint(t))).any():
                found.append(f"t{k} must be whole numbers in [0, {n + 1}]")
        for name in vectors if last else ():
            if wrong.get(name) == "" and not is_float and not _whole(arrays[name]):
                found.append(f"{name} must be whole numbers in (-2**31, 2**31)")
    return found


def _is_signs(array: NDArray) -> bool:
    return array.dtype == bool or bool(np.isin(array, (0, 1)).all() or np.isin(array, (-1, 1)).all())


def _wrong_weights(name: str, array: NDArray, last: bool, float_end: bool) -> list[str]:
    if array.ndim != 2 or not array.size:
        return [f"{name} must have shape (n_out, n_in), not {array.shape}"]
    if array.size > ELEMENTS_MAX:
        return [f"{name} must have at most {ELEMENTS_MAX:,} elements, not {array.size:,}"]
    if _is_signs(array):
        return []
    if last and float_end:
        return [] if np.isfinite(array).all() else [f"{name} must be finite"]
    more = ": let `last_layer_bits` round them, as this is the last layer" if last else ""
    return [f"{name} must hold 0 and 1, or -1 and +1, and has other values{more}"]


def _wrong_vector(name: str, array: NDArray, n: int) -> str:
    """Return what is wrong with an array of one number a neuron; empty if nothing is."""
    if array.shape != (n,):
        return f"{name} must have shape ({n},), not {array.shape}"
    return f"{name} must be finite" if array.dtype.kind == "f" and not np.isfinite(array).all() else ""


def _whole(array: NDArray) -> bool:
    return bool((np.rint(array) == array).all() and (np.abs(array.astype(np.float64)) < 2.0**31).all())


def graph_of_arrays(
    arrays: dict[str, NDArray], count: int, notes: tuple[str, ...] = (), float_end: bool = False
) -> Graph:
    """Return the graph of `count` layers whose arrays are named as in :func:`read_arrays`, and `float_end` too.

    Raises
    ------
    InputError
        With all that is wrong.
    """
    if wrong := _wrong(arrays, count, float_end):
        raise Unsupported((), wrong)
    threshold = np.ravel(arrays.get("input_threshold", np.array(128))).astype(np.float32)
    constants: dict[str, NDArray] = {"one": np.ones((), np.float32), "cut": threshold}
    nodes = [
        Node("input", "Sub", ("x", "cut"), ("x_cut",)),
        Node("input_bits", "BipolarQuant", ("x_cut", "one"), ("b",)),
    ]
    here = "b"
    for k in range(count):
        signs = _is_signs(arrays[f"w{k}"])
        w = (np.where(arrays[f"w{k}"] > 0, np.float32(1), np.float32(-1)) if signs else arrays[f"w{k}"]).T
        n, m = w.shape
        constants[f"w{k}"] = w
        nodes.append(Node(f"w{k}", "MatMul", (here, f"w{k}"), (f"z{k}",)))
        if k == count - 1:
            here = _last(arrays, constants, nodes, k, n, m)
            break
        if f"t{k}" in arrays:  # p >= T is the same as 2p - n >= 2T - n
            constants[f"t{k}"] = (2 * arrays[f"t{k}"].astype(np.float64) - n).astype(np.float32)
            nodes.append(Node(f"t{k}", "Sub", (f"z{k}", f"t{k}"), (f"y{k}",)))
        else:
            norm = [f"{name}{k}" for name in _NORM]
            constants |= {name: arrays[name].astype(np.float32) for name in norm}
            eps = float(np.ravel(arrays.get(f"eps{k}", np.array(1e-5)))[0])
            nodes.append(Node(f"gamma{k}", "BatchNormalization", (f"z{k}", *norm), (f"y{k}",), {"epsilon": eps}))
        here = f"b{k}"
        nodes.append(Node(f"sign{k}", "BipolarQuant", (f"y{k}", "one"), (here,)))
    n = constants["w0"].shape[0]
    return Graph(tuple(nodes), constants, "x", (None, n), (here,), "byte", notes=notes, exact_scores=True)


def _last(arrays: dict[str, NDArray], constants: dict[str, NDArray], nodes: list[Node], k: int, n: int, m: int) -> str:
    """Add score = scale * (z + n) / 2 + offset, in float64, which holds it exactly."""
    scales, offsets = arrays.get("scales", np.ones(m)), arrays.get("offsets", np.zeros(m))
    if not _is_signs(arrays[f"w{k}"]):
        constants |= {"scales": scales.astype(np.float64), "offsets": offsets.astype(np.float64)}
        constants[f"w{k}"] = constants[f"w{k}"].astype(np.float64)
        nodes += [
            Node("scales", "Mul", (f"z{k}", "scales"), ("s",)), Node("offsets", "Add", ("s", "offsets"), ("scores",))
        ]  # fmt: skip
        return "scores"
    constants["scales"] = scales.astype(np.float64) / 2
    constants["offsets"] = offsets.astype(np.float64) + scales.astype(np.float64) * n / 2
    nodes += [
        Node("popcount", "Cast", (f"z{k}",), ("z",), {"to": 11}),
        Node("scales", "Mul", ("z", "scales"), ("s",)), Node("offsets", "Add", ("s", "offsets"), ("scores",)),
    ]  # fmt: skip
    return "scores"

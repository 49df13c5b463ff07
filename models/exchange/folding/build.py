"""Folding of a graph into a network with integer thresholds, with a record of each layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.hidden import HiddenLayer
from oxnor.models.networks.layers.scores import ScoreLayer

from .graph import Graph
from .inputs import CODINGS, GREY, levels, meaning
from .layers import InputLevels, Layers
from .levels import Levels, to_bits
from .refusals import NO_SCORES
from .scores import Outputs, decision_threshold, fit_scores
from .table import Stage, Table
from .walk import Walk


@dataclass(frozen=True)
class Built:
    """A network, and how it was built.

    Parameters
    ----------
    network : Network
        Without info.
    coding : str
        How the source takes images (see :mod:`oxnor.models.exchange.folding.inputs`).
    assumed : bool
        Whether the coding was assumed.
    layers : tuple of dict
        One a layer: node, operators folded, pairs checked, how many differ, how many hang on rounding.
    output : Table
        Of the last layer, before what keeps the class.
    order : ndarray of int64, shape (n_out,)
        Neuron of the last layer that is each class.
    head : str
        The operator that ends the source with a class, or empty.
    pair : bool
        One output became two classes: no and yes.
    notes : tuple of str
        For the report.
    masks : tuple of (ndarray of bool, shape (most + 1, n_out)) or None
        For each hidden layer, where the level at a popcount of the folded weights hangs on rounding.
    input_order : ndarray of int64 or None
        Which element of the source's input each element of the network's is; None where they are the same.
    source_shape : tuple of int
        Of an image, as the source takes it.
    """

    network: Network
    coding: str
    assumed: bool
    layers: tuple[dict[str, Any], ...]
    output: Table
    order: NDArray[np.int64]
    head: str
    pair: bool
    notes: tuple[str, ...]
    masks: tuple[NDArray[np.bool_] | None, ...] = ()
    input_order: NDArray[np.int64] | None = None
    source_shape: tuple[int, ...] = ()


def build(graph: Graph, coding: str | None = None, name: str = "network") -> Built:
    """Fold a source graph into a network.

    Parameters
    ----------
    graph : Graph
    coding : str, optional
        How the source takes images; default: what it says itself, else the first of unit, byte and signed under which
        its own input threshold lies among the grey levels.
    name : str

    Raises
    ------
    Unsupported
        Naming every node that cannot be imported.
    """
    wanted = coding or graph.input_kind
    tried = (wanted,) if wanted else GREY
    for constant_inputs in (False, True):
        for guess in tried:
            walk = Walk(graph, levels(guess), not wanted, constant_inputs)
            try:
                return _assemble(graph, walk.layers, walk.run(), guess, not wanted, name)
            except InputLevels:
                continue
    listed = "; ".join(f"{k}: {CODINGS[k]}" for k in tried)
    walk = Walk(graph, None)
    walk.others.append(
        f"the input must become bits of both values at some grey level, and does not ({listed}): see `coding`"
    )
    walk.run()
    raise AssertionError("a walk with reasons against it ends in an exception")


def _record(stage: Stage, sensitive: int) -> dict[str, Any]:
    assert stage.weights is not None
    n_in = stage.weights.shape[1] // stage.code.bits
    return {
        "node": stage.label, "n_in": n_in, "n_out": stage.size, "weights": stage.scaling or "-1, +1",
        "operators": list(stage.ops), "checked": stage.rows * stage.size, "differ": 0, "rounding": sensitive,
    }  # fmt: skip


def _assemble(graph: Graph, layers: Layers, out: Table, coding: str, assumed: bool, name: str) -> Built:
    made: list[HiddenLayer | ScoreLayer] = []
    records = []
    notes = [*graph.notes]
    for k, stage in enumerate(layers.stages[1:-1], start=1):
        records.append(_record(stage, layers.outputs[k].sensitive) | layers.records[k])
        made.append(_hidden(stage, layers.outputs[k]))
        if len(layers.outputs[k].reach) == 3 and "Sign" in stage.ops:
            notes.append(f"{stage.label}: its sign gives 0 for 0, which takes a second bit plane: let it give +1")
    head, final = out.head, out.before or out
    stage = out.stage
    assert stage.weights is not None
    order = final.elements
    if stage is not layers.stages[-1]:
        product = layers.stages[-1].label
        raise InputError(f"the output must come from the last product, {product}, not from {stage.label}")
    if stage.window is not None and (stage.window.pixels > 1 or stage.window.is_padded or stage.pool):
        raise InputError(f"the output must have one score a class, and {stage.label} gives one a class and pixel")
    if len(order) != stage.size or len(np.unique(order)) != stage.size:
        raise InputError(f"the output must have all {stage.size} neurons of {stage.label}, each once")
    value, low, high = (final.columns(v) for v in (final.value, final.low, final.high))
    wide = value.astype(np.float64) if final.wide is None else final.columns(final.wide)
    last = stage.weights[order]
    pair = stage.size == 1
    if pair:
        limit, falls = decision_threshold(wide[:, 0], _decides(final))
        scales, offsets = np.array([0, 2]), np.array([2 * limit - 1, 0])
        last, sensitive = np.repeat(stage.code.negated(last) if falls else last, 2, axis=0), 0
        notes.append("one output: class 1 where it says yes (above 0, or bit 1), else class 0")
    else:
        if _is_bits(final):
            raise InputError(NO_SCORES)
        scores = fit_scores(Outputs(value, low, high, wide, last), graph.exact_scores)
        scales, offsets, sensitive = scores.scales, scores.offsets, scores.sensitive
        last = np.where(scores.inverted[:, None], stage.code.negated(last), last)
        if scores.example:
            notes.append(
                f"the order of {sensitive:,} pairs of outputs hangs on how the source rounds its sums, for example"
                f" {scores.example}"
            )
    records.append(_record(stage, sensitive))
    if head:
        notes.append(f"{head} at the end is left out: the class is the argmax of the scores")
    made.append(ScoreLayer(last, scales, offsets, **stage.reads))
    rule, text = _input_rule(layers)
    if text:
        notes.append(text + (f", taking the source's input to be {meaning(coding)}" if assumed else ""))
    network = Network(name, tuple(made), rule)
    return Built(
        network, coding, assumed, tuple(records), final, order, head, pair, tuple(notes), tuple(layers.masks[1:]),
        layers.input_order, tuple(int(n) for n in graph.input_shape[1:] if n is not None),
    )  # fmt: skip


def _hidden(stage: Stage, levels: Levels) -> HiddenLayer:
    """Return the layer of a stage, given what its neurons give."""
    assert stage.weights is not None
    thresholds = levels.thresholds()
    weights = np.where(levels.falling[:, None], stage.code.negated(stage.weights), stage.weights)
    if stage.window is None:
        return DenseLayer(weights, thresholds, **stage.reads)
    least = stage.takes_least
    lowest = np.zeros(stage.size, bool) if least is None else least ^ levels.falling
    return ConvLayer(weights, thresholds, stage.window, stage.pool, lowest, **stage.reads)


def _input_rule(layers: Layers) -> tuple[InputRule, str]:
    """Return how images become bits or levels, and that in words; empty if images are bits, all of which count."""
    levels, rows = layers.outputs[0], layers.stages[0].rows
    if levels.codes is not None:
        if rows != 256:
            raise InputError("the levels of the input must be grey")
        rule = InputRule.planes(levels.codes[:, 0])
        return rule, f"input: {rule.words()}"
    switch = np.where(levels.falling, rows - levels.reach[0], levels.reach[0])
    threshold = switch if rows == 256 else np.array([0, 128, 256])[switch]
    constant = (threshold == 0) | (threshold == 256)
    cuts = np.unique(threshold[~constant])
    parts = []
    if rows == 256:
        one = len(cuts) == 1
        parts.append(f"pixel >= {cuts[0]} is 1" if one else f"each pixel has a threshold, {cuts[0]} to {cuts[-1]}")
    if constant.any():
        parts.append(f"{np.count_nonzero(constant):,} of {len(threshold):,} bits are constant")
    return InputRule.of(threshold), f"input: {'; '.join(parts)}" if parts else ""


def _is_bits(t: Table) -> bool:
    if t.stage.rows <= 2:
        return False
    try:
        to_bits(t)
    except InputError:
        return False
    return True


def _decides(t: Table) -> NDArray[np.bool_] | None:
    """Return yes or no a popcount where a single output is already two-valued."""
    if not _is_bits(t):
        return None
    value = t.columns(t.value)[:, 0]
    return np.asarray(value > value.min())

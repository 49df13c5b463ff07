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
from oxnor.models.networks.layers.conv_scores import ConvScoreLayer
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.hidden import HiddenLayer
from oxnor.models.networks.layers.scores import ScoreLayer

from .elements import makes_equal
from .graph import Graph
from .inputs import CODINGS, GREY, meaning, source_levels
from .layers import InputLevels, Layers
from .levels import Levels, to_bits
from .refusals import NO_SCORES, FallingShortcut
from .scores import Outputs, RoundedScores, decision_threshold, fit_scores, round_scores
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
    rounded : RoundedScores or None
        Of a last layer whose float weights were rounded.
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
    rounded: RoundedScores | None = None


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
    tried = (wanted,) if wanted else GREY if graph.input_type is np.float32 else ("byte",)
    for constant_inputs in (False, True):
        for guess in tried:
            plain: set[str] = set()
            while True:
                walk = Walk(graph, source_levels(guess, graph.input_type), not wanted, constant_inputs, plain)
                try:
                    return _assemble(graph, walk.layers, walk.run(), guess, not wanted, name)
                except FallingShortcut as e:
                    plain.add(e.label)
                except InputLevels:
                    break
    listed = "; ".join(f"{k}: {CODINGS[k]}" for k in tried)
    walk = Walk(graph, None)
    walk.others.append(
        f"the input must become bits of both values at some grey level, and does not ({listed}): see `coding`"
    )
    walk.run()
    raise AssertionError("a walk with reasons against it ends in an exception")


def _record(stage: Stage, sensitive: int, rounded: RoundedScores | None = None) -> dict[str, Any]:
    assert stage.weights is not None
    n_in = stage.weights.shape[1] // stage.code.bits
    weights, checked = stage.scaling or "-1, +1", stage.rows * stage.size
    if rounded is not None:
        top = rounded.code.top // 2
        weights, checked = f"float, rounded to {-top} to {top:+d}", 0
    return {
        "node": stage.label, "n_in": n_in, "n_out": stage.size, "weights": weights,
        "operators": list(stage.ops), "checked": checked, "differ": 0, "rounding": sensitive,
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
    if final.is_mean:
        raise InputError("a mean over pixels at the end must be of sums, with one scale and offset a channel")
    if (w := stage.window) is not None and not stage.summed:
        if w.pixels > 1 or stage.pool:
            raise InputError(f"the output must have one score a class, and {stage.label} gives one a class and pixel")
        if w.pad == 0:
            raise InputError(f"{stage.label} gives the scores, and must not pad with zeros")
        # One window: a dense layer unless it leaves elements out, or sees others.
        stage.summed = w.is_padded or w.n_in < w.height * w.width * w.channels
    assert np.array_equal(np.sort(order), np.arange(stage.size))
    if final.padding or final.unfolded:
        raise InputError("the output must be scores, and is padded or has their windows")
    last, sensitive, rounded = _last(final, graph, notes)
    pair = stage.size == 1
    if pair:
        notes.append("one output: class 1 where it says yes (above 0, or bit 1), else class 0")
    records.append(_record(stage, sensitive, rounded))
    if head or (final is not out and not pair):
        notes.append(f"{head or stage.ops[-1]} at the end is left out: the class is the argmax of the scores")
        before, after = (v.columns(v.value)[:, np.argsort(v.elements)] for v in (final, out))
        if makes_equal(before, after, 0):
            notes[-1] += "; it makes some of them equal in float32, and the source's class is then the first of these"
    made.append(last)
    rule, text = _input_rule(layers)
    if assumed and layers.outputs[0].codes is not None and (w := layers.stages[1].window) and w.is_padded:
        level = {-1: "lowest level", 0: "middle of the levels", 1: "highest level"}[w.pad]
        notes.append(
            f"{layers.stages[1].label}: its padding is the {level} only if the source takes {meaning(coding)},"
            " which nothing says: if it was trained on others, as after Normalize(0.5, 0.5), give `coding`, as signed"
        )
    if text:
        notes.append(text + (f", taking the source's input to be {meaning(coding)}" if assumed else ""))
    network = Network(name, tuple(made), rule)
    return Built(
        network, coding, assumed, tuple(records), final, order, head, pair, tuple(notes), tuple(layers.masks[1:]),
        layers.input_order, tuple(int(n) for n in graph.input_shape[1:] if n is not None), rounded,
    )  # fmt: skip


def _last(final: Table, graph: Graph, notes: list[str]) -> tuple[ScoreLayer, int, RoundedScores | None]:
    """Return the last layer, how many pairs of its outputs hang on rounding, and how float weights were rounded."""
    stage = final.stage
    assert stage.weights is not None
    value, low, high = (final.columns(v) for v in (final.value, final.low, final.high))
    wide = value.astype(np.float64) if final.wide is None else final.columns(final.wide)
    weights = stage.weights[final.elements]
    outputs = Outputs(value, low, high, wide, weights)
    if stage.floats is not None:
        return _rounded(final, outputs, graph.last_layer_bits, notes)
    if graph.last_layer_bits:
        notes.append("the weights of the last layer are integers: nothing is rounded")
    if stage.size == 1:
        limit, falls = decision_threshold(wide[:, 0], _decides(final))
        weights = np.repeat(stage.code.negated(weights) if falls else weights, 2, axis=0)
        return score_layer(stage, weights, *_decision(limit)), 0, None
    if _is_bits(final):
        raise InputError(NO_SCORES)
    scores = fit_scores(outputs, graph.exact_scores)
    weights = np.where(scores.inverted[:, None], stage.code.negated(weights), weights)
    if scores.example:
        notes.append(
            f"the order of {scores.sensitive:,} pairs of outputs hangs on how the source rounds its sums, for example"
            f" {scores.example}"
        )
    return score_layer(stage, weights, scores.scales, scores.offsets), scores.sensitive, None


def score_layer(
    stage: Stage,
    weights: NDArray[np.bool_],
    scales: Any = None,
    offsets: Any = None,
) -> ScoreLayer:
    """Return the output layer of a stage with other weights."""
    if stage.summed:
        assert stage.window is not None
        return ConvScoreLayer(weights, scales, offsets, window=stage.window, **stage.reads)
    return ScoreLayer(weights, scales, offsets, **stage.reads)


def _decision(limit: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return scales and offsets of the two classes, no and yes, that a popcount of `limit` divides."""
    return np.array([0, 2]), np.array([2 * limit - 1, 0])


def _rounded(
    final: Table, outputs: Outputs, bits: int, notes: list[str]
) -> tuple[ScoreLayer, int, RoundedScores]:
    """Return what :func:`_last` does of a last layer of float weights."""
    stage, order = final.stage, final.elements
    assert stage.floats is not None
    try:
        rounded = round_scores(outputs, stage.floats.at(order), bits)
    except InputError:
        if _is_bits(final):
            raise InputError(NO_SCORES) from None
        raise
    reads = stage.reads | {"weight_bits": rounded.code.bits, "weight_max": rounded.code.largest}
    worst = int(rounded.far.argmax())
    where = f" (class {worst})" if stage.size > 1 else ""
    notes.append(
        f"{stage.label}: float weights rounded to {bits} bits; an output is off by at most {rounded.far[worst]:.4g}"
        f"{where}, and changes by {rounded.unit:.4g} with each 1 of its score"
    )
    if stage.size > 1:
        ones = np.ones(stage.size, np.int64)
        return ScoreLayer(rounded.synapses, ones, rounded.offsets, **reads), 0, rounded
    return ScoreLayer(np.repeat(rounded.synapses, 2, axis=0), *_decision(rounded.limit), **reads), 0, rounded


def _hidden(stage: Stage, levels: Levels) -> HiddenLayer:
    """Return the layer of a stage, given what its neurons give."""
    assert stage.weights is not None
    thresholds = levels.thresholds()
    weights = np.where(levels.falling[:, None], stage.code.negated(stage.weights), stage.weights)
    if stage.window is None:
        return DenseLayer(weights, thresholds, **stage.reads)
    least = stage.takes_least
    lowest = np.zeros(stage.size, bool) if least is None else least ^ levels.falling
    return ConvLayer(weights, thresholds, stage.window, stage.pool, lowest, shortcut=stage.shortcut, **stage.reads)


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
    value = t.columns(t.value)
    if t.stage.rows <= 2 or (value == value[:1]).all():
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

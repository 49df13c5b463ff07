"""Layers in passes over rewritten weights: what is counted, and the same in the RTL."""

import itertools
import json

import numpy as np
import pytest
from helpers.cli import run

from oxnor.hw.cost.counts import count
from oxnor.hw.cost.tiling import LayerPasses, LayerShape, network_passes, plan
from oxnor.hw.params.engine import EngineConfig
from oxnor.models import Network, zoo
from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.technology.technology import load
from oxnor.sim.studies import tiling

SHAPES = [(1, 1), (72, 32), (50, 21), (64, 5), (7, 40), (33, 33)]


@pytest.mark.parametrize("available", [1, 2, 3, 4, 7, 100])
def test_no_rectangle_of_macros_takes_fewer_passes(available):
    for (n_in, n_out), (rows, cols) in itertools.product(SHAPES, [(4, 8), (8, 8), (16, 4)]):
        layer = LayerShape(n_in, n_out)
        found = plan(layer, rows, cols, available)
        others = [LayerPasses(layer, rows, cols, d, a) for d in range(1, available + 1) for a in range(1, available // d + 1)]
        assert found.macros <= available
        assert found.passes == min(p.passes for p in others)
        assert found.passes == 1 or available < found.needed
        assert found.macros == min(p.macros for p in others if p.passes == found.passes)


def test_sums_of_passes_are_those_of_the_layer():
    """Each weight is in one pass, and what is beyond the last adds nothing."""
    g = np.random.default_rng(1)
    for (n_in, n_out), available in itertools.product(SHAPES, (1, 3, 4)):
        p = plan(LayerShape(n_in, n_out), 4, 8, available)
        weights, bits = g.random((n_out, n_in)) < 0.5, g.random((9, n_in)) < 0.5
        tiles, read = tiling._tiles(p, weights), tiling._read(p, bits)
        agree = tiles[:, :, None] == read[None, :, :, None]
        sums = agree.sum(axis=(1, 4)).swapaxes(0, 1).reshape(9, -1)[:, :n_out]
        np.testing.assert_array_equal(sums, (weights == bits[:, None]).sum(axis=2))
        assert p.row_reads * 8 >= p.weights == n_in * n_out
        rows = [-(-tiles.shape[2] // p.down)] * p.down  # of each macro, for the neurons of a pass
        assert sum(rows) - p.down < tiles.shape[2] <= sum(rows)
        assert max(rows) <= p.rows
        assert p.operations == 2 * p.passes * sum(rows) * tiles.shape[3] >= 2 * tiles.size
        assert p.row_reads == p.passes * sum(rows) * p.across


def test_dense_layers_of_alexnet():
    layers = [LayerShape(a, b) for a, b in itertools.pairwise(tiling.ALEXNET)]
    found = tiling.study(layers, load(), available=1024, batches=(1, 10))
    p = found.passes
    assert [(y.needed, y.passes) for y in p.layers] == [(9216, 9), (4096, 4), (1024, 1)]
    assert (p.writes, p.moved, p.operations) == (14, 9216 * 4096 + 4096 * 4096 + 4096 * 1000, (13 * 64 + 63) * 1024 * 2 * 64)
    assert p.row_reads == (13 * 64 + 63) * 1024 == p.in_place.row_reads  # 1,000 neurons are 63 rows in 16 macros
    place, one, ten = found.energies
    assert place.total.high < 13e-6 < 2.8e-3 < one.total.low
    assert (one.moving.low, one.programming.low) == (pytest.approx(p.moved * 40e-12), pytest.approx(p.operations * 4.5e-12))
    assert ten.moving.low == pytest.approx(one.moving.low / 10)
    assert place.sensing == one.sensing
    assert (p.images_of(1e9, 10), p.images_of(1e9, 0)) == (1e10 / 14, None)
    assert {f.tag for f in found.figures.values()} == {"simulated", "chosen", "published"}
    assert load().estimates.reload in found.figures.values()


def test_energy_in_place_is_that_of_macros_in_place():
    """A rectangle may have macros that the last pass does not need: 8 passes of 1 x 5 for 4 x 9."""
    place, one = tiling.study([LayerShape(72, 32)], load(), available=5, macro=(8, 8), batches=(1,)).energies
    assert place.sensing.low == pytest.approx(one.sensing.low * 36 / 40)


def test_weights_that_fit_stay():
    network = zoo.load("mnist-tfc")
    p = network_passes(tiling.shapes_of(network), 64, 64, 16)
    assert (p.needed, p.is_resident, p.writes, p.moved, p.operations, p.images_of(1e9, 1)) == (16, True, 0, 0, 0, None)
    assert not network_passes(tiling.shapes_of(network), 64, 64, 15).is_resident
    assert len(tiling.study(tiling.shapes_of(network), load(), available=16).energies) == 1


@pytest.mark.parametrize(("layer", "options", "message"), [
    ((1, 1), {"available": 0}, "available_macros must be in [1, 16777216], not 0"),
    ((1, 1), {"available": 1, "macro": (64, 0)}, "cols must be in [1, 1048576], not 0"),
    ((1, 1), {"available": 1, "batches": (0,)}, "batch must be numbers in [1, 1000000000], not 0"),
    ((0, 1), {"available": 1}, "n_in must be in [1, 1048576], not 0"),
])  # fmt: skip
def test_refused(layer, options, message):
    with pytest.raises(InputError) as e:
        tiling.study([LayerShape(*layer)], load(), **options)
    assert str(e.value) == message


@pytest.mark.cosim
def test_rtl_counts_the_same():
    """Five neurons in three of four rows each of two macros, one of which holds no neuron."""
    found = tiling.in_rtl(LayerShape(17, 5), 2, (4, 8), images=3, simulator="icarus")
    p = found.layer
    assert (p.passes, p.down, p.rows_used, found.ok) == (3, 2, 3, True)
    assert (found.differ, found.row_reads, found.operations, found.most) == (0, 3 * 3 * 2 * 3, 3 * 2 * 3 * 8 * 2, 3)


def test_in_place_an_engine_senses_as_much():
    """As its own schedule has it: 1,024 neurons of 784 inputs in 16 x 13 macros, ten in one of 13, others of fewer."""
    for n_in, n_out in ((784, 1024), (784, 10), (300, 65), (64, 64), (9, 16)):
        layer = ScoreLayer(np.zeros((n_out, n_in), bool))
        p = network_passes([LayerShape(n_in, n_out)], 64, 64, 3).in_place
        y = p.layers[0]
        config = EngineConfig.for_network(Network("n", (layer,)), macro_size=(64, 64), folding=[(y.across, y.down)])
        assert p.row_reads == sum(c.row_reads for c in count(config))
        assert (p.is_resident, p.available) == (True, y.needed)


def test_weights_of_digits_have_larger_sums():
    """Ten of three bits each count 10 * 6 = 60 together, in 30 columns."""
    layer = ScoreLayer(np.zeros((4, 30), bool), np.ones(4, int), np.zeros(4, int), weight_bits=3, weight_max=6)
    p = network_passes(tiling.shapes_of(Network("n", (layer,))), 4, 8, 1)
    assert (p.layers[0].passes_across, p.moved, p.layers[0].partial_bits) == (4, 4 * 30, 4 * 6)


def test_command():
    shown = run("study", "tiling", "--available-macros", "1024")
    assert shown.exit_code == 0, shown.stderr
    text = " ".join(shown.stdout.split())
    assert text.count("58,621,952 bits of weights move to the chip for each batch") == 2
    assert "0.528 to 15.8 mJ 2.34 mJ 2.88 to 18.2 mJ 71,428,571" in text
    assert "IEDM 2018" in text
    found = json.loads(run("study", "tiling", "mnist-tfc", "--available-macros", "5", "--batch", "3", "--endurance", "1e6", "--json").stdout)
    assert (found["needed"], found["weights_stay"], found["writes"]) == (16, False, 6)
    assert [(e["batch"], e["images"] is None) for e in found["energies"]] == [(0, True), (3, False)]
    assert found["row_reads_in_place"] <= found["row_reads"]
    assert found["energies"][1]["images"] == pytest.approx(1e6 * 3 / 6)
    for arguments, message in (
        (("--macro", "4"), "--macro must be two positive integers, for example 64x64, not '4'"),
        (("--sizes", "5"), "--sizes must be 2 numbers or more, not 1"),
        (("mnist-tfc", "--sizes", "5,5"), "--sizes must not be given together with a network"),
        (("--sizes", "5,0"), "--sizes must be numbers in [1, 1048576], not 0"),
        (("--endurance", "0"), "--endurance must be in [1, 1e+12], not 0"),
        (("--endurance", "inf"), "--endurance must be in [1, 1e+12], not inf"),
        (("--batch", "1,10000000000"), "--batch must be numbers in [1, 1000000000], not 10000000000"),
        (("--images", "5"), "--images must come with --rtl"),
        (("--rtl", "--images", "99999999999"), "--images must be in [1, 100000], not 99999999999"),
        (("mnist-spirit",), "network 'mnist-spirit' must be binarized, and is spiking"),
    ):
        assert message in run("study", "tiling", *arguments).stderr

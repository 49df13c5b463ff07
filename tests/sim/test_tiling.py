"""Layers in passes over rewritten weights: what is counted, and the same in the RTL."""

import itertools
import json

import numpy as np
import pytest
from helpers.cli import run

from oxnor.hw.cost.tiling import LayerPasses, LayerShape, network_passes, plan
from oxnor.models import zoo
from oxnor.models.base.errors import InputError
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
        assert p.operations == 2 * tiles.size


def test_dense_layers_of_alexnet():
    layers = [LayerShape(a, b) for a, b in itertools.pairwise(tiling.ALEXNET)]
    found = tiling.study(layers, load(), available=1024, batches=(1, 10))
    p = found.passes
    assert [(y.needed, y.passes) for y in p.layers] == [(9216, 9), (4096, 4), (1024, 1)]
    assert (p.writes, p.moved, p.operations) == (14, 9216 * 4096 + 4096 * 4096 + 4096 * 1000, 14 * 1024 * 2 * 64 * 64)
    assert p.row_reads == 14 * 1024 * 64
    place, one, ten = found.energies
    assert place.total.high < 13e-6 < 2.8e-3 < one.total.low
    assert (one.moving.low, one.programming.low) == (pytest.approx(p.moved * 40e-12), pytest.approx(p.operations * 4.5e-12))
    assert ten.moving.low == pytest.approx(one.moving.low / 10)
    assert place.sensing == one.sensing
    assert p.images_of(1e9, 10) == 1e10 / 14
    assert {f.tag for f in found.figures.values()} == {"simulated", "chosen", "published"}
    assert load().estimates.reload in found.figures.values()


def test_weights_that_fit_stay():
    network = zoo.load("mnist-tfc")
    p = network_passes(tiling.shapes_of(network), 64, 64, 16)
    assert (p.needed, p.is_resident, p.writes, p.moved, p.operations, p.images_of(1e9, 1)) == (16, True, 0, 0, 0, None)
    assert not network_passes(tiling.shapes_of(network), 64, 64, 15).is_resident
    assert len(tiling.study(tiling.shapes_of(network), load(), available=16).energies) == 1


@pytest.mark.parametrize(("layer", "options", "message"), [
    ((1, 1), {"available": 0}, "available_macros must be in [1, 16777216], not 0"),
    ((1, 1), {"available": 1, "macro": (64, 0)}, "cols must be in [1, 1048576], not 0"),
    ((1, 1), {"available": 1, "batches": (0,)}, "batch must be numbers above 0, not 0"),
    ((0, 1), {"available": 1}, "n_in must be in [1, 1048576], not 0"),
])  # fmt: skip
def test_refused(layer, options, message):
    with pytest.raises(InputError) as e:
        tiling.study([LayerShape(*layer)], load(), **options)
    assert str(e.value) == message


@pytest.mark.cosim
def test_rtl_counts_the_same():
    found = tiling.in_rtl(LayerShape(20, 3), 2, (2, 8), images=3, simulator="icarus")
    assert (found.layer.passes, found.layer.down, found.ok) == (3, 2, True)
    assert (found.differ, found.row_reads, found.operations, found.most) == (0, 3 * 3 * 2 * 2, 3 * 2 * 16 * 2, 3)


def test_command():
    shown = run("study", "tiling", "--available-macros", "1024")
    assert shown.exit_code == 0, shown.stderr
    text = " ".join(shown.stdout.split())
    assert text.count("58,621,952 weights move to the chip for each batch") == 2
    assert "IEDM 2018" in text
    found = json.loads(run("study", "tiling", "mnist-tfc", "--available-macros", "5", "--batch", "3", "--endurance", "1e6", "--json").stdout)
    assert (found["needed"], found["weights_stay"], found["writes"]) == (16, False, 6)
    assert [e["batch"] for e in found["energies"]] == [0, 3]
    assert found["energies"][1]["images"] == pytest.approx(1e6 * 3 / 6)
    for arguments, message in (
        (("--macro", "4"), "--macro must be two positive integers, for example 64x64, not '4'"),
        (("--sizes", "5"), "--sizes must be 2 numbers or more, not 1"),
        (("mnist-tfc", "--sizes", "5,5"), "--sizes must not be given together with a network"),
        (("--endurance", "0"), "--endurance must be 1 or more, not 0"),
        (("mnist-spirit",), "network 'mnist-spirit' must be binarized, and is spiking"),
    ):
        assert message in run("study", "tiling", *arguments).stderr

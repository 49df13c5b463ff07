"""Windows, pooling and bit planes in RTL against the golden model, on every bit and in every cycle."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network
from helpers.simulators import QUICK

from oxnor.hw.params.engine import EngineConfig
from oxnor.models.networks.layers.window import Pool, Window
from oxnor.sim import simulate
from oxnor.sim.benches.engine.tb_programming import config_of
from oxnor.sim.harness.engine import TESTS, EngineTestbench
from oxnor.sim.harness.networks import with_conv_scores
from oxnor.sim.harness.pixels import gather_bench, pool_bench, window_bench
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError

pytestmark = pytest.mark.cosim
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)


def test_structure_in_a_job():
    """What a testbench reads is the structure that was built, windows and pooling too; the self-test needs it."""
    conv = Conv(6, pool=(3, 3, 2, 2), has_lowest=True, window={"groups": 2, "top": 1, "pad": 1})
    network = random_conv_network((8, 8, 2), [conv])
    config = EngineConfig.for_network(network, programming=True)
    assert config_of(json.loads(json.dumps({"config": asdict(config)}))) == config


EDGES = {"top": 1, "left": 1, "bottom": 1, "right": 1}
ZEROS = EDGES | {"pad": 0}
WINDOWS = {
    "3x3": Window(6, 5, 4, 3, 3),
    "padded with 1": Window(4, 5, 3, 3, 3, top=1, left=1, bottom=1, right=1, pad=1),
    "padded at two sides": Window(5, 4, 1, 2, 3, bottom=1, right=2, pad=-1),
    "steps of 2": Window(7, 8, 2, 3, 3, 2, 2),
    "steps beyond the kernel": Window(9, 9, 1, 2, 2, 3, 3),
    "dilated": Window(8, 7, 2, 2, 3, 1, 1, 3, 2),
    "dilated, padded, steps": Window(9, 8, 1, 3, 2, 2, 1, 2, 3, 2, 3, 4, 1, -1),
    "all of the image": Window(3, 4, 2, 3, 4),
    "padded with zeros": Window(3, 4, 2, 3, 2, top=1, left=1, right=1, pad=0),
    "a pixel": Window(1, 1, 5, 1, 1),
    "1x1": Window(4, 3, 2, 1, 1),
    "groups, padded with zeros": Window(3, 4, 6, 2, 2, top=1, right=1, pad=0, groups=3),
    "each channel alone": Window(4, 4, 2, 3, 3, groups=2),
}


def everyday(cases, names):
    """Return the names of all cases, those beyond `names` marked slow."""
    return [name if name in names else pytest.param(name, marks=pytest.mark.slow) for name in cases]


@needs_icarus
@pytest.mark.parametrize("case", everyday(WINDOWS, ("padded with 1", "steps of 2", "dilated, padded, steps", "padded with zeros")))
def test_windows(case, tmp_path):
    window = WINDOWS[case]
    window_bench(window, planes=2 if window.channels < 3 else 1).run(tmp_path, root=tmp_path)


POOLS = {
    "2x2": (4, 6, 3, 1, Pool(2, 2, 2, 2), False),
    "2x2 of what does not divide": (5, 7, 2, 1, Pool(2, 2, 2, 2), True),
    "3x1 of three levels": (6, 3, 2, 3, Pool(3, 1, 3, 1), True),
    "1x2 of seven levels": (2, 5, 2, 7, Pool(1, 2, 1, 2), False),
    "all of it": (3, 4, 5, 1, Pool(3, 4, 3, 4), True),
    "3x3 in steps of 2, of three levels": (7, 8, 2, 3, Pool(3, 3, 2, 2), True),
    "every pixel ends a window": (4, 5, 3, 1, Pool(2, 2, 1, 1), False),
    "steps beyond the window": (6, 8, 2, 1, Pool(2, 2, 3, 4), True),
    "side by side in one direction alone": (5, 6, 2, 1, Pool(2, 3, 1, 3), False),
    "one row, steps of 2": (3, 7, 2, 1, Pool(1, 3, 1, 2), False),
    "one column of windows": (5, 3, 2, 1, Pool(3, 3, 1, 1), True),
    "over all edges, of three levels": (5, 7, 2, 3, Pool(3, 3, 2, 2, 1, 1, 1, 1), True),
    "over all edges, every pixel ends a window": (4, 5, 2, 1, Pool(3, 3, 1, 1, 1, 1, 1, 1), True),
    "padding that no window reaches": (6, 8, 2, 1, Pool(3, 3, 2, 2, 1, 1, 1, 1), True),
    "side by side, the last over the edge": (5, 7, 2, 1, Pool(2, 2, 2, 2, 0, 0, 1, 1), True),
    "far over the edges": (2, 3, 2, 1, Pool(4, 5, 2, 1, 3, 4, 3, 4), True),
    "below and at the left": (5, 4, 1, 3, Pool(2, 3, 2, 2, 0, 2, 1, 0), False),
    "a window of more than the map": (1, 2, 2, 1, Pool(3, 3, 2, 2, 1, 1, 1, 1), True),
}


@needs_icarus
@pytest.mark.parametrize("case", everyday(POOLS, ("2x2 of what does not divide", "3x3 in steps of 2, of three levels", "over all edges, of three levels")))
def test_pools(case, tmp_path):
    pool_bench(*POOLS[case]).run(tmp_path, root=tmp_path)


@needs_icarus
def test_gather(tmp_path):
    gather_bench(6, 5).run(tmp_path, root=tmp_path)


#: What is wrong in a unit's Verilog, and the testbench that finds it: (testbench, what is replaced, by what).
BROKEN = {
    "padding is what the memory shows": (
        window_bench(WINDOWS["padded with 1"]), "assign pixel = landing_pad ?", "assign pixel = 1'b0 ?"
    ),
    "rows that are needed are overwritten": (
        window_bench(WINDOWS["3x3"]), "assign i__ready = ahead != 3'h4;", "assign i__ready = 1'b1;"
    ),
    "the window loses a row": (window_bench(WINDOWS["3x3"]), "row1 <= ", "row1 <= ~"),
    "OR forgets the rows above": (pool_bench(*POOLS["2x2"]), "in_y ? above_q", "1'b0 ? above_q"),
    "overlapping windows lose a row": (
        pool_bench(*POOLS["3x3 in steps of 2, of three levels"]), ".data({above_q[5:0],", ".data({6'h0,"
    ),
    "smallest values stay inverted": (
        pool_bench(*POOLS["2x2 of what does not divide"]), "data[0] ^ i__payload[1]", "data[0]"
    ),
    "an edge is the largest": (pool_bench(*POOLS["over all edges, of three levels"]), ": 6'h0;", ": 6'h3f;"),
    "beyond an edge nothing is inverted": (
        pool_bench(*POOLS["over all edges, of three levels"]), ": last;", ": 2'h0;"
    ),
    "rows above an edge are those of the image before": (
        pool_bench(*POOLS["over all edges, of three levels"]), "? 12'h0 : above_q", "? above_q : above_q"
    ),
    "rows of windows are not counted": (
        pool_bench(*POOLS["2x2 of what does not divide"]), "assign ends_window = in_x & in_y;", "assign ends_window = in_y;"
    ),
}


@needs_icarus
@pytest.mark.parametrize("case", everyday(BROKEN, ("padding is what the memory shows", "OR forgets the rows above")))
def test_what_is_broken_is_found(case, tmp_path):
    bench, old, new = BROKEN[case]
    with pytest.raises(SimulationError, match=r"number .* is|comes in cycle|still waits|Error"):
        bench.broken(old, new).run(tmp_path, root=tmp_path)


#: Engines of which all tests of the engine's own testbench run.
ENGINES = {
    "eight planes, beats that are no whole pixels, a vector in a memory": (
        random_conv_network((4, 3, 2), (Conv(2, (2, 2)), Conv(3, (2, 1), pool=(2, 1))), dense=(), planes=8),
        {"stream_width": 40, "macro_size": [None, None, (64, 3)], "folding": [None, None, (1, 1)]},
    ),
    "bytes of a pixel": (random_conv_network((4, 3, 2), (Conv(2, (2, 2)),), planes=8), {"stream_width": 8}),
    "levels, smallest values, padding": (
        random_conv_network(
            (5, 5, 1),
            (
                Conv(3, levels=3, pool=(2, 2), has_lowest=True, window={"top": 1, "left": 1, "pad": 1}),
                Conv(2, (2, 2), levels=3),
            ),
            dense=(3,),
            levels=3,
        ),
        {},
    ),
    "pools over the edges": (
        random_conv_network(
            (4, 5, 2),
            (
                Conv(3, (1, 1), levels=3, pool=(3, 3, 2, 2, 1, 1, 1, 1), has_lowest=True),
                Conv(2, (1, 1), pool=(2, 2, 1, 1, 0, 1, 1, 0)),
            ),
            dense=(),
        ),
        {"fault_injector": True, "folding": [(1, 3), (1, 2), None]},
    ),
    "shortcuts, admitted at intervals": (
        random_conv_network(
            (4, 4, 8),
            (Conv(8, levels=3, window=EDGES, shortcut=9), Conv(8, pool=(2, 2), has_lowest=True, shortcut=31)),
            dense=(),
        ),
        {"target": "ecp5"},
    ),
    "admitted at intervals": (
        random_conv_network((4, 4, 8), (Conv(5, (2, 2)), Conv(3, (3, 2))), dense=()), {"target": "ecp5"}
    ),
    "zeros among eight planes and two": (
        random_conv_network(
            (3, 4, 2), (Conv(4, levels=3, window=ZEROS), Conv(3, (2, 2), window={"top": 1, "pad": 0})), dense=(), planes=8
        ),
        {"fault_injector": True, "macro_size": (64, 7), "folding": [(2, 2), (1, 3), None]},
    ),
    "scores of a convolution, in two passes": (
        with_conv_scores(random_conv_network((5, 4, 2), (Conv(3, (2, 2), levels=3),), dense=()), **EDGES, kernel=(3, 3)),
        {"folding": [None, (1, 3)], "fault_injector": True},
    ),
}


@pytest.mark.parametrize("case", everyday(ENGINES, (next(iter(ENGINES)),)))
def test_engines(case, tmp_path):
    network, options = ENGINES[case]
    config = EngineConfig.for_network(network, **options)
    _, run = EngineTestbench(images=8, simulator=QUICK).run(network, config, tmp_path)
    assert run.tests == TESTS


#: Engines that Verilator runs in bulk.
BULK = {
    "groups: some neurons of one at once, all of one, of two; pools that overlap": (
        random_conv_network(
            (10, 9, 4),
            (
                Conv(6, window={"groups": 2}, pool=(3, 3, 2, 2), has_lowest=True),
                Conv(6, (2, 2), window={"groups": 3, "top": 1, "left": 1, "pad": 0}, pool=(2, 1, 1, 1), levels=3),
                Conv(12, (2, 2), window={"groups": 6}),
            ),
        ),
        {"folding": [(2, 1), (1, 2), (1, 4), None, None], "macro_size": [(64, 8), (64, 8), (64, 8), None, None]},
    ),
    "pools over the edges, smallest values, levels": (
        random_conv_network(
            (7, 6, 2),
            (
                Conv(3, levels=3, window=EDGES, pool=(3, 3, 2, 2, 1, 1, 1, 1), has_lowest=True),
                Conv(4, (2, 2), pool=(2, 2, 1, 1, 1, 0, 1, 1)),
            ),
            dense=(),
        ),
        {},
    ),
    "pools over the edges, eight planes, windows that end there alone": (
        random_conv_network(
            (11, 10, 3),
            (
                Conv(5, window=EDGES, pool=(3, 3, 2, 2, 1, 1, 1, 1), has_lowest=True),
                Conv(4, (1, 1), pool=(3, 3, 1, 1, 1, 1, 1, 1), levels=3),
                Conv(4, (2, 2), pool=(2, 2, 2, 2, 0, 0, 1, 1), levels=3, has_lowest=True),
                Conv(3, (1, 1), pool=(3, 4, 2, 1, 2, 3, 1, 2)),
            ),
            planes=8,
        ),
        {},
    ),
    "pools over the edges, as fast as pixels come, admitted at intervals": (
        random_conv_network(
            (7, 6, 2),
            (Conv(4, (1, 1), pool=(3, 3, 1, 1, 1, 1, 1, 1)), Conv(4, (1, 1), pool=(5, 5, 2, 2, 4, 4, 4, 4), has_lowest=True)),
            dense=(),
        ),
        {"target": "ecp5", "folding": [(1, 4), (1, 4), (1, 4)]},
    ),
    "each channel alone, one after the other, eight planes": (
        random_conv_network(
            (6, 6, 3), (Conv(6, (2, 2), window={"groups": 3}), Conv(6, window={"groups": 6}, levels=3)), planes=8
        ),
        {"macro_size": (64, 3), "folding": [(1, 1), (3, 1), None, None]},
    ),
    "shortcuts: eight planes, levels, pools, groups of channels, in slices, a pass of fewer neurons": (
        random_conv_network(
            (8, 7, 4),
            (
                Conv(4, levels=3, window=EDGES | {"pad": 1}, shortcut=9),
                Conv(4, levels=7, window=EDGES | {"groups": 2}, pool=(2, 2), has_lowest=True, shortcut=3),
                Conv(4, (1, 3), window={"left": 1, "right": 1, "groups": 4}, shortcut=1),
                Conv(4, (1, 1), window={"groups": 4}, shortcut=256),
            ),
            planes=8,
        ),
        {"macro_size": (64, 8), "folding": [(2, 3), (3, 1), (1, 2), (1, 1), None, None]},
    ),
    "shortcuts, pipelined, more macros than a cycle reaches, reads of three cycles": (
        random_conv_network(
            (5, 6, 16),
            (Conv(16, levels=3, window=EDGES, shortcut=9), Conv(16, window={"groups": 2}, pool=(3, 1), shortcut=40)),
        ),
        {"target": "ecp5", "macro_size": (64, 15), "folding": [(5, 16), (3, 16), None, None], "sense_latency": 3},
    ),
    "two convolutions, eight planes": (
        random_conv_network((8, 7, 3), (Conv(5), Conv(6, pool=(2, 2))), planes=8), {}
    ),
    "levels, smallest values, padding": (
        random_conv_network(
            (9, 9, 1),
            (
                Conv(5, levels=3, pool=(2, 2), has_lowest=True, window={"top": 1, "left": 1, "pad": 1}),
                Conv(6, levels=3, pool=(2, 2)),
            ),
            levels=3,
        ),
        {},
    ),
    "zeros around odd channels": (
        random_conv_network(
            (5, 6, 3),
            (
                Conv(5, window={"top": 1, "left": 1, "bottom": 1, "right": 1, "pad": 0}),
                Conv(7, levels=3, window={"bottom": 2, "right": 1, "pad": 0}, pool=(2, 2)),
            ),
            levels=3,
        ),
        {"macro_size": (64, 8), "folding": [(2, 2), (3, 1), (1, 3), (1, 1)]},
    ),
    "zeros among eight planes and two, groups of channels, in slices and passes": (
        random_conv_network(
            (6, 7, 3),
            (
                Conv(6, levels=3, window=ZEROS),
                Conv(4, levels=7, window=ZEROS | {"groups": 2}, pool=(2, 2), has_lowest=True),
                Conv(4, (1, 2), window={"left": 1, "pad": 0}),
            ),
            planes=8,
        ),
        {"macro_size": (64, 8), "folding": [(2, 3), (1, 2), (1, 4), None, None]},
    ),
    "zeros among planes, one read to each, pipelined, more macros than a cycle reaches, reads of three cycles": (
        random_conv_network((5, 4, 3), (Conv(16, levels=3, window=ZEROS), Conv(12, window=ZEROS)), planes=8),
        {"target": "ecp5", "macro_size": (64, 9), "folding": [(3, 16), (16, 6), None, None], "sense_latency": 3},
    ),
    "zeros among planes, all neurons at once": (
        random_conv_network((5, 4, 2), (Conv(4, levels=3, window=ZEROS), Conv(3, window=ZEROS)), planes=8),
        {"macro_size": (64, 36), "folding": [(1, 4), (1, 3), None, None]},
    ),
    "admitted at intervals, pipelined": (
        random_conv_network((8, 7, 3), (Conv(5), Conv(6, pool=(2, 2))), planes=8), {"target": "ecp5"}
    ),
    "scores of a convolution, groups of channels, padded with 1, in slices and passes": (
        with_conv_scores(
            random_conv_network((7, 8, 3), (Conv(6, levels=3, pool=(2, 2)),), dense=(), planes=8),
            6, (3, 2), groups=2, top=1, left=1, pad=1, step_y=2,
        ),
        {"macro_size": (64, 8), "folding": [(1, 4), (1, 1)]},
    ),
    "scores of a convolution of digits, admitted at intervals, in reads of two cycles": (
        with_conv_scores(random_conv_network((6, 5, 2), (Conv(4),), dense=(), bits=3, largest=6), 7),
        {"target": "ecp5", "folding": [None, (1, 4)], "sense_latency": 2},
    ),
    "block RAMs of iCE40, a vector in a memory": (
        random_conv_network((8, 7, 3), (Conv(5), Conv(6, pool=(2, 1))), planes=8),
        {"target": "ice40", "stream_width": 16, "macro_size": [None, None, (512, 6), None], "folding": [None, None, (1, 2), None]},
    ),
}


@pytest.mark.parametrize("case", everyday(BULK, (next(iter(BULK)), "pools over the edges, smallest values, levels", "levels, smallest values, padding", "zeros around odd channels",
                                                 "zeros among eight planes and two, groups of channels, in slices and passes")))
def test_in_bulk(case):
    """Golden model and RTL agree on all scores, and every cycle is the predicted one."""
    network, options = BULK[case]
    pixels = network.n_in // network.layers[0].planes
    images = np.random.default_rng(1).integers(0, 256, (30, pixels)).astype(np.uint8)
    result = simulate(network, images, engine=EngineConfig.for_network(network, **options))
    assert (result.mismatches, result.cycles) == (0, result.predicted_cycles)

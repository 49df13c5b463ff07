"""Structure, schedule and memory images of an engine."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network
from helpers.engines import SENSED, STRUCTURES, sensed
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.hw.emit.verilog import describe
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.layer_sizes import default_folding
from oxnor.hw.params.pipeline import flow
from oxnor.hw.params.schedule import schedule
from oxnor.hw.params.targets import TARGETS
from oxnor.hw.placement.arrange import arrange, gather, macro_bits, synapse_at
from oxnor.hw.placement.memory_files import image_texts
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.conv_scores import ConvScoreLayer
from oxnor.models.networks.layers.window import Window


@st.composite
def foldings(draw):
    n_in, n_out = draw(st.integers(1, 60)), draw(st.integers(1, 30))
    cols = draw(st.integers(1, 20))
    across = draw(st.integers(1, -(-n_in // cols)))
    groups = draw(st.integers(1, n_out))
    return LayerConfig("dense", n_in, n_out, 60 * 30, cols, across, groups)


@st.composite
def serial_foldings(draw):
    n_in, n_out, cols = draw(st.integers(1, 60)), draw(st.integers(1, 30)), draw(st.integers(1, 20))
    groups = draw(st.integers(1, n_in))
    return LayerConfig("dense", n_in, n_out, 60, cols, -(-n_out // cols), groups, dataflow="serial")


@settings(max_examples=200, deadline=None)
@given(c=serial_foldings())
def test_every_synapse_of_a_serial_layer_has_one_place(c):
    """As above: an input is a row, a neuron is a column."""
    g = np.random.default_rng([c.n_in, c.n_out])
    weights = g.random((c.n_out, c.n_in)) < 0.5
    stored = macro_bits(weights, c)
    assert stored.shape == (c.groups, c.across, c.reads, c.cols)
    assert (c.reads, c.passes, c.neurons, c.inputs) == (-(-c.n_in // c.groups), 1, c.n_out, c.groups)
    assert stored.sum() == weights.sum()
    n, i = np.indices(weights.shape)
    np.testing.assert_array_equal(stored[i % c.groups, n // c.cols, i // c.groups, n % c.cols], weights)


@settings(max_examples=100, deadline=None)
@given(c=st.one_of(foldings(), serial_foldings()))
def test_a_pair_knows_its_synapse(c):
    numbers = np.arange(c.n_out * c.n_in).reshape(c.n_out, c.n_in)
    stored = arrange(numbers, c, -1)
    np.testing.assert_array_equal(gather(stored, c), numbers)
    places = {
        synapse_at(c, v * c.across + h, row, column): number for (v, h, row, column), number in np.ndenumerate(stored)
    }
    assert places.pop(None, -1) == -1
    assert places == {(n, i): n * c.n_in + i for n, i in np.ndindex(c.n_out, c.n_in)}
    assert synapse_at(c, 0, c.reads, 0) is None


@settings(max_examples=200, deadline=None)
@given(c=foldings())
def test_every_synapse_has_one_place(c):
    """Column, macro, row and lane as the class describes them find each weight, and the rest is 0."""
    g = np.random.default_rng([c.n_in, c.n_out])
    weights = g.random((c.n_out, c.n_in)) < 0.5
    stored = macro_bits(weights, c)
    assert stored.shape == (c.groups, c.across, c.reads, c.cols)
    assert stored.sum() == weights.sum()
    n, i = np.indices(weights.shape)
    rows = n // c.groups * c.slices + i // (c.across * c.cols)
    np.testing.assert_array_equal(stored[n % c.groups, i // c.cols % c.across, rows, i % c.cols], weights)
    used = [c.used_columns(h) for h in range(c.across)]
    assert sum(first * (c.slices - 1) + last for first, last in used) == c.n_in
    assert all(1 <= first <= c.cols and 0 <= last <= first for first, last in used)


@pytest.mark.parametrize("dataflow", ["parallel", "serial", "alternate"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", [(784, 64, 64, 64, 10), (784, 1024, 1024, 10), (37, 13, 5), (1, 1), (3, 2000, 2)])
def test_presets_fit_any_shape(shape, target, dataflow):
    weights = [np.zeros((b, a), bool) for a, b in itertools.pairwise(shape)]
    network = Network.from_arrays(weights, [*(np.zeros(len(w), int) for w in weights[:-1]), None])
    config = EngineConfig.for_network(network, target=target, dataflow=dataflow)
    t = TARGETS[target]
    for layer in config.layers:
        assert layer.reads <= min(t.rows, t.reads_max)
        assert layer.macros * layer.rows * layer.cols >= layer.n_in * layer.n_out
    assert schedule(config).initiation_interval <= max(t.reads_max, config.beats)


def test_alternating_layers_have_no_buffer(random_network):
    network = random_network((37, 13, 9, 11, 5))
    config = EngineConfig.for_network(network, target="asic", dataflow="alternate")
    assert [y.dataflow for y in config.layers] == ["parallel", "serial", "parallel", "serial"]
    assert [not config.stream_into(k).into_register for k in range(4)] == [False, True, False, True]
    assert [not config.stream_into(k + 1).from_register for k in range(3)] == [True, True, True]
    # Another folding of the serial layer: whole vectors go on, by way of registers.
    folding = [(y.across, y.groups) for y in config.layers]
    folding[1] = (1, 2)
    buffered = EngineConfig.for_network(network, target="asic", dataflow="alternate", folding=folding)
    assert [not buffered.stream_into(k).into_register for k in range(4)] == [False, False, False, True]
    assert [not buffered.stream_into(k + 1).from_register for k in range(3)] == [False, True, True]
    assert schedule(buffered).latency > schedule(config).latency


#: Latency, initiation interval, latency of each layer, places, and cycles of 25 images: of engines by name, and where
#: they are tried with several, by cycles to sense a row. Simulation measures the cycles of each: of the first
#: ``test_simulate``, of those with a latency ``test_engine``.
TIMES = {
    "one beat": (26, 13, (16, 9), 2, 338),
    "8x16 macros, 8-bit stream": (24, 8, (12, 7), 3, 216),
    "8x16 macros, 16-bit stream": (22, 8, (12, 7), 3, 214),
    "more beats than reads": (14, 5, (4, 5), 2, 134),
    "one read a layer": (10, 1, (4, 5), 10, 34),
    "slices, not across": (34, 15, (18, 14), 3, 394),
    "single layer at once": (6, 1, (5,), 6, 30),
    "four layers, class alone": (76, 36, (39, 10, 14, 8), 2, 940),
    "alternating dataflows": (32, 12, (14, 1, 13, 3), 3, 320),
    ("parallel", 1): (22, 6, (10, 10), 4, 166),
    ("parallel", 3): (46, 18, (22, 22), 3, 478),
    ("alternate", 1): (18, 6, (9, 2, 5), 3, 162),
    ("alternate", 3): (34, 18, (21, 4, 7), 2, 466),
    ("serial", 1): (17, 5, (7, 8), 4, 137),
    ("serial", 3): (37, 15, (17, 18), 3, 397),
    ("admitted", 1): (30, 15, (18, 2, 8), 2, 390),
    ("admitted", 3): (68, 45, (48, 4, 14), 2, 1148),
    ("windows", 1): (96, 56, (29, 25, 10), 3, 1440),
    ("windows", 3): (150, 60, (31, 65, 22), 4, 1590),
    ("windows, admitted", 1): (87, 56, (30, 17, 8), 3, 1431),
    ("windows, admitted", 3): (119, 56, (32, 41, 14), 4, 1463),
}


def test_times_that_are_written_down(random_network):
    found = {}
    for name in TIMES:
        if name in STRUCTURES:
            shape, options = STRUCTURES[name]
            config = EngineConfig.for_network(random_network(shape), **options)
        else:
            _, config = sensed(*name, random_network)
        t = schedule(config)
        if t.flow:
            assert t.flow == flow(config, (t.initiation_interval, t.places) if config.admits_at_intervals else None)
        found[name] = (t.latency, t.initiation_interval, t.layer_latencies, t.places, t.cycles(25))
    assert found == TIMES
    assert {*STRUCTURES, *SENSED} == {name if isinstance(name, str) else name[0] for name in TIMES}


def test_digest_is_of_the_dataflow_only_where_it_is_another(random_network):
    network = random_network((37, 13, 5))
    plain, serial = (EngineConfig.for_network(network, **o) for o in ({}, {"dataflow": "serial,parallel"}))
    assert EngineConfig.for_network(network, dataflow="parallel").digest == plain.digest != serial.digest
    assert plain.digest.startswith("a1e6a3f30112eba3")


def test_ice40_preset_fills_the_up5k():
    """784-64-64-64-10 takes the 30 block RAMs of an iCE40 UP5K and 128 reads."""
    shape = (784, 64, 64, 64, 10)
    weights = [np.zeros((b, a), bool) for a, b in itertools.pairwise(shape)]
    network = Network.from_arrays(weights, [*(np.zeros(len(w), int) for w in weights[:-1]), None])
    config = EngineConfig.for_network(network, target="ice40")
    assert sum(y.macros for y in config.layers) == 30
    assert [(y.across, y.slices) for y in config.layers] == [(25, 2), (2, 2), (2, 2), (1, 4)]
    assert schedule(config).initiation_interval == 128


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "fpga"}, "target must be one of sim, ice40, ecp5, asic, not 'fpga'"),
        ({"stream_width": 12}, "stream_width must be a positive multiple of 8, not 12"),
        ({"folding": [(1, 1)]}, "folding must be 2 pairs (H, V), one a layer, not 1"),
        ({"macro_size": (8, 16), "folding": [(1, 1), (1, 1)]},
         "layer 37 to 13: macros must have at least 39 rows for 3 slices of 13 passes, not 8: fold it less, or take larger macros"),
        ({"dataflow": "crossbar"}, "dataflow must be parallel, serial or alternate, or one of parallel and serial for each of 2 layers, not 'crossbar'"),
        ({"dataflow": "serial,serial,serial"}, "dataflow must be parallel, serial or alternate, or one of parallel and serial for each of 2 layers, not 'serial,serial,serial'"),
        ({"dataflow": "serial", "macro_size": (8, 4), "folding": [(4, 4), (2, 2)]},
         "layer 37 to 13: macros must have at least 10 rows for 37 inputs, 4 to a read, not 8: fold it less, or take larger macros"),
        ({"dataflow": "serial", "macro_size": (64, 4), "folding": [(1, 4), (2, 2)]}, "layer 37 to 13: across (H) must be in [4, 4], not 1"),
        ({"dataflow": "serial", "macro_size": (64, 4), "folding": [(4, 38), (2, 2)]}, "layer 37 to 13: groups (V) must be in [1, 37], not 38"),
        ({"dataflow": "alternate", "fault_injector": True},
         "`fault_injector` (errors of reads) must not be asked of layers in the serial dataflow: layer 1 is one"),
        ({"macro_size": (64, 16), "folding": [(4, 1), (1, 1)]}, "layer 37 to 13: across (H) must be in [1, 3], not 4"),
        ({"macro_size": (64, 16), "folding": [(1, 14), (1, 1)]}, "layer 37 to 13: groups (V) must be in [1, 13], not 14"),
        ({"macro_size": (0, 16)}, "macro_size must have at least 1 row and 1 column, not 0x16"),
        ({"macro_size": (16, 0)}, "macro_size must have at least 1 row and 1 column, not 16x0"),
    ],
)  # fmt: skip
def test_structure_wrong(random_network, options, message):
    with pytest.raises(InputError) as e:
        EngineConfig.for_network(random_network((37, 13, 5)), **options)
    assert str(e.value) == message


def test_groups_of_channels_are_read_whole():
    """By default as many neurons as the read limit asks for, rounded up to what groups of channels allow."""
    network = random_conv_network((4, 4, 6), (Conv(24, window={"groups": 6}),))
    reads = {2: 12, 3: 8, 4: 8, 5: 8, 6: 4, 12: 2, 24: 1}  # 4 neurons a group: 1, 2, 4, 8, 12 or 24 at once
    for limit, groups in reads.items():
        assert default_folding(network.layers[0], (limit, 9), limit) == (1, groups)
    with pytest.raises(InputError) as e:
        EngineConfig.for_network(network, folding=[(1, 3), (1, 1), (1, 1)])
    assert str(e.value) == (
        "layer 9 to 24: groups (V) must divide the 4 neurons of each of the 6 groups of channels, or be those of one or"
        " of several groups, not 3"
    )


def test_a_shortcut_takes_no_cycle():
    """It is a part of the structure, which takes no image of a network without; what cannot have one says so."""
    past, plain = (random_conv_network((4, 4, 6), (Conv(6, window={"groups": 2}, shortcut=k),)) for k in (5, 0))
    config, other = (EngineConfig.for_network(network) for network in (past, plain))
    assert (config.layers[0].most, other.layers[0].most) == (27 + 5, 27)
    assert schedule(config) == schedule(other)
    assert config.digest != other.digest
    assert [[y.get("shortcut") for y in describe(c)["layers"]] for c in (config, other)] == [[5, 0, 0], [None] * 3]
    for network, engine in ((past, other), (plain, config)):
        with pytest.raises(InputError, match="layer 0 must have the windows, shortcut, pooling and bit planes of this engine"):
            image_texts(network, engine)
    with pytest.raises(InputError, match="`dataflow` must be parallel for convolutions"):
        EngineConfig.for_network(past, dataflow="serial")
    with pytest.raises(InputError, match="layer 9 to 3: `shortcut` must be 0 but around a convolution, not 5"):
        LayerConfig("dense", 9, 3, 16, 9, 1, 1, shortcut=5)
    with pytest.raises(InputError, match="layer 27 to 5: shortcut must be around as many channels as come, 6, not 5"):
        replace(config.layers[0], n_out=5)


def test_margins_of_wide_scores_fit_64_bits():
    last = ConvScoreLayer(np.ones((2, 12), bool), np.full(2, 2**31 - 1), window=Window(99, 99, 12, 1, 1), planes=8)
    config = EngineConfig.for_network(Network("wide", (last,), InputRule.planes()), margin=True)
    assert (config.score_width, config.margin_bits) == (64, 63)


def test_images_are_for_one_structure(random_network):
    config = EngineConfig.for_network(random_network((37, 13, 5)))
    with pytest.raises(InputError) as e:
        image_texts(random_network((37, 12, 5)), config)
    assert str(e.value) == "network 'random': shape must be (37, 13, 5) for this engine, not (37, 12, 5)"


@pytest.mark.parametrize("affine", [False, True])
def test_coefficient_words_hold_each_field(random_network, affine):
    network = random_network((20, 7, 5), affine=affine)
    config = EngineConfig.for_network(network, macro_size=(8, 20), folding=[(1, 2), (1, 3)])
    texts = image_texts(network, config)
    words = [int(line, 16) for line in texts["layer0_coefficients.mem"].split()]
    assert [words[n // 2] >> (n % 2 * 5) & 31 for n in range(7)] == network.layers[0].thresholds.tolist()
    assert ("layer1_coefficients.mem" in texts) == affine
    if affine:
        last, widths = network.layers[1], (config.layers[1].scale_width, config.layers[1].offset_width)
        words = [int(line, 16) for line in texts["layer1_coefficients.mem"].split()]
        for n in range(5):
            field = words[n // 3] >> (n % 3 * sum(widths))
            for value, width, shift in ((last.scales[n], widths[0], 0), (last.offsets[n], widths[1], widths[0])):
                assert field >> shift & ((1 << width) - 1) == int(value) & ((1 << width) - 1)

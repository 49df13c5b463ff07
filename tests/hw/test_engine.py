"""Whole engines of drawn sizes, foldings and dataflows in the Amaranth simulator: every score, every cycle."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator
from helpers.convolutions import Conv, random_conv_network
from helpers.engines import SENSED, ZEROS, sensed
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.hw.blocks.row_buffer import RowBuffer
from oxnor.hw.emit.integration import beats, results
from oxnor.hw.engine.engine import Engine
from oxnor.hw.layers.serial_tile import SerialTile
from oxnor.hw.layers.tile import Tile
from oxnor.hw.macros.cell_adapter import RramCells
from oxnor.hw.macros.coefficients import CoefficientRom, CoefficientWord
from oxnor.hw.macros.rram_macro import RramMacro
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.macro_kinds import MACRO_TYPES
from oxnor.hw.params.options import DATAFLOWS
from oxnor.hw.params.schedule import schedule
from oxnor.hw.placement.memory_files import image_texts
from oxnor.models import golden
from oxnor.models.base.bits import integers
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer


def with_images(texts, waits=0):
    """Return what the hand-written modules do, as methods that elaborate them, with their memory images.

    A tile hands the name of its image down as a Verilog parameter: it is kept until the macro in it is elaborated.
    Cells behind a bus answer up to `waits` cycles late, each time another number, and hold their acknowledge.
    """
    handed_down = []

    def stored(unit):
        name = unit.verilog_parameters["INIT_FILE"]
        if name == "@INIT_FILE@":
            name = handed_down.pop()
        return [int(line, 16) for line in texts[name.removeprefix("mem/")].split()]

    def tile(elaborate):
        def handing_down(unit, platform):
            handed_down.append(unit.verilog_parameters["INIT_FILE"])
            return elaborate(unit, platform)

        return handing_down

    def reader(m, unit, width, rows, en):
        m.submodules.memory = memory = Memory(shape=width, depth=rows, init=stored(unit))
        port = memory.read_port()
        m.d.comb += [port.addr.eq(unit.row), port.en.eq(en)]
        return port.data

    def macro(unit, platform):
        m = Module()
        width = unit.cols * unit.type.outputs
        x = Signal(width)
        with m.If(unit.sense):
            m.d.sync += x.eq(Cat(bit.replicate(unit.type.outputs) for bit in unit.x))
        agree = ~(reader(m, unit, width, unit.rows, unit.sense) ^ x)
        for k in range(1, unit.type.latency):
            stage = Signal(width, name=f"stage_{k}")
            with m.If(unit.en):
                m.d.sync += stage.eq(agree)
            agree = stage
        if unit.sense_latency > 1:  # until it has answered, the read before is shown
            shown, left = Signal(width), Signal(range(unit.sense_latency))
            with m.If(unit.sense):
                m.d.sync += left.eq(unit.sense_latency - 1)
            with m.Elif(left != 0):
                m.d.sync += left.eq(left - 1)
            with m.If(left == 1):
                m.d.sync += shown.eq(agree)
            agree = shown
        agree = agree ^ unit.flip
        if unit.type.outputs == 1:
            m.d.comb += unit.q.eq(agree)
            return m
        pairs = [agree[k : k + 2] for k in range(0, width, 2)]
        m.d.comb += [unit.agree.eq(Cat(p.all() for p in pairs)), unit.disagree.eq(Cat(~p.any() for p in pairs))]
        return m

    def cells(unit, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=unit.verilog_parameters["COLS"], depth=unit.verilog_parameters["ROWS"], init=stored(unit))
        port = memory.read_port(domain="comb")
        cycles, left, drawn = Signal(16), Signal(16), Signal(16, init=1 + len(handed_down))
        m.d.comb += [port.addr.eq(unit.row), unit.q.eq(port.data.bit_select(unit.column >> 1, 1) ^ unit.column[0])]
        m.d.comb += [cycles.eq(unit.verilog_defaults["LATENCY"] + drawn % (waits + 1))]
        m.d.sync += drawn.eq(Cat(drawn[1:], drawn[0] ^ drawn[2] ^ drawn[3] ^ drawn[5]))
        with m.If(~unit.stb | (0 if waits else unit.ack)):
            m.d.sync += [left.eq(0), unit.ack.eq(0)]
        with m.Elif(~unit.ack):
            m.d.sync += left.eq(Mux(left == 0, cycles, left) - 1)
            m.d.sync += unit.ack.eq(Mux(left == 0, cycles, left) == 1)
        return m

    def rom(unit, platform):
        m = Module()
        m.d.comb += unit.q.eq(reader(m, unit, len(unit.q), unit.verilog_parameters["ROWS"], unit.en))
        return m

    def word(unit, platform):
        m = Module()
        m.d.comb += unit.q.eq(Const(stored(unit)[0], len(unit.q)))
        return m

    tiles = {unit: tile(unit.elaborate) for unit in (Tile, SerialTile)}
    def rows(unit, platform):
        m = Module()
        words = unit.verilog_parameters["WORDS"]
        m.submodules.memory = memory = Memory(shape=len(unit.q), depth=words, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [write.addr.eq(unit.write_address), write.data.eq(unit.data), write.en.eq(unit.write)]
        m.d.comb += [read.addr.eq(unit.read_address), read.en.eq(unit.read), unit.q.eq(read.data)]
        return m

    return tiles | {RowBuffer: rows, RramCells: cells, RramMacro: macro, CoefficientRom: rom, CoefficientWord: word}


@pytest.fixture(autouse=True, scope="module")
def slow_macros():
    """Macros that answer two and three cycles after the sense: no more than entries of the table."""
    with pytest.MonkeyPatch.context() as patch:
        for latency in (2, 3):
            patch.setitem(MACRO_TYPES, f"slow{latency}", replace(MACRO_TYPES["bits"], latency=latency, module=f"slow{latency}"))
        yield


@st.composite
def engines(draw, macro_kinds=("bits",)):
    """A network and its engine: dataflows at random, half of the serial layers with the groups of the layer before."""
    shape = draw(st.lists(st.integers(1, 11), min_size=2, max_size=4))
    rows, cols = 200, draw(st.integers(1, 6))
    flows = [draw(st.sampled_from(list(DATAFLOWS))) for _ in shape[1:]]
    folding = []
    for (n_in, n_out), flow in zip(itertools.pairwise(shape), flows, strict=True):
        if flow == "parallel":
            folding.append((draw(st.integers(1, -(-n_in // cols))), draw(st.integers(1, n_out))))
        else:
            before = folding[-1][1] if folding and folding[-1][1] <= n_in and draw(st.booleans()) else 0
            folding.append((-(-n_out // cols), before or draw(st.integers(1, n_in))))
    g = np.random.default_rng(draw(st.integers(0, 999)))
    weights = [g.random((b, a)) < 0.5 for a, b in itertools.pairwise(shape)]
    affine = {"scales": g.integers(-3, 4, shape[-1]), "offsets": g.integers(-9, 9, shape[-1])} if draw(st.booleans()) else {}
    network = Network.from_arrays(weights, [*(g.integers(0, w.shape[1] + 2, len(w)) for w in weights[:-1]), None], **affine)
    target = draw(st.sampled_from(["sim", "ecp5"]))
    return network, EngineConfig.for_network(
        network, target=target, macro_size=(rows, cols), folding=folding, dataflow=",".join(flows), with_scores=True,
        stream_width=draw(st.sampled_from([8, 16])), macro_kind=[draw(st.sampled_from(macro_kinds)) for _ in flows],
    )  # fmt: skip


def results_of(network, config, bits, pauses, seed=1, longest=1.0):
    """Return the results of an engine and the cycle of each, counted from the first input transfer.

    Reads take up to `longest` times as long as predicted.
    """
    words = integers(beats(bits, config.stream_width))
    engine = Engine(config)
    found, times, began = [], [], []

    async def source(ctx):
        g = np.random.default_rng(seed)
        for k, word in enumerate(words):
            while g.random() < pauses:
                await ctx.tick()
            ctx.set(engine.s_axis_tdata, word)
            ctx.set(engine.s_axis_tlast, k % config.beats == config.beats - 1)
            ctx.set(engine.s_axis_tvalid, 1)
            await ctx.tick().until(engine.s_axis_tready)
            ctx.set(engine.s_axis_tvalid, 0)

    async def sink(ctx):
        g = np.random.default_rng(seed + 1)
        for cycle in range(int((2 * longest * schedule(config).cycles(len(bits)) + 50) / (1 - pauses) ** 2)):
            ready = g.random() >= pauses
            ctx.set(engine.m_axis_tready, ready)
            _, _, valid, data, taken = await ctx.tick().sample(
                engine.m_axis_tvalid, engine.m_axis_tdata, engine.s_axis_tvalid & engine.s_axis_tready
            )
            if taken and not began:
                began.append(cycle)
            if valid and ready:
                found.append(data)
                times.append(cycle - began[0])

    simulator = Simulator(engine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source, background=True)
    simulator.add_testbench(sink)
    simulator.run()
    return found, times


def check(case, pauses, images=6, waits=0):
    network, config = case
    bits = np.random.default_rng(3).random((images, network.n_in)) < 0.5
    with pytest.MonkeyPatch.context() as patch:
        for unit, elaborate in with_images(image_texts(network, config), waits).items():
            patch.setattr(unit, "elaborate", elaborate)
        found, times = results_of(network, config, bits, pauses, longest=1 + waits / (config.layers[0].sense_latency + 3) / 2)
    assert found == integers(results(golden.scores(network, bits), config))
    timing = schedule(config)
    if waits:
        assert all(time > timing.cycles(k + 1) for k, time in enumerate(times))
    elif not pauses:
        assert times == [timing.cycles(k + 1) for k in range(images)]
        assert timing.flow or times[1:] == [timing.latency + k * timing.initiation_interval for k in range(1, images)]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(case=engines())
def test_scores_and_cycles(case):
    check(case, 0.0)


@settings(max_examples=16, deadline=None, derandomize=True)
@given(case=engines(("bits", "slow2", "slow3")), pauses=st.sampled_from([0.0, 0.5]))
def test_macros_that_answer_later(case, pauses):
    check(case, pauses)


@pytest.mark.parametrize("latency", [1, 2, 3, 7, 44, 64])
@pytest.mark.parametrize("name", SENSED)
def test_macros_that_take_many_cycles(name, latency, random_network):
    case = sensed(name, latency, random_network)
    assert {y.sense_latency for y in case[1].layers} == {latency}
    for pauses in (0.0, 0.4) if latency in (2, 3) else (0.0,):
        check(case, pauses, images=4 if latency < 7 else 2)


#: Weights of several synapses: slices that end within the vector, passes, planes, zeros, groups of channels.
SYNAPSES = {
    "ternary": ((1, 1, 9), [], 2, {"macro_size": (20, 4), "folding": [(2, 2), (1, 1)]}),
    "ternary, admitted": ((1, 1, 9), [], 2, {"target": "ecp5", "macro_size": (20, 4)}),
    "of three": ((1, 1, 7), [], 3, {"macro_size": (40, 6), "folding": [(1, 2), (1, 1)]}),
    "windows with zeros": (
        (4, 4, 2), [Conv(4, (2, 2), pool=(2, 2), window=ZEROS)], 2, {"macro_size": (64, 4), "folding": [(2, 2), (2, 1), (1, 1)]},
    ),
    "groups and levels": (
        (4, 4, 2), [Conv(4, (2, 2), levels=3, window={"groups": 2})], 2,
        {"macro_size": (64, 6), "folding": [(1, 4), (3, 1), (1, 1)]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("states", [2, 3])
@pytest.mark.parametrize("latency", [1, 3])
@pytest.mark.parametrize("name", SYNAPSES)
def test_weights_of_several_synapses(name, latency, states):
    """The same results and the same cycles, whether a pair holds one synapse or two."""
    shape, convolutions, bits, options = SYNAPSES[name]
    network = random_conv_network(shape, convolutions, dense=(5,), classes=3, bits=bits)
    rows, cols = options["macro_size"]
    halved = {"macro_size": (rows, cols // 2), "pair_states": 3} if states == 3 else {}
    more = {"stream_width": 8, "sense_latency": latency, "with_scores": True}
    if states == 3 and bits % 2:
        with pytest.raises(InputError, match="pair_states must be 2: no layer of 'random' has ternary weights"):
            EngineConfig.for_network(network, **options | halved | more)
        return
    config = EngineConfig.for_network(network, **options | halved | more)
    assert {y.weight_bits for y in config.layers} == {bits}
    assert {(y.cols, y.pairs) for y in config.layers} == {(cols, cols // (states - 1))}
    for pauses in (0.0, 0.4):
        check((network, config), pauses, images=4)


#: Weights whose synapses count as digits: images, convolutions, (synapses, largest weight, planes), options.
DIGITS = {
    "3 bits": ((1, 1, 9), [], (3, 6, 1), {"macro_size": (20, 6), "folding": [(2, 2), (1, 1)]}),
    "6 bits of planes": ((1, 1, 4), [], (7, 64, 8), {"target": "ecp5", "macro_size": (40, 14)}),
    "windows with zeros": (
        (4, 4, 2), [Conv(4, (2, 2), pool=(2, 2), window=ZEROS)], (3, 4, 1),
        {"macro_size": (64, 6), "folding": [(2, 2), (2, 1), (1, 1)]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIGITS)
def test_weights_of_more_bits(name):
    """In as many cycles as any weights of so many synapses take; what cannot be with them is refused."""
    shape, convolutions, (bits, largest, planes), options = DIGITS[name]
    more = {"stream_width": 8, "with_scores": True} | options
    networks = [
        random_conv_network(shape, convolutions, dense=(5,), classes=3, bits=bits, largest=top, planes=planes)
        for top in (largest, 0)
    ]
    config, alike = (EngineConfig.for_network(network, **more) for network in networks)
    assert schedule(config) == schedule(alike)
    assert config.digest != alike.digest
    check((networks[0], config), 0.0, images=3)
    with pytest.raises(InputError, match="converter_bits` must not be asked of"):
        EngineConfig.for_network(networks[0], **more, converter_bits=3)


def random_presented(presentations, bits=1, levels=1, n_in=11):
    """Return a network whose first layer reads random bits."""
    g = np.random.default_rng([presentations, bits, levels])
    middle = n_in * bits * presentations // 2
    thresholds = np.sort(g.integers(middle - 3, middle + 4, (5, levels)), axis=1)
    more = {"planes": 8, "weight_bits": bits, "presentations": presentations}
    first = DenseLayer(g.random((5, n_in * bits)) < 0.5, thresholds, **more)
    last = ScoreLayer(g.random((3, 5)) < 0.5, planes=levels.bit_length())
    return Network("presented", (first, last), InputRule.planes())


#: Presentations of random bits: slices whose elements have offsets of their own, levels, long reads, one pair a weight.
PRESENTED = {
    "one": (1, 1, 1, {}),
    "slices, passes": (3, 1, 1, {"macro_size": (60, 4), "folding": [(2, 2), (1, 1)]}),
    "ternary, levels": (5, 2, 3, {"macro_size": (90, 4), "folding": [(1, 2), (1, 1)]}),
    "admitted": (3, 1, 1, {"target": "ecp5", "macro_size": (60, 4)}),
    "long reads": (4, 1, 1, {"sense_latency": 3}),
    "three states": (4, 2, 1, {"pair_states": 3, "target": "asic"}),
}


@pytest.mark.parametrize("name", PRESENTED)
def test_presentations(name):
    presentations, bits, levels, options = PRESENTED[name]
    network = random_presented(presentations, bits, levels)
    config = EngineConfig.for_network(network, stream_width=8, with_scores=True, **options)
    assert config.layers[0].reads == config.layers[0].word_lines * presentations
    for pauses in (0.0, 0.4):
        check((network, config), pauses, images=4)


@pytest.mark.parametrize(("name", "latency", "waits"), [
    *((name, 1, 0) for name in SENSED), *((name, 1, 9) for name in ("alternate", "windows")),
    ("serial", 7, 40),
])  # fmt: skip
def test_macros_that_answer_when_they_are_ready(name, latency, waits, random_network):
    """Every result, whenever they answer; every cycle where they always take the same time."""
    case = sensed(name, latency, random_network, macro_kind="cells")
    assert not case[1].admits_at_intervals
    check(case, 0.0, images=2, waits=waits)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(case=engines(), pauses=st.sampled_from([0.3, 0.7]))
def test_scores_with_pauses(case, pauses):
    check(case, pauses)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(case=engines())
def test_scores_and_cycles_of_many(case):
    check(case, 0.0)

"""Integer parts of analog arrays in RTL: the converter of a count, ISAAC's column, the trainable converter; engines with converters."""

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions
from oxnor.models import golden, load
from oxnor.models.analog.trainable import TrainableAdc, quality
from oxnor.models.analog.trainable_integer import IntegerTrainableAdc
from oxnor.models.base.bits import unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.golden.converted import ConvertedReads
from oxnor.models.networks.count_converter import CountConverter
from oxnor.sim.harness.analog import converter, isaac_column
from oxnor.sim.harness.modelled import trainable
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

pytestmark = pytest.mark.cosim
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)


UNITS = {
    **{f"converter_{'_'.join(map(str, t))}": (converter, *t)
       for t in ((1, 1, 1, 1), (4, 64, 64, 16), (4, 100, 85, 0), (3, 9, 9, 2), (8, 64, 64, 64), (2, 37, 37, 36))},
    "isaac_8_flips": (isaac_column, 8, True),
    "isaac_7": (isaac_column, 7, False),
    "trainable": (trainable, 4, 12, 2000),
}  # fmt: skip
BREAKS = {
    "converter_rounds_down": ((converter, 4, 64, 64, 16), "2'h2", "2'h0"),
    "isaac_not_flipped": ((isaac_column, 8, True), "flipped ? ", "1'b0 ? "),
    "isaac_not_clipped": ((isaac_column, 7, False), "9'h7f : count", "9'h1ff : count"),
    "isaac_no_offset": ((isaac_column, 8, True), "first ? ", "1'b0 ? "),
    "trainable_learns_always": ((trainable, 4, 12, 2000), "teach & ", "1'b1 & "),
}


@needs_icarus
@pytest.mark.parametrize("case", UNITS.values(), ids=UNITS)
def test_units(case, tmp_path):
    make, *arguments = case
    make(*arguments).run(tmp_path, simulator="icarus", root=tmp_path)


@needs_icarus
@pytest.mark.parametrize("case", BREAKS.values(), ids=BREAKS)
def test_benches_find_what_is_broken(case, tmp_path):
    (make, *arguments), old, new = case
    with pytest.raises(SimulationError):
        make(*arguments).broken(old, new).run(tmp_path, simulator="icarus", root=tmp_path)


def test_integers_learn_as_well_as_floats():
    g = np.random.default_rng(1)
    for seed in range(3):
        adc = IntegerTrainableAdc.of(TrainableAdc.draw(4, 0.5, np.random.default_rng(seed)), 12)
        before = quality(adc.to_float()).enob[0]
        for k, v in enumerate(g.integers(0, 1 << 12, 6000).tolist()):
            adc.learn(v, v >> 8, 5 if k < 3000 else 3)
        after = quality(adc.to_float())
        assert before < 3
        assert after.enob[0] >= 3.8
        assert after.dnl[0] < 0.5


@pytest.mark.parametrize("columns", [16, 64, 40])
def test_converted_counts_are_those_of_single_bits(columns):
    g, c = np.random.default_rng(0), CountConverter(3, columns)
    x, w = (g.integers(0, 1 << 63, (n, 3), dtype=np.uint64) & np.uint64((1 << 63) - 1) for n in (9, 7))
    x[:, 2] &= np.uint64(0xFFF)
    w[:, 2] &= np.uint64(0xFFF)
    n_in = 140
    agree = unpack_words(x, n_in)[:, None] == unpack_words(w, n_in)
    parts = [agree[..., k : k + columns] for k in range(0, n_in, columns)]
    expected = sum(c.convert(p.sum(axis=2), p.shape[2]) for p in parts)
    assert (ConvertedReads(c).popcounts(x, w, n_in) == expected).all()
    assert (CountConverter(8, columns).convert(np.arange(columns + 1), columns) == np.arange(columns + 1)).all()


NETWORKS = {
    "dense": lambda: random_conv_network((1, 1, 75), []),
    "windows": lambda: random_conv_network((6, 6, 2), [Conv(4, pool=(2, 2))]),
    "shortcut": lambda: random_conv_network((5, 5, 4), [Conv(4, shortcut=6)]),
}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dense", {"macro_size": (64, 20), "converter_bits": 3}),  # slices, and a last one of 15 columns
        pytest.param("dense", {"macro_size": (64, 20), "converter_bits": [2, 0], "target": "asic"}, marks=pytest.mark.slow),
        pytest.param("windows", {"macro_size": (64, 8), "converter_bits": 2}, marks=pytest.mark.slow),
        pytest.param("shortcut", {"macro_size": (64, 8), "converter_bits": 2}, marks=pytest.mark.slow),
        pytest.param("dense", {"macro_size": (64, 20), "converter_bits": 3, "target": "ecp5"}, marks=pytest.mark.slow),
    ],
)
def test_an_engine_with_converters_is_the_golden_model(name, options):
    network = NETWORKS[name]()
    images = np.random.default_rng(1).random((60, network.n_in)) < 0.5
    engine = EngineOptions().changed(len(network.layers), **options)
    result = simulate(network, images, engine=engine)
    assert result.ok, result.difference
    assert (result.golden_scores != golden.scores(network, images)).any()  # it does convert


@pytest.mark.slow
def test_mistakes_are_found_through_converters():
    network = NETWORKS["dense"]()
    images = np.random.default_rng(1).random((60, network.n_in)) < 0.5
    engine = EngineOptions().changed(len(network.layers), macro_size=(64, 20), converter_bits=3)
    assert simulate(network, images, engine=engine, run=RunOptions(corrupt_rtl=9)).mismatches > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"converter_bits": 17}, r"converter_bits must be in \[0, 16\], not 17"),
        ({"converter_bits": 4, "dataflow": "serial"}, "`converter_bits` must not be asked of a layer in the serial dataflow"),
        ({"converter_bits": 4, "macro_kind": "devices"}, "`converter_bits` must not be asked of macros of kind devices"),
        ({"converter_bits": 4, "fault_injector": True}, "fault_injector must not be asked of layers with converters"),
    ],
)
def test_what_there_is_no_hardware_for(options, message):
    with pytest.raises(InputError, match=message):
        EngineConfig.for_network(load("mnist-tfc"), **options)


def test_an_engine_without_is_as_before():
    network = load("mnist-tfc")
    plain, four = (EngineConfig.for_network(network, macro_size=(64, 64), converter_bits=n) for n in (0, 4))
    assert plain.digest == EngineConfig.for_network(network, macro_size=(64, 64)).digest != four.digest

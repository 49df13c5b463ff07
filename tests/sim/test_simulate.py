"""``simulate``: what it compares, measures, predicts and refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.engines import SHAPE, SMALL, STRUCTURES
from helpers.simulators import QUICK

from oxnor.hw.host.beats import unpack_results
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.models import golden
from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError
from oxnor.sim.verify import binarized as module
from oxnor.sim.verify.corrupt import corrupted
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import WAVE_IMAGES, simulate

RUN = RunOptions(simulator=QUICK)


def images_for(network, count=40, seed=5):
    return np.random.default_rng(seed).random((count, network.n_in)) < 0.5


@pytest.fixture
def network(random_network):
    return random_network(SHAPE)


@pytest.fixture
def config(network):
    return EngineConfig.for_network(network, **SMALL)


@pytest.mark.cosim
@pytest.mark.parametrize("count", [1, 25])
@pytest.mark.parametrize(("shape", "structure"), STRUCTURES.values(), ids=STRUCTURES)
def test_cycles_are_the_predicted_ones(shape, structure, count, random_network):
    network = random_network(shape)
    config = EngineConfig.for_network(network, **structure)
    result = simulate(network, images_for(network, count), engine=config, run=RUN)
    predicted = schedule(config)
    assert result.mismatches == 0
    assert (result.latency, result.cycles) == (predicted.latency, predicted.cycles(count))
    assert result.initiation_interval == (predicted.initiation_interval if count > 1 else None)
    assert result.ok


@pytest.mark.cosim
def test_faults_are_the_same_in_both_dataflows(network):
    """One map, the same wrong synapses, wherever they lie; a wrong one in the RTL alone is found."""
    faults = FaultMap.draw(network, ber=0.05).merge(FaultMap.draw(network, ber=0.1, kind="stuck", layer=1))
    expected = golden.scores(faults.apply(network), images_for(network))
    assert not np.array_equal(expected, golden.scores(network, images_for(network)))
    config = EngineConfig.for_network(network, macro_size=(8, 4), folding=[(4, 5), (2, 3)], dataflow="serial")
    found = simulate(network, images_for(network), errors=ErrorOptions(faults=faults), engine=config, run=RUN)
    assert found.ok
    np.testing.assert_array_equal(found.scores, expected)
    assert simulate(network, images_for(network), run=replace(RUN, corrupt_rtl=1), engine=config).mismatches == 40


@pytest.mark.cosim
def test_result(network, config):
    images = images_for(network)
    labels = np.arange(len(images)) % 5
    seen = []
    result = simulate(network, images, labels=labels, engine=config, progress=lambda *a: seen.append(a))
    assert np.array_equal(result.scores, golden.scores(network, images))
    assert np.array_equal(result.classes, golden.predict(network, images))
    assert result.accuracy == result.golden_accuracy == np.mean(result.classes == labels)
    assert seen[-1] == (40, 40)
    assert repr(result) == (
        f"SimulationResult('random', 40 images, accuracy {100 * result.accuracy:.2f} %:"
        " equal to the golden model and to the predicted cycles)"
    )
    found = result.to_json()
    assert json.loads(json.dumps(found))["ok"] is True
    assert {"network", "images", "ber", "seed", "trial", "bit_errors", "mismatches", "cycles", "build_s"} < set(found)
    assert not {"classes", "scores"} & set(found)
    assert found["macro"] == ((8, 16), (8, 16))
    assert found["folding"] == ((2, 4), (1, 2))


@pytest.mark.cosim
def test_bit_errors_are_in_both_and_build_nothing(network, config):
    images = images_for(network)
    simulate(network, images, engine=config, run=RUN)
    drawn = simulate(network, images, engine=config, run=RUN, errors=ErrorOptions(0.1, 7, 2))
    faults = FaultMap.draw(network, ber=0.1, seed=7, trial=2)
    assert drawn.build_cached
    assert drawn.ok
    assert drawn.bit_errors == faults.count > 0
    assert not np.array_equal(drawn.scores, golden.scores(network, images))
    given = simulate(network, images, engine=config, run=RUN, errors=ErrorOptions(faults=faults))
    assert np.array_equal(given.scores, drawn.scores)


@pytest.mark.cosim
@pytest.mark.parametrize("count", [1, 2, 10])
def test_corrupt_rtl_is_found(count, network, config):
    result = simulate(network, images_for(network), engine=config, run=replace(RUN, corrupt_rtl=count))
    assert result.mismatches == 40
    assert not result.ok
    assert result.cycles == result.predicted_cycles


@pytest.mark.cosim
def test_corrupt_rtl_is_found_by_class_alone(network):
    config = EngineConfig.for_network(network, target="ice40")
    result = simulate(network, images_for(network), engine=config, run=replace(RUN, corrupt_rtl=8))
    assert result.scores is None
    assert 0 < result.mismatches < 40


@pytest.mark.cosim
def test_wrong_prediction_is_not_ok(network, config, monkeypatch):
    class Wrong:
        latency = schedule(config).latency + 1
        initiation_interval = schedule(config).initiation_interval

        def cycles(self, n):
            return schedule(config).cycles(n) + 1

    monkeypatch.setattr(module, "schedule", lambda config: Wrong())
    result = simulate(network, images_for(network), engine=config, run=RUN)
    assert result.mismatches == 0
    assert not result.ok


@pytest.mark.cosim
def test_hang_is_an_error(network, config, monkeypatch):
    """The bench sends one beat too many a frame: all are dropped, and no result ever comes."""
    monkeypatch.setattr(type(config), "beats", property(lambda self: 6))
    monkeypatch.setattr(module, "pack_bytes", lambda bits, width: np.zeros((len(bits), 6 * width // 8), np.uint8))
    with pytest.raises(SimulationError, match=r"the engine hangs: 0 of 40 results after \d+ cycles"):
        simulate(network, images_for(network), engine=config, run=RUN)


@pytest.mark.cosim
def test_vcd(random_network):
    network = random_network((784, 24, 16, 10))  # as in the demonstration's test, which needs the same build
    result = simulate(network, images_for(network), run=RunOptions(waves="vcd"))
    assert result.images == WAVE_IMAGES
    assert result.ok
    with open(result.waves) as f:
        text = f.read(200_000)
    assert "m_axis_tvalid" in text
    assert "tile_v0_h0" in text


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.skipif(not toolchain.fst_possible(), reason=f"FST needs lz4 and zlib: {toolchain.GET_FST}")
def test_fst(network, config):
    result = simulate(network, images_for(network), engine=config, run=RunOptions(waves="fst"))
    assert result.ok
    with open(result.waves, "rb") as f:
        assert len(f.read()) > 1000


@pytest.mark.cosim
def test_public_and_adder_tree_give_the_same(network, config):
    result = simulate(network, images_for(network), engine=config, run=RunOptions(public=True, adder_tree=True))
    assert result.ok


def test_refuses(network, monkeypatch):
    images = images_for(network)
    cases = [
        ({"labels": [1, 2]}, "labels must be as many as the images, 40, not 2"),
        ({"images": images[:0]}, "images must be at least one, not none"),
        ({"images": images[:, :5]}, "images: shape must be"),
        ({"run": RunOptions(corrupt_rtl=65)}, "corrupt_rtl must be in"),
    ]
    for arguments, message in cases:
        with pytest.raises(InputError, match=message):
            simulate(network, **{"images": images, **arguments})


def test_errors_twice(network):
    with pytest.raises(InputError, match="bit errors must come from ber or from a fault map, not from both"):
        ErrorOptions(0.1, faults=FaultMap.draw(network, ber=0.1))


def test_waves_that_are_none(network, tmp_path):
    with pytest.raises(InputError, match="waves must be 'vcd' or 'fst'"):
        simulate(network, images_for(network), run=RunOptions(waves="png", build_dir=tmp_path))


@pytest.mark.parametrize("count", range(1, 30))
def test_corrupted_changes_a_score_of_every_image(count, random_network):
    network = random_network((20, 4))
    images = images_for(network)
    wrong = corrupted(network, images, count, seed=count)
    assert np.count_nonzero(wrong.layers[0].weights != network.layers[0].weights) == count
    assert np.any(golden.scores(wrong, images) != golden.scores(network, images), axis=1).all()
    again = corrupted(network, images, count, seed=count)
    assert np.array_equal(again.layers[0].weights, wrong.layers[0].weights)


def test_beats_and_results():
    bits = np.zeros((2, 11), bool)
    bits[0, [0, 8, 10]] = True
    assert pack_bytes(bits, 8).tolist() == [[1, 5], [0, 0]]
    assert pack_bytes(bits, 32).tolist() == [[1, 5, 0, 0], [0, 0, 0, 0]]
    raw = np.array([[3, 0xFE, 0xFF, 0xFF, 1, 2, 0]], np.uint8)
    result = unpack_results(raw, {"class_width": 8, "score_width": 24, "scores": 2})
    assert (result.classes.tolist(), result.scores.tolist()) == ([3], [[-2, 513]])
    result = unpack_results(raw[:, :2], {"class_width": 16, "score_width": 0, "scores": 0})
    assert (result.classes.tolist(), result.scores, result.margins, result.unsure) == ([0xFE03], None, None, None)
    layout = {"class_width": 8, "margin_bits": 7, "score_width": 8, "scores": 2}
    result = unpack_results(np.array([[3, 0xFE, 0xFF, 1], [4, 0x7E, 2, 0]], np.uint8), layout)
    assert (result.margins.tolist(), result.unsure.tolist()) == ([126, 126], [True, False])
    assert result.scores.tolist() == [[-1, 1], [2, 0]]
    raw = np.array([[3, *[0xFF] * 8], [4, 5, *[0] * 7]], np.uint8)
    result = unpack_results(raw, {"class_width": 8, "margin_bits": 63, "score_width": 0, "scores": 0})
    assert (result.margins.tolist(), result.unsure.tolist()) == ([2**63 - 1, 5], [True, False])


@pytest.mark.cosim
def test_a_fault_map_with_errors_of_single_reads(network, tmp_path):
    """One file: wrong weights, stuck pairs and reads that err, the same in RTL and golden model."""
    faults = FaultMap.draw(network, ber=0.05, layer=0).merge(FaultMap.draw(network, ber=0.1, kind="stuck", layer=1))
    replace(faults, read=ReadErrors(6000, 3)).save(tmp_path / "f.npz")
    found = simulate(network, images_for(network), errors=ErrorOptions(faults=FaultMap.load(tmp_path / "f.npz")))
    assert found.ok
    assert found.read_ber == 6000 / 65536
    expected = golden.scores(faults.apply(network), images_for(network), read_errors=ReadErrors(6000, 3))
    np.testing.assert_array_equal(found.scores, expected)
    with pytest.raises(InputError, match=r"^errors of single reads must come from the fault map or be given, not both$"):
        ErrorOptions(faults=replace(faults, read=ReadErrors(1)), read_errors=ReadErrors(1))

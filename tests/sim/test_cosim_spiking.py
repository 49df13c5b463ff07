"""The spiking engine in Verilog against the golden model: every output spike, its tick, and every decision."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models import zoo
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.golden.spiking import with_clock
from oxnor.models.networks.encoders import Encoder, Events
from oxnor.models.networks.spiking import Decision, Neuron, SpikingLayer, SpikingNetwork
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError
from oxnor.sim.verify import spiking as module
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

pytestmark = [
    pytest.mark.cosim,
    pytest.mark.skipif(toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"),
]
EXTERNAL = Encoder(kind="external")


def drawn(shape, neurons, decision, encoder=EXTERNAL, seed=0, clock=False):
    g = np.random.default_rng([seed, *shape])
    layers = tuple(
        SpikingLayer.from_weights(g.integers(-p.weight_max, p.weight_max + 1, (b, a + clock)), p, clock=clock)
        for a, b, p in zip(shape, shape[1:], neurons, strict=False)
    )
    return SpikingNetwork("drawn", layers, decision, encoder)


def random_streams(n_in, count, seed, window=60):
    """Streams of all lengths: none, some that end by themselves, with wrong addresses, falling and late ticks."""
    g = np.random.default_rng([seed, 77])
    found = []
    for k in range(count):
        n = int(g.integers(0, 90)) if k else 0
        ticks = g.integers(0, 3, n).cumsum() + (g.integers(0, 2, n) if k % 3 else 0)
        found.append(Events.make(ticks, g.integers(0, n_in + (k % 5 == 0), n), g.random(n) < 0.3 * (k % 2)))
    return found


#: Corners: (shape, neurons, decision, macro).
CORNERS = {
    "SPIRIT": ((6, 4), [Neuron()], Decision(delta_s=3, window=70), None),
    "refractory, saturating": ((6, 4), [Neuron(theta=7, v_bits=4, refractory=5)], Decision(delta_s=4, window=90), (4, 16)),
    "held in refractory, zero reset, above": (
        (5, 3), [Neuron(refractory=2, refractory_integrate=False, reset="zero", compare="gt")],
        Decision(delta_s=0, terminate_max=5, window=90, tie="highest"), (2, 8),
    ),
    "leak, unipolar, v_init": (
        (5, 3), [Neuron(theta=6, leak=2, bipolar=False, v_init=-2, v_bits=5)],
        Decision(delta_s=3, terminate_max=4, window=50, count_bits=4), (8, 24),
    ),
    "three layers": (
        (5, 4, 3, 3), [Neuron(bipolar=False), Neuron(theta=5, v_init=2, refractory=1), Neuron(theta=3, weight_max=2)],
        Decision(delta_s=4, window=200), (3, 16),
    ),
    # The clock comes in every tick, so that streams are long: few ticks.
    "biases, a leak by a factor, fractions, a reset to a value": (
        (5, 3, 2), [Neuron(theta=90, leak=4, leak_factor=3, fraction=4, reset="zero", v_reset=-7, bipolar=False),
                    Neuron(theta=20, leak=3, fraction=2, v_bits=9)],
        Decision(delta_s=0, window=60), (4, 16),
    ),
    "counts saturate, late": ((4, 2), [Neuron(theta=1, weight_max=1, refractory=255)], Decision(delta_s=0, window=32_768, count_bits=3), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CORNERS)
def test_corner(name, tmp_path):
    shape, neurons, decision, macro = CORNERS[name]
    clock = name.startswith("biases")
    network = drawn(shape, neurons, decision, clock=clock)
    config = SpikingConfig.for_network(network, macro_size=macro)
    streams = [with_clock(s, network) for s in random_streams(shape[0] + clock, 40, len(name))]
    if name.endswith("late"):  # all bits of ticks
        streams = [replace(s, ticks=s.ticks * 250) for s in streams]
    result = simulate(network, streams, engine=config, run=RunOptions(simulator="icarus", pauses=name != "SPIRIT", build_dir=tmp_path))
    assert result.ok, result.difference
    assert result.spikes > 50
    assert result.registers["FRAMES"] == result.registers["RESULTS"] == 40
    assert result.registers["STATUS"] == 0
    # A stream without events is sent as a word that is none.
    wrong = sum(int((s.addresses >= shape[0] + clock).sum()) if len(s.ticks) else 1 for s in streams)
    assert result.registers["DROPPED"] == wrong
    if name != "SPIRIT":  # without pauses every cycle is predicted
        assert result.predicted_cycles is None
        result = simulate(network, streams, engine=config, run=RunOptions(simulator="icarus", build_dir=tmp_path))
        assert result.ok, result.difference
    assert result.cycles == result.predicted_cycles


@pytest.mark.parametrize("latency", [2, 3, 7, 44, 64])
def test_macros_that_take_many_cycles(latency, tmp_path):
    """A chain with a leak, so that every layer stands still now and then while it reads; every cycle is predicted."""
    neurons = [Neuron(theta=3, leak=2, v_bits=6), Neuron(theta=3, refractory=1)]
    network = drawn((5, 4, 3), neurons, Decision(delta_s=3, window=60))
    config = SpikingConfig.for_network(network, macro_size=(3, 16), sense_latency=latency)
    streams = random_streams(5, 12, latency)
    result = simulate(network, streams, engine=config, run=RunOptions(simulator="icarus", build_dir=tmp_path))
    assert result.ok, result.difference
    assert result.spikes > 20
    assert result.cycles == result.predicted_cycles


@st.composite
def stream(draw, n_in=6):
    n = draw(st.integers(0, 40))
    ticks = np.cumsum(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    signs = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return Events.make(ticks, draw(st.lists(st.integers(0, n_in - 1), min_size=n, max_size=n)), signs)


HARD = drawn((6, 4), [Neuron(theta=6, v_bits=4, refractory=3)], Decision(delta_s=3, window=80), seed=3)


@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(stream(), min_size=20, max_size=40))
def test_drawn_streams_with_saturation_and_refractory(streams):
    """One build for all examples: the structure is the same."""
    result = simulate(HARD, streams, run=RunOptions(simulator="icarus"))
    assert result.ok, result.difference


@pytest.mark.parametrize("kind", ["jittered", "periodic", "bernoulli", "burst"])
def test_encoder_on_chip(kind):
    # On Verilator: Icarus takes minutes over the LFSRs.
    encoder = Encoder(kind=kind, rate_bits=8, lanes=3, seed=7)
    network = drawn((10, 3), [Neuron()], Decision(delta_s=6, window=30), encoder)
    config = SpikingConfig.for_network(network, stream_width=24)
    images = np.random.default_rng(5).integers(0, 256, (25, 10), dtype=np.uint8)
    for pauses in [False, True] if kind == "burst" else [False]:
        result = simulate(network, images, engine=config, run=RunOptions(pauses=pauses))
        assert result.ok, result.difference
        assert result.spikes > 20


def test_cycles_of_layers_behind_an_encoder():
    """Leak, refractory periods, a chain; images decided before the next is collected, and others that run to the end."""
    encoder = Encoder(kind="burst", lanes=4, seed=7)
    neurons = [Neuron(theta=3, leak=2, v_bits=6), Neuron(theta=5, refractory=2), Neuron(theta=2, leak=1)]
    network = drawn((40, 6, 5, 3), neurons, Decision(delta_s=1, window=40), encoder)
    config = SpikingConfig.for_network(network, stream_width=8)
    images = np.random.default_rng(5).integers(0, 256, (60, 40), dtype=np.uint8)
    images[::7] //= 16
    result = simulate(network, images, engine=config)
    assert result.ok, result.difference
    assert result.schedule.latencies[0] == result.times[0]
    short = result.schedule.latencies < 2 * config.beats - 1
    assert short.any()
    assert not short.all()


def test_wrong_prediction_is_found(monkeypatch, tmp_path):
    predict = module.spiking_schedule

    def late(*given):
        found = predict(*given)
        found.results[3] += 1
        return found

    network = drawn((6, 4), [Neuron()], Decision(delta_s=3, window=70))
    monkeypatch.setattr(module, "spiking_schedule", late)
    result = simulate(network, random_streams(6, 10, 5), run=RunOptions(simulator="icarus", build_dir=tmp_path))
    assert (result.ok, result.mismatches, result.spike_mismatches, result.cycle_mismatches) == (False, 0, 0, 1)
    assert result.difference.endswith("1 images in another cycle than predicted")


def test_digits_on_verilator():
    """The shipped network, clean, with wrong cells, and one wrong in the RTL alone, in one build."""
    network = zoo.load("mnist-spirit")
    images, labels = load_mnist()
    clean = simulate(network, images[:100], labels=labels[:100])
    assert clean.ok, clean.difference
    assert clean.accuracy == clean.golden_accuracy > 0.85
    assert clean.registers["NETWORK"] == int(network.digest[:8], 16)
    faults = FaultMap.draw(network, ber=0.02, seed=4)
    wrong = simulate(network, images[:40], errors=ErrorOptions(faults=faults))
    assert wrong.ok, wrong.difference
    assert wrong.build_cached
    assert wrong.cell_errors == faults.count > 100
    corrupted = simulate(network, images[:40], run=RunOptions(corrupt_rtl=1))
    assert not corrupted.ok
    assert corrupted.spike_mismatches > 0


@pytest.mark.slow
def test_two_layers_on_verilator():
    """784-128-10: hidden spikes become events of the second layer."""
    network = zoo.load("mnist-spirit-deep")
    images, labels = load_mnist()
    result = simulate(network, images[:20], labels=labels[:20])
    assert result.ok, result.difference
    assert result.accuracy == result.golden_accuracy


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist-spirit", "mnist-spirit-tanh"])
def test_all_digits_on_verilator(name):
    images, labels = load_mnist()
    result = simulate(zoo.load(name), images, labels=labels)
    assert result.ok, result.difference
    assert result.accuracy == zoo.load(name).info["accuracy"]


#: What must be found: (file, pattern in its Verilog, what it becomes, what is raised or compared).
BREAKS = {
    "reset loses the sign": ("if_neuron", r"chosen_1 \+ 12'h4", "chosen_1 - 12'h4"),
    "fires late": ("if_neuron", r">= 12'sh4", "> 12'sh4"),
    "sign of an event forgotten": ("layer0.sv", r"event_2\[3\] \?", "1'b0 ?"),
    "stop forgotten": ("readout", r"assign lead = .*?;", "assign lead = 0;"),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKS)
def test_bench_finds_broken_rtl(case, monkeypatch, tmp_path):
    name, pattern, replacement = BREAKS[case]
    emit = module.emit_spiking_engine

    def emit_broken(config, directory):
        made = emit(config, directory)
        path = next(p for p in made.sources if name in p.name)
        text, changes = re.subn(pattern, replacement, path.read_text())
        if not changes:
            pytest.fail(f"{pattern} is not in {path}:\n{path.read_text()[:6000]}")
        path.write_text(text)
        return made

    monkeypatch.setattr(module, "emit_spiking_engine", emit_broken)
    network = drawn((6, 4), [Neuron()], Decision(delta_s=3, window=70))
    try:
        result = simulate(network, random_streams(6, 10, 5), run=RunOptions(simulator="icarus", build_dir=tmp_path))
    except SimulationError as e:
        assert "hangs" in str(e) or "assert" in str(e).lower()  # noqa: PT017
    else:
        assert not result.ok


def test_assertion_in_the_rtl_stops_the_run(monkeypatch, tmp_path):
    """The invariant is checked at every event: a neuron whose reset is wrong ends the simulation."""
    emit = module.emit_spiking_engine

    def emit_broken(config, directory):
        made = emit(config, directory)
        path = next(p for p in made.sources if "if_neuron" in p.name)
        path.write_text(path.read_text().replace("chosen_1 - 12'h4", "chosen_1 - 12'h3"))
        return made

    monkeypatch.setattr(module, "emit_spiking_engine", emit_broken)
    network = drawn((6, 4), [Neuron()], Decision(delta_s=3, window=70))
    with pytest.raises(SimulationError, match=r"(?i)assert"):
        simulate(network, random_streams(6, 10, 5), run=RunOptions(build_dir=tmp_path))


def test_registers_hold_the_decision():
    network = drawn((6, 4), [Neuron()], Decision(delta_s=3, terminate_max=9, window=70))
    network = replace(network, name="other")
    result = simulate(network, random_streams(6, 3, 1), run=RunOptions(simulator="icarus"))
    assert (result.registers["DELTA_S"], result.registers["TERMINATE_MAX"]) == (3, 9)
    assert (result.registers["N_IN"], result.registers["N_OUT"], result.registers["VERSION"]) == (6, 4, 0x10001)


@pytest.fixture
def decision_by_registers(monkeypatch):
    """Write the decision of the network into the registers, whatever the engine was made with."""
    registers = module.SpikingCase.registers

    def written(case, sidecar):
        _, offsets = registers(case, sidecar)
        decision = case.network.decision
        values = {"DELTA_S": decision.delta_s, "TERMINATE_MAX": decision.terminate_max}
        return [(offsets[name], v) for name, value in values.items() for v in (0xFFFF_FFFF, value)], offsets

    return lambda: monkeypatch.setattr(module.SpikingCase, "registers", written)


def test_control_clears_the_counters(monkeypatch):
    """CONTROL bit 0 starts the cycles again, the other bits do not; frames and results are of what came since."""
    network, registers = drawn((6, 4), [Neuron()], Decision(delta_s=3, window=70)), module.SpikingCase.registers

    def counted(value):
        def written(case, sidecar):
            _, offsets = registers(case, sidecar)
            return [(offsets["CONTROL"], value)], offsets

        monkeypatch.setattr(module.SpikingCase, "registers", written)
        return simulate(network, random_streams(6, 3, 1), run=RunOptions(simulator="icarus")).registers

    kept, cleared = counted(0xFFFF_FFFC), counted(1)
    assert 0 < kept["CYCLES_LO"] - cleared["CYCLES_LO"] < 100
    assert [cleared[name] for name in ("FRAMES", "RESULTS", "DROPPED")] == [3, 3, kept["DROPPED"]]


@pytest.mark.slow
def test_a_white_image_of_two_layers(decision_by_registers):
    """784-128-10 with wrong cells, and no decision before the window ends: all that many events move."""
    network = zoo.load("mnist-spirit-deep")
    undecided = replace(network, decision=replace(network.decision, delta_s=0))
    images = np.stack([np.full(784, level, np.uint8) for level in (255, 0)])
    decision_by_registers()
    errors = ErrorOptions(faults=FaultMap.draw(network, ber=0.02, seed=4))
    result = simulate(undecided, images, engine=SpikingConfig.for_network(network), errors=errors)
    assert result.ok, result.difference
    assert result.readout.used[0].min() > 4096


@pytest.mark.slow
def test_long_streams_of_three_layers():
    """As many events as 16 bits count, with the image's end, in every layer; ticks up to the longest window."""
    layers = tuple(SpikingLayer.from_weights(np.eye(8, dtype=int), Neuron(theta=1, weight_max=1)) for _ in range(3))
    network = SpikingNetwork("chain", layers, Decision(delta_s=0, window=32_768), EXTERNAL)
    g, n = np.random.default_rng(4), 65_534
    stream = Events.make(np.sort(g.integers(0, 32_768, n)), g.integers(0, 8, n), g.random(n) < 0.5)
    result = simulate(network, [stream, Events.make([], [], [])])
    assert result.ok, result.difference
    assert result.readout.used.tolist() == [[n] * 3, [0] * 3]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jittered", "burst"])
def test_long_windows_of_an_encoder(kind):
    """All bits of ticks and phases."""
    network = drawn((10, 3), [Neuron()], Decision(delta_s=0, window=32_767), Encoder(kind=kind, rate_bits=8, lanes=3))
    most = 64 if kind == "jittered" else 256  # fewer events than 2^16
    images = np.random.default_rng(5).integers(0, most, (3, 10), dtype=np.uint8)
    result = simulate(network, images, engine=SpikingConfig.for_network(network, stream_width=24))
    assert result.ok, result.difference
    assert (result.readout.ticks == 32_767).all()
    assert result.readout.used.max() < 1 << 16


@pytest.mark.slow
def test_many_images():
    """Counters of 14 bits: images, results, words that are no event, cycles in which a result waits."""
    network = drawn((6, 4), [Neuron()], Decision(delta_s=3, window=70))
    n = 17_000
    result = simulate(network, [Events.make([], [], [])] * n, run=RunOptions(pauses=True))
    assert result.ok, result.difference
    assert [result.registers[name] for name in ("FRAMES", "DROPPED", "RESULTS")] == [n] * 3
    assert result.registers["STALLS"] > 1 << 14


def test_a_decision_is_written(decision_by_registers):
    """What the registers say decides, not what the engine was made with."""
    network = drawn((6, 4), [Neuron()], Decision(delta_s=3, terminate_max=9, window=70, count_bits=16))
    made_with = SpikingConfig.for_network(replace(network, decision=replace(network.decision, delta_s=0, terminate_max=0)))
    streams, run = random_streams(6, 12, 1), RunOptions(simulator="icarus")
    assert not simulate(network, streams, engine=made_with, run=run).ok
    decision_by_registers()
    result = simulate(network, streams, engine=made_with, run=run)
    assert result.ok, result.difference
    assert (result.registers["DELTA_S"], result.registers["TERMINATE_MAX"]) == (3, 9)

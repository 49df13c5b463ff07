"""The golden model of spiking networks: against its plain reference, its invariant, its corners; and the file."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.golden.spiking_reference import ReferenceRun
from oxnor.models.networks.encoders import Encoder, Events, encode
from oxnor.models.networks.spiking import Decision, Neuron, SpikingLayer, SpikingNetwork, through_view
from oxnor.models.trials.spiking import SpikingTrials

EXTERNAL = Encoder(kind="external")


def network_of(weights, neuron=None, decision=None, encoder=EXTERNAL):
    """A network of matrices (n_out, n_in)."""
    layers = tuple(SpikingLayer.from_weights(np.array(w), neuron or Neuron()) for w in weights)
    return SpikingNetwork("test", layers, decision or Decision(delta_s=0, window=1000), encoder)


plain_neurons = st.builds(
    Neuron, weight_max=st.just(4), theta=st.integers(1, 7), bipolar=st.booleans(), reset=st.sampled_from(["subtract", "zero"]),
    compare=st.sampled_from(["ge", "gt"]), refractory=st.integers(0, 4), refractory_integrate=st.booleans(),
    leak=st.sampled_from([0, 0, 1, 2]), v_init=st.integers(-3, 3), v_bits=st.sampled_from([4, 5, 12]),
)  # fmt: skip
#: With all that leaky neurons of other tools need.
leaky_neurons = st.builds(
    Neuron, weight_max=st.just(4), theta=st.integers(1, 90), bipolar=st.booleans(), reset=st.just("zero"), refractory=st.integers(0, 2),
    leak=st.integers(4, 5), leak_factor=st.integers(1, 15), fraction=st.integers(0, 4), v_reset=st.integers(-9, 9),
    v_bits=st.sampled_from([8, 14]),
)  # fmt: skip
neurons = st.one_of(plain_neurons, leaky_neurons)
decisions = st.builds(
    Decision, delta_s=st.integers(0, 5), terminate_max=st.integers(0, 6), window=st.integers(1, 30),
    tie=st.sampled_from(["lowest", "highest"]), count_bits=st.sampled_from([4, 16]),
)  # fmt: skip


@st.composite
def streams(draw, n_in, most=60):
    n = draw(st.integers(0, most))
    ticks = np.cumsum(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    addresses = draw(st.lists(st.integers(0, n_in), min_size=n, max_size=n))  # n_in is no input
    return Events.make(ticks, addresses, draw(st.lists(st.booleans(), min_size=n, max_size=n)))


@st.composite
def networks(draw):
    shape = draw(st.sampled_from([(5, 3), (4, 2), (5, 4, 3), (4, 3, 3, 2)]))
    g, clock = np.random.default_rng(draw(st.integers(0, 999))), draw(st.booleans())
    layers = tuple(
        SpikingLayer.from_weights(g.integers(-4, 5, (b, a + clock)), draw(neurons), clock=clock)
        for a, b in itertools.pairwise(shape)
    )
    return SpikingNetwork("drawn", layers, draw(decisions), EXTERNAL)


def same(readout, k, plain):
    assert readout.counts[k].tolist() == plain.counts
    assert readout.used[k].tolist() == plain.used
    assert (readout.reasons[k], readout.ticks[k]) == (plain.reason, plain.tick)
    s = readout.spikes
    mine = s.image == k
    found = zip(*(getattr(s, f)[mine].tolist() for f in ("event", "tick", "neuron", "negative")), strict=True)
    assert list(found) == plain.spikes
    events = readout.used.sum(axis=1)
    log = readout.log[events[:k].sum() : events[: k + 1].sum()]
    assert np.bincount(log[:, 0], minlength=len(plain.used)).tolist() == plain.used
    last = log[log[:, 0] == len(plain.used) - 1]
    assert last[:, 1:3].tolist() == [list(x) for x in plain.inputs]
    assert last[:, 3].sum() == len(plain.spikes)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_kernels_equal_plain_python(data):
    network = data.draw(networks())
    given_streams = [data.draw(streams(network.n_in)) for _ in range(2)]
    readout = spiking_golden.run_events(network, given_streams)
    for k, events in enumerate(given_streams):
        same(readout, k, ReferenceRun(network, events))


def test_images_are_their_events():
    """Of 70 images, more than run at once; spikes and events are kept if they are wanted, and change nothing."""
    g = np.random.default_rng(1)
    layers = [g.integers(-4, 5, shape) for shape in ((4, 5), (3, 4), (2, 3))]
    network = network_of(layers, Neuron(v_init=1), Decision(delta_s=4, terminate_max=5, window=120), Encoder())
    images = g.integers(0, 256, (70, 5), dtype=np.uint8)
    readout = spiking_golden.run(network, images, with_spikes=True, with_log=True)
    for k, values in enumerate(images):
        same(readout, k, ReferenceRun(network, encode(network.encoder, values, 120)))
    assert set(readout.reasons.tolist()) == {0, 1, 2}
    assert readout.undecided.tolist() == [reason == 0 for reason in readout.reasons]
    assert readout.synaptic_events(network).tolist() == (readout.used * [4, 3, 2]).sum(axis=1).tolist()
    alike = ("winners", "counts", "used", "reasons", "ticks")
    for wanted in ((False, False), (True, False), (False, True)):
        other = spiking_golden.run(network, images, with_spikes=wanted[0], with_log=wanted[1])
        assert all((getattr(other, name) == getattr(readout, name)).all() for name in alike)
        assert ((other.spikes is not None), (other.log is not None)) == wanted
        for name in ("image", "event", "tick", "neuron", "negative") if wanted[0] else ():
            assert (getattr(other.spikes, name) == getattr(readout.spikes, name)).all()
        assert not wanted[1] or (other.log == readout.log).all()
    responded = spiking_golden.respond(network, images, with_spikes=True)
    assert (responded.counts == readout.counts).all()
    assert len(responded.spikes.image) == len(readout.spikes.image)
    assert spiking_golden.respond(network, images).spikes is None
    assert (spiking_golden.inputs(network, images) == images).all()
    plain = spiking_golden.run(network, images[:1])
    assert (plain.spikes, plain.log) == (None, None)
    none = spiking_golden.run(network, images[:0], with_spikes=True, with_log=True)
    assert (len(none.winners), len(none.log), len(none.spikes.image)) == (0, 0, 0)
    outside = spiking_golden.run_events(network_of([[[4], [0]]]), [Events.make([0, 0, 1], [-1, 1, 0])])
    assert outside.used.tolist() == [[1]]
    streams = [encode(network.encoder, values, 120) for values in images[:3]]
    of_events = spiking_golden.run_events(
        replace(network, encoder=EXTERNAL), [streams[0], Events.make([], []), *streams[1:]]
    )
    assert of_events.counts[[0, 2, 3]].tolist() == readout.counts[:3].tolist()
    assert (of_events.used[1].tolist(), of_events.ticks[1]) == ([0, 0, 0], 120)


@pytest.mark.parametrize(
    ("tie", "expected"), [("lowest", [[1, 0], [2, 0], [1, 0]]), ("highest", [[2, 2], [2, 1], [1, 2]])]
)
def test_ties_of_counts(tie, expected):
    network = network_of([[[4], [0], [0]]], decision=Decision(window=9, tie=tie))
    counts = np.array([[[1, 3, 3], [2, 2, 2]], [[-3, -2, -1], [5, 5, 0]], [[0, 5, 0], [4, 0, 4]]])
    assert spiking_golden.winners(network, counts).tolist() == expected


def test_streams_get_their_clock():
    """An event at the start of each tick, unless there are some; what is no stream is refused."""
    layers = tuple(SpikingLayer.from_weights(np.full(s, 4), clock=True) for s in ((3, 3), (2, 4)))
    network = SpikingNetwork("clocked", layers, Decision(delta_s=0, window=3), EXTERNAL)
    stream = Events.make([0, 0, 2, 5], [1, 0, 1, 0], [True, False, False, True])
    (given,) = spiking_golden.inputs(network, [stream])
    found = list(zip(given.ticks.tolist(), given.addresses.tolist(), given.negative.tolist(), strict=True))
    assert found == [
        (0, 2, False), (0, 1, True), (0, 0, False), (1, 2, False), (2, 2, False), (2, 1, False), (5, 0, True),
    ]  # fmt: skip
    assert spiking_golden.inputs(network, [given])[0] is given
    plain = network_of([[[4], [0]]])
    assert spiking_golden.inputs(plain, (stream,))[0] is stream
    for wrong in (np.zeros((1, 1)), [stream, 3]):
        with pytest.raises(InputError, match="images must be event streams for network 'test', which has no encoder"):
            spiking_golden.inputs(plain, wrong)
    run = spiking_golden.respond(network, [stream])
    assert run.used[0].tolist() == ReferenceRun(network, given).used


def test_energy_says_what_it_is_of():
    text = "synaptic events x the 3.6 pJ published for the SPIRIT chip (130 nm){}: computed, not measured"
    assert spiking_golden.energy_text([144, 10]) == text.format("")
    assert spiking_golden.energy_text((144, 9)) == text.format(", whose shape is 144-10, not this one")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_invariant(data):
    """theta * count + V = v_init + sum(w * s), at every event; and |V| < theta where |w| <= theta."""
    theta = data.draw(st.integers(4, 9))
    neuron = Neuron(theta=theta, refractory=data.draw(st.sampled_from([0, 0, 3])))
    weights = np.array(
        data.draw(st.lists(st.lists(st.integers(-4, 4), min_size=5, max_size=5), min_size=3, max_size=3))
    )
    network = network_of([weights], neuron)
    events = data.draw(streams(5, 80))
    for k in range(len(events.ticks) + 1):
        part = Events(events.ticks[:k], events.addresses[:k], events.negative[:k])
        run = ReferenceRun(network, part)
        real = part.addresses < 5
        total = np.where(part.negative[real], -1, 1) @ weights.T[part.addresses[real]] if real.any() else np.zeros(3)
        v = np.array(run.layers[0].v)
        assert (theta * np.array(run.counts) + v == total).all()
        assert neuron.refractory or (abs(v) < theta).all()


@pytest.mark.parametrize(
    ("compare", "sum_", "fires"),
    [
        ("ge", 3, 0),
        ("ge", 4, 1),
        ("ge", 5, 1),
        ("ge", -3, 0),
        ("ge", -4, -1),
        ("ge", -5, -1),
        ("gt", 4, 0),
        ("gt", 5, 1),
        ("gt", -4, 0),
        ("gt", -5, -1),
    ],
)
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_threshold_equality(compare, sum_, fires, reset):
    neuron = Neuron(weight_max=5, compare=compare, reset=reset)
    run = ReferenceRun(network_of([[[sum_], [0]]], neuron), Events.make([0], [0]))
    assert run.counts[0] == fires
    assert run.layers[0].v[0] == (sum_ - 4 * fires if reset == "subtract" or not fires else 0)


def test_unipolar_keeps_a_negative_membrane():
    run = ReferenceRun(network_of([[[-4], [0]]], Neuron(bipolar=False)), Events.make([0, 0, 0], [0, 0, 0]))
    assert (run.counts[0], run.layers[0].v[0]) == (0, -12)


def test_refractory_integrates_and_drains_one_theta_an_event():
    """It goes on integrating while it cannot fire, and then loses one theta at each event: `if`, not `while`."""
    network = network_of([[[4], [0]]], Neuron(refractory=3))
    readout = spiking_golden.run_events(network, [Events.make([0, 1, 1, 2, 3, 4, 6], [0] * 7)])
    assert readout.spikes.tick.tolist() == [0, 3, 6]
    held = spiking_golden.run_events(
        network_of([[[4], [0]]], Neuron(refractory=3, refractory_integrate=False)), [Events.make([0, 1, 2, 3], [0] * 4)]
    )
    assert held.spikes.tick.tolist() == [0, 3]


def test_nothing_leaks_before_the_first_tick():
    network = network_of([[[1], [0]]], Neuron(leak=1, v_init=3))
    readout = spiking_golden.run_events(network, [Events.make([0], [0]), Events.make([1], [0])])
    assert readout.counts.tolist() == [[1, 0], [0, 0]]


def test_membrane_saturates():
    neuron = Neuron(theta=7, v_bits=4, refractory=100)
    run = ReferenceRun(network_of([[[4], [-4]]], neuron), Events.make([0] * 9, [0] * 9))
    assert run.layers[0].v == [7, -8]


def test_all_outputs_are_updated_before_the_stop():
    """Neuron 0 would reach the lead first; neuron 1 fires at the same event and keeps it from that."""
    network = network_of([[[4, 4], [0, 4]]], decision=Decision(delta_s=2, window=10))
    readout = spiking_golden.run_events(network, [Events.make([0, 1, 2, 3], [0, 1, 0, 0])])
    assert readout.used.tolist() == [[3]]
    assert readout.counts.tolist() == [[3, 1]]
    assert (readout.reasons[0], readout.ticks[0], readout.undecided[0]) == (1, 2, False)


@pytest.mark.parametrize(("decision", "events", "reason", "winner", "used"), [
    (Decision(delta_s=3, window=9), 5, "delta", 0, 3),
    (Decision(delta_s=0, terminate_max=4, window=9), 5, "maximum", 0, 4),
    (Decision(delta_s=3, terminate_max=3, window=9), 5, "delta", 0, 3),
    (Decision(delta_s=9, window=9), 5, "window", 0, 5),
    (Decision(delta_s=1, window=9), 0, "window", 0, 0),
    (Decision(delta_s=1, window=9, tie="highest"), 0, "window", 1, 0),
])  # fmt: skip
def test_decision(decision, events, reason, winner, used):
    network = network_of([[[4], [0]]], decision=decision)
    readout = spiking_golden.run_events(network, [Events.make([0] * events, [0] * events)])
    assert spiking_golden.REASONS[readout.reasons[0]] == reason
    assert (readout.winners[0], readout.used[0, 0]) == (winner, used)
    assert readout.undecided[0] == (reason == "window")


def test_window_ends_an_image():
    network = network_of([[[4], [0]]], decision=Decision(delta_s=0, window=3))
    readout = spiking_golden.run_events(network, [Events.make([0, 2, 3, 4], [0] * 4)])
    assert (readout.used[0, 0], readout.ticks[0]) == (2, 3)


def test_a_cell_is_one_step_of_a_weight():
    layer = SpikingLayer.from_weights(np.array([[3, -2], [0, 4]]))
    assert layer.cells.shape == (2, 16)
    assert layer.matrix.T.tolist() == [[3, -2], [0, 4]]
    for flat in range(layer.cells.size):
        cells = layer.cells.copy()
        cells.reshape(-1)[flat] ^= True
        change = SpikingLayer(cells).matrix.astype(int) - layer.matrix
        assert np.abs(change).sum() == 1


def test_fault_map_knows_cells():
    network = network_of([[[3, -2], [0, 4]]])
    # Row 0 holds input 0: neuron 0 in columns 0 to 7, its negative bank from 4; a stuck-on and a stuck-off cell.
    faults = FaultMap(((2, 16),), flips={0: np.array([3])}, stuck_1={0: np.array([4])}, stuck_0={0: np.array([16 + 8])})
    assert faults.apply(network).layers[0].matrix.T.tolist() == [[3, -2], [0, 3]]
    assert faults.wrong(network) == 3
    drawn = FaultMap.draw(network, ber=0.5, seed=3)
    assert drawn.shapes == ((2, 16),)
    assert (
        FaultMap.draw(network, ber=0.5, seed=3).apply(network).digest == drawn.apply(network).digest != network.digest
    )


def test_trials_give_the_golden_models_classes():
    network = zoo.load("mnist-spirit")
    images, labels = load_mnist()
    trials = SpikingTrials(network, images[:50], labels[:50])
    faults = FaultMap.draw(network, ber=0.02, seed=1)
    winners = spiking_golden.run(faults.apply(network), images[:50]).winners
    assert (trials.predict(faults) == winners).all()
    assert trials.confusion(faults).trace() == (winners == labels[:50]).sum()


def test_view():
    image = np.arange(784, dtype=np.uint32).astype(np.uint8).reshape(1, 28, 28)
    made = through_view(image, "crop24-mean2")
    assert made.shape == (1, 144)
    square = image[0, 2:4, 2:4].astype(int)
    assert made[0, 0] == (square.sum() + 2) // 4
    assert (through_view(image, "whole") == image.reshape(1, 784)).all()


def test_file_round_trip(tmp_path):
    network = zoo.load("mnist-spirit")
    network.save(tmp_path / "a.npz")
    again = SpikingNetwork.load(tmp_path / "a.npz")
    assert again.digest == network.digest
    assert again.info == network.info
    again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_biases_and_leaky_neurons_in_a_file(tmp_path):
    """They came with version 3: a network without them is written as before, and a file of version 1 has none."""
    neuron = Neuron(theta=50, leak=5, leak_factor=3, fraction=4, reset="zero", v_reset=-2, v_bits=14)
    layers = tuple(SpikingLayer.from_weights(np.ones(s, int), neuron, clock=True) for s in ((3, 5), (2, 4)))
    network = SpikingNetwork("leaky", layers, Decision(delta_s=0, window=9), EXTERNAL)
    assert (network.shape, network.clock, layers[0].matrix.shape) == ((4, 3, 2), True, (5, 3))
    network.save(tmp_path / "a.npz")
    again = SpikingNetwork.load(tmp_path / "a.npz")
    assert (again.digest, again.clock, again.layers[1].neuron) == (network.digest, True, neuron)
    with np.load(tmp_path / "a.npz") as arrays:
        content = dict(arrays)
    header = json.loads(content["header"].tobytes())
    assert header["version"] == 3
    del header["clock"]
    content["header"] = np.frombuffer(json.dumps(header | {"version": 2}).encode(), np.uint8)
    np.savez(tmp_path / "old.npz", **content)
    with pytest.raises(InputError, match="must have exactly the fields"):
        SpikingNetwork.load(tmp_path / "old.npz")
    with pytest.raises(InputError, match="network: encoder must be external with a clock"):
        replace(network, encoder=Encoder())
    with pytest.raises(InputError, match="network: all layers must have a clock, or none"):
        replace(network, layers=(layers[0], network_of([np.ones((2, 3), int)]).layers[0]))


def _header(change):
    def edit(arrays):
        header = json.loads(arrays["header"].tobytes())
        change(header)
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    return edit


@pytest.mark.parametrize(("edit", "message"), [
    (_header(lambda h: h.update(version=9)), "header.version must be 1 or 2 or 3, not 9: the file is from another release"),
    (_header(lambda h: h.update(view="x")), "network: view must be one of whole, crop24-mean2, not 'x'"),
    (_header(lambda h: h["layers"][0]["neuron"].update(theta=0)), "neuron: theta must be an integer in [1, 2047], not 0"),
    (_header(lambda h: h["layers"][0].update(n_in=10**9)), "header.layers[0].n_in must be an integer in [1, 65536], not 1000000000"),
    (_header(lambda h: h["decision"].update(window=0)), "decision: window must be an integer in [1, 32768], not 0"),
    (_header(lambda h: h["encoder"].update(kind="x")), "encoder: kind must be one of jittered, periodic, bernoulli, burst, external, not 'x'"),
    (lambda a: a.update({"layer0.cells": a["layer0.cells"][:-1]}), "array 'layer0.cells' must have shape (144, 10), not (143, 10)"),
])  # fmt: skip
def test_bad_file(edit, message, tmp_path):
    path = tmp_path / "bad.npz"
    zoo.load("mnist-spirit").save(path)
    with np.load(path) as f:
        arrays = dict(f)
    edit(arrays)
    np.savez(path, **arrays)
    with pytest.raises(InputError) as caught:
        SpikingNetwork.load(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Neuron(weight_max=16), "neuron: weight_max must be an integer in [1, 15], not 16"),
    (lambda: Neuron(reset="half"), "neuron: reset must be one of subtract, zero, not 'half'"),
    (lambda: Neuron(bipolar=1), "neuron: bipolar must be one of true, false, not 1"),
    (lambda: Decision(tie="any"), "decision: tie must be one of lowest, highest, not 'any'"),
    (lambda: SpikingLayer.from_weights(np.array([[5]])), "spiking layer: weights must be in [-4, 4], not 5"),
    (lambda: network_of([[[1, 1], [1, 1]], [[1]]]), "network: layer 1 must have 2 inputs, as layer 0 has neurons, not 1"),
    (lambda: network_of([[[1, 1]]]), "network: the last layer must have at least 2 neurons, not 1"),
    (lambda: spiking_golden.run(network_of([[[1], [1]]]), np.zeros((1, 1), np.uint8)), "network 'test': encoder must not be external to run images"),
    (lambda: zoo.load_binarized("mnist-spirit"), "network 'mnist-spirit': must be binarized for this command, not spiking"),
])  # fmt: skip
def test_bad_input(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


#: (accuracy, input spikes) asked of each shipped network on all test images.
REACH = {"mnist-spirit": (0.90, 136), "mnist-spirit-deep": (0.96, None), "mnist-spirit-tanh": (0.89, None)}


@pytest.mark.parametrize("name", REACH)
def test_shipped_network(name):
    network = zoo.load(name)
    images, labels = load_mnist()
    readout = spiking_golden.run(network, images)
    accuracy, spikes = REACH[name]
    assert np.mean(readout.winners == labels) == network.info["accuracy"] >= accuracy
    assert readout.used[:, 0].mean() == pytest.approx(network.info["input_spikes"])
    assert spikes is None or network.info["input_spikes"] <= spikes
    assert network.info["command"] == f"oxnor train {name}"


def test_training_for_refractory_periods():
    """With periods as long as the shortest of an input: a little is lost, where cross entropy loses half."""
    images, labels = load_mnist()
    accuracy = {}
    for name in ("mnist-spirit", "mnist-spirit-tanh"):
        network = zoo.load(name)
        for ticks in (0, 16):
            layers = [replace(y, neuron=replace(y.neuron, refractory=ticks, v_bits=14)) for y in network.layers]
            winners = spiking_golden.run(replace(network, layers=tuple(layers)), images[:1000]).winners
            accuracy[name, ticks] = np.mean(winners == labels[:1000])
    assert accuracy["mnist-spirit-tanh", 16] > accuracy["mnist-spirit-tanh", 0] - 0.02
    assert accuracy["mnist-spirit", 16] < accuracy["mnist-spirit", 0] - 0.3
    card = zoo.load("mnist-spirit-tanh").info
    assert card["accuracy_without_refractory"] > card["accuracy"] > card["accuracy_without_refractory"] - 0.02


def test_equals_the_formal_network_without_early_stop():
    """The signed count is the exact dot product of the weights and the input spikes, over theta."""
    network = zoo.load("mnist-spirit")
    network = replace(network, decision=replace(network.decision, delta_s=0, window=512))
    images, _ = load_mnist()
    readout = spiking_golden.run(network, images[:200])
    values = network.inputs(images[:200]).astype(int)
    formal = values @ network.layers[0].matrix.astype(int)
    # 512 ticks are 32 spikes of a white pixel: its rate is known to within one spike.
    assert np.mean(readout.winners == formal.argmax(1)) > 0.97


def test_every_neuron_of_a_wider_layer_starts_anew():
    """Of two images and two streams: membranes begin at their first value, in a layer that is wider than its input."""
    wide = [[[1], [1], [1], [1]], [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]
    network = network_of(wide, Neuron(v_init=3, theta=4))
    streams = [Events.make([0], [0])] * 2
    assert spiking_golden.run_events(network, streams).used.tolist() == [[1, 4]] * 2

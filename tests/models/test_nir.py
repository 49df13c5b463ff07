"""NIR: what oxnor exports and imports again, what other tools write against NIR's own rules, and what is refused."""

import itertools
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from oxnor.cli.app import app
from oxnor.cli.networks.fields import parse_fields
from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.exchange.import_network import import_network
from oxnor.models.exchange.nir.network import network_of
from oxnor.models.exchange.nir.options import SpikingOptions
from oxnor.models.exchange.nir.reader import METADATA, parse
from oxnor.models.exchange.nir.writer import export_nir, to_graph
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.networks.encoders import Encoder, Events
from oxnor.models.networks.spiking import Decision, Neuron, SpikingLayer, SpikingNetwork

nir = pytest.importorskip("nir", reason='nir is not installed: pip install -e ".[import]"')
h5py = pytest.importorskip("h5py", reason='h5py is not installed: pip install -e ".[import]"')


def content(graph):
    """The arrays and texts that a file of a graph holds, by their paths."""
    arrays, texts = {}, {}

    def walk(path, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{path}/{key}", inner)
        elif isinstance(value, str):
            texts[path] = value
        elif path.endswith("/edges"):
            texts[path] = [list(e) for e in value]
        elif value is not None:
            arrays[path] = np.asarray(value)

    walk("node", graph.to_dict())
    return arrays, texts


def imported(graph, **options):
    return network_of(parse(*content(graph)), "made", SpikingOptions(**options))[0]


def drawn(shape, neurons, seed=0, **fields):
    g = np.random.default_rng(seed)
    layers = tuple(
        SpikingLayer.from_weights(g.integers(-p.weight_max, p.weight_max + 1, (b, a)), p)
        for (a, b), p in zip(itertools.pairwise(shape), neurons, strict=True)
    )
    return SpikingNetwork("drawn", layers, **fields)


OURS = [
    Neuron(), Neuron(bipolar=False, reset="zero", compare="ge", v_init=-3, theta=7), Neuron(reset="zero", compare="gt", theta=1),
    Neuron(theta=99, leak=7, leak_factor=5, fraction=4, reset="zero", v_init=3, v_reset=-8, v_bits=15),
    Neuron(leak=3, v_init=2, refractory=4, refractory_integrate=False), Neuron(leak=1, reset="zero", v_init=1, weight_max=15),
]  # fmt: skip


@pytest.mark.parametrize("neuron", OURS)
def test_export_and_import_give_the_same_network(neuron):
    network = drawn((9, 5, 3), [neuron, Neuron(weight_max=2)], decision=Decision(delta_s=3, window=77, tie="highest"),
                    encoder=Encoder(kind="external", seed=9))  # fmt: skip
    assert imported(to_graph(network)).digest == network.digest


def test_export_and_import_keep_biases():
    layers = tuple(
        SpikingLayer.from_weights(np.random.default_rng(2).integers(-4, 5, shape), Neuron(bipolar=False), clock=True)
        for shape in ((5, 8), (3, 6))
    )
    network = SpikingNetwork("drawn", layers, Decision(delta_s=0, window=30), Encoder(kind="external"))
    graph = to_graph(network)
    assert graph.nodes["linear1"].bias.tolist() == layers[1].matrix[-1].tolist()
    assert imported(graph).digest == network.digest


@pytest.mark.parametrize("name", ["mnist-spirit", "mnist-spirit-deep"])
def test_shipped_network_round_trip(name, tmp_path):
    network = zoo.load(name)
    told = export_nir(network, tmp_path / "net.nir")
    assert "negative spikes, reset by subtraction, firing at the threshold itself" in told["warnings"][-2]
    read = nir.read(tmp_path / "net.nir")
    assert (read.nodes["linear0"].weight == network.layers[0].matrix.T).all()
    found = import_network(tmp_path / "net.nir")
    assert found.network.digest == network.digest
    assert found.ok
    assert found.report["source"]["format"] == "NIR"


def test_zero_reset_needs_no_metadata():
    """What NIR can express is exported exactly: without the metadata the same spikes come."""
    for neuron in OURS[1:3]:
        neuron = replace(neuron, bipolar=False)
        network = drawn((9, 3), [neuron], encoder=Encoder(kind="external"), decision=Decision(delta_s=0, window=90))
        graph = to_graph(network)
        for node in [graph, *graph.nodes.values()]:
            node.metadata = {}
        again = imported(graph, encoder={"kind": "external"}, decision={"window": 90})
        assert again.layers[0].neuron.limit == neuron.limit
        g = np.random.default_rng(3)
        streams = [Events.make(np.sort(g.integers(0, 99, 80)), g.integers(0, 9, 80)) for _ in range(20)]
        assert (spiking_golden.run_events(again, streams).counts == spiking_golden.run_events(network, streams).counts).all()


def plain(layers, events):
    """NIR's rules in rational numbers: (tick, neuron) of the last layer. A layer is (weights, threshold, reset)."""
    v, spikes = [[Fraction(0)] * len(w) for w, _, _ in layers], []

    def event(k, tick, address):
        weights, threshold, reset = layers[k]
        fired = []
        for n in range(len(weights)):
            v[k][n] += weights[n][address]
            if v[k][n] > threshold[n]:
                v[k][n] = reset[n]
                fired.append(n)
        for n in fired:
            if k + 1 < len(layers):
                event(k + 1, tick, n)
            else:
                spikes.append((tick, n))

    for tick, address in zip(events.ticks.tolist(), events.addresses.tolist(), strict=True):
        event(0, tick, address)
    return spikes


@st.composite
def written(draw):
    """A network as other tools write it: (nodes, layers for `plain`), with weights in sixteenths of anything."""
    nodes, layers = [nir.Input(np.array([2, 3])), nir.Flatten(np.array([2, 3]), 0)], []
    n_in = 6
    for n_out in draw(st.sampled_from([(3,), (4, 3)])):
        g = np.random.default_rng(draw(st.integers(0, 9999)))
        step = Fraction(draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, 4, 16])))
        top, per = draw(st.integers(1, 7)), g.integers(1, 4, n_out)
        weights = g.integers(-top, top + 1, (n_out, n_in))
        weights[0, 0] = top
        # Neurons of other sizes, all with the same ratios.
        threshold = Fraction(draw(st.integers(1, 40)), 4)
        reset = draw(st.sampled_from([0, 0, -1, -2])) if threshold.denominator == 1 else 0
        own = [[int(w) * step * int(s) for w in row] for row, s in zip(weights, per, strict=True)]
        layers.append((own, [threshold * step * int(s) for s in per], [reset * step * int(s) for s in per]))
        r = draw(st.sampled_from([1, 2]))
        scaled = np.array(own, float) / r
        gain = draw(st.sampled_from([None, 0.5]))
        if gain:
            nodes.append(nir.Scale(np.full(n_in, gain)))
            scaled = scaled / gain
        nodes.append(nir.Affine(scaled, np.zeros(n_out)) if draw(st.booleans()) else nir.Linear(scaled))
        t, z = (np.array(x, float) for x in layers[-1][1:])
        nodes.append(nir.IF(np.full(n_out, float(r)), t, z))
        n_in = n_out
    return nodes, layers


@settings(max_examples=60, deadline=None, derandomize=True)
@given(written(), st.integers(0, 999))
def test_spikes_are_those_of_nirs_rules(made, seed):
    nodes, layers = made
    network = imported(nir.NIRGraph.from_list(*nodes), encoder={"kind": "external"})
    g = np.random.default_rng(seed)
    events = Events.make(np.sort(g.integers(0, 600, 150)), g.integers(0, 6, 150))
    found = spiking_golden.run_events(network, [events]).spikes
    wanted = plain(layers, events)
    assert list(zip(found.tick.tolist(), found.neuron.tolist(), strict=True)) == wanted
    assert not found.negative.any()


def test_file_of_h5py_alone(tmp_path):
    """As another language would write it: fixed-length texts, no metadata, no v_reset."""
    path = tmp_path / "other.nir"
    w = np.array([[0.3, -0.1], [0.2, 0.4], [-0.4, 0.1]], np.float32)
    with h5py.File(path, "w") as f:
        f["version"] = b"1.0"
        f["node/type"] = b"NIRGraph"
        f["node/edges"] = np.array([[b"in", b"0"], [b"0", b"1"], [b"1", b"out"]])
        for name, fields in {
            "in": {"type": b"Input", "shape": [2]}, "0": {"type": b"Linear", "weight": w}, "out": {"type": b"Output", "shape": [3]},
            "1": {"type": b"IF", "r": np.ones(3), "v_threshold": np.full(3, 0.7, np.float32)},
        }.items():  # fmt: skip
            for key, value in fields.items():
                f[f"node/nodes/{name}/{key}"] = value
    found = import_network(path)
    layer = found.network.layers[0]
    assert layer.matrix.T.tolist() == [[3, -1], [2, 4], [-4, 1]]
    assert (layer.neuron.limit, layer.neuron.reset, layer.neuron.bipolar) == (8, "zero", False)
    assert 0 < found.report["layers"][0]["error"] < 1e-6
    assert found.network.decision.delta_s == 0


W, ONE = np.array([[1.0, 2.0], [-2.0, 1.0]]), np.ones(2)


def simple(weights=W, threshold=4 * ONE, reset=0 * ONE):
    return nir.NIRGraph.from_list(nir.Linear(weights), nir.IF(ONE, threshold, reset))


def test_policy_and_rounding():
    subtract = imported(simple(), neuron=parse_fields(Neuron, "reset=subtract,compare=ge,bipolar=true,v_bits=9", "--neuron"))
    assert subtract.layers[0].neuron == Neuron(weight_max=2, theta=4, v_bits=9)
    graph = simple(np.array([[1.0, 0.3], [-0.71, 0.1]]))
    with pytest.raises(InputError, match=r"IF 'if': weights and threshold must be whole .* \(`rounding` takes the nearest\)"):
        imported(graph)
    made, report = network_of(parse(*content(graph)), "made", SpikingOptions(rounding=True))
    assert made.layers[0].matrix.T.tolist() == [[4, 1], [-3, 0]]
    assert report["layers"][0]["rounded"] == 3
    assert report["layers"][0]["error"] == pytest.approx(0.4)
    fine = imported(graph, rounding=True, neuron={"weight_max": 10})
    assert fine.layers[0].matrix.T.tolist() == [[10, 3], [-7, 1]]


def broken(change):
    graph = simple()
    change(graph)
    return content(graph)


def ours(change):
    """An exported network, changed."""
    arrays, texts = content(to_graph(drawn((4, 2), [Neuron()])))
    change(arrays, texts)
    return arrays, texts


_META = f"node/nodes/neurons0/metadata/{METADATA}"


@pytest.mark.parametrize(("made", "message"), [
    (lambda: content(simple(threshold=np.array([4.0, 4.1]))), "IF 'if': weights and threshold must be whole multiples of one step, at most 15 of it: with 2 the largest error is 0.049 of a step"),
    (lambda: content(simple(reset=4 * ONE)), "IF 'if': v_threshold must be above v_reset in every neuron"),
    (lambda: content(simple(reset=np.array([0.0, -1.0]))), "IF 'if': v_reset must be the same part of v_threshold in every neuron"),
    (lambda: content(simple(threshold=ONE * np.nan)), "IF 'if' v_threshold: every value must be finite"),
    (lambda: content(simple(threshold=ONE * 1e12)), "IF 'if': neuron: theta must be an integer in [1, 1073741823], not 1000000000001"),
    (lambda: content(nir.NIRGraph.from_list(nir.Linear(W), nir.IF(ONE, ONE), nir.Linear(W))), "Output 'output': the network must end with the spikes of IF or LIF neurons"),
    (lambda: content(nir.NIRGraph.from_list(nir.Linear(W), nir.LIF(ONE, ONE, ONE, ONE), nir.Linear(W), nir.CubaLIF(ONE, ONE, ONE, ONE, ONE))),
     "1 node cannot be imported\n  - CubaLIF 'cubalif': synapses with a current of their own are not supported: train with LIF or IF"),
    (lambda: content(nir.NIRGraph.from_list(nir.Linear(W), nir.LIF(0 * ONE + 1e-5, ONE, 0 * ONE, ONE), nir.Linear(W / 7 + 0.01), nir.IF(ONE, -ONE))),
     "2 nodes cannot be imported\n  - LIF 'lif': tau must be above a tick of 0.0001 s in every neuron (`tick` is another one)\n  - IF 'if': v_threshold must be above v_reset in every neuron"),
    (lambda: broken(lambda g: g.edges.append(("if", "linear"))), "2 nodes cannot be imported\n  - IF 'if': its output goes to several nodes, or back: only chains are supported\n  - Linear 'linear': it has several inputs: only chains are supported"),
    (lambda: broken(lambda g: g.edges.remove(("linear", "if"))), "2 nodes cannot be imported\n  - IF 'if': it is not between the input and the output\n  - Output 'output': it is not between the input and the output"),
    (lambda: broken(lambda g: g.edges.append(("if", "x"))), "edges: 'x' must be a node"),
    (lambda: broken(lambda g: setattr(g.nodes["linear"], "weight", np.ones((2, 3)))), "Linear 'linear': weight must have shape (n, 2), not (2, 3)"),
    (lambda: broken(lambda g: setattr(g.nodes["input"], "input_type", {"input": np.array([1 << 30])})), "Input 'input': shape must be whole numbers from 1, of at most 1,048,576 values"),
    (lambda: broken(lambda g: setattr(g.nodes["input"], "input_type", {"input": np.array([-1, -2])})), "Input 'input': shape must be whole numbers from 1"),
    (lambda: ({}, {"node/type": "NIRGraph", "node/nodes/a/type": "IF", "node/edges": [[["a"], ["b"]]]}), "edges must be pairs of names of nodes"),
    (lambda: ours(lambda a, t: t.update({f"node/metadata/{METADATA}": json.dumps({"version": 1, "view": []})})), "metadata.view must be a text, not []"),
    (lambda: broken(lambda g: g.nodes.pop("input") and g.edges.pop(0)), "must have one Input node, not 0"),
    (lambda: ours(lambda a, t: t.update({_META: "{"})), f"{_META} must be JSON of version 1: it is damaged or from another release"),
    (lambda: ours(lambda a, t: t.update({_META: json.dumps({"version": 1, "neuron": {"theta": 4}})})), "IF 'neurons0': metadata.neuron must have exactly the fields"),
    (lambda: ours(lambda a, t: a["node/nodes/neurons0/v_threshold"].fill(5)), "IF 'neurons0': v_threshold must be 4, as its metadata says: remove the metadata if not"),
    (lambda: ours(lambda a, t: a["node/nodes/linear0/weight"].fill(0.5)), "IF 'neurons0': weights must be integers, as its metadata says: the largest error is 0.5 (`rounding` takes the nearest)"),
    (lambda: ours(lambda a, t: a["node/nodes/linear0/weight"].fill(9)), "IF 'neurons0': spiking layer: weights must be in [-4, 4], not 9"),
    (lambda: ({}, {"node/type": "IF"}), "node/type must be 'NIRGraph', not 'IF'"),
])  # fmt: skip
def test_refused(made, message):
    with pytest.raises(InputError) as caught:
        network_of(parse(*made()), "made", SpikingOptions())
    assert str(caught.value).startswith(message)


def test_damaged_files(tmp_path):
    """Bytes changed at random, or cut off: the same network, or one sentence that names the file."""
    network = zoo.load("mnist-spirit")
    export_nir(network, tmp_path / "good.nir")
    good, g = (tmp_path / "good.nir").read_bytes(), np.random.default_rng(11)
    path = tmp_path / "bad.nir"
    for k in range(8):
        raw = bytearray(good)
        if k < 2:
            raw = raw[: len(raw) // (k + 2)]
        else:
            for at in g.integers(0, len(raw), 40):
                raw[at] = int(g.integers(0, 256))
        path.write_bytes(raw)
        try:
            import_network(path)
        except InputError as e:
            assert str(e).startswith(f"{path}: ")  # noqa: PT017


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_commands(tmp_path):
    file, net = tmp_path / "net.nir", tmp_path / "net.npz"
    told = run("export", "mnist-spirit", "-o", file, "--json")
    assert told.exit_code == 0, told.stderr
    found = json.loads(told.stdout)
    assert (found["nodes"], len(found["warnings"])) == (4, 2)
    told = run("import", file, "-o", net, "--decision", "delta_s=4", "--json")
    assert told.exit_code == 0, told.stderr
    found = json.loads(told.stdout)
    assert (found["kind"], found["decision"]["delta_s"], found["thresholds"]["differ"]) == ("spiking", 4, 0)
    assert SpikingNetwork.load(net).layers[0].neuron == Neuron()
    shown = run("import", file, "-o", net)
    assert "metadata" in shown.stdout


@pytest.mark.parametrize(("arguments", "message"), [
    (["export", "mnist-spirit", "-o", "x.onnx"], "x.onnx: must end in .nir for network 'mnist-spirit', of which there is no .onnx"),
    (["export", "mnist-tfc", "-o", "x.nir"], "x.nir: must end in .onnx for network 'mnist-tfc', of which there is no .nir"),
    (["import", "x.nir", "-o", "y.npz", "--neuron", "theta=3"], "--neuron: must be FIELD=VALUE,... with fields weight_max, bipolar, reset, compare, refractory, refractory_integrate, leak, v_bits, not 'theta=3'"),
    (["import", "x.nir", "-o", "y.npz", "--decision", "window=a"], "--decision: window must be a whole number, not 'a'"),
    (["import", "x.nir", "-o", "y.npz", "--encoder", "kind=x"], "x.nir: encoder: kind must be one of jittered, periodic, bernoulli, burst, external, not 'x'"),
    (["import", "x.nir", "-o", "y.npz", "--neuron", "weight_max=99"], "x.nir: IF 'if': neuron: weight_max must be an integer in [1, 15], not 99"),
    (["import", "x.nir", "-o", "y.npz", "--neuron", "compare=x"], "x.nir: IF 'if': neuron: compare must be one of ge, gt, not 'x'"),
    (["import", "x.nir", "-o", "y.npz", "--input", "unit"], "--input must not be given for NIR: a spiking network takes grey values or events"),
    (["import", "x.npz", "-o", "y.npz", "--round"], "--neuron, --decision, --encoder, --round, --tick, --leak-bits, --events must not be given for arrays .npz"),
])  # fmt: skip
def test_bad_options(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nir.write("x.nir", simple())
    np.savez("x.npz", w0=np.ones((2, 4), bool))
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"{message}\n")

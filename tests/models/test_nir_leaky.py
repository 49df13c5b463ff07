"""LIF, biases, convolutions and pooling of NIR: exact where they can be, and measured where not."""

import itertools
import json

import numpy as np
import pytest
from helpers.cli import run

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.nir.disagreement import by_events, by_ticks
from oxnor.models.exchange.nir.folder import Folder
from oxnor.models.exchange.nir.leaky import nearest_leak
from oxnor.models.exchange.nir.maps import conv_matrix, pool_matrix
from oxnor.models.exchange.nir.network import compared
from oxnor.models.exchange.nir.options import SpikingOptions
from oxnor.models.exchange.nir.reader import NirGraph, NirNode
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.networks.encoders import draw_events

WINDOW = 40


def graph(*nodes):
    """A chain of (kind, arrays), an input in front and an output behind."""
    made = [NirNode(f"n{k}", kind, {n: np.asarray(a, float) for n, a in arrays.items()}, None)
            for k, (kind, arrays) in enumerate(nodes)]  # fmt: skip
    return NirGraph((*made, NirNode("out", "Output", {}, None)), None)


def imported(made, **options):
    return compared(made, "made", SpikingOptions(decision={"window": WINDOW}, encoder={"kind": "external"}, **options))


def source_of(made, **options):
    folder = Folder(SpikingOptions(**options), WINDOW)
    folder.fold(made.nodes)
    return [fold.source for fold in folder.folds]


def sizes(n, **values):
    return {name: np.full(n, value) for name, value in values.items()}


G = np.random.default_rng(4)
#: On the grid of one step; biases, a convolution with padding and stride, means and sums over windows.
CONV = graph(
    ("Input", {"shape": [2, 5, 6]}),
    ("Conv2d", {"weight": G.integers(-3, 4, (3, 1, 3, 2)) / 4, "bias": [0.25, 0, -0.5], "stride": [2, 1], "padding": [1, 0],
                "dilation": [1, 2], "groups": 1} | {"weight": G.integers(-3, 4, (3, 2, 3, 2)) / 4}),
    ("IF", sizes(36, r=1, v_threshold=1.5)),
    ("SumPool2d", {"kernel_size": [3, 2], "stride": [3, 2], "padding": [0, 0]}),
    ("Flatten", {}),
    ("Affine", {"weight": G.integers(-2, 4, (3, 6)) / 2, "bias": [0.5, 0.0, -0.5]}),
    ("IF", {"r": 1.0, "v_threshold": [2.0]}),
)  # fmt: skip


def test_convolution_and_pooling_are_those_of_their_source():
    """1,000 streams, event by event: every count is that of NIR's rules in float64, whose numbers lie on the grid."""
    network, report = imported(CONV)
    assert network.shape == (60, 36, 3)
    assert [y["biases"] for y in report["layers"]] == [True, True]
    streams = draw_events(60, WINDOW, 1000, 7, 0.04)
    ours, source = spiking_golden.respond(network, streams), source_of(CONV)
    theirs = [by_events(source, s, WINDOW) for s in streams]
    assert (ours.counts == theirs).all()
    assert ours.counts.sum() > 5000
    assert [d["counts"] for d in report["disagreement"] if d["source"] == "event by event"] == [0]
    assert sum("unrolled" in note for note in report["notes"]) == 2


@pytest.mark.cosim
@pytest.mark.slow
def test_convolution_leak_and_biases_in_verilog():
    """100 streams through the Verilog of an imported network, every spike and every cycle."""
    from oxnor.sim.runner import toolchain
    from oxnor.sim.verify.options import RunOptions
    from oxnor.sim.verify.simulate import simulate

    if toolchain.find_icarus() is None:
        pytest.skip(f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}")
    made = graph(
        ("Input", {"shape": [1, 4, 4]}),
        ("Conv2d", {"weight": np.array([[[[1, 2], [-1, 1]]], [[[2, -1], [1, 1]]]]) / 2, "bias": [0.5, 0], "stride": [2, 2],
                    "padding": [0, 0], "dilation": [1, 1], "groups": 1}),
        ("LIF", sizes(8, r=7, tau=7e-4, v_leak=0, v_threshold=1.9)),
        ("AvgPool2d", {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0]}),
        ("Linear", {"weight": [[1.0, -0.5], [0.5, 1.0]]}),
        ("LIF", sizes(2, r=10, tau=1e-3, v_leak=0, v_threshold=0.8, v_reset=-0.1)),
    )  # fmt: skip
    network, report = imported(made, leak_bits=3)
    assert [y["neuron"]["leak_factor"] for y in report["layers"]] != [1, 1]
    streams = spiking_golden.inputs(network, draw_events(16, WINDOW, 100, 1, 0.1))
    result = simulate(network, streams, run=RunOptions(simulator="icarus"))
    assert result.ok, result.difference
    assert result.spikes > 200


def lif(beta, threshold=1.0, n=(6, 5, 3), **more):
    """As snnTorch writes it: tau = dt / (1 - beta), r = tau / dt; weights in quarters, one number for all neurons."""
    nodes = [("Input", {"shape": [n[0]]})]
    for a, b in itertools.pairwise(n):
        tau = 1e-4 / (1 - beta)
        nodes += [
            ("Affine", {"weight": np.random.default_rng([a, b]).integers(-3, 5, (b, a)) / 4, "bias": np.zeros(b)}),
            ("LIF", {"tau": tau, "r": tau / 1e-4, "v_leak": 0.0, "v_threshold": threshold} | more),
        ]
    return graph(*nodes)


def test_leak():
    """The numbers of a tick are snnTorch's; what the integers lose is little where the leak is a power of two."""
    made = lif(0.875)
    network, _ = imported(made)
    neuron = network.layers[0].neuron
    assert (neuron.leak, neuron.leak_factor, neuron.weight_max, neuron.bipolar) == (3, 1, 4, False)
    assert neuron.theta == 4 * 2**neuron.fraction + 1
    streams, source = draw_events(6, WINDOW, 300, 7, 0.3), source_of(made)
    assert source[0].decay == pytest.approx(np.full(5, 0.125))
    assert np.abs(source[0].weights * 4 - np.rint(source[0].weights * 4)).max() < 1e-9
    ours = spiking_golden.respond(network, streams).counts
    theirs = np.stack([by_events(source, s, WINDOW) for s in streams])
    assert theirs.sum() > 500
    assert np.mean(ours != theirs) < 0.01
    clocked = np.stack([by_ticks(source, s, WINDOW) for s in streams])
    assert np.mean(ours != clocked) > 0.01  # it compares after the events of a tick, not after each


def test_leak_by_a_factor_is_nearer():
    made = lif(0.6)
    streams, source = draw_events(6, WINDOW, 200, 7, 0.5), source_of(lif(0.6))
    theirs = np.stack([by_events(source, s, WINDOW) for s in streams])
    wrong = {}
    for bits in (1, 4):
        network, report = imported(made, leak_bits=bits)
        wrong[bits] = int((spiking_golden.respond(network, streams).counts != theirs).sum())
        assert report["layers"][0]["leak"]["leak"] == (0.5 if bits == 1 else 13 / 32)
        assert any("a tick, the source 0.4" in note for note in report["notes"])
    assert wrong[4] < wrong[1] / 2


@pytest.mark.parametrize(("decay", "bits", "found"), [
    (0.5, 1, (1, 1)), (0.3, 1, (2, 1)), (0.9, 1, (1, 1)), (0.3, 4, (5, 10)), (0.75, 2, (2, 3)), (1e-3, 1, (10, 1)), (0.1, 8, (11, 205)),
])  # fmt: skip
def test_nearest_leak(decay, bits, found):
    leak, factor = nearest_leak(decay, bits)
    assert abs(factor / 2**leak - decay) == pytest.approx(abs(found[1] / 2 ** found[0] - decay))
    assert factor < 1 << bits


def test_rest_above_the_threshold_fires_by_itself():
    """v_leak is a drive: without an event, spikes come as often as in the source."""
    made = graph(("Input", {"shape": [1]}), ("Linear", {"weight": [[1.0]]}),
                 ("LIF", {"tau": 1e-3, "r": 1.0, "v_leak": 2.0, "v_threshold": 1.0}))  # fmt: skip
    network, report = imported(made, leak_bits=8)
    assert network.clock
    assert network.shape == (1, 2)
    assert "beside the one output stands another that never fires" in report["notes"]
    silent = draw_events(1, WINDOW, 1, 0, 0.0)
    assert spiking_golden.respond(network, silent).counts.tolist() == [[5, 0]]
    assert by_events(source_of(made), silent[0], WINDOW).tolist() == [5]


def test_neurons_without_weights_before_them():
    network, _ = imported(graph(("Input", {"shape": [3]}), ("IF", sizes(3, r=1, v_threshold=2))))
    assert network.layers[0].matrix.tolist() == np.eye(3).tolist()


@pytest.mark.parametrize("groups", [1, 2])
def test_matrix_of_a_convolution(groups):
    """Against the definition, at every place."""
    g = np.random.default_rng(groups)
    weight, x = g.normal(size=(4, 4 // groups, 3, 2)), g.normal(size=(4, 7, 6))
    matrix, maps = conv_matrix((4, 7, 6), weight, np.array([2, 1]), np.array([1]), np.array([1, 2]), groups, 1 << 20)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    wanted = np.zeros(maps)
    for o, oy, ox in np.ndindex(maps):
        part = o // (4 // groups) * (4 // groups)
        window = padded[part : part + 4 // groups, 2 * oy : 2 * oy + 3, ox : ox + 3 : 2]
        wanted[o, oy, ox] = (window * weight[o]).sum()
    assert maps == (4, 4, 6)
    assert matrix @ x.reshape(-1) == pytest.approx(wanted.reshape(-1))
    pooled, _ = pool_matrix((4, 7, 6), np.array([7, 6]), np.array([1, 1]), np.array([0, 0]), 1 << 20, mean=True)
    assert pooled @ x.reshape(-1) == pytest.approx(x.mean(axis=(1, 2)))


@pytest.mark.parametrize(("made", "message"), [
    (lif(0.9, tau=[1e-3, 2e-3, 1e-3, 1e-3, 1e-3], n=(6, 5)), "LIF 'n2': tau must be the same in every neuron (`rounding` takes the median)"),
    (lif(0.9, threshold=-1.0, n=(6, 5)), "LIF 'n2': v_threshold must be above 0 in every neuron"),
    (lif(0.9, v_reset=2.0, n=(6, 5)), "LIF 'n2': v_threshold must be above v_reset in every neuron"),
    (graph(("Input", {"shape": [3]}), ("SumPool2d", {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0]}), ("IF", sizes(3, r=1, v_threshold=2))),
     "SumPool2d 'n1': must come behind a feature map of channels, height and width"),
    (graph(("Input", {"shape": [2, 5, 6]}), ("Conv2d", {"weight": np.ones((1, 3, 2, 2)), "bias": [0], "stride": 1, "padding": 0, "dilation": 1, "groups": 1})),
     "Conv2d 'n1': weight must have 2 input channels, not 3"),
    (graph(("Input", {"shape": [2, 5, 6]}), ("Conv2d", {"weight": np.ones((1, 2, 6, 2)), "bias": [0], "stride": 1, "padding": 0, "dilation": 1, "groups": 1})),
     "Conv2d 'n1': weight must fit into a feature map of 5 along each side, with its padding"),
])  # fmt: skip
def test_refused(made, message):
    with pytest.raises(InputError) as caught:
        imported(made)
    assert str(caught.value) == message


def test_several_time_constants_take_the_median():
    made = lif(0.9, tau=[1e-3, 2e-3, 1e-3, 1e-3, 1e-3], n=(6, 5))
    _, report = imported(made, rounding=True)
    assert "of 2" in next(note for note in report["notes"] if "a tick" in note)


def test_command_says_what_rounding_did_to_outputs(tmp_path):
    """On events of a file and on drawn ones; --events of another tool's file is refused."""
    nir = pytest.importorskip("nir", reason='nir is not installed: pip install -e ".[import]"')
    weights = np.array([[1.0, 0.3], [-0.71, 0.1], [0.2, 0.9]])
    nir.write(tmp_path / "x.nir", nir.NIRGraph.from_list(nir.Linear(weights), nir.IF(np.ones(3), np.ones(3))))
    np.savez(tmp_path / "e.npz", tick=[0, 1, 1, 5], address=[0, 1, 0, 1])
    told = run("import", tmp_path / "x.nir", "-o", tmp_path / "y.npz", "--round", "--events", tmp_path / "e.npz", "--json")
    assert told.exit_code == 0, told.stderr
    rows = json.loads(told.stdout)["disagreement"]
    assert [d["on"] for d in rows[:2]] == ["events of e.npz"] * 2
    assert [d["source"] for d in rows] == ["event by event", "tick by tick"] * 2
    assert rows[2]["spikes"] != rows[2]["spikes_source"]
    assert rows[2]["counts"] > 0
    shown = run("import", tmp_path / "x.nir", "-o", tmp_path / "y.npz", "--round")
    assert "counts that differ" in shown.stdout
    nir.write(tmp_path / "dead.nir", nir.NIRGraph.from_list(nir.Linear(-np.ones((3, 2))), nir.IF(np.ones(3), np.ones(3))))
    shown = " ".join(run("import", tmp_path / "dead.nir", "-o", tmp_path / "y.npz").stdout.split())
    assert "0 no spikes to compare" in shown
    assert "neither network spiked: this comparison shows nothing; the file does not say its tick: give --tick" in shown
    run("export", "mnist-spirit", "-o", tmp_path / "own.nir")
    refused = run("import", tmp_path / "own.nir", "-o", tmp_path / "y.npz", "--events", tmp_path / "e.npz")
    assert refused.exit_code == 2
    assert "own.nir: --events must not be given where there is no source to compare with" in refused.stderr

"""``oxnor device faults``: maps are drawn, merged, described, and refused in one sentence."""

import json

import numpy as np
import pytest
from helpers import cli

from oxnor.models import zoo
from oxnor.models.devices import model as devices
from oxnor.models.devices.draws import draw_faults
from oxnor.models.faults.fault_map import FIELDS, FaultMap
from oxnor.models.faults.read_errors import ReadErrors


def run(*arguments):
    return cli.run("device", "faults", "mnist-tfc", *arguments)


def indices(faults):
    return {(name, k): v.tolist() for name in FIELDS for k, v in getattr(faults, name).items() if v.size}


@pytest.mark.parametrize(
    ("options", "kind", "arguments"),
    [
        ((), "static", {}),
        (("--kind", "stuck", "--ones", "1"), "stuck", {"ones": 1.0}),
        (("--kind", "asymmetric", "--ratio", "0.5"), "asymmetric", {"ratio": 0.5}),
        (("--kind", "cluster", "--cluster", "row", "--macro", "16x8"), "cluster", {"shape": "row", "macro": (16, 8)}),
        (("--layer", "2"), "static", {"layer": 2}),
    ],
)
def test_what_is_drawn_is_that_draw(tmp_path, options, kind, arguments):
    path = tmp_path / "f.npz"
    result = run("--ber", "0.01", "--seed", 3, "--trial", 2, "-o", path, *options, "--json")
    assert result.exit_code == 0, result.stderr
    network = zoo.load("mnist-tfc")
    expected = FaultMap.draw(network, ber=0.01, kind=kind, seed=3, trial=2, **arguments)
    assert indices(FaultMap.load(path)) == indices(expected)
    told = json.loads(result.stdout)
    assert told["wrong"] == expected.wrong(network)
    assert sum(layer["flips"] for layer in told["layers"]) == told["flips"] == expected.counts["flips"]


def test_devices_and_merged_maps(tmp_path):
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    assert run("--device", "weak-3.3e-2", "--layer", 1, "-o", a).exit_code == 0
    network = zoo.load("mnist-tfc")
    expected = draw_faults(network, devices.load("weak-3.3e-2")).only(1)
    assert indices(FaultMap.load(a)) == indices(expected)
    assert run("--kind", "stuck", "--ber", 0.01, "--layer", 0, "--merge", a, "-o", b).exit_code == 0
    both = FaultMap.load(b)
    np.testing.assert_array_equal(both.flips[1], expected.flips[1])
    assert both.counts["stuck_0"] + both.counts["stuck_1"] == both.count - expected.count
    result = run("--merge", b)
    assert result.stdout == both.describe(network) + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "faults must be drawn (--ber, --read-ber or --device) or taken from files (--merge)"),
        (("--read-ber", "1e-6"), "--read-ber must be 0 or at least 7.6e-06, not 1e-06"),
        (("--ber", "0.1", "--device", "weak-3.3e-2"), "--device and --ber must not be given together: the device says how often it is wrong"),
        (("--ber", "0.1", "--ones", "1"), "--ones goes with --kind stuck, not with static"),
        (("--ber", "2"), "--ber must be a share in [0, 1], not 2"),
        (("--ber", "0.1", "--layer", "4"), "--layer must be in [0, 3], not 4"),
        (("--ber", "0.1", "--merge", "none.npz"), "none.npz: no such file"),
        (("--device", "none"), "--device must be"),
    ],
)
def test_bad_input(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, "-o", "f.npz")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"oxnor: {message}")
    assert list(tmp_path.iterdir()) == []


def test_the_same_map_twice_or_for_another_network_is_refused(tmp_path):
    path = tmp_path / "f.npz"
    assert run("--ber", 0.01, "-o", path).exit_code == 0
    result = run("--merge", path, "--merge", path)
    assert (result.exit_code, result.stderr) == (2, "oxnor: faults: a synapse of layer 0 must not be named twice\n")
    result = cli.run("device", "faults", "mnist-sfc", "--merge", path)
    assert result.exit_code == 2
    assert "cannot be merged" in result.stderr


def test_errors_of_single_reads_stand_in_the_map(tmp_path):
    path = tmp_path / "f.npz"
    result = run("--ber", 0.01, "--read-ber", 0.02, "--seed", 5, "-o", path)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.rstrip().endswith("; each read is wrong with probability 1311 / 65536 = 0.02 (seed 5)")
    assert FaultMap.load(path).read == ReadErrors(1311, 5)
    more = run("--kind", "stuck", "--ber", 0.001, "--layer", 3, "--merge", path, "--json")
    assert json.loads(more.stdout)["read_ber"] == 1311 / 65536
    twice = run("--read-ber", 0.1, "--merge", path)
    assert (twice.exit_code, twice.stderr) == (2, "oxnor: faults: two maps with errors of single reads cannot be merged\n")

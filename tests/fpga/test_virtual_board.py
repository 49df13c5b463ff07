"""The host link end to end, on the virtual board: runs, registers, errors, programming, sweeps."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.boards import layers_of
from helpers.convolutions import Conv, random_conv_network
from typer.testing import CliRunner

from oxnor.cli.app import app
from oxnor.fpga.boards.table import board
from oxnor.fpga.emulate import REST_CYCLES, VirtualBoard
from oxnor.fpga.fuzz import fuzz
from oxnor.fpga.host import Host, LinkError
from oxnor.fpga.load import load, self_test
from oxnor.fpga.search import find_engine
from oxnor.fpga.session import classifier, classify, run_images
from oxnor.hw.host.programmer import Synapse, run_now
from oxnor.hw.interface.link_protocol import Command, Status, request
from oxnor.hw.params.schedule import schedule
from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.options import DataOptions
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.sim.sweeps.params import SweepParams, WorkerOptions
from oxnor.sim.sweeps.run import sweep
from oxnor.sim.sweeps.store import Results
from oxnor.sim.verify.inputs import Inputs, inputs_for


@pytest.mark.cosim
def test_board_is_the_golden_model(small, virtual, host):
    result = run_images(host, small, virtual.design.config, inputs_for(small, DataOptions(60)), board="icebreaker")
    assert result.ok
    assert repr(result) == "BoardRun('small' on icebreaker, 60 images: equal to the golden model)"
    assert result.cycles == result.predicted_cycles
    assert (result.frames, result.dropped, result.retries) == (60, 0, 0)
    assert json.dumps(result.to_json())


@pytest.mark.cosim
def test_unsure_results(small, virtual, host):
    """Margins and the flag of every image, and the board's own count; without a least margin no result is unsure."""
    config, inputs = virtual.design.config, inputs_for(small, DataOptions(60))
    scores = golden.scores(small, inputs.images)
    least = int(np.median(golden.margins(scores)))
    identity = host.identity()
    host.set_min_margin(least, identity)
    result = run_images(host, small, config, inputs)
    assert (result.ok, result.min_margin) == (True, least)
    assert result.unsure == np.count_nonzero(golden.margins(scores) < least) > 0
    assert result.to_json()["unsure"] == result.unsure
    host.set_min_margin(None, identity)
    assert run_images(host, small, config, inputs).unsure == 0
    with pytest.raises(InputError, match="board icebreaker must give margins: build it with `margin`"):
        host.set_min_margin(1, replace(identity, features=("programming",)))
    for wrong in (-1, 1 << 32):
        with pytest.raises(InputError, match=rf"min_margin must be in \[0, 4294967295\], not {wrong}"):
            host.set_min_margin(wrong, identity)


@pytest.mark.cosim
def test_another_network_is_seen(small, virtual, host):
    """The check itself: a golden model with other weights must differ, and a board of another network is refused."""
    other = layers_of(70, 20, 10, seed=2)
    with pytest.raises(LinkError, match=r"register NETWORK must be .*: another network is on this board"):
        run_images(host, other, virtual.design.config, inputs_for(other, DataOptions(10)))
    with pytest.raises(LinkError, match="must be a ulx3s-85f, but says that it is a icebreaker"):
        run_images(host, small, virtual.design.config, inputs_for(small, DataOptions(1)), board="ulx3s-85f")


@pytest.mark.cosim
def test_registers_over_the_link(host):
    host.identity()
    host.write([("CONTROL", 1)])
    assert host.read("FRAMES", "DROPPED", "N_IN", "N_OUT") == [0, 0, 70, 10]
    with pytest.raises(LinkError, match="the board answers WRITE with BUS_ERROR"):
        host.write([("N_IN", 1)])
    assert host.read("N_IN") == [70]


@pytest.mark.cosim
def test_link_comes_back_in_step(host):
    """A request cut short leaves the next one intact, and the host repeats what was lost."""
    host.identity()
    host.send(request(Command.RUN, 1, bytes(10))[:-5])
    assert host.identity().name == "icebreaker"
    host.send(b"\x01\x02\x03")
    assert host.read("N_OUT") == [10]
    assert host.retries <= 2


@pytest.mark.cosim
def test_damaged_frames_are_counted_and_change_nothing(small, virtual, host):
    result = fuzz(host, small, virtual.design.config, 2000, seed=3)
    assert result["frames"] >= 2000
    assert set(result["answers"]) == {s.name for s in (
        Status.BAD_CRC, Status.BAD_PAYLOAD, Status.TOO_LONG, Status.TOO_SHORT, Status.UNKNOWN_COMMAND)}  # fmt: skip
    assert result["good_images"] == 12


@pytest.mark.cosim
def test_read_errors_are_those_of_the_golden_model(small, virtual, host):
    inputs = inputs_for(small, DataOptions(300))
    errors = ReadErrors.from_ber(0.05, seed=3)
    result = run_images(host, small, virtual.design.config, inputs, read_errors=errors)
    assert (result.mismatches, result.read_ber) == (0, errors.ber)
    assert result.cycles == result.predicted_cycles
    with classifier(small, virtual.port, 1_000_000) as classify:
        clean, wrong, other = (
            classify(inputs.images, ReadErrors(rate, seed)) for rate, seed in ((0, 3), (errors.rate, 3), (errors.rate, 4))
        )  # fmt: skip
    assert np.array_equal(clean, golden.predict(small, inputs.images))
    assert np.array_equal(wrong, golden.predict(small, inputs.images, read_errors=errors))
    assert len({tuple(c.tolist()) for c in (clean, wrong, other)}) == 3
    # Nothing is left behind.
    assert run_images(host, small, virtual.design.config, inputs).mismatches == 0


@pytest.mark.cosim
def test_a_lost_request_does_not_spoil_read_errors(small, virtual, host, monkeypatch):
    """A batch that had to be sent again has moved the image numbers: all images are run again."""
    inputs, errors = inputs_for(small, DataOptions(40)), ReadErrors.from_ber(0.1, seed=5)
    identity = host.check(virtual.design.config.digest, small.digest)
    heard, lost = host.receive, []

    def deaf(timeout_s):
        response = heard(timeout_s)
        if response and len(response.payload) == 20 * identity.result_bytes + 4 and not lost:
            lost.append(response)
            return None
        return response

    monkeypatch.setattr(host, "receive", deaf)
    result, sizes = classify(host, identity, inputs.images, errors, batch=20)
    host.set_read_errors(None, identity)
    assert lost
    assert sizes == [20, 20]
    assert np.array_equal(result.classes, golden.predict(small, inputs.images, read_errors=errors))


@pytest.mark.cosim
def test_any_network_of_the_shape_is_loaded(small, virtual, host):
    config, other = virtual.design.config, layers_of(70, 20, 10, seed=2)
    faults = FaultMap.draw(other, ber=0.05, seed=1)
    steps = []
    result = load(host, other, config, faults, progress=lambda *step: steps.append(step))
    assert (result["failing"], result["wrong_weights"], host.retries) == (0, faults.count, 0)
    assert steps[-1] == (len(steps), len(steps))
    held = faults.apply(other)
    assert run_images(host, held, config, inputs_for(held, DataOptions(60))).mismatches == 0
    with pytest.raises(LinkError, match="register NETWORK must be"):
        run_images(host, other, config, inputs_for(other, DataOptions(1)))
    # What is read back is what is there, to the synapse.
    wrong = [Synapse(k, *divmod(f, other.layers[k].n_in)) for k, flips in faults.flips.items() for f in flips.tolist()]
    programmer = host.programmer(config, host.identity())
    assert run_now(programmer.verify_network(other)) == sorted(wrong)
    assert load(host, small, config)["failing"] == 0
    assert run_images(host, small, config, inputs_for(small, DataOptions(60))).mismatches == 0


@pytest.mark.cosim
def test_self_test_of_a_board(small, virtual, host, monkeypatch):
    config = virtual.design.config
    assert self_test(host, config).ok
    # The check itself: an amplifier whose answer does not change.
    reads = host.access
    monkeypatch.setattr(host, "access", lambda accesses: [v | (v < 1 << 16) << 5 for v in reads(accesses)])
    found = self_test(host, config)
    assert {f.amplifiers for f in found.faulty} == {(5,)}
    monkeypatch.undo()
    load(host, small, config)


@pytest.mark.cosim
def test_sweep_on_a_board_gives_the_rows_of_the_software(small, virtual, tmp_path):
    """Either goes on in the file of the other."""
    inputs = inputs_for(small, DataOptions(50))
    few, params = (SweepParams((0.01, 0.1), trials=n, kind="read", seed=4) for n in (2, 3))
    with classifier(small, virtual.port, 1_000_000) as classify:
        assert sweep(small, inputs, few, tmp_path / "board.sqlite", workers=WorkerOptions(classify=classify)).computed == 5
        assert sweep(small, inputs, few, tmp_path / "board.sqlite").computed == 0
        assert sweep(small, inputs, replace(params, trials=1), tmp_path / "both.sqlite").computed == 3
        assert sweep(small, inputs, params, tmp_path / "both.sqlite", workers=WorkerOptions(classify=classify)).computed == 4
        with pytest.raises(InputError, match="on a board the kind must be read, in all layers at once"):
            sweep(small, inputs, SweepParams((0.1,)), tmp_path / "x.sqlite", workers=WorkerOptions(classify=classify))
    sweep(small, inputs, params, tmp_path / "software.sqlite")
    rows = {}
    for name in ("software", "board", "both"):
        with Results(tmp_path / f"{name}.sqlite") as results:
            rows[name] = [(t.key, t.errors, t.confusion.tolist()) for t in results.trials()]
    assert rows["both"] == rows["software"]
    assert rows["board"] == [row for row in rows["software"] if row[0].trial < 2]
    assert len({str(matrix) for *_, matrix in rows["software"]}) > 3


@pytest.mark.cosim
def test_command_sweep_on_a_port(small, virtual, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small.save("small.npz")
    trials = ["sweep", "small.npz", "--ber", "0.05", "--images", "30", "--random-inputs", "--json", "-o", "s.sqlite", "--trials"]
    found = CliRunner().invoke(app, [*trials, "2", "--on", virtual.port])
    assert (found.exit_code, json.loads(found.stdout)["computed"]) == (0, 3), found.stderr
    found = CliRunner().invoke(app, [*trials, "3", "--kind", "read"])
    assert (found.exit_code, json.loads(found.stdout)["computed"]) == (0, 1), found.stderr


@pytest.mark.slow
@pytest.mark.cosim
def test_convolutions_on_a_board(tmp_path):
    """Macros of look-up tables, a vector in a memory, images of which a request holds a few; and a long silence."""
    network = random_conv_network((28, 28, 3), (Conv(6, pool=(2, 2)), Conv(8, pool=(2, 2))), (12,), planes=8)
    spec = board("ulx3s-85f")
    config = find_engine(network, spec.chip, 35_000).config
    assert [y.in_memory for y in config.layers] == [False, False, True, False]
    assert 4 * schedule(config).initiation_interval > REST_CYCLES
    images = np.random.default_rng(1).integers(0, 256, (12, 28 * 28 * 3)).astype(np.uint8)
    with VirtualBoard(network, spec, config, tmp_path) as running, Host(running.port) as host:
        result = run_images(host, network, config, Inputs(images, None, "drawn"))
    assert result.mismatches == 0
    assert result.batches == 3
    assert result.cycles == result.predicted_cycles
    assert len(set(result.classes.tolist())) > 1

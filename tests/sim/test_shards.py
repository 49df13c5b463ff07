"""Simulation in bulk: the stream player, what it finds, and images shared out among simulators."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers.simulators import QUICK

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.sim.runner.runner import SimulationError
from oxnor.sim.verify import engines, shards
from oxnor.sim.verify import simulate as simulation
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

RUN = RunOptions(simulator=QUICK, jobs=1)


_G = np.random.default_rng(3)
NETWORK = Network.from_arrays([_G.random((m, n)) < 0.5 for n, m in ((37, 13), (13, 5))], [np.full(13, 19), None], name="bulk")
IMAGES = _G.random((25, 37)) < 0.5
SMALL = EngineConfig.for_network(NETWORK, macro_size=(8, 16), stream_width=8)
SPIRIT = zoo.load("mnist-spirit")
GREYS = _G.integers(0, 256, (5, SPIRIT.n_in), dtype=np.uint8)


def summary(result):
    """Return what must not depend on how many simulators ran."""
    found = result.to_json()
    left_out = ("shards", "jobs", "sim_s", "start_s", "stream_s", "images_per_s", "build_cached")
    return {k: v for k, v in found.items() if k not in left_out}


@pytest.mark.cosim
def test_shards_give_what_one_simulator_gives():
    one = simulate(NETWORK, IMAGES, engine=SMALL, run=RUN)
    seen = []
    many = simulate(NETWORK, IMAGES, engine=SMALL, run=replace(RUN, jobs=3), progress=lambda *a: seen.append(a))
    assert one.ok
    assert summary(many) == summary(one)
    np.testing.assert_array_equal(many.scores, one.scores)
    assert many.shards == tuple((n, schedule(SMALL).cycles(n), schedule(SMALL).cycles(n)) for n in (8, 8, 9))
    assert (one.jobs, many.jobs, seen[-1]) == (1, 3, (25, 25))
    assert simulate(NETWORK, IMAGES[:2], engine=SMALL, run=replace(RUN, jobs=64)).jobs == 2
    assert simulate(NETWORK, IMAGES, engine=SMALL, run=replace(RUN, jobs=None)).jobs == 1  # too few to share out


@pytest.mark.cosim
def test_shards_of_events():
    """Output spikes, their ticks, the cycle of every result, and what the engine counts."""
    one = simulate(SPIRIT, GREYS, run=RunOptions(jobs=1))
    many = simulate(SPIRIT, GREYS, run=RunOptions(jobs=2))
    assert one.ok, one.difference
    assert many.ok, many.difference
    assert summary(many) == summary(one)
    np.testing.assert_array_equal(many.times, one.times)
    assert many.registers["FRAMES"] == one.registers["FRAMES"] == 5


#: What is broken in the player, and what says so: an error, or the difference in the result.
BREAKS = {
    "a result is not counted": ("results <= results + 1;", "results <= results + !ended;", r"the engine hangs: 2\d of 25 results"),
    "a result is not recorded": ("$fwrite(m_axis_file", "if (results != 3) $fwrite(m_axis_file", "24 of 25 results were recorded"),
    "a result is counted twice": ("results <= results + 1;", "results <= results + 1 + (results == 24);", "more results than it took images"),
    "the end of a frame is lost": ("s_axis_tlast <= beat[8];", "s_axis_tlast <= beat[8] && results != 3;", "the engine hangs"),
    "images are shifted by a beat": (
        "s_axis_tdata <= beat[8-1:0];", "{s_axis_tdata, noise[7:0]} <= {noise[7:0], beat[7:0]};", r"^2\d mismatches, (\d+) cycles, predicted \1$",
    ),
    "a cycle is counted twice": ("cycle <= cycle + 1;", "cycle <= cycle + 1 + (results == 24 && cycle[0]);", r"^0 mismatches, \d+ cycles, predicted"),
}  # fmt: skip


@pytest.mark.cosim
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_player_is_found(name, tmp_path, monkeypatch):
    old, new, says = BREAKS[name]
    build = engines.runner.build

    def broken(sources, top, **options):
        changed = tmp_path / f"{top}.sv"
        text = next(p for p in sources if p.stem == top).read_text()
        assert text.count(old) == 1
        changed.write_text(text.replace(old, new))
        return build([*(p for p in sources if p.stem != top), changed], top, **options)

    monkeypatch.setattr(engines.runner, "build", broken)
    try:
        result = simulate(NETWORK, IMAGES, engine=SMALL, run=RUN)
    except SimulationError as e:
        found = str(e)
    else:
        assert not result.ok
        found = result.difference
    assert re.search(says, found), found


@pytest.mark.cosim
def test_shards_whose_cycles_miss_in_opposite_directions_are_not_ok(monkeypatch):
    stream = shards.stream

    def late(case, run, engine, directory, part, poll):
        shard = stream(case, run, engine, directory, part, poll)
        return replace(shard, first=shard.first + (1 if part.start else -1))

    monkeypatch.setattr(shards, "stream", late)
    result = simulate(NETWORK, IMAGES, engine=SMALL, run=replace(RUN, jobs=2))
    assert (result.mismatches, result.cycles == result.predicted_cycles, result.ok) == (0, True, False)
    assert result.difference.endswith("; 2 of 2 simulators took other cycles than predicted")


@pytest.mark.cosim
def test_the_shard_that_fails_is_named_and_the_others_end(monkeypatch):
    """The last shard gets no image; the others would run for long."""
    write = shards._write_beats

    def cut(case, part, path):
        write(case, part, path)
        if part.start == 16:
            path.write_bytes(path.read_bytes()[:7])

    monkeypatch.setattr(shards, "_write_beats", cut)
    with pytest.raises(SimulationError, match=r"^images 16 to 24: tb_simulate: 1 of 1 tests failed; see .*shard2"):
        simulate(NETWORK, IMAGES, engine=SMALL, run=replace(RUN, jobs=3))


@pytest.mark.cosim
@pytest.mark.parametrize(("network", "inputs", "engine"), [(NETWORK, IMAGES, SMALL), (SPIRIT, GREYS, None)], ids=["bits", "spikes"])
def test_pauses_have_a_seed(network, inputs, engine):
    """The same seed, the same cycles; another one, others; what is computed does not change."""
    run = RunOptions(pauses=True, simulator="verilator" if network is SPIRIT else QUICK)
    first, again, other = (
        simulate(network, inputs, engine=engine, errors=ErrorOptions(seed=s), run=run) for s in (1, 1, 2)
    )
    assert first.ok
    assert other.ok
    assert (first.predicted_cycles, first.jobs) == (None, 1)
    assert first.cycles == again.cycles != other.cycles
    if network is NETWORK:
        assert first.cycles > schedule(SMALL).cycles(25)
        assert not simulate(NETWORK, IMAGES, engine=SMALL, run=replace(run, corrupt_rtl=1)).ok


def test_refuses(monkeypatch):
    monkeypatch.setattr(simulation, "build_engine", None)  # refused before anything is built
    cases = [
        ({"errors": ErrorOptions(read_errors=ReadErrors(100))}, "jobs must be 1, not 2: which reads err depends on"),
        ({"run": RunOptions(jobs=2, waves="vcd")}, "jobs must be 1, not 2: waves are of one run"),
    ]
    for options, message in cases:
        with pytest.raises(InputError, match=message):
            simulate(NETWORK, IMAGES, **{"run": replace(RUN, jobs=2), "engine": SMALL} | options)
    with pytest.raises(InputError, match=r"^jobs must be in \[1, 4096\], not 0$"):
        RunOptions(jobs=0)


@pytest.mark.parametrize(("images", "parts"), [(1, 1), (10, 3), (3, 8), (10_000, 7)])
def test_split(images, parts):
    found = shards.split(images, parts)
    assert [k for s in found for k in range(s.start, s.stop)] == list(range(images))
    assert len(found) == min(parts, images)
    sizes = [s.stop - s.start for s in found]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.cosim
def test_workers_of_a_dask_cluster():
    """Each builds for itself; the results are those of one simulator here."""
    distributed = pytest.importorskip("distributed")
    one = simulate(NETWORK, IMAGES, engine=SMALL, run=RUN)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0", silence_logs=50
    ) as cluster:
        run = replace(RUN, jobs=3, scheduler=cluster.scheduler_address)
        many = simulate(NETWORK, IMAGES, engine=SMALL, run=run)
        assert many.ok
        assert summary(many) == summary(one)
        np.testing.assert_array_equal(many.scores, one.scores)


def _simulators(folder):
    """Return the processes that work in a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd").startswith(str(folder)):
                found.append(int(pid))
    return found


@pytest.mark.slow
@pytest.mark.cosim
def test_nothing_is_left_of_a_command_that_is_ended(tmp_path):
    options = ["--images", "10000", "--jobs", "2", "--adder-tree"]
    command = [sys.executable, "-m", "oxnor.cli", "simulate", "mnist-tfc", *options]
    deadline = time.monotonic() + 1200
    for ends_by in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(command, env=os.environ | {"OXNOR_BUILD": str(tmp_path)}, stderr=subprocess.DEVNULL)
        while len(_simulators(tmp_path / "run")) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(ends_by)
        assert process.wait(60) != 0
        while _simulators(tmp_path / "run"):
            assert time.monotonic() < deadline
            time.sleep(0.1)

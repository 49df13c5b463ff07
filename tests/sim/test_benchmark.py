"""The benchmark: it measures what it can and says what it left out."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.sim.harness import loop
from oxnor.sim.runner import toolchain
from oxnor.sim.studies import benchmark, bulk, timed
from oxnor.sim.studies.benchmark import Row


def test_sweep_without_pytorch_has_the_other_baseline(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(benchmark, "measured", lambda *_: (json.dumps({"computed": 13 * 20 + 1}), 10.0, 0.5))
    monkeypatch.setattr(benchmark, "best", lambda function, times: 0.1)
    *rows, missing = benchmark.bench_sweep("mnist-tfc", tmp_path)
    assert all(row.measured for row in rows)
    assert rows[0].note.startswith("baseline: as many trials in float32 by numpy")
    assert (missing.what, missing.measured) == ("the sweep's baseline in PyTorch", None)
    assert missing.note.startswith("left out: this baseline needs PyTorch, which is not installed: pip install")


def test_a_missing_tool_leaves_parts_out(monkeypatch):
    for part in ("bench_golden", "bench_devices"):
        monkeypatch.setattr(benchmark, part, lambda *_: Row("it", 2.0, "s", None, None, "<= 1 s", False, ""))
    monkeypatch.setattr(benchmark, "bulk_parts", lambda *_: {})
    for part in ("bench_weights", "bench_sweep", "bench_generate", "bench_spiking", "bench_demo"):
        monkeypatch.setattr(benchmark, part, lambda *_: [])
    monkeypatch.setattr(toolchain, "require_compiler", lambda: (_ for _ in ()).throw(InputError("g++ is needed")))
    steps = []
    rows = benchmark.run(progress=steps.append)
    assert [row["measured"] for row in rows] == [2.0, None, 2.0]
    assert rows[1]["what"] == "simulation: two builds, two runs each"
    assert rows[1]["note"] == "left out: g++ is needed"
    assert len(steps) == 8
    assert [row["reached"] for row in benchmark.run(quick=True)] == [None] * 3


def test_ternary_weights_against_binary():
    rows = benchmark.bench_weights((70, 40, 10), np.random.default_rng(0).integers(0, 256, (300, 70)))
    assert [row.what for row in rows] == [
        "golden model, 70-40-10, ternary weights", "golden model, 70-40-10, ternary weights, 2-bit activations",
        "golden model, 70-40-10, weights of 4 bits",
    ]  # fmt: skip
    assert all(row.measured > 0 and row.baseline > 0 for row in rows)


def test_what_a_command_refuses_and_what_breaks(tmp_path):
    refuses = [sys.executable, "-c", "import sys; print('oxnor: no such thing', file=sys.stderr); sys.exit(2)"]
    with pytest.raises(InputError, match=r"^no such thing$"):
        benchmark.measured(refuses, {})
    with pytest.raises(RuntimeError, match="failed: "):
        benchmark.measured([sys.executable, "-c", "1 / 0"], {})
    out, seconds, memory = benchmark.measured([sys.executable, "-c", "import os; print(os.environ['X'])"], {"X": "7"})
    assert (out, seconds > 0, memory > 0) == ("7\n", True, True)


@pytest.mark.cosim
def test_timed_simulation(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["timed", "mnist-tfc", "20"])
    timed.main()
    assert json.loads(capsys.readouterr().out)["ok"] is True


@pytest.mark.cosim
def test_bulk_against_the_plain_loop(random_network, monkeypatch, tmp_path):
    """Every result and cycle of both is compared: what the loop gets wrong is found."""
    network = random_network((37, 13, 5))
    monkeypatch.setattr(bulk, "ROUNDS", 1)
    rate, start = bulk.bench_bulk(network, build_root(), 3000)
    assert rate.ratio == rate.measured / rate.baseline > 0
    assert (rate.reached, start.unit) == (rate.ratio >= 0.8, "s")
    jobs = bulk.bench_jobs(network, build_root(), 3000)
    assert (jobs.reached, jobs.ratio) == (None, jobs.baseline / jobs.measured)
    assert "one simulator; start " in jobs.note
    run = loop.Loop.run
    monkeypatch.setattr(loop.Loop, "run", lambda *a: replace(run(*a), times=run(*a).times + 1))
    with pytest.raises(RuntimeError, match=r"^the loop gives something else than the testbench$"):
        bulk.bench_bulk(network, build_root(), 3000)


def test_convolution_against_pytorch(monkeypatch):
    pytest.importorskip("torch")
    network = random_conv_network((8, 7, 3), [Conv(5)], planes=8)
    row = bulk.bench_convolution(network, 50)
    assert row.ratio == row.baseline / row.measured
    monkeypatch.setattr(bulk.golden, "scores", lambda network, bits: np.zeros((50, 4), np.int64))
    with pytest.raises(RuntimeError, match="PyTorch computes something else"):
        bulk.bench_convolution(network, 50)

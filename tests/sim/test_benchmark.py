"""The benchmark: it measures what it can and says what it left out."""

import json
import sys

import pytest

from oxnor.models.base.errors import InputError
from oxnor.sim.runner import toolchain
from oxnor.sim.studies import benchmark, timed
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
    for part in ("bench_sweep", "bench_generate", "bench_spiking", "bench_demo"):
        monkeypatch.setattr(benchmark, part, lambda *_: [])
    monkeypatch.setattr(toolchain, "require_compiler", lambda: (_ for _ in ()).throw(InputError("g++ is needed")))
    steps = []
    rows = benchmark.run(progress=steps.append)
    assert [row["measured"] for row in rows] == [2.0, None, 2.0]
    assert rows[1]["what"] == "simulation: two builds, two runs each"
    assert rows[1]["note"] == "left out: g++ is needed"
    assert len(steps) == 7
    assert [row["reached"] for row in benchmark.run(quick=True)] == [None] * 3


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

"""``oxnor new`` and ``oxnor run``: what is stale is done, whole or not at all, and nothing else."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import run, sentence

from oxnor import Design

TOML = """
network = "toy.npz"
steps = ["accuracy", "generate", "sweep"]
[data]
images = 100
source = "toy-data.npz"
[errors]
ber = 0.02
[tolerance]
rates = [0.1]
trials = 2
"""


@pytest.fixture
def place(tmp_path, monkeypatch, random_network):
    """Return a folder with a design, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    random_network((37, 13, 5), name="toy").save("toy.npz")
    g = np.random.default_rng(1)
    np.savez("toy-data.npz", images=g.random((100, 37)) < 0.5, labels=g.integers(0, 5, 100))
    Path("my.toml").write_text(TOML)
    return tmp_path


def done(*arguments):
    """Return the steps that a run does."""
    result = run("run", "my.toml", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["done"]


def change(old, new):
    text = Path("my.toml").read_text()
    assert old in text
    Path("my.toml").write_text(text.replace(old, new))


def test_the_second_run_does_nothing_and_says_so(place):
    first = run("run", "my.toml")
    assert first.exit_code == 0, first.stderr
    assert "Nothing to do" not in first.stderr
    before = {p: p.stat().st_mtime_ns for p in Path("my-run").rglob("*") if p.is_file() and p.name != ".lock"}
    second = run("run", "my.toml")
    assert second.exit_code == 0
    assert "Nothing to do: every step is up to date." in second.stderr
    assert {p: p.stat().st_mtime_ns for p in Path("my-run").rglob("*") if p.is_file() and p.name != ".lock"} == before
    names = {"accuracy", "generate", "sweep", "index.html", ".lock", ".work"}
    assert {p.name for p in Path("my-run").iterdir()} == names
    assert not list(Path("my-run/.work").iterdir())


def test_the_page_has_every_figure_and_how_to_repeat_it(place):
    result = run("run", "my.toml", "--json")
    report = json.loads(result.stdout)
    page = Path(report["page"]).read_text()
    for step in report["steps"].values():
        assert step["key"] in page
    agreement = report["steps"]["accuracy"]["figures"]["agreement"]
    assert f">{100 * agreement:.2f} %<" in page
    for part in ("oxnor run my.toml", "Python", "amaranth", "cocotb", "sources of oxnor", "<svg"):
        assert part in page
    assert Path("my-run/generate/engine/oxnor.json").is_file()
    assert Path("my-run/sweep/accuracy.svg").is_file()


CHANGES = (
    ("images = 100", "images = 99", ["accuracy", "sweep"]),
    ("ber = 0.02", "ber = 0.03", ["accuracy"]),
    ("ber = 0.03", "ber = 0.03\nseed = 1", ["accuracy", "sweep"]),
    ("[data]", '[engine]\ntarget = "asic"\n[data]', ["generate"]),
    ("trials = 2", "trials = 3", ["sweep"]),
    ("[data]", "# a remark\n[data]", []),
)


def test_a_changed_input_makes_its_dependants_stale_alone(place, random_network, monkeypatch):
    from oxnor import run as runs

    everything = ["accuracy", "generate", "sweep"]
    assert done() == everything
    for old, new, expected in CHANGES:
        change(old, new)
        assert done() == expected, new
    random_network((37, 13, 5), seed=2, name="toy").save("toy.npz")
    assert done() == everything
    monkeypatch.setattr(runs, "code_version", lambda: "other")
    assert done() == everything
    assert done() == []


def test_a_step_that_is_not_asked_for_any_more_is_removed(place):
    done()
    change(', "sweep"]', "]")
    assert done() == []
    assert not Path("my-run/sweep").exists()
    assert "Accuracy against error rate" not in Path("my-run/index.html").read_text()


def test_a_damaged_record_is_done_again(place):
    done()
    Path("my-run/accuracy/record.json").write_text("{")
    assert done() == ["accuracy"]


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on(place):
    """``kill -9`` in a sweep: steps before it stay, its trials stay, and no step is there by half."""
    change("trials = 2", "trials = 6000")
    # It gives way to this process, so that it is not done before it is killed.
    command = ["nice", "-n", "10", sys.executable, "-m", "oxnor.cli", "run", "my.toml"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows, deadline = 0, time.monotonic() + 600
    while rows < 100 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
        for path in Path("my-run/.work").glob("sweep-*/results.sqlite"):
            try:
                with sqlite3.connect(path) as db:
                    rows = db.execute("SELECT count(*) FROM trials").fetchone()[0]
            except sqlite3.Error:
                rows = 0
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 100 <= rows < 6001
    assert not Path("my-run/sweep").exists()
    assert not Path("my-run/index.html").exists()
    record = Path("my-run/accuracy/record.json").stat().st_mtime_ns
    result = run("run", "my.toml", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["done"] == ["sweep"]
    assert Path("my-run/accuracy/record.json").stat().st_mtime_ns == record
    assert report["steps"]["sweep"]["figures"]["trials"] == 6000
    assert done() == []


def test_folder_of_something_else_is_refused(place):
    Path("my-run").mkdir()
    Path("my-run/thesis.tex").write_text("years of work")
    assert sentence("run", "my.toml") == "my-run: must be empty or hold an earlier run, and has 'thesis.tex' in it"
    assert [p.name for p in Path("my-run").iterdir()] == ["thesis.tex"]


def test_step_that_the_design_does_not_describe(place):
    change(', "sweep"]', ', "board"]')
    assert sentence("run", "my.toml") == "steps must not have 'board': the design describes no board"


def test_a_device_is_described(place):
    change(', "generate", "sweep"]', ', "devices"]')
    change("ber = 0.02", "seed = 2")
    Path("my.toml").write_text(Path("my.toml").read_text() + '[device]\nmodel = "weak-3.3e-2"\n')
    assert done() == ["accuracy", "devices"]
    assert json.loads(Path("my-run/accuracy/record.json").read_text())["figures"]["bit_errors"] > 0
    assert "Bit error rates of the device." in Path("my-run/index.html").read_text()
    change('model = "weak-3.3e-2"', 'model = "weak-3.3e-2"\nseconds = 1.0')
    assert done() == ["accuracy", "devices"]


def test_a_foreign_network_is_imported_first(place):
    pytest.importorskip("onnx", reason="importing ONNX needs the package onnx: pip install 'oxnor[import]'")
    assert run("export", "toy.npz", "-o", "toy.onnx").exit_code == 0
    change("toy.npz", "toy.onnx")
    assert done() == ["import", "accuracy", "generate", "sweep"]
    assert Path("my-run/import/network.npz").is_file()
    assert done() == []


def test_new_writes_a_design_and_replaces_none(place):
    assert run("new", "mine").exit_code == 0
    assert Design.load("mine/my.toml").network == "mnist-tfc"
    assert sentence("new", "mine") == "mine/my.toml: is there already: choose another folder"


@pytest.mark.cosim
def test_new_runs_as_it_stands(place):
    assert run("new", "mine").exit_code == 0
    result = run("run", "mine/my.toml", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["done"] == ["accuracy", "generate", "simulate", "sweep"]
    assert report["steps"]["simulate"]["figures"]["mismatches"] == 0
    assert "passed" in run("run", "mine/my.toml").stdout
    assert json.loads(run("run", "mine/my.toml", "--json").stdout)["done"] == []


def test_a_failed_check_is_exit_code_1_each_time(place, monkeypatch):
    from oxnor import steps

    failing = replace(steps.STEPS["generate"], make=lambda *_: {"ok": False, "macros": 0})
    monkeypatch.setattr("oxnor.run.STEPS", {**steps.STEPS, "generate": failing})
    for _ in range(2):
        result = run("run", "my.toml")
        assert result.exit_code == 1
        assert "FAILED" in result.stdout
    assert ">FAILED<" in Path("my-run/index.html").read_text()

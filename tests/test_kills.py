"""Commands that are killed at random moments leave nothing half, lose nothing, and run again: tests/helpers/kills.py."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from helpers.cli import run_script


def kills(count, *names):
    script = Path(__file__).parent / "helpers" / "kills.py"
    command = [sys.executable, "-W", "ignore", str(script), str(count), *names]
    return subprocess.run(command, capture_output=True, text=True, timeout=7200, check=False,
                          env=os.environ | {"PYTHONPATH": str(script.parents[1])})  # fmt: skip


def test_kills():
    done = kills(4, "faults", "import")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kills, seed 1: 0 left something half or lost" in done.stdout


@pytest.mark.slow
def test_three_hundred_kills():
    done = kills(301)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "301 kills, seed 1: 0 left something half or lost" in done.stdout


@pytest.mark.parametrize(
    ("script", "arguments", "text"),
    [
        ("kills", ["4", "-s", "1", "nosuch"], "kills.py: 'nosuch' must be one of generate, fpga build, train"),
        ("kills", ["0"], "argument count: must be 1 or more"),
        ("kills", ["4", "faults", "-o", "notes.txt"], "notes.txt must be a record of soaks: choose another name"),
        ("full_disk", ["-n", "0"], "argument -n/--most: must be 1 or more"),
        ("full_disk", ["-n", "5", "nosuch"], "full_disk.py: 'nosuch' must be one of generate, fpga build, train"),
        ("damage", ["9", "-o", "notes.txt"], "notes.txt must be a record of soaks: choose another name"),
        ("damage", ["9", "-f", "nosuch"], "damage.py: 'nosuch' must be one of binarized.npz, convolution.npz"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_arguments(script, arguments, text, monkeypatch, tmp_path, capsys):
    """Each is one sentence, and nothing is tried."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    module = pytest.importorskip(f"helpers.{script}")
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *arguments])
    monkeypatch.setenv("OXNOR_FULL", "set")  # as if its library were loaded
    # What they set for good is for a process of their own.
    monkeypatch.setattr("logging.disable", lambda level: None)
    monkeypatch.setattr("helpers.kills.imports", lambda: None)
    monkeypatch.setattr("numba.config.THREADING_LAYER", numba.config.THREADING_LAYER)
    with pytest.raises(SystemExit) as end:
        run_script(module.main)
    assert end.value.code == 2
    assert text in capsys.readouterr().err


def test_a_script_that_is_interrupted(capsys):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        run_script(interrupt)
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"

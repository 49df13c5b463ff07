"""Commands that are killed at random moments leave nothing half, lose nothing, and run again: tests/helpers/kills.py."""

import subprocess
import sys
from pathlib import Path

import pytest


def kills(count, *names):
    script = Path(__file__).parent / "helpers" / "kills.py"
    command = [sys.executable, "-W", "ignore", str(script), str(count), *names]
    return subprocess.run(command, capture_output=True, text=True, timeout=7200, check=False)


def test_kills():
    done = kills(4, "faults", "import")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kills, seed 1: 0 left something half or lost" in done.stdout


@pytest.mark.slow
def test_three_hundred_kills():
    done = kills(301)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "301 kills, seed 1: 0 left something half or lost" in done.stdout

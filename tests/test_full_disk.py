"""A disk that is full at any write: one sentence, nothing half, and the next run ends well: tests/helpers/full_disk.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(("count", "names"), [(4, ["faults", "import", "device"]), (40, [])], ids=["few", "every command"])
def test_full_disk(count, names):
    script = Path(__file__).parent / "helpers" / "full_disk.py"
    command = [sys.executable, "-W", "ignore", str(script), "--json", "-n", str(count), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=7200, check=False,
                          env=os.environ | {"PYTHONPATH": str(script.parents[1])})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert not [row for row in rows if row["wrong"]]
    assert len(rows) == (len(names) or 13)
    assert min(row["counts"]["full"] for row in rows) >= 1

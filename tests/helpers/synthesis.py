"""Runs Yosys on files of a test."""

import subprocess
import sys


def yosys(folder, *commands):
    """Run commands of Yosys in a folder."""
    (folder / "run.ys").write_text("\n".join(commands) + "\n")
    code = "from pyosys import libyosys as ys; ys.run_pass('script run.ys')"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]

"""The command line, in this process and in one of its own."""

import subprocess
import sys

from typer.testing import CliRunner

from oxnor.cli.app import app


def run(*arguments):
    """Return the result of ``oxnor`` with these arguments."""
    return CliRunner().invoke(app, [str(a) for a in arguments])


def process(*arguments, **options):
    """Return the result of ``oxnor`` in a process of its own."""
    command = [sys.executable, "-m", "oxnor.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, **options)


def sentence(*arguments):
    """Return the sentence that a command ends with, after a check that it says nothing else."""
    result = run(*arguments)
    assert result.exit_code == 2, (result.exit_code, result.stdout, result.stderr)
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("oxnor: ")]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    return lines[0].removeprefix("oxnor: ")

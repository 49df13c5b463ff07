"""The command line, in this process and in one of its own; and what the scripts beside this file share of theirs."""

import argparse
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from oxnor.cli.app import app
from oxnor.models.base.errors import InputError


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


def script_parser(text):
    """Return the parser of a script, which describes itself with its docstring."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="keep the counts there, and go on from them")
    parser.add_argument("--json", action="store_true", help="print the record of docs/verification")
    return parser


def at_least_one(text):
    """Return a number of things to try."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def check_names(names, known):
    """Raise ``InputError`` if a name is none of those known."""
    for name in names or ():
        if name not in known:
            raise InputError(f"{name!r} must be one of {', '.join(known)}")


def run_script(main):
    """Run a script: a wrong input is one sentence and exit code 2."""
    try:
        main()
    except InputError as e:
        print(f"{Path(sys.argv[0]).name}: {e}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)

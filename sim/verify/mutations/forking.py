"""The first test of a run with mutants: a process for each, in which the unit's own tests go on with that mutant.

The simulation has started and all is imported when the processes part, so that each mutant begins with the unit as it
was loaded and costs no more than the time of its tests. ``mutants.json`` says which, 0 (the unit as it is) first;
``outcomes.txt`` gets a line for each: its number, the outcome, seconds, and the test that failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cocotb
from cocotb import _shutdown

from oxnor.sim.verify.mutations.netlist import CHOICE

#: Seconds between two looks at a mutant's process.
_POLL_S = 0.002
#: Limit of a mutant: so many times the seconds of the unit as it is, and at least these seconds.
_LIMIT, _LEAST_LIMIT_S = 20, 10


def _judge(results: Path, expected: int) -> tuple[str, str]:
    """Return the outcome of a process that has ended by itself, and the name of the test that failed."""
    try:
        cases = list(ElementTree.parse(results).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return "died", ""
    failed = [c.get("name", "") for c in cases if c.find("failure") is not None or c.find("error") is not None]
    # Its own test, this one, has not ended in the process of a mutant when the others go on; it is counted when it has.
    if failed:
        return "failed", failed[0]
    return ("survived", "") if len(cases) - 1 == expected else ("died", "")


def _wait(process: int, seconds: float) -> bool:
    """Wait for a process; end it and return False when its time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(process, os.WNOHANG)[0]:
            return True
        time.sleep(_POLL_S)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return False


@cocotb.test(stage=-1)
async def part(dut: Any) -> None:
    """Let a process for each mutant go on, and stop when all have ended."""
    work = json.loads(Path("mutants.json").read_text())
    home = Path.cwd()
    limit = work["first_s"]
    for number in work["mutants"]:
        started = time.monotonic()
        results = home / f"mutant{number}.xml"
        process = os.fork()
        if process == 0:
            os.environ["COCOTB_RESULTS_FILE"] = str(results)
            with contextlib.suppress(OSError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 1)
                os.dup2(null, 2)
            # As soon as the results are written: an interpreter that ends in order takes longer than most tests.
            _shutdown.register(lambda: os._exit(0))
            getattr(dut, CHOICE).value = number
            return
        in_time = _wait(process, limit)
        outcome, test = _judge(results, work["tests"]) if in_time else ("hung", "")
        seconds = time.monotonic() - started
        if number == 0:
            # Of a machine that is busy with other things too.
            limit = max(_LEAST_LIMIT_S, _LIMIT * seconds)
        results.unlink(missing_ok=True)
        with Path("outcomes.txt").open("a") as file:
            file.write(f"{number} {outcome} {seconds:.3f} {test}\n")
    os._exit(0)

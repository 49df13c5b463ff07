"""Lets the disk be full at each write of a command, and looks at what it says and leaves.

    PYTHONPATH=tests python tests/helpers/full_disk.py                  # every command; exit code 1 if anything is wrong
    PYTHONPATH=tests python tests/helpers/full_disk.py 20 import sweep  # at most so many writes of each, these commands

A command may end with exit code 2 and a sentence, or do without what it could not write. Its output must be what it was or
what the command writes, nothing may be left behind, and with space again the next run must end well.
"""

import json
import mmap
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from helpers import kills
from helpers.kills import Case, clear, leftovers, start, tree


def cases():
    """Return the commands of :mod:`helpers.kills`, and others that write."""
    # A folder of the user's choice may be left empty.
    plain = lambda path: (tree(path) if any(path.iterdir()) else None) if path.is_dir() else path.stat().st_size > 0  # noqa: E731
    more = {
        "export": ["export", "small.npz", "-o", "out/net.onnx"],
        "vectors": ["tools", "vectors", "small.npz", "--data", "set.npz", "-o", "out/v", "--images", "3"],
        "simulate": ["simulate", "small.npz", "--data", "set.npz", "--images", "3", "-o", "out/r.csv"],
        "device": ["device", "show", "calibrated-1e-4", "-o", "out/d.json"],
        "picture": ["device", "show", "calibrated-1e-4", "--plot", "out/d.svg"],
        "report": ["report", "base.sqlite", "-o", "out/page.html"],
        "new": ["new", "out/mine"],
    }
    output = lambda arguments: next(a for a in arguments if a.startswith("out/"))  # noqa: E731
    return [*kills.cases(), *(Case(name, output(c), c, state=plain) for name, c in more.items())]


class Disk:
    """The disk below a folder, full from a write on."""

    def __init__(self, path):
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 16)
        self.numbers = np.frombuffer(self._map, np.int64)

    def full_after(self, writes):
        self.numbers[:] = 0, writes


def status(arguments, log):
    _, ended = os.waitpid(start(arguments, log), 0)
    return os.waitstatus_to_exitcode(ended)


def fill(case, folder, disk, most):
    """Return (how many writes were tried, what went wrong) of one command."""
    log, output, wrong = folder.parent / "log.txt", folder / case.output, []
    arguments = case.variants[0]
    kills.whole_run(arguments, log)  # with whatever is built once
    case.good.append(case.found(folder))
    clear(output)
    disk.full_after(-1)
    kills.whole_run(arguments, log)
    total = int(disk.numbers[0])
    writes = range(total) if total <= most else sorted({int(k) for k in np.linspace(0, total - 1, most)})
    for k in writes:
        clear(output)
        disk.full_after(k)
        code, text = status(arguments, log), log.read_text()
        disk.full_after(-1)
        problems = []
        sentences = [line for line in text.splitlines() if line.startswith("oxnor: ")]
        if "Traceback" in text or code not in (0, 2):
            problems.append(f"exit code {code}: {text[-300:]}")
        elif code == 2 and (len(sentences) != 1 or not re.search("the disk is full|cannot be written", sentences[0])):
            problems.append(f"says {sentences}")
        found = case.found(folder)
        if code == 0 and found is None:
            problems.append("says nothing of what is missing")
        if not case.accepts(found):
            problems.append("something half is left")
        if status(arguments, log) or not case.accepts(case.found(folder)):
            problems.append(f"the next run fails: {log.read_text()[-300:]}")
        problems += [f"left behind: {path.name}" for path in leftovers(folder)]
        wrong += [f"{case.name}, write {k} of {total}: {p}" for p in problems]
    print(f"{case.name}: full at {len(writes)} of {total} writes; {len(wrong)} wrong", *wrong, sep="\n", flush=True)
    return len(writes), wrong


def main():
    if "OXNOR_FULL" not in os.environ:  # once more, with the library in it
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "disk")
            folder.mkdir()
            library, count = Path(place, "full.so"), Path(place, "count")
            source = Path(__file__).with_suffix(".c")
            subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
            count.write_bytes(np.array([0, -1], np.int64).tobytes())
            environment = {"LD_PRELOAD": str(library), "OXNOR_FULL": f"{folder}/", "OXNOR_FULL_COUNT": str(count)}
            sys.exit(subprocess.run([sys.executable, *sys.argv], env=os.environ | environment, check=False).returncode)
    numbers = [a for a in sys.argv[1:] if a.isdigit()]
    names = [a for a in sys.argv[1:] if not a.isdigit()]
    kills.imports()
    folder = Path(os.environ["OXNOR_FULL"])
    disk = Disk(os.environ["OXNOR_FULL_COUNT"])
    os.environ["OXNOR_BUILD"] = str(folder / "build")
    os.chdir(folder)
    kills.network(folder)
    (folder / "out").mkdir()
    kills.whole_run(["sweep", "small.npz", "--data", "set.npz", "--ber", "0.1", "--trials", "2", "-o", "base.sqlite"], folder.parent / "log.txt")
    done, wrong, tried = 0, [], {}
    for case in cases():
        if not names or case.name in names:
            n, bad = fill(case, folder, disk, int(numbers[0]) if numbers else 10**6)
            done, wrong, tried[case.name] = done + n, wrong + bad, n
            shutil.rmtree(folder / "out")
            (folder / "out").mkdir()
    print(json.dumps({"writes": tried, "wrong": len(wrong)}))
    sys.exit(bool(wrong) or not done)


if __name__ == "__main__":
    main()

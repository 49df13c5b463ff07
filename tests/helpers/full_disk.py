"""Lets the disk be full at each write of a command, and looks at what it says and leaves.

    PYTHONPATH=tests python tests/helpers/full_disk.py -o build/soaks.json   # every command; those that it has are done
    PYTHONPATH=tests python tests/helpers/full_disk.py -n 20 import sweep    # at most so many writes of each, these commands

Exit code 1 if anything is wrong.

A command may end with exit code 2 and a sentence, or do without what it could not write. Its output must be what it was or
what the command writes, nothing may be left behind, and with space again the next run must end well.
"""

import hashlib
import json
import mmap
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from helpers import kills
from helpers.cli import at_least_one, check_names, run_script, script_parser
from helpers.kills import Case, clear, leftovers, start, tree

from oxnor.sim.verify.soak_record import Record

#: How pictures and pages end, whose times and names of parts differ from run to run.
ENDS = {".svg": b"</svg>", ".html": b"</html>"}


def written(path):
    """Return what a command has written, byte by byte or by its end; a folder of the user's choice may be left empty."""
    if path.is_dir():
        return tree(path) if any(path.iterdir()) else None
    data, end = path.read_bytes(), ENDS.get(path.suffix)
    return data.rstrip().endswith(end) if end else hashlib.sha256(data).hexdigest()


def cases():
    """Return the commands of :mod:`helpers.kills`, and others that write."""
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
    there = [case for case in kills.cases() if case.name not in more]
    return [*there, *(Case(name, output(c), c, state=written) for name, c in more.items())]


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
    """Return the record's row of one command: how many writes it has, at how many the disk was full, what went wrong."""
    begin = time.monotonic()
    log, output, wrong = folder.parent / "log.txt", folder / case.output, []
    arguments = case.variants[0]
    kills.warm(arguments, log)  # with whatever is built once
    clear(output)
    kills.whole_run(arguments, log)
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
    said = f"{case.name}: full at {len(writes)} of {total} writes; {len(wrong)} wrong"
    print(said, *wrong, sep="\n", file=sys.stderr, flush=True)
    counts = {"full": len(writes), "writes": total}
    return {"counts": counts, "wrong": wrong, "seconds": round(time.monotonic() - begin, 1)}


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
    known = [case.name for case in cases()]
    parser = script_parser(__doc__)
    parser.add_argument("names", nargs="*", metavar="COMMAND", help=f"of {', '.join(known)}; all by default")
    parser.add_argument("-n", "--most", type=at_least_one, default=10**6, help="writes of each command; all by default")
    given = parser.parse_intermixed_args()
    check_names(given.names, known)
    record = Record(given.output and given.output.resolve(), "disk", most=given.most, sources=kills.sources("disk"))
    kills.imports()
    folder = Path(os.environ["OXNOR_FULL"])
    disk = Disk(os.environ["OXNOR_FULL_COUNT"])
    os.environ["OXNOR_BUILD"] = str(folder / "build")
    os.chdir(folder)
    kills.network(folder)
    (folder / "out").mkdir()
    kills.whole_run(["sweep", "small.npz", "--data", "set.npz", "--ber", "0.1", "--trials", "2", "-o", "base.sqlite"], folder.parent / "log.txt")
    rows = []
    for case in cases():
        if not given.names or case.name in given.names:
            rows.append(record.find(case.name) or record.put(case.name, fill(case, folder, disk, given.most)))
            shutil.rmtree(folder / "out")
            (folder / "out").mkdir()
    tried, wrong = sum(row["counts"]["full"] for row in rows), sum(len(row["wrong"]) for row in rows)
    print(json.dumps({"tried": tried, "rows": rows}) if given.json else f"{tried:,} writes: {wrong} wrong")
    sys.exit(bool(wrong) or not tried)


if __name__ == "__main__":
    run_script(main)

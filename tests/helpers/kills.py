"""Kills commands at random moments, and looks at what they leave.

    PYTHONPATH=tests python tests/helpers/kills.py 1000 -o build/soaks.json   # kills in all; it goes on where it stopped
    PYTHONPATH=tests python tests/helpers/kills.py 70 -s 7 train sweep        # with another seed, of these commands alone

Exit code 1 if anything is half or lost. Every command runs in a process that is forked after it has run once in this
one: all is imported and compiled then, and kills hit its work. After each kill the output must be what it was before or
what the command writes, byte for byte; the user's own files must be as they were; and the next run must end well and
leave no temporary file beside what it writes.
"""

import ctypes
import hashlib
import importlib.util
import itertools
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numba
import numpy as np
from helpers.cli import at_least_one, check_names, run_script, script_parser

from oxnor.sim.verify.soak_record import SOURCES, Record, sources_hash

_PR_SET_CHILD_SUBREAPER = 36


def network(folder):
    """Write a network of 9-6-3, a set of 120 images for it, and the same as arrays of another tool."""
    from oxnor.models.networks.binarized import Network

    g = np.random.default_rng(1)
    w, t = [g.random(s) < 0.5 for s in ((6, 9), (3, 6))], g.integers(2, 8, 6)
    Network.from_arrays(w, [t, None], name="small").save(folder / "small.npz")
    np.savez(folder / "arrays.npz", w0=w[0], t0=t, w1=w[1])
    images = (g.random((120, 3, 3)) < 0.5) * np.uint8(255)
    np.savez(folder / "set.npz", images=images.reshape(120, 9), labels=np.arange(120) % 3)


def tree(folder):
    """Return the hash of a folder: names and bytes; the times in reports do not count."""
    h = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in ("notes.txt", ".oxnor-files.json")):
        data = path.read_bytes()
        if path.name == "report.json":
            report = json.loads(data)
            data = json.dumps({k: v for k, v in report.items() if "second" not in k}, sort_keys=True).encode()
        if path.suffix != ".log":
            h.update(f"{path.relative_to(folder)} {len(data)} ".encode() + data)
    return h.hexdigest()


def trials(path):
    """Return what a results file holds, but for the seconds that trials took; None if it has no table yet."""
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return None
        return db.execute("SELECT layer, rate, trial, errors, correct, confusion FROM trials ORDER BY 1, 2, 3").fetchall()
    finally:
        db.close()


class Case:
    """One command, which is run in two variants that write to the same place, and its share of the kills."""

    def __init__(self, name, output, *variants, state=None, share=4):
        self.name, self.output, self.variants, self.share = name, output, variants, share
        self.state = state or (lambda path: hashlib.sha256(path.read_bytes()).hexdigest())
        self.good = []

    def found(self, folder):
        """Return what is at the output now, or None if nothing is."""
        path = folder / self.output
        return self.state(path) if path.exists() else None

    def accepts(self, found):
        return found in (None, *self.good)


class Sweep(Case):
    """A file that grows: some of the trials that a whole run has, and no others."""

    def accepts(self, found):
        return found is None or any(set(found) <= set(good) for good in self.good)


def cases():
    """Return the commands, each quick: a kill costs two runs."""
    both = lambda *c: (list(c), [*c, "--macro", "16x16"])  # noqa: E731
    build = ["fpga", "build", "small.npz", "--board", "icebreaker", "-o", "out/board"]
    train = ["train", "own", "--data", "set.npz", "--hidden", "8", "--epochs", "3", "--views", "0", "--teacher-epochs",
             "0", "-o", "out/own.npz", "--checkpoint", "out/state.pt"]  # fmt: skip
    faults = ["device", "faults", "small.npz", "--kind", "stuck", "--ber", "0.2", "-o", "out/map.npz"]
    sweep = ["sweep", "small.npz", "--data", "set.npz", "--ber", "0.01,0.1", "--trials", "8", "--jobs", "1", "-o", "out/s.sqlite"]
    simulate = ["simulate", "small.npz", "--data", "set.npz", "--images", "3", "-o", "out/r.csv"]
    return [
        Case("generate", "out/engine", *both("generate", "small.npz", "-o", "out/engine"), state=tree),
        Case("fpga build", "out/board", build, [*build, "--seed", "2"], state=tree, share=1),  # takes the longest
        Case("train", "out/own.npz", train, [*train, "--seed", "2"]),
        Sweep("sweep", "out/s.sqlite", sweep, [*sweep, "--plot", "out/s.svg"], state=trials),
        Case("import", "out/net.npz", ["import", "arrays.npz", "-o", "out/net.npz"], ["import", "arrays.npz", "-o", "out/net.npz", "--name", "b"]),
        Case("simulate", "out/r.csv", simulate, [*simulate, "--ber", "0.1"]),
        Case("faults", "out/map.npz", faults, [*faults, "--seed", "5"]),
    ]  # fmt: skip


#: Of the commands.
NAMES = [case.name for case in cases()]


def start(arguments, log):
    """Return the process of a command, forked with everything imported."""
    pid = os.fork()
    if pid:
        return pid
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        from oxnor.cli.app import app

        app(arguments)
    except SystemExit as e:
        os._exit(e.code if isinstance(e.code, int) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
    os._exit(9)


def warm(arguments, log):
    """Run a command in this process: what it imports and compiles is then there for all that are forked."""
    from oxnor.cli.app import app

    kept, code = [os.dup(k) for k in (1, 2)], None
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        for k in (1, 2):
            os.dup2(file, k)
        app(arguments)
    except SystemExit as e:
        code = e.code
    finally:
        for k, old in enumerate(kept, 1):
            os.dup2(old, k)
    assert not code, (arguments, log.read_text()[-3000:])


def whole_run(arguments, log):
    """Run a command to its end; return its seconds."""
    begin = time.monotonic()
    pid = start(arguments, log)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, (arguments, log.read_text()[-3000:])
    return time.monotonic() - begin


def kill_orphans():
    """End the tools that a killed command has left: they are now children of this process."""
    for pid in Path("/proc/self/task", str(os.getpid()), "children").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
        os.waitpid(int(pid), 0)


def leftovers(folder):
    return [p for p in folder.rglob("*") if p.name.endswith((".tmp", ".part")) and "build" not in p.parts]


def outputs(arguments):
    """Return what a command writes."""
    return {a for a in arguments if a.startswith("out/")}


def killed(arguments, folder, g, log, seconds):
    """Kill one run; return whether the kill hit it: at any moment, or soon after something has appeared."""
    before = sorted(map(str, folder.rglob("*")))
    pid = start(arguments, log)
    end = time.monotonic() + seconds * g.random() * 1.1
    if g.random() < 0.5:
        while time.monotonic() < end and sorted(map(str, (folder / "out").rglob("*"))) == before:
            time.sleep(0.001)
        end = time.monotonic() + g.random() * 0.05
    time.sleep(max(0.0, end - time.monotonic()))
    ended, _ = os.waitpid(pid, os.WNOHANG)
    if not ended:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return not ended


def check(case, folder, notes):
    """Return what is wrong with the output and the user's files, or nothing."""
    try:
        found = case.found(folder)
    except Exception as e:  # whatever a half file does to its reader
        return f"half: {type(e).__name__} {e}"
    if not case.accepts(found):
        return "neither the old nor the new"
    if any(not p.is_file() or p.read_text() != "mine" for p in notes):
        return "a file of the user's is gone"
    return None


def clear(path):
    """Remove an output, so that the next run is the first."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def attack_one(case, folder, seed, count, record):
    """Kill one command until `count` kills have hit it, those of the record among them; return the record's row."""
    log, output, notes = folder / "log.txt", folder / case.output, [folder / "out/notes.txt"]
    row = record.find(case.name) or {"counts": {"kills": 0, "runs": 0}, "wrong": [], "seconds": 0.0}
    seconds, runs, hits, is_new = {}, row["counts"]["runs"], row["counts"]["kills"], True
    if hits >= count:
        return row
    warm(case.variants[0], log)
    for arguments in case.variants:
        seconds[True] = seconds[False] = whole_run(arguments, log)
        case.good.append(case.found(folder))
    while hits < count:
        g, begin = np.random.default_rng([seed, zlib.crc32(case.name.encode()), runs]), time.monotonic()
        if case.name == "sweep" or g.random() < 0.1:
            clear(output)
            notes = notes[:1]
        elif output.is_dir() and len(notes) == 1:
            notes.append(output / "notes.txt")
            notes[1].write_text("mine")
        if is_new := case.name == "fpga build" and g.random() < 0.12:
            shutil.rmtree(folder / "build" / "fpga", ignore_errors=True)
        arguments, following = case.variants[int(g.integers(2))], case.variants[(runs + 1) % 2]
        hits += killed(arguments, folder, g, log, seconds[is_new])
        runs += 1
        if g.random() < 0.5:
            kill_orphans()
        problems = [check(case, folder, notes)]
        try:
            seconds[is_new] = 0.7 * seconds[is_new] + 0.3 * whole_run(following, log)
            if outputs(arguments) - outputs(following):
                whole_run(arguments, log)
        except AssertionError as e:
            problems.append(f"the next run fails: {e}")
        kill_orphans()
        problems.append(check(case, folder, notes))
        if case.found(folder) not in case.good:
            problems.append("the next run writes something else")
        problems += [f"left behind: {path}" for path in leftovers(folder)]
        row = record.put(case.name, {
            "counts": {"kills": hits, "runs": runs}, "wrong": row["wrong"] + [[runs, text] for text in problems if text],
            "seconds": round(row["seconds"] + time.monotonic() - begin, 1),
        })  # fmt: skip
    return row


def attack(folder, count, record, seed=1, names=None):
    """Kill commands `count` times in all, each by its share; return the record's rows."""
    some = [case for case in cases() if not names or case.name in names]
    ends = [count * end // sum(case.share for case in some) for end in itertools.accumulate(case.share for case in some)]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rows, here, build = [], os.getcwd(), os.environ.get("OXNOR_BUILD")
    os.environ["OXNOR_BUILD"] = str(folder / "build")
    os.chdir(folder)
    try:
        network(folder)
        for case, begin, end in zip(some, [0, *ends], ends, strict=False):
            shutil.rmtree(folder / "out", ignore_errors=True)
            (folder / "out").mkdir()
            (folder / "out/notes.txt").write_text("mine")
            rows.append(attack_one(case, folder, seed, end - begin, record))
            counts, lost = rows[-1]["counts"], rows[-1]["wrong"]
            said = f"{case.name}: {counts['kills']} kills in {counts['runs']} runs; {len(lost)} wrong"
            print(said, *lost, sep="\n", file=sys.stderr, flush=True)
    finally:
        os.chdir(here)
        os.environ.pop("OXNOR_BUILD")
        if build is not None:
            os.environ["OXNOR_BUILD"] = build
    return rows


def imports():
    """Import what commands import, so that kills hit their work."""
    import oxnor.cli.app
    import oxnor.fpga.bitstream
    import oxnor.hw.emit.generate
    import oxnor.models.exchange.import_network
    import oxnor.models.training.presets
    import oxnor.sim.sweeps.page
    import oxnor.sim.sweeps.run  # noqa: F401

    if importlib.util.find_spec("torch"):  # before the forks, as all that takes time
        import torch

        torch.set_num_threads(1)
    numba.config.THREADING_LAYER = "workqueue"  # OpenMP's does not stand a fork


def sources(kind):
    """Return the hash of all that runs, and of what kills and fills."""
    return sources_hash(Path(__file__).parents[2], SOURCES[kind])


def main():
    parser = script_parser(__doc__)
    parser.add_argument("count", type=at_least_one, help="kills of all commands together")
    parser.add_argument("names", nargs="*", metavar="COMMAND", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("-s", "--seed", type=int, default=1, help="of the moments; %(default)s by default")
    given = parser.parse_intermixed_args()
    check_names(given.names, NAMES)
    imports()
    record = Record(given.output and given.output.resolve(), "kills", seed=given.seed, sources=sources("kills"))
    with tempfile.TemporaryDirectory() as folder:
        rows = attack(Path(folder), given.count, record, given.seed, given.names)
    total, wrong = sum(row["counts"]["kills"] for row in rows), sum(len(row["wrong"]) for row in rows)
    if given.json:
        print(json.dumps({"tried": total, "seed": given.seed, "rows": rows}))
    else:
        print(f"{total} kills, seed {given.seed}: {wrong} left something half or lost")
    sys.exit(bool(wrong) or not total)


if __name__ == "__main__":
    run_script(main)

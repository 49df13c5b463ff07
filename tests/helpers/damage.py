"""Damaged copies of a valid file of every format that is read (:mod:`helpers.formats`), and what their readers make of them.

    PYTHONPATH=tests python tests/helpers/damage.py 1000000 -o build/soaks.json   # over all formats; it goes on where it stopped
    PYTHONPATH=tests python tests/helpers/damage.py 5000 -f set.npy               # of this format alone

Whatever is done to a file, its reader must refuse it in one sentence, or return an object that can be used. An error of
another kind, more than 5 s or 1 GiB, a process that dies, or a file that has a checksum and is read as another is wrong:
exit code 1.
"""

import collections
import dataclasses
import functools
import hashlib
import json
import logging
import math
import mmap
import os
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import numba
import numpy as np
from helpers.cli import at_least_one, check_names, run_script, script_parser
from helpers.damages import damage_bytes, damage_flips, pick
from helpers.formats import make_files

from oxnor.cli.console import progress
from oxnor.models.base.errors import InputError
from oxnor.sim.verify.soak_record import SOURCES, Record, sources_hash

ROOT = Path(__file__).parents[2]

#: Longest sentence, in characters.
LENGTH_MAX = 2000
#: Limits of a file: of processor time, and of memory more than before.
SECONDS, BYTES = 5, 1 << 30
#: What may come of a file: refused, read as it was, or read as another.
GOOD = ("refused", "equal", "changed")
#: Seeds of a format that one process tries, after which what came of them is kept.
CHUNK = 2000


class TooLong(BaseException):
    """A file has taken too long."""


def _stop(*_):
    raise TooLong


def _bytes_of(value):
    """Yield bytes that are the same for equal values."""
    if isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__.encode()
        for field in dataclasses.fields(value):
            yield from _bytes_of(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            yield repr(key).encode()
            yield from _bytes_of(value[key])
    elif isinstance(value, tuple | list):
        yield b"["
        for item in value:
            yield from _bytes_of(item)
        yield b"]"
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        yield from _bytes_of(vars(value))
    else:
        yield repr(value).encode("utf-8", "replace")


def fingerprint(value):
    h = hashlib.sha256()
    for part in _bytes_of(value):
        h.update(part)
    return h.digest()


def outcome(read, path, right=None):
    """Return what reading a file comes to: one of :data:`GOOD`, or what is wrong."""
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = "equal" if fingerprint(read(path)) == right else "changed"
    except InputError as e:
        found = "refused"
        # What an importer cannot take is a list.
        text = str(e).replace("\n  - ", "") if "cannot be imported\n" in str(e) else str(e)
        if "\n" in text or not 0 < len(text) < LENGTH_MAX:
            found = f"a refusal of {len(str(e))} characters: {str(e)[:100]!r}"
        str(e).encode()
    except TooLong:
        found = "too long"
    except Exception as e:  # anything but InputError is what is looked for
        found = f"{type(e).__name__}: {str(e)[:120]}"
    seconds = time.process_time() - start
    return found if seconds < SECONDS else f"took {seconds:.0f} s"


class Target:
    """A format in a folder, with a valid file, whose reader is given damaged ones.

    Parameters
    ----------
    name : str
        Of the valid file.
    key : int
        Of the damage, besides a seed and the name.
    """

    def __init__(self, folder, name, form, key):
        self.name, self.form = name, form
        self.number, self.key = zlib.crc32(name.encode()), key
        self.data = (folder / "valid" / name).read_bytes()
        self.path = folder / f"damaged{Path(name).suffix}"
        self.path.write_bytes(self.data)
        self.right = fingerprint(form.read(self.path))
        assert outcome(form.read, self.path, self.right) == "equal", f"{name}: read twice, it is not the same"

    def hit(self, seed):
        """Return what comes of the file that a seed damages."""
        g = np.random.default_rng([self.key, seed, self.number])
        damage = pick(g, self.form.damages)
        self.path.write_bytes(damage(g, self.data))
        found = outcome(self.form.read, self.path, self.right)
        if found == "changed" and self.form.sealed and damage in (damage_bytes, damage_flips):
            found = "damage that nobody sees"
        for left in self.path.parent.glob("damaged*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        return found


def targets(folder, names=None, key=0):
    """Write the valid files and return a function to each :class:`Target`, by name."""
    (folder / "valid").mkdir(exist_ok=True)
    table = make_files(folder / "valid")
    check_names(names, table)
    return {
        name: (form, functools.partial(Target, folder, name, form, key))
        for name, form in table.items()
        if not names or name in names
    }


def attack(folder, seeds, names=None):
    """Damage each file with every seed, but those that take too long for so few; return (outcomes by file, what went wrong)."""
    counts, wrong = {}, []
    for name, (form, target) in targets(folder, names).items():
        if form.every > len(seeds):
            continue
        hit, seen = target().hit, collections.Counter()
        for seed in seeds[:: form.every]:
            found = hit(seed)
            seen[found] += 1
            if found not in GOOD:
                wrong.append((name, seed, found))
        counts[name] = seen
    return counts, wrong


def _child(target, seeds, now, out):
    """Try seeds in a process with limits, and write what came of them: the last one's number is in `now` all the while."""
    signal.signal(signal.SIGPROF, _stop)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, resource.RLIM_INFINITY))
    hit, seen, wrong, slowest = target().hit, collections.Counter(), [], 0.0
    for seed in seeds:
        now[:8] = struct.pack("q", seed)
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        found = hit(seed)
        signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.process_time() - start)
        seen[found if found in GOOD else "wrong"] += 1
        if found not in GOOD:
            wrong.append([seed, found])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    out.write_text(json.dumps({"counts": seen, "wrong": wrong, "slowest": slowest, "peak": peak}))


def try_seeds(folder, target, seeds, patience=120):
    """Return what came of seeds, tried in processes of their own: one may die, or wait for ever."""
    out, parts, todo = folder / "outcomes.json", [], [seeds]
    while todo:
        some, now = todo.pop(), mmap.mmap(-1, 8)
        now[:8] = struct.pack("q", -1)
        out.unlink(missing_ok=True)
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            try:
                _child(target, some, now, out)
            except KeyboardInterrupt:
                pass
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        _wait(pid, now, patience)
        if out.exists():
            parts.append(json.loads(out.read_text()))
            continue
        (seed,) = struct.unpack("q", now[:8])
        if seed < 0:
            raise RuntimeError("the process dies before it reads a damaged file")
        todo += [part for part in ([s for s in some if s < seed], [s for s in some if s > seed]) if part]
        parts.append({"counts": {"wrong": 1}, "wrong": [[seed, "the process has died"]], "slowest": 0, "peak": 0})
    return functools.reduce(added, parts)


def _wait(pid, now, patience):
    """Wait for a process, and end it if it stays at one file for too long."""
    last, since = b"", time.monotonic()
    while not os.waitpid(pid, os.WNOHANG)[0]:
        time.sleep(0.02)
        if now[:8] != last:
            last, since = now[:8], time.monotonic()
        elif time.monotonic() - since > patience:
            os.kill(pid, signal.SIGKILL)


def added(a, b):
    """Return the sum of what came of two sets of files."""
    counts = collections.Counter(a["counts"]) + collections.Counter(b["counts"])
    most = {name: max(a[name], b[name]) for name in ("slowest", "peak")}
    return {"counts": dict(counts), "wrong": a["wrong"] + b["wrong"], **most}


def run(folder, record, count, names, tell, key=0):
    """Damage `count` files of all formats together, some of each in turn, unless the record has them."""
    found = targets(folder, names, key)
    seeds_of_all = count / sum(1 / form.every for form, _ in found.values())
    todo, done = dict(found), 0
    while todo:
        for name, (form, target) in list(todo.items()):
            row = record.find(name) or {"counts": {}, "wrong": [], "slowest": 0.0, "peak": 0, "seconds": 0.0}
            files, total = sum(row["counts"].values()), math.ceil(seeds_of_all / form.every)
            end = min(files + max(10, CHUNK // form.every), total)
            if files < end:
                start = time.monotonic()
                part = added(row, try_seeds(folder, target, range(files * form.every, end * form.every, form.every)))
                seconds = round(row["seconds"] + time.monotonic() - start, 1)
                record.put(name, part | {"seconds": seconds, "slowest": round(part["slowest"], 3)})
            if end == total:
                done += total
                del todo[name]
            tell("files", done + sum(sum(r["counts"].values()) for r in record.rows if r["format"] in todo), count, name)


def main():
    parser = script_parser(__doc__)
    parser.add_argument("count", type=at_least_one, help="files of all formats together")
    parser.add_argument("-s", "--seed", type=int, default=0, help="of the damage; %(default)s by default")
    parser.add_argument("-f", "--format", action="append", help="of this format alone; may be given again")
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # of every damaged entry of a cache
    numba.config.THREADING_LAYER = "workqueue"  # OpenMP's does not stand a fork
    record = Record(given.output, "files", seed=given.seed, sources=sources_hash(ROOT, SOURCES["files"]))
    with tempfile.TemporaryDirectory() as folder, progress() as tell:
        run(Path(folder), record, given.count, given.format, tell, given.seed)
    rows = [row for row in record.rows if not given.format or row["format"] in given.format]
    total = sum((collections.Counter(row["counts"]) for row in rows), collections.Counter())
    if given.json:
        print(json.dumps({"tried": sum(total.values()), "seed": given.seed, "rows": rows}))
    else:
        for row in rows:
            print(row["format"], row["counts"], f"{row['seconds']} s, slowest {row['slowest']} s, {row['peak']} MiB")
    for row in rows:
        for seed, found in row["wrong"][:10]:
            print(f"{row['format']} {seed}: {found}", file=sys.stderr)
    seconds = sum(row["seconds"] for row in rows)
    print(f"{sum(total.values()):,} files in {seconds:.0f} s: {dict(total)}", file=sys.stderr)
    sys.exit(bool(total["wrong"]))


if __name__ == "__main__":
    run_script(main)

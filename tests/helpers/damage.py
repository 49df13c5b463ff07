"""Damaged copies of valid files: bytes, members of archives, values of JSON and cells of SQLite.

    PYTHONPATH=tests python tests/helpers/damage.py 20000     # that many of each file; exit code 1 on a traceback

Whatever is done to a file, its reader must read it or raise one InputError of one line.
"""

import collections
import io
import itertools
import json
import sqlite3
import sys
import tempfile
import time
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.files import read_dataset
from oxnor.models.devices import model as device_model
from oxnor.models.devices.fit import fit_csv
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.sim.sweeps.evaluator import work_for
from oxnor.sim.sweeps.params import SweepParams
from oxnor.sim.sweeps.run import header
from oxnor.sim.sweeps.store import ALL_LAYERS, Key, Results, Trial
from oxnor.sim.verify.inputs import Inputs

#: Longest sentence, in characters.
LENGTH_MAX = 2000
_NASTY = [
    None, True, 0, -1, 1, 2, 7, 1 << 31, 1 << 63, -(1 << 63), 1 << 80, 10**4500, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "\ud800", "../..", "<script>", "a" * 5000, [], [[]], [1, 2], {}, {"x": 1}, [None] * 9,
]  # fmt: skip
_DIGITS = sys.get_int_max_str_digits()


def pick(g, values):
    return values[int(g.integers(len(values)))]


def damage_bytes(g, data):
    spoilt = bytearray(data)
    for _ in range(int(g.integers(1, 5))):
        if not spoilt:
            break
        at = int(g.integers(len(spoilt)))
        how = int(g.integers(5))
        if how == 0:
            spoilt[at] = int(g.integers(256))
        elif how == 1:
            spoilt[at] ^= 1 << int(g.integers(8))
        elif how == 2:
            del spoilt[at : at + int(g.integers(1, 50))]
        elif how == 3:
            spoilt[at:at] = g.bytes(int(g.integers(1, 9)))
        else:
            del spoilt[at:]
    return bytes(spoilt)


def damage_json(g, value):
    """Put a nasty value somewhere, or remove or add a key."""
    if isinstance(value, dict | list) and value and g.random() < 0.85:
        key = pick(g, list(value) if isinstance(value, dict) else range(len(value)))
        if g.random() < 0.15:
            del value[key]
        else:
            value[key] = damage_json(g, value[key])
        if isinstance(value, dict) and g.random() < 0.05:
            value["extra"] = pick(g, _NASTY)
        return value
    return pick(g, _NASTY)


def damaged_json_bytes(g, data):
    sys.set_int_max_str_digits(0)
    text = json.dumps(damage_json(g, json.loads(data)))
    sys.set_int_max_str_digits(_DIGITS)
    return text.encode("utf-8", "surrogatepass")


def _header_array(g, data):
    """Damage the JSON in the array ``header`` of an archive."""
    array = np.load(io.BytesIO(data))
    changed = np.frombuffer(damaged_json_bytes(g, array.tobytes()), np.uint8)
    buffer = io.BytesIO()
    np.save(buffer, changed)
    return buffer.getvalue()


def damage_archive(g, data):
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        parts = {n: source.read(n) for n in source.namelist()}
    name = pick(g, sorted(parts))
    how = int(g.integers(6))
    if "header.npy" in parts and how < 3:
        parts["header.npy"] = _header_array(g, parts["header.npy"])
    elif how == 3:
        del parts[name]
    elif how == 4:
        parts[name] = parts[pick(g, sorted(parts))]
    else:
        parts[name] = damage_bytes(g, parts[name])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", pick(g, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as to:
        for n, part in parts.items():
            to.writestr(n, part)
    return buffer.getvalue()


def damage_sqlite(g, data):
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
        Path(file.name).write_bytes(data)
        db = sqlite3.connect(file.name, isolation_level=None)
        value = pick(g, [None, -1, 0, 99, 1 << 62, 0.5, -0.5, 1e300, "x", b"", b"\0" * 36, b"\xff" * 36, "\udc80"])
        table, columns = pick(g, [
            ("trials", ["layer", "rate", "trial", "errors", "correct", "confusion", "seconds"]),
            ("checks", ["layer", "rate", "trial", "mismatches", "simulator"]), ("header", ["key", "value"]),
        ])  # fmt: skip
        column = pick(g, columns)
        try:
            if table == "header" and g.random() < 0.8:
                rows = db.execute("SELECT key, value FROM header").fetchall()
                key, text = pick(g, rows)
                text = damaged_json_bytes(g, text).decode("utf-8", "replace")
                db.execute("UPDATE header SET value = ? WHERE key = ?", (text, key))
            elif g.random() < 0.1:
                db.execute(pick(g, [f"DROP TABLE {table}", f"DELETE FROM {table}", f"ALTER TABLE {table} ADD COLUMN z"]))
            else:
                db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid % 2 OR 1" if table == "header" else f"UPDATE {table} SET {column} = ?", (value,))
        except (sqlite3.Error, UnicodeEncodeError, OverflowError):
            pass
        db.close()
        return Path(file.name).read_bytes()


def small_network():
    g = np.random.default_rng(1)
    weights = [g.random((n_out, n_in)) < 0.5 for n_in, n_out in itertools.pairwise((9, 5, 3))]
    thresholds = [g.integers(0, 9, 5), None]
    return Network.from_arrays(weights, thresholds, g.integers(-9, 9, 3), g.integers(1, 9, 3), name="small")


def header_of_a_sweep(network=None):
    """Return the header of a results file with 10 images."""
    network = network or small_network()
    inputs = Inputs(np.random.default_rng(2).random((10, 9)) < 0.5, np.arange(10) % 3, "drawn")
    params = SweepParams(rates=(0.01,), trials=2)
    return header(network, inputs, params, work_for(network, inputs, params), "oxnor sweep")


def make_files(folder):
    """Write one small valid file of each kind; return (reader, damages, file) by name."""
    g, network = np.random.default_rng(1), small_network()
    network.save(folder / "binarized.npz")
    about = {"data_set": "digits", "classes": ("a", "b", "c"), "input_rule": np.sort(np.arange(9).reshape(3, 3))}
    replace(network, **about).save(folder / "version2.npz")
    FaultMap.draw(network, ber=0.3, seed=1).save(folder / "faults.npz")
    FaultMap(((5, 9), (3, 5)), read=ReadErrors.from_ber(0.01, 3)).save(folder / "reads.npz")
    zoo.load("mnist-spirit").save(folder / "spiking.npz")
    device_model.load("weak-3.3e-2").save(folder / "device.json")
    rows = [f"d{k % 5},{state},{g.lognormal(9 + 3 * (state == 'HRS'), 0.3):.1f}" for k in range(30) for state in ("LRS", "HRS")]
    (folder / "readings.csv").write_text("\n".join(["device,state,resistance", *rows]) + "\n")
    np.savez(folder / "set.npz", images=g.integers(0, 256, (6, 4, 4)), labels=np.arange(6) % 3)
    np.save(folder / "set.npy", g.integers(0, 256, (6, 4, 4)))
    with Results(folder / "results.sqlite", header_of_a_sweep(network)) as results:
        for key in (Key(ALL_LAYERS, 0.0, 0), Key(ALL_LAYERS, 0.01, 0), Key(0, 0.01, 1)):
            results.add(Trial(key, 3, np.diag([4, 3, 3]), 0.1))
        results.add_check(Key(ALL_LAYERS, 0.01, 0), 0, "Verilator")

    def results_file(path):
        with Results(path) as results:
            results.checks(), results.done(), results.curves(), results.confusions()

    return {
        "binarized.npz": (zoo.load, (damage_bytes, damage_archive)),
        "version2.npz": (zoo.load, (damage_bytes, damage_archive)),
        "spiking.npz": (zoo.load, (damage_bytes, damage_archive)),
        "faults.npz": (FaultMap.load, (damage_bytes, damage_archive)),
        "reads.npz": (FaultMap.load, (damage_bytes, damage_archive)),
        "device.json": (device_model.load, (damage_bytes, damaged_json_bytes)),
        "readings.csv": (fit_csv, (damage_bytes,)),
        "set.npz": (read_dataset, (damage_bytes, damage_archive)),
        "set.npy": (read_dataset, (damage_bytes,)),
        "results.sqlite": (results_file, (damage_bytes, damage_sqlite)),
    }


def outcome(read, path):
    """Return what reading a file comes to: read, refused, or what is wrong with the refusal."""
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
        found = "read"
    except InputError as e:
        found = "refused"
        if "\n" in str(e) or not 0 < len(str(e)) < LENGTH_MAX:
            found = f"a refusal of {len(str(e))} characters: {str(e)[:100]!r}"
        str(e).encode()
    seconds = time.process_time() - start
    return found if seconds < 5 else f"took {seconds:.0f} s"


def attack(folder, count, names=None):
    """Damage each file `count` times; return (outcomes by file, what went wrong)."""
    (folder / "valid").mkdir(exist_ok=True)
    table = make_files(folder / "valid")
    counts, wrong = {}, []
    for k, (name, (read, damages)) in enumerate(table.items()):
        if names and name not in names:
            continue
        data = (folder / "valid" / name).read_bytes()
        assert outcome(read, folder / "valid" / name) == "read", name
        seen = counts[name] = collections.Counter()
        for seed in range(count):
            g = np.random.default_rng([seed, k])
            path = folder / f"damaged{Path(name).suffix}"
            path.write_bytes(pick(g, damages)(g, data))
            try:
                found = outcome(read, path)
            except Exception as e:  # anything but InputError is what is looked for
                found = f"{type(e).__name__}: {str(e)[:120]}"
            seen[found] += 1
            if found not in ("read", "refused"):
                wrong.append((name, seed, found))
            for left in folder.glob("damaged*"):
                left.unlink()
    return counts, wrong


def main():
    with tempfile.TemporaryDirectory() as folder:
        counts, wrong = attack(Path(folder), int(sys.argv[1]), sys.argv[2:])
    for name, seen in counts.items():
        print(name, dict(seen.most_common(6)))
    print(f"{sum(sum(s.values()) for s in counts.values()):,} files, {len(wrong)} wrong", *wrong[:20], sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

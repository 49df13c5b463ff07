"""Damaged copies of valid files: bytes, members of archives, values of JSON, cells of SQLite, nodes of ONNX.

    PYTHONPATH=tests python tests/helpers/damage.py 20000               # that many of each file that is soon read
    PYTHONPATH=tests python tests/helpers/damage.py 5000:20000 set.npy  # seeds from 5000 of this file alone

Exit code 1 on a traceback, or a reader that takes too long. Formats that take longer get a share of the count.

Whatever is done to a file, its reader must read it or raise one InputError of one line.
"""

import collections
import gzip
import importlib.util
import io
import itertools
import json
import shutil
import sqlite3
import sys
import tempfile
import time
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from helpers import import_fuzz

from oxnor.design import Design
from oxnor.example import EXAMPLE
from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.events import read_events
from oxnor.models.datasets.files import read_dataset, read_labels
from oxnor.models.devices import model as device_model
from oxnor.models.devices.fit_file import fit_csv
from oxnor.models.exchange.export_network import export_network
from oxnor.models.exchange.import_network import import_network
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.models.technology import results as circuit_results
from oxnor.sim.sweeps.evaluator import work_for
from oxnor.sim.sweeps.params import SweepParams
from oxnor.sim.sweeps.run import header
from oxnor.sim.sweeps.store import Results
from oxnor.sim.sweeps.trial import ALL_LAYERS, Key, Trial
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


def damage_toml(g, data):
    """Put a nasty value after a key, which may be one that stood behind a "#"."""
    lines = data.decode().splitlines()
    k = pick(g, [k for k, line in enumerate(lines) if " = " in line])
    name = lines[k].removeprefix("# ").partition(" = ")[0]
    values = ["-1", "0", "1e999", "nan", "[]", "[[]]", "{}", "1979-05-27", '"x"', '"\\u0000"', "9" * 4999, "9" * 30, "true"]
    lines[k] = f"{name} = {pick(g, values)}"
    return "\n".join(lines).encode()


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


def write_sets(folder, g):
    """Write data sets of every format, and labels."""
    images = g.integers(0, 256, (6, 4, 4), np.uint8)
    np.savez(folder / "set.npz", images=images, labels=np.arange(6) % 3)
    np.save(folder / "set.npy", images)
    rows = [",".join(map(str, [*image.ravel(), k % 3])) for k, image in enumerate(images)]
    (folder / "set.csv").write_text("\n".join([",".join([*(f"p{k}" for k in range(16)), "label"]), *rows]) + "\n")
    (folder / "labels.txt").write_text("cat\ndog\ncat\n")
    idx = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in images.shape) + images.tobytes()
    (folder / "set.idx").write_bytes(idx)
    (folder / "set.gz").write_bytes(gzip.compress(idx, mtime=0))
    from PIL import Image

    Image.fromarray(np.repeat(images[0], 3).reshape(4, 4, 3)).save(folder / "picture.png")
    Image.fromarray(images[0]).save(folder / "picture.jpg")


def write_sources(folder, g, network):
    """Write networks as other tools have them."""
    zoo_spiking = zoo.load("mnist-spirit")
    export_network(network, folder / "small.onnx")
    export_network(zoo_spiking, folder / "spiking.nir")
    if importlib.util.find_spec("torch"):
        import torch

        signs = [torch.from_numpy(np.where(layer.weights, 1.0, -1.0)) for layer in network.layers]
        torch.save({f"{k}.weight": w for k, w in enumerate(signs)}, folder / "state.pt")
    np.savez(folder / "arrays.npz", w0=g.random((5, 9)) < 0.5, t0=g.integers(0, 9, 5), w1=g.random((3, 5)) < 0.5)
    words = g.integers(0, 1 << 8, 16, np.uint64).astype("<u8")
    words.tofile(folder / "0-0-weights.bin")


def in_folder(place, beside, read):
    """Return a reader of a file that stands at `place` in a folder, with the files `beside` it."""

    def reader(path):
        folder = path.parent / "damaged-folder"
        shutil.rmtree(folder, ignore_errors=True)
        for name, data in beside.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / place)
        read(folder)

    return reader


def make_files(folder):
    """Write one small valid file of each kind; return (reader, damages, one in how many of the seeds) by name."""
    g, network = np.random.default_rng(1), small_network()
    network.save(folder / "binarized.npz")
    about = {"data_set": "digits", "classes": ("a", "b", "c"), "input_rule": np.sort(np.arange(9).reshape(3, 3))}
    replace(network, **about).save(folder / "version2.npz")
    FaultMap.draw(network, ber=0.3, seed=1).save(folder / "faults.npz")
    FaultMap(((5, 9), (3, 5)), read=ReadErrors.from_ber(0.01, 3)).save(folder / "reads.npz")
    zoo.load("mnist-spirit").save(folder / "spiking.npz")
    device_model.load("weak-3.3e-2").save(folder / "device.json")
    rows = [f"d{k % 5},{state},{g.lognormal(9 + 3 * (state == 'HRS'), 0.3):.1f}" for k in range(30) for state in ("LRS", "HRS")]
    few = circuit_results.shipped()
    of_default = {name: dict(itertools.islice(getattr(few, name).items(), 1)) for name in ("reads", "offsets")}
    replace(few, **of_default, waveforms={}).save(folder / "circuit.json")
    (folder / "readings.csv").write_text("\n".join(["device,state,resistance", *rows]) + "\n")
    (folder / "design.toml").write_text(EXAMPLE)
    write_sets(folder, g)
    write_sources(folder, g, network)
    events = {"tick": np.arange(6), "address": np.arange(6), "sample": np.arange(6) // 2, "label": np.arange(3)}
    np.savez(folder / "events.npz", **events)
    rows = [f"{k},{k},{1 - 2 * (k % 2)},{k // 2},{k // 2}" for k in range(6)]
    (folder / "events.csv").write_text("\n".join(["tick,address,sign,sample,label", *rows]))
    with Results(folder / "results.sqlite", header_of_a_sweep(network)) as results:
        for key in (Key(ALL_LAYERS, 0.0, 0), Key(ALL_LAYERS, 0.01, 0), Key(0, 0.01, 1)):
            results.add(Trial(key, 3, np.diag([4, 3, 3]), 0.1))
        results.add_check(Key(ALL_LAYERS, 0.01, 0), 0, "Verilator")
    larq = (import_fuzz.FIXTURES / "larq_sequential.h5").read_bytes()
    (folder / "larq.h5").write_bytes(larq)

    def results_file(path):
        with Results(path) as results:
            results.checks(), results.done(), results.curves(), results.confusions()

    def onnx_nodes(g, data):
        return import_fuzz.onnx_file(g)

    def array_values(g, data):
        return import_fuzz.arrays_file(g)

    thresholds = {"0-0-thres.bin": np.full(4, 9, "<i8").tobytes()}
    return {
        "binarized.npz": (zoo.load, (damage_bytes, damage_archive), 1),
        "version2.npz": (zoo.load, (damage_bytes, damage_archive), 1),
        "spiking.npz": (zoo.load, (damage_bytes, damage_archive), 1),
        "faults.npz": (FaultMap.load, (damage_bytes, damage_archive), 1),
        "reads.npz": (FaultMap.load, (damage_bytes, damage_archive), 1),
        "device.json": (device_model.load, (damage_bytes, damaged_json_bytes), 1),
        "readings.csv": (fit_csv, (damage_bytes,), 1),
        "design.toml": (Design.load, (damage_bytes, damage_toml), 1),
        "set.npz": (read_dataset, (damage_bytes, damage_archive), 1),
        "set.npy": (read_dataset, (damage_bytes,), 1),
        "set.csv": (read_dataset, (damage_bytes,), 1),
        "set.idx": (read_dataset, (damage_bytes,), 1),
        "set.gz": (read_dataset, (damage_bytes,), 1),
        "events.npz": (read_events, (damage_bytes, damage_archive), 1),
        "events.csv": (read_events, (damage_bytes,), 1),
        "labels.txt": (read_labels, (damage_bytes,), 1),
        "picture.png": (in_folder("a/1.png", {}, read_dataset), (damage_bytes,), 1),
        "picture.jpg": (in_folder("a/1.jpg", {}, read_dataset), (damage_bytes,), 1),
        "results.sqlite": (results_file, (damage_bytes, damage_sqlite), 1),
        "small.onnx": (import_network, (damage_bytes, onnx_nodes), 2),
        "arrays.npz": (import_network, (damage_bytes, damage_archive, array_values), 2),
        "state.pt": (import_network, (damage_bytes, damage_archive), 2),
        "0-0-weights.bin": (in_folder("0-0-weights.bin", thresholds, import_network), (damage_bytes,), 2),
        "spiking.nir": (import_network, (damage_bytes,), 40),
        "larq.h5": (import_network, (damage_bytes,), 40),
        "circuit.json": (circuit_results.Results.load, (damage_bytes, damaged_json_bytes), 1),
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
        # What an importer cannot take is a list.
        text = str(e).replace("\n  - ", "") if "cannot be imported\n" in str(e) else str(e)
        if "\n" in text or not 0 < len(text) < LENGTH_MAX:
            found = f"a refusal of {len(str(e))} characters: {str(e)[:100]!r}"
        str(e).encode()
    seconds = time.process_time() - start
    return found if seconds < 5 else f"took {seconds:.0f} s"


def attack(folder, seeds, names=None):
    """Damage each file with every seed; return (outcomes by file, what went wrong)."""
    (folder / "valid").mkdir(exist_ok=True)
    table = make_files(folder / "valid")
    counts, wrong = {}, []
    for k, (name, (read, damages, every)) in enumerate(table.items()):
        if (names and name not in names) or not (folder / "valid" / name).is_file():
            continue
        data = (folder / "valid" / name).read_bytes()
        assert outcome(read, folder / "valid" / name) == "read", name
        seen = counts[name] = collections.Counter()
        for seed in seeds[::every]:
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
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    return counts, wrong


def main():
    first, _, last = sys.argv[1].rpartition(":")
    with tempfile.TemporaryDirectory() as folder:
        counts, wrong = attack(Path(folder), range(int(first or 0), int(last)), sys.argv[2:])
    for name, seen in counts.items():
        print(name, dict(seen.most_common(6)))
    print(f"{sum(sum(s.values()) for s in counts.values()):,} files, {len(wrong)} wrong", *wrong[:20], sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

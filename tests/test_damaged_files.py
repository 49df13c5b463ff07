"""Damaged files of every kind that is read: each is read or refused in one sentence, and soon."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("onnx", reason='its files are among those damaged: pip install -e ".[import]"')
pytest.importorskip("nir", reason='its files are among those damaged: pip install -e ".[import]"')
pytest.importorskip("PIL", reason='pictures are among what is damaged: pip install -e ".[data]"')

from helpers import damage
from helpers.damage import attack, run

from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.networks.binarized import Network
from oxnor.sim.verify.soak_record import Record


def test_damaged_files(tmp_path):
    counts, wrong = attack(tmp_path, range(20))
    assert not wrong
    assert sum(sum(seen.values()) for seen in counts.values()) > 800
    often = [seen for seen in counts.values() if sum(seen.values()) > 9]
    assert all(seen["refused"] for seen in often), "the damage does no harm: nothing was tried"


@pytest.mark.slow
def test_a_hundred_thousand_damaged_files(tmp_path):
    command = [sys.executable, "-W", "ignore", damage.__file__, "100000", "--seed", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": "tests"})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tried"] >= 100_000
    assert not [row for row in found["rows"] if row["wrong"]]


def test_readers_that_die_wait_or_take_too_much_are_found(tmp_path):
    """Seeds on either side of one that ends the process are tried, and what came of all is kept."""
    deeds = {3: lambda: os.kill(os.getpid(), signal.SIGKILL), 5: lambda: np.ones(1 << 31, np.uint8), 7: lambda: time.sleep(60)}
    target = SimpleNamespace(hit=lambda seed: (deeds.get(seed, int)(), "refused")[1])

    def hit(seed):
        try:
            return target.hit(seed)
        except MemoryError:
            return "MemoryError"

    found = damage.try_seeds(tmp_path, lambda: SimpleNamespace(hit=hit), range(9), patience=0.3)
    assert found["counts"] == {"refused": 6, "wrong": 3}
    died = "the process has died"
    assert sorted(found["wrong"]) == [[3, died], [5, "MemoryError"], [7, died]]


def test_the_soak_goes_on_where_it_stopped(tmp_path, monkeypatch):
    path, made = tmp_path / "soaks.json", []
    outcomes = {"a": "refused", "b": "changed"}
    table = {name: (SimpleNamespace(every=1), lambda o=o: SimpleNamespace(hit=lambda seed: o)) for name, o in outcomes.items()}
    monkeypatch.setattr(damage, "targets", lambda *given: table)
    monkeypatch.setattr(damage, "CHUNK", 20)
    real = damage.try_seeds
    monkeypatch.setattr(damage, "try_seeds", lambda folder, target, seeds: made.append(seeds) or real(folder, target, seeds))
    for count in (20, 60, 60):
        run(tmp_path, Record(path, "files", seed=1), count, None, lambda *told: None)
    assert made == [range(10), range(10), range(10, 30), range(10, 30)]
    rows = Record(path, "files", seed=1).rows
    assert [(row["format"], row["counts"]) for row in rows] == [("a", {"refused": 30}), ("b", {"changed": 30})]
    assert Record(path, "files", seed=2).find("a") is None


def test_an_array_whose_name_is_damaged_is_not_left_out(tmp_path):
    """The name of an array is under no checksum, and arrays that are not there may mean nothing."""
    path = tmp_path / "faults.npz"
    FaultMap.draw(Network.from_arrays([np.ones((3, 9), bool)], [None]), ber=0.3).save(path)
    data = path.read_bytes()
    assert FaultMap.load(path).count
    names = data.index(b"layer0"), data.rindex(b"layer0")
    comment = data.rindex(b"PK\1\2", 0, names[1] - 46) + 32  # of the entry before, which may take in the next one
    for at, value in ((names[0], b"m"), (names[1], b"m"), (comment, bytes([len(data) - 22 - names[1] + 46]))):
        path.write_bytes(data[:at] + value + data[at + 1 :])
        with pytest.raises(InputError, match=r"is not an \.npz file, or is cut short"):
            FaultMap.load(path)


def test_a_reader_that_lets_an_error_through_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.formats.fit_csv", lambda path: float(path.read_text().splitlines()[9].split(",")[2]))
    _, wrong = attack(tmp_path, range(60), ["readings.csv"])
    assert wrong


def test_a_small_file_does_not_take_much_memory(tmp_path):
    """65,536 x 16,384 equal weights are 131 kB in a file, and a gigabyte outside."""
    path = tmp_path / "huge.npz"
    weights = np.ones((1 << 10, 1 << 10), bool)
    Network.from_arrays([weights], [None], name="huge").save(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    big = np.broadcast_to(np.uint8(255), (1 << 16, 1 << 11))
    with np.load(path) as source:
        parts = dict(source)
    text = parts["header"].tobytes().replace(b'"n_in": 1024', b'"n_in": 16384').replace(b'"n_out": 1024', b'"n_out": 65536')
    parts |= {"header": np.frombuffer(text, np.uint8), "layer0.weights": big}
    parts |= {"layer0.scales": np.ones(1 << 16, "<i8"), "layer0.offsets": np.zeros(1 << 16, "<i8")}
    np.savez_compressed(path, **parts)
    with pytest.raises(InputError, match=r"huge.npz: header.layers must have at most 268435456 synapses, not 1073741824$"):
        zoo.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000

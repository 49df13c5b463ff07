"""The cache of builds: its keys, what it holds, and how it stays within its limit."""

import os
import shutil
import time
from importlib.resources import files
from pathlib import Path

import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import locked
from oxnor.sim.runner import cache
from oxnor.sim.verify.engines import generator_hash

HW = Path(str(files("oxnor.hw")))
GATEWARE = sorted(p.relative_to(HW).as_posix() for p in [*HW.rglob("*.py"), *HW.glob("rtl/*.sv")])


@pytest.fixture(scope="module")
def gateware(tmp_path_factory):
    """A copy of the package that may be changed."""
    folder = tmp_path_factory.mktemp("gateware") / "hw"
    shutil.copytree(HW, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_key_is_of_all_gateware(gateware):
    assert generator_hash(gateware) == generator_hash()
    assert len(GATEWARE) > 50
    assert {"rtl", "layers", "engine", "blocks", "params"} <= {name.split("/")[0] for name in GATEWARE}


@pytest.mark.parametrize("name", GATEWARE)
def test_a_changed_byte_in_any_gateware_file_changes_the_key(name, gateware):
    path = gateware / name
    before = path.read_bytes()
    changed = bytes([before[0] ^ 1]) + before[1:] if before else b" "
    path.write_bytes(changed)
    try:
        assert generator_hash(gateware) != generator_hash()
    finally:
        path.write_bytes(before)


@pytest.fixture
def root(tmp_path):
    """Four entries of 100 kB, used an hour apart: the first one longest ago."""
    for k, name in enumerate(["sim/a", "sim/b", "fpga/c", "run/d"]):
        entry = tmp_path / name
        entry.mkdir(parents=True)
        (entry / "program").write_bytes(bytes(range(100)) * 1000)
        (entry.parent / f"{entry.name}.log").touch()
        os.utime(entry, (time.time() - 3600 * (9 - k),) * 2)
    return tmp_path


def names(entries):
    return [e.path.name for e in entries]


def test_lists_by_use(root):
    found = cache.entries(root)
    assert names(found) == ["a", "b", "c", "d"]
    assert [e.kind for e in found] == ["simulation", "simulation", "FPGA build", "run"]
    assert all(100_000 <= e.size < 120_000 for e in found)
    cache.Lease(root / "sim/a").close()
    assert names(cache.entries(root)) == ["b", "c", "d", "a"]


def test_prunes_what_was_not_used_longest(root):
    assert names(cache.prune(250_000, root)) == ["a", "b"]
    assert names(cache.entries(root)) == ["c", "d"]
    assert not (root / "sim/a").exists()
    assert not (root / "sim/a.log").exists()
    assert cache.prune(250_000, root) == []
    assert names(cache.prune(0, root)) == ["c", "d"]


def test_what_is_in_use_or_being_made_stays(root):
    lease = cache.Lease(root / "sim/a")
    for path in ("sim/a/in-use", "sim/a"):
        os.utime(root / path, (0, 0))
    with locked(root / "sim/b.lock"):
        assert names(cache.prune(0, root)) == ["c", "d"]
    assert (root / "sim/a/program").is_file()
    lease.close()
    assert names(cache.prune(0, root)) == ["a", "b"]


def test_what_was_just_used_stays(root):
    cache.Lease(root / "sim/a").close()
    assert names(cache.prune(0, root)) == ["b", "c", "d"]
    assert names(cache.prune(0, root, grace_s=-1)) == ["a"]


def test_limit(root, monkeypatch):
    monkeypatch.delenv("OXNOR_BUILD_LIMIT", raising=False)
    assert cache.limit() == 4 * 2**30
    monkeypatch.setenv("OXNOR_BUILD", str(root))
    monkeypatch.setenv("OXNOR_BUILD_LIMIT", "0.0002")
    assert cache.limit() == 214_748
    assert names(cache.prune()) == ["a", "b"]
    for wrong in ("much", "-1", "nan"):
        monkeypatch.setenv("OXNOR_BUILD_LIMIT", wrong)
        with pytest.raises(InputError, match=f"^OXNOR_BUILD_LIMIT must be a number of GiB, not '{wrong}'$"):
            cache.limit()

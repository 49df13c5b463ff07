"""Entries of the cache that are damaged are not used: they are made again, and one line says so."""

import shutil

import pytest

from oxnor.sim.runner import cache


@pytest.fixture
def entry(tmp_path):
    folder = tmp_path / "fpga" / "entry"
    (folder / "rtl").mkdir(parents=True)
    (folder / "oxnor.bin").write_bytes(bytes(range(100)))
    (folder / "report.json").write_text("{}")
    (folder / "rtl" / "top.sv").write_text("module top; endmodule")
    cache.seal(folder)
    cache.Lease(folder).close()
    return folder


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "flipped bit": lambda e: flip(e / "oxnor.bin"),
    "edited report": lambda e: (e / "report.json").write_text('{"fits": true}'),
    "missing file": lambda e: (e / "oxnor.bin").unlink(),
    "cut short": lambda e: (e / "oxnor.bin").write_bytes(b""),
    "one more file": lambda e: (e / "rtl" / "other.sv").write_text(""),
    "missing folder": lambda e: shutil.rmtree(e / "rtl"),
    "no hashes": lambda e: (e / "hashes.json").unlink(),
    "hashes that are none": lambda e: (e / "hashes.json").write_bytes(b"\xff[[["),
    "hashes of another kind": lambda e: (e / "hashes.json").write_text("[1]"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_is_found_and_said(entry, how, caplog):
    assert cache.is_whole(entry)
    assert not caplog.records
    DAMAGE[how](entry)
    assert not cache.is_whole(entry)
    (record,) = caplog.records
    assert record.getMessage() == f"oxnor: {entry} is damaged, or from an earlier release: it is made again"


def test_what_is_not_there_is_no_damage(tmp_path, caplog):
    assert not cache.is_whole(tmp_path / "none")
    assert not caplog.records

"""Files and folders appear whole or not at all; nothing that is not ours is deleted."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oxnor.models.base import replace
from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import MANIFEST, whole_file, whole_folder


def write(path, text, **options):
    with whole_folder(path, **options) as folder:
        (folder / "mem").mkdir()
        for k in range(3):
            (folder / "mem" / f"{k}.mem").write_text(text)
        (folder / "mark.json").write_text(text)


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)


OURS = ["mark.json", "mem/0.mem", "mem/1.mem", "mem/2.mem"]


def test_new_again_and_with_a_file_of_the_users(tmp_path):
    target = tmp_path / "a folder" / "out"
    write(target, "one")
    (target / "mem" / "notes.txt").write_text("mine")
    write(target, "two")
    assert names(target) == sorted([*OURS, "mem/notes.txt"])
    assert (target / "mem" / "0.mem").read_text() == "two"
    assert (target / "mem" / "notes.txt").read_text() == "mine"
    assert [p.name for p in target.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("where", [".", "..", "link"])
@pytest.mark.parametrize("force", [False, True])
def test_the_working_folder_is_never_replaced(tmp_path, monkeypatch, where, force):
    home = tmp_path / "work" / "here"
    home.mkdir(parents=True)
    (home / "thesis.txt").write_text("mine")
    (home / "link").symlink_to(home)
    monkeypatch.chdir(home)
    with pytest.raises(InputError) as caught:
        write(where, "one", force=force)
    assert str(caught.value) == f"{where}: must be a folder of its own, not the one you are in or one above it"
    assert (home / "thesis.txt").read_text() == "mine"


def test_a_foreign_folder_is_refused_and_kept_with_force(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"must be new, empty or written by this command before"):
        write(target, "one")
    for k in ("", "2"):
        write(target, "one", force=True)
        assert names(target) == OURS
        assert (tmp_path / f"out.old{k}").is_dir()
        (target / MANIFEST).unlink()
    assert (tmp_path / "out.old" / "thesis.txt").read_text() == "mine"


def test_a_folder_of_an_earlier_release_is_kept_aside(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "mark.json").write_text("old")
    write(target, "one", marker="mark.json")
    assert names(target) == OURS
    assert names(tmp_path / "out.old") == ["mark.json"]


def test_a_file_in_the_place_of_a_folder_and_the_reverse(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"file: must be a folder, not a file$"):
        write(tmp_path / "file", "one")
    with pytest.raises(InputError, match=r"must be a file, and is a folder$"), whole_file(tmp_path):
        pass


def test_an_error_leaves_everything_as_it_was(tmp_path):
    target = tmp_path / "out"
    write(target, "one")
    with pytest.raises(FileNotFoundError), whole_folder(target) as folder:
        (folder / "no such folder" / "half").write_text("half")
    assert names(target) == OURS
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_a_full_disk_is_one_sentence(tmp_path, whole):
    with pytest.raises(InputError, match=r"cannot be written: the disk is full; nothing has changed$"), whole(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_without_an_atomic_exchange(tmp_path, monkeypatch):
    monkeypatch.setattr(replace, "_exchange", lambda *_: False)
    write(tmp_path / "out", "one")
    write(tmp_path / "out", "two")
    assert (tmp_path / "out" / "mark.json").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_leftovers_of_dead_processes_are_removed_and_others_kept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getppid()):
        name = replace.temporary_name(tmp_path / "out").name.replace(f"-{os.getpid()}-", f"-{process}-")
        (tmp_path / name).mkdir()
    write(tmp_path / "out", "one")
    left = [p.name for p in tmp_path.iterdir() if p.name != "out"]
    assert len(left) == 1
    assert f"-{os.getppid()}-" in left[0]


WRITER = """
import itertools, sys
from pathlib import Path
from oxnor.models.base.replace import whole_file, whole_folder
for k in itertools.count():
    with whole_folder(sys.argv[1]) as folder:
        for n in range(20):
            (folder / f"{n}.mem").write_text(str(k))
    with whole_file(sys.argv[2]) as file:
        file.write_text(str(k) * 1000)
    print(k, flush=True)
"""


def kill_while_writing(tmp_path, kills):
    folder, file = tmp_path / "out", tmp_path / "file"
    for k in range(kills):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(file)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(k * 7919 % 997 / 100_000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        texts = {(folder / f"{n}.mem").read_text() for n in range(20)}
        assert len(texts) == 1, (k, texts)
        assert len(set(file.read_text())) <= 3
        assert len(file.read_text()) % 1000 == 0
        assert file.stat().st_size
    write(folder, "last")
    with whole_file(file) as temporary:
        temporary.write_text("last")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "out"]


def test_kills_leave_nothing_half(tmp_path):
    kill_while_writing(tmp_path, 10)


@pytest.mark.slow
def test_many_kills_leave_nothing_half(tmp_path):
    kill_while_writing(tmp_path, 300)


def test_long_names(tmp_path):
    path = Path(tmp_path / ("x" * 230))
    with whole_file(path) as temporary:
        temporary.write_text("ok")
    assert path.read_text() == "ok"
    with pytest.raises(InputError, match=r"cannot be written .File name too long.$"), whole_file(tmp_path / ("x" * 300)):
        pass

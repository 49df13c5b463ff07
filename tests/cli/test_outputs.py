"""What cannot be written is refused before any work, in one sentence; nothing that is read is overwritten."""

import os
import re
import subprocess
import sys

import pytest
from helpers.cli import run, sentence

from oxnor.cli import commands
from oxnor.models.base import replace

LONG = "x" * 300
#: A command up to the name of an output, and the end that it must have.
FILES = {
    "export": (["export", "mnist-tfc", "-o"], ""),
    "faults": (["device", "faults", "mnist-tfc", "--ber", 0.1, "-o"], ""),
    "device": (["device", "show", "calibrated-1e-4", "-o"], ""),
    "device plot": (["device", "show", "--plot"], ".svg"),
    "device wear": (["device", "show", "calibrated-1e-4", "--wear"], ".svg"),
    "circuit": (["device", "circuit", "-o"], ".json"),
    "circuit picture": (["device", "circuit", "--picture"], ".svg"),
    "fit": (["device", "fit", "none.csv", "-o"], ""),
    "import": (["import", "none.onnx", "-o"], ".npz"),
    "report": (["report", "none.sqlite", "-o"], ".html"),
    "simulate": (["simulate", "mnist-tfc", "-o"], ".csv"),
    "compare": (["compare", "mnist-tfc", "-o"], ".json"),
    "energy components": (["energy", "mnist-tfc", "-o"], ".yaml"),
    "compare page": (["compare", "mnist-tfc", "--page"], ".html"),
    "compare plot": (["compare", "mnist-tfc", "--plot"], ".svg"),
    "sweep": (["sweep", "mnist-tfc", "-o"], ""),
    "sweep plot": (["sweep", "mnist-tfc", "--plot"], ".svg"),
    "sweep export": (["sweep", "mnist-tfc", "--export"], ".csv"),
    "train": (["train", "mnist-tfc", "-o"], ".npz"),
    "checkpoint": (["train", "mnist-tfc", "--checkpoint"], ""),
}
FOLDERS = {
    "generate": ["generate", "mnist-tfc", "-o"],
    "build": ["fpga", "build", "mnist-tfc", "--board", "icebreaker", "-o"],
    "vectors": ["tools", "vectors", "mnist-tfc", "-o"],
}
PLACES = {
    "demo": ["demo", "-o"],
    "pictures": ["demo", "--pictures"],
    "new": ["new"],
    "plots": ["report", "none.sqlite", "--plots"],
    "run": ["run", "none.toml", "-o"],
    "spirit": ["study", "spirit", "--pictures"],
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return the working folder, with a file and a folder."""
    folder = tmp_path / "here"
    (folder / "folder").mkdir(parents=True)
    (folder / "folder" / "thesis.txt").write_text("mine")
    (folder / "file").write_text("mine")
    (folder / "folder.svg").mkdir()
    monkeypatch.chdir(folder)
    return folder


def no_work(monkeypatch):
    """Let any command that begins its work fail."""

    def begins(*_):
        raise AssertionError("the work has begun")

    monkeypatch.setattr("typer.core.TyperCommand.invoke", begins)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_written(place, monkeypatch, name):
    no_work(monkeypatch)
    command, end = FILES[name]
    (place / f"is{end}").mkdir(exist_ok=True)
    assert sentence(*command, f"is{end}") == f"is{end}: must be a file, and is a folder"
    assert sentence(*command, f"file/x{end}") == f"file/x{end}: cannot be written (Not a directory)"
    assert sentence(*command, f"/proc/x{end}") == f"/proc/x{end}: cannot be written (No such file or directory)"
    assert sentence(*command, f"{LONG}{end}").endswith("cannot be written (File name too long)")
    if not end:
        assert sentence(*command, ".") == ".: must be a file, and is a folder"
        assert sentence(*command, "..") == "..: must be a file, and is a folder"
        assert sentence(*command, "/dev/null") == "/dev/null: must be a file, and is a device or a pipe"
    else:
        assert sentence(*command, "x.exe").startswith(f"--{'plot' if 'plot' in name else ''}" if "plot" in name else "--")


@pytest.mark.parametrize("command", FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_cannot_be_written(place, monkeypatch, command):
    no_work(monkeypatch)
    own = "must be a folder of its own, not the one you are in or one above it"
    assert sentence(*command, "file") == "file: must be a folder, not a file"
    assert sentence(*command, ".") == f".: {own}"
    assert sentence(*command, "..") == f"..: {own}"
    assert sentence(*command, "file/x") == "file/x: cannot be written (Not a directory)"
    assert sentence(*command, "/proc/x") == "/proc/x: cannot be written (No such file or directory)"
    assert sentence(*command, LONG).endswith("cannot be written (File name too long)")


@pytest.mark.parametrize("command", PLACES.values(), ids=PLACES)
def test_a_place_that_cannot_be_written(place, monkeypatch, command):
    no_work(monkeypatch)
    assert sentence(*command, "file") == "file: must be a folder, not a file"
    assert sentence(*command, "file/x") == "file/x: cannot be written (Not a directory)"
    assert sentence(*command, "/proc/x") == "/proc/x: cannot be written (No such file or directory)"
    assert sentence(*command, LONG).endswith("cannot be written (File name too long)")


def test_every_output_is_checked():
    """An option that names an output has the callback: what has a metavar of a file and is not read."""
    from oxnor.cli.app import app

    reads = {"--design", "--faults", "--data-dir", "--labels", "--check", "--weights", "--merge", "--macro-file", "--memory"}
    reads |= {"--input-threshold", "--device", "--data", "--test", "--events", "--models", "--energy"}

    def commands_of(group, *path):
        for name, command in group.commands.items():
            yield from commands_of(command, *path, name) if hasattr(command, "commands") else [((*path, name), command)]

    import typer.main

    found = 0
    for path, command in commands_of(typer.main.get_command(app)):
        for p in command.params:
            if re.match(r"FILE|DIR|NET\.", p.metavar or "") and p.param_type_name == "option" and not reads & set(p.opts):
                assert p.callback is not None, (path, p.opts)
                found += 1
    assert found > 15


def test_no_command_overwrites_what_it_reads(place):
    os.link(place / "file", place / "same.npz")
    assert sentence("import", "file", "-o", "same.npz") == "--output must not be file, which is read"
    assert sentence("train", "mnist-tfc", "--data", "file", "-o", "same.npz") == "--output must not be file, which is read"
    assert sentence("export", "file", "-o", "./file") == "--output must not be file, which is read"
    assert (place / "file").read_text() == "mine"


def test_a_link_stays_and_its_target_is_written(place):
    (place / "latest.json").symlink_to(place / "folder" / "device.json")
    assert run("device", "show", "calibrated-1e-4", "-o", "latest.json").exit_code == 0
    assert (place / "latest.json").is_symlink()
    assert (place / "folder" / "device.json").is_file()


def test_a_file_that_its_owner_protects_stays(place, monkeypatch):
    access = os.access
    monkeypatch.setattr(replace.os, "access", lambda path, mode, **_: access(path, mode) and mode != os.W_OK)
    assert sentence("export", "mnist-tfc", "-o", "file") == "file: cannot be written (Permission denied)"


USAGE = {
    "missing option": (["export", "mnist-tfc"], "--output must be given: see oxnor export --help"),
    "missing argument": (["import", "-o", "x.npz"], "FILE must be given: see oxnor import --help"),
    "no value": (["export", "mnist-tfc", "-o"], "-o must have a value"),
    "no command": (["genrate"], "there is no command genrate (did you mean generate"),
    "no option": (["simulate", "--imagse", 3], "there is no option --imagse (did you mean --images"),
    "own option": (["--nope"], "there is no option --nope: see oxnor --help"),
    "whole number": (["simulate", "--images", "x"], "--images must be a whole number, not 'x'"),
    "number": (["simulate", "--ber", "x"], "--ber must be a number, not 'x'"),
    "extra": (["simulate", "mnist-tfc", "more"], "more must not be given: see oxnor simulate --help"),
}


@pytest.mark.parametrize(("arguments", "text"), USAGE.values(), ids=USAGE)
def test_bad_usage_is_one_sentence(arguments, text):
    assert sentence(*arguments).startswith(text)


def test_output_on_a_full_disk():
    with open("/dev/full", "w") as full:
        result = process_to(full, "device", "show", "--list")
    assert result == (2, "oxnor: standard output: the disk is full\n")


def process_to(file, *arguments):
    command = [sys.executable, "-m", "oxnor.cli", *arguments]
    done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, timeout=600, check=False)
    return done.returncode, done.stderr


def test_no_progress_where_there_is_no_terminal(place):
    result = run("device", "show", "calibrated-1e-4", "--monte-carlo", 1000, "--json")
    assert (result.exit_code, result.stderr) == (0, "")


def test_names_are_not_obeyed_by_the_terminal(capsys):
    from oxnor.cli import console

    console.note("\x1b[31mred\x07")
    console.say("\x1b]0;title\x07")
    console.print_table(("a", "b"), [("\x1b[2Jname", "[bold]x")], title="\x1b[31m[red]t")
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\x07" not in out + err
    assert "\\x1b[31mred\\x07" in err
    assert "[bold]x" in out
    assert "[red]t" in out


def test_errors_of_the_system_are_sentences(monkeypatch, capsys):
    import errno

    import typer

    with pytest.raises(typer.Exit) as caught, commands.in_sentences():
        raise OSError(errno.ENOSPC, "No space left on device", "some/file")
    assert caught.value.exit_code == 2
    assert capsys.readouterr().err == "oxnor: some/file: the disk is full\n"
    with pytest.raises(FileNotFoundError), commands.in_sentences():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "x")

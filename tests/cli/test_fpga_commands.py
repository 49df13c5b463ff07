"""``oxnor fpga`` and ``oxnor sweep --on``: help, sentences, and two commands on a virtual board over SPI."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.boards import layers_of
from typer.testing import CliRunner

from oxnor.cli.app import app
from oxnor.models.faults.fault_map import FaultMap

BOARD = """name = "arty-a7"
chip = { family = "xilinx", part = "xc7a35ticsg324-1L", luts = 20800, block_rams = 100 }
clock = { pin = "E3", mhz = 100 }
uart = { rx = "A9", tx = "D10", baud = 1000000 }
"""


@pytest.mark.parametrize("command", ["build", "generate", "emulate", "run", "load", "selftest", "check", "fuzz"])
def test_help_has_an_example(command):
    result = CliRunner().invoke(app, ["fpga", command, "--help"])
    assert result.exit_code == 0
    assert f"Example: oxnor fpga {command}" in " ".join(result.stdout.split())

SENTENCES = {
    "board": (["build", "mnist-tfc", "--board", "arty", "-o", "x"],
              "--board must be one of icebreaker, ulx3s-85f, colorlight-i5, tang-nano-9k, tang-nano-20k, or a file *.toml, not 'arty'"),
    "freq": (["build", "mnist-tfc", "--board", "icebreaker", "-o", "x", "--freq", "0"], "--freq must be in [1, 400] MHz, not 0"),
    "seed": (["build", "mnist-tfc", "--board", "icebreaker", "-o", "x", "--seed=-1"], "--seed must be in [0, 2**31), not -1"),
    "interval": (["build", "mnist-tfc", "--board", "icebreaker", "-o", "x", "--interval", "0"],
                 "--interval must be 1 or more, not 0"),
    "both": (["build", "mnist-tfc", "--board", "icebreaker", "-o", "x", "--interval", "9", "--fold", "1,1"],
             "--interval and --fold must not be given together: each of them decides the folding"),
    "link": (["emulate", "mnist-tfc", "--link", "i2c"], "--link must be uart or spi, not 'i2c'"),
    "spi baud": (["build", "mnist-tfc", "--board", "icebreaker", "-o", "x", "--link", "spi", "--baud", "9600"],
                 "--baud must not be given with --link spi: the host makes the clock of SPI"),
    "spi bits": (["emulate", "mnist-tfc", "--link", "spi", "--bit-cycles", "4"], "--bit-cycles must be in [8, 65535], not 4"),
    "read ber": (["run", "mnist-tfc", "--port", "/dev/nowhere", "--read-ber", "2"],
                 "--read-ber must be a share in [0, 0.999985], not 2"),
    "load port": (["load", "mnist-tfc", "--port", "/dev/nowhere"], "port /dev/nowhere: cannot be opened (No such file or directory)"),
    "options of a port": (["fuzz", "mnist-tfc", "--port", "/dev/nowhere", "--programming"],
                         "--programming must not be given with --port: the board says what it has"),
    "bits": (["emulate", "mnist-tfc", "--bit-cycles", "3"], "--bit-cycles must be in [4, 65535], not 3"),
    "images": (["run", "mnist-tfc", "--port", "/dev/nowhere", "--images", "0"], "--images must be at least 1, not 0"),
    "port": (["run", "mnist-tfc", "--port", "/dev/nowhere"], "port /dev/nowhere: cannot be opened (No such file or directory)"),
    "frames": (["fuzz", "mnist-tfc", "--frames", "0"], "--frames must be 1 or more, not 0"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_bad_input_is_one_sentence(arguments, sentence):
    result = CliRunner().invoke(app, ["fpga", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert [s for s in result.stderr.splitlines() if s.startswith("oxnor: ")] == [f"oxnor: {sentence}"]

SWEEP_SENTENCES = {
    "kind": (["--on", "/dev/nowhere", "--kind", "stuck"],
             "on a board the kind must be read, in all layers at once: --kind read, and no --layer"),
    "layer": (["--on", "/dev/nowhere", "--layer", "1"],
              "on a board the kind must be read, in all layers at once: --kind read, and no --layer"),
    "jobs": (["--on", "/dev/nowhere", "--jobs", "2"], "--jobs and --on must not be given together: the board computes"),
    "baud": (["--baud", "9600"], "--baud must come with --on"),
    "port": (["--on", "/dev/nowhere"], "port /dev/nowhere: cannot be opened (No such file or directory)"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), SWEEP_SENTENCES.values(), ids=SWEEP_SENTENCES)
def test_bad_sweep_on_a_board_is_one_sentence(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["sweep", "mnist-tfc", "--images", "10", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert [s for s in result.stderr.splitlines() if s.startswith("oxnor: ")] == [f"oxnor: {sentence}"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "command"), [
    (("small.npz", "--board", "my board.toml", "--interval", "99", "--baud", "9600"),
     "small.npz --board 'my board.toml' --interval 99 --port PORT --baud 9600"),
    (("small.npz", "--board", "icebreaker", "--fold", "1,1", "--fold", "1,1"),
     "small.npz --board icebreaker --port PORT --fold 1,1 --fold 1,1"),
])  # fmt: skip
def test_readme_has_the_command_that_runs_the_board(options, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layers_of(40, 12, 5).save("small.npz")
    Path("my board.toml").write_text(BOARD)
    result = CliRunner().invoke(app, ["fpga", "generate", *options, "-o", "out"])
    assert result.exit_code == 0, result.output
    assert f"\n    oxnor fpga run {command}\n" in Path("out/README.md").read_text()


@pytest.mark.cosim
def test_commands_emulate_load_and_run(tmp_path):
    """Over SPI, and with the macro for block RAM that writes no single bits: the other tests have neither."""
    layers_of(40, 12, 5).save(tmp_path / "small.npz")
    other = layers_of(40, 12, 5, seed=2)
    other.save(tmp_path / "other.npz")
    faults = FaultMap.draw(other, ber=0.02)
    faults.save(tmp_path / "faults.npz")
    command = [sys.executable, "-m", "oxnor.cli", "fpga"]
    board_options = ["--board", "colorlight-i5", "--fold", "2,1", "--fold", "1,1", "--json"]

    def done(*arguments):
        found = subprocess.run([*command, *arguments, *board_options], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
        return json.loads(found.stdout) if found.returncode == 0 else found.stderr

    emulate = [*command, "emulate", "small.npz", "--link", "spi", "--programming", *board_options]
    with subprocess.Popen(emulate, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            lines = []
            while not lines or lines[-1] != "}\n":
                lines.append(running.stdout.readline())
            port = json.loads("".join(lines))["port"]
            first = done("run", "small.npz", "--port", port, "--images", "20")
            loaded = done("load", "other.npz", "--port", port, "--faults", "faults.npz")
            second = done("run", "other.npz", "--port", port, "--images", "20", "--faults", "faults.npz")
            refused = done("run", "small.npz", "--port", port, "--images", "20")
        finally:
            running.terminate()
    assert port.startswith("spi:/dev/pts/")
    assert (first["mismatches"], first["retries"], first["features"]) == (0, 0, ["programming", "spi"])
    assert (loaded["failing"], loaded["wrong_weights"]) == (0, faults.count)
    assert second["mismatches"] == 0
    assert "register NETWORK must be" in refused

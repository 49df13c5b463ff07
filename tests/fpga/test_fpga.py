"""Boards: folding, top level, host link end to end on the virtual board, reports."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from oxnor.cli.app import app
from oxnor.fpga import tools
from oxnor.fpga.bitstream import build, memory_style, synthesis_script, write_design
from oxnor.fpga.boards import NAMES, board
from oxnor.fpga.emulate import VirtualBoard
from oxnor.fpga.fuzz import fuzz
from oxnor.fpga.host import Host, LinkError
from oxnor.fpga.load import load, self_test
from oxnor.fpga.netlist import check
from oxnor.fpga.report import advice, bound_cycles
from oxnor.fpga.search import folding_for, search
from oxnor.fpga.session import classifier, classify, run_images
from oxnor.fpga.top import divisor, pin_file
from oxnor.hw.host.programmer import Synapse, run_now
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.link_protocol import (
    END,
    ESC,
    ESC_IDLE,
    IDLE,
    Command,
    Identity,
    Status,
    request,
    slip,
    unslip,
    with_crc,
)
from oxnor.hw.params.schedule import schedule
from oxnor.models import golden, zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.options import DataOptions
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.sim.sweeps.params import SweepParams, WorkerOptions
from oxnor.sim.sweeps.run import sweep
from oxnor.sim.sweeps.store import Results
from oxnor.sim.verify.inputs import inputs_for

DOCS = Path(__file__).parents[2] / "docs" / "boards"


def layers_of(n_in, *sizes, seed=1):
    g = np.random.default_rng(seed)
    shape = [n_in, *sizes]
    weights = [g.random((b, a)) < 0.5 for a, b in zip(shape, sizes, strict=False)]
    thresholds = [g.integers(a // 2 - 2, a // 2 + 3, b) for a, b in zip(shape, sizes, strict=False)]
    return Network.from_arrays(weights, [*thresholds[:-1], None], name="small")


@pytest.fixture(scope="module")
def small():
    return layers_of(70, 20, 10)


@pytest.fixture(scope="module")
def virtual(small, tmp_path_factory):
    """A small network on a virtual iCEBreaker with all extras; macros of few rows, so that a self-test is short."""
    config = EngineConfig.for_network(
        small, target="ice40", macro_size=(20, 16), folding=[(5, 1), (2, 1)], stream_width=16, with_scores=False,
        fault_injector=True, programming=True,
    )  # fmt: skip
    with VirtualBoard(small, board("icebreaker"), config, tmp_path_factory.mktemp("board")) as running:
        yield running


@pytest.fixture
def host(virtual):
    with Host(virtual.port) as h:
        yield h


# Folding


@pytest.mark.parametrize(
    ("network", "name", "interval", "cycles", "macros"),
    [
        ("mnist-tfc", "icebreaker", None, 192, 22),
        ("mnist-tfc", "ulx3s-85f", 64, 64, 27),
        ("mnist-tfc", "colorlight-i5", None, 49, 39),
        ("mnist-mlp", "ulx3s-85f", None, 256, 206),
    ],
)
def test_search_finds_the_folding_of_the_reports(network, name, interval, cycles, macros):
    chip = board(name).chip
    found = search(zoo.load_binarized(network), chip, interval)
    assert (found.folding.interval, found.folding.macros) == (cycles, macros)
    assert found.folding.macros <= chip.block_rams
    assert found.steps[-1].endswith("times as many")


def test_nothing_faster_fits():
    network, chip = zoo.load_binarized("mnist-tfc"), board("icebreaker").chip
    best = search(network, chip)
    for reads in range(1, best.folding.interval):
        faster = folding_for(network, chip, reads)
        assert faster is None or faster.interval >= best.folding.interval or (
            faster.macros > chip.block_rams or faster.luts > 0.98 * chip.luts
        )


def test_what_does_not_fit_says_by_how_much():
    with pytest.raises(InputError) as e:
        search(zoo.load_binarized("mnist-mlp"), board("colorlight-i5").chip)
    assert str(e.value).startswith(
        "network 'mnist-mlp' does not fit on ECP5 LFE5U-25F: at 512 cycles an image it needs 103 block RAMs of 56 and about"
    )
    assert str(e.value).endswith("; take a larger board")


def test_extras_take_logic():
    """What the search allows for them is what synthesis has made of them, within a tenth."""
    small, measured = layers_of(70, 20, 10), {}
    for name, extra in (("icebreaker", "programming"), ("icebreaker", "fault_injector"), ("ulx3s-85f", "programming")):
        chip = board(name).chip
        with_it, without = (folding_for(small, chip, 20, **extras) for extras in ({extra: True}, {}))
        assert with_it.folds == without.folds
        measured[name, extra] = with_it.luts - without.luts
    assert measured == pytest.approx(
        {("icebreaker", "programming"): 1941, ("icebreaker", "fault_injector"): 14860, ("ulx3s-85f", "programming"): 1721}, rel=0.1
    )
    config = search(zoo.load_binarized("mnist-tfc"), board("ulx3s-85f").chip, fault_injector=True, programming=True).config
    assert config.fault_injector
    assert config.programming
    with pytest.raises(InputError, match="network 'mnist-tfc' does not fit on iCE40 UP5K"):
        search(zoo.load_binarized("mnist-tfc"), board("icebreaker").chip, fault_injector=True)


def test_bound_is_all_block_rams_in_every_cycle():
    chip = board("ulx3s-85f").chip
    config = search(zoo.load_binarized("mnist-mlp"), chip).config
    assert bound_cycles(config, chip) == pytest.approx((784 * 1024 + 1024 * 1024 + 10240) / (208 * 36))


def test_advice_says_how_much_is_too_much():
    placed = {"logic_cells": {"used": 5307, "of": 5280}, "block_ram": {"used": 25, "of": 30}}
    assert advice({"fits": False}, placed) == (
        "does not fit: 27 logic cells too many (5,307 of 5,280); fold it more (a larger `interval`, or a `folding` with fewer"
        " macros), or take a larger board"
    )
    slow = {"fits": True, "meets_freq": False, "fmax_mhz": 20.5, "freq_mhz": 30}
    assert advice(slow, {}) == "too slow: 20.5 MHz of 30; ask for a lower `freq_mhz`, or try another `seed`"
    assert advice({"fits": True, "meets_freq": True}, {}) is None


# Boards


@pytest.mark.parametrize("name", NAMES)
def test_design_of_each_board(name, small, tmp_path):
    spec = board(name)
    design = write_design(small, spec, search(small, spec.chip).config, tmp_path)
    assert design.freq_mhz == spec.freq_mhz
    pins = (tmp_path / pin_file(spec)[0]).read_text()
    for port, (site, _) in spec.pins.items():
        assert port in pins
        assert site in pins
    assert (tmp_path / "rtl" / "oxnor_top.v").is_file()
    assert "oxnor_pll" in (tmp_path / "rtl" / "oxnor_pll.v").read_text()


def test_baud_that_the_clock_cannot_make():
    assert divisor(30, 1_000_000) == 30
    for freq, baud in ((30, 9_000_000), (12, 3_500_000)):
        with pytest.raises(InputError, match=f"--baud must be a rate that {freq} MHz can make within 2 %, not {baud}"):
            divisor(freq, baud)


def test_unknown_board():
    with pytest.raises(InputError, match="--board must be one of icebreaker, ulx3s-85f, colorlight-i5, not 'arty'"):
        board("arty")


def test_foreign_folder_is_not_replaced(small, tmp_path):
    (tmp_path / "mine").write_text("x")
    spec = board("icebreaker")
    with pytest.raises(InputError, match="was not written by oxnor fpga build"):
        build(small, spec, search(small, spec.chip).config, tmp_path)


# The virtual board


@pytest.mark.cosim
def test_board_is_the_golden_model(small, virtual):
    result = run_images(small, virtual.design.config, inputs_for(small, DataOptions(60)), virtual.port, 1_000_000, board="icebreaker")
    assert result["mismatches"] == 0
    assert result["cycles"] == result["predicted_cycles"]
    assert (result["frames"], result["dropped"], result["retries"]) == (60, 0, 0)


@pytest.mark.cosim
def test_another_network_is_seen(small, virtual):
    """The check itself: a golden model with other weights must differ, and a board of another network is refused."""
    other = layers_of(70, 20, 10, seed=2)
    with pytest.raises(LinkError, match=r"register NETWORK must be .*: another network is on this board"):
        run_images(other, virtual.design.config, inputs_for(other, DataOptions(10)), virtual.port, 1_000_000)
    with pytest.raises(LinkError, match="must be a ulx3s-85f, but says that it is a icebreaker"):
        run_images(small, virtual.design.config, inputs_for(small, DataOptions(1)), virtual.port, 1_000_000, board="ulx3s-85f")


@pytest.mark.cosim
def test_registers_over_the_link(host):
    host.identity()
    host.write([("CONTROL", 1)])
    assert host.read("FRAMES", "DROPPED", "N_IN", "N_OUT") == [0, 0, 70, 10]
    with pytest.raises(LinkError, match="the board answers WRITE with BUS_ERROR"):
        host.write([("N_IN", 1)])
    assert host.read("N_IN") == [70]


@pytest.mark.cosim
def test_link_comes_back_in_step(host):
    """A request cut short leaves the next one intact, and the host repeats what was lost."""
    host.identity()
    host.send(request(Command.RUN, 1, bytes(10))[:-5])
    assert host.identity().name == "icebreaker"
    host.send(b"\x01\x02\x03")
    assert host.read("N_OUT") == [10]
    assert host.retries <= 2


@pytest.mark.cosim
def test_damaged_frames_are_counted_and_change_nothing(small, virtual, host):
    result = fuzz(host, small, virtual.design.config, 2000, seed=3)
    assert result["frames"] >= 2000
    assert set(result["answers"]) == {s.name for s in (
        Status.BAD_CRC, Status.BAD_PAYLOAD, Status.TOO_LONG, Status.TOO_SHORT, Status.UNKNOWN_COMMAND)}  # fmt: skip
    assert result["good_images"] == 12


# Extras over the link


@pytest.mark.cosim
def test_read_errors_are_those_of_the_golden_model(small, virtual):
    inputs = inputs_for(small, DataOptions(300))
    errors = ReadErrors.from_ber(0.05, seed=3)
    result = run_images(small, virtual.design.config, inputs, virtual.port, 1_000_000, read_errors=errors)
    assert (result["mismatches"], result["read_ber"]) == (0, errors.ber)
    assert result["cycles"] == result["predicted_cycles"]
    with classifier(small, virtual.port, 1_000_000) as classify:
        clean, wrong, other = (
            classify(inputs.images, ReadErrors(rate, seed)) for rate, seed in ((0, 3), (errors.rate, 3), (errors.rate, 4))
        )  # fmt: skip
    assert np.array_equal(clean, golden.predict(small, inputs.images))
    assert np.array_equal(wrong, golden.predict(small, inputs.images, read_errors=errors))
    assert len({tuple(c.tolist()) for c in (clean, wrong, other)}) == 3
    # Nothing is left behind.
    assert run_images(small, virtual.design.config, inputs, virtual.port, 1_000_000)["mismatches"] == 0


@pytest.mark.cosim
def test_a_lost_request_does_not_spoil_read_errors(small, virtual, host, monkeypatch):
    """A batch that had to be sent again has moved the image numbers: all images are run again."""
    inputs, errors = inputs_for(small, DataOptions(40)), ReadErrors.from_ber(0.1, seed=5)
    identity = host.check(virtual.design.config.digest, small.digest)
    heard, lost = host.receive, []

    def deaf(timeout_s):
        response = heard(timeout_s)
        if response and len(response.payload) == 24 and not lost:
            lost.append(response)
            return None
        return response

    monkeypatch.setattr(host, "receive", deaf)
    classes, sizes, _ = classify(host, identity, inputs.images, errors, batch=20)
    host.set_read_errors(None, identity)
    assert lost
    assert sizes == [20, 20]
    assert np.array_equal(classes, golden.predict(small, inputs.images, read_errors=errors))


@pytest.mark.cosim
def test_any_network_of_the_shape_is_loaded(small, virtual, host):
    config, other = virtual.design.config, layers_of(70, 20, 10, seed=2)
    faults = FaultMap.draw(other, ber=0.05, seed=1)
    steps = []
    result = load(host, other, config, faults, progress=lambda *step: steps.append(step))
    assert (result["failing"], result["wrong_weights"], host.retries) == (0, faults.count, 0)
    assert steps[-1] == (len(steps), len(steps))
    held = faults.apply(other)
    assert run_images(held, config, inputs_for(held, DataOptions(60)), virtual.port, 1_000_000)["mismatches"] == 0
    with pytest.raises(LinkError, match="register NETWORK must be"):
        run_images(other, config, inputs_for(other, DataOptions(1)), virtual.port, 1_000_000)
    # What is read back is what is there, to the synapse.
    wrong = [Synapse(k, *divmod(f, other.layers[k].n_in)) for k, flips in faults.flips.items() for f in flips.tolist()]
    programmer = host.programmer(config, host.identity())
    assert run_now(programmer.verify_network(other)) == sorted(wrong)
    assert load(host, small, config)["failing"] == 0
    assert run_images(small, config, inputs_for(small, DataOptions(60)), virtual.port, 1_000_000)["mismatches"] == 0


@pytest.mark.cosim
def test_self_test_of_a_board(small, virtual, host, monkeypatch):
    config = virtual.design.config
    assert self_test(host, config).ok
    # The check itself: an amplifier whose answer does not change.
    reads = host.access
    monkeypatch.setattr(host, "access", lambda accesses: [v | (v < 1 << 16) << 5 for v in reads(accesses)])
    found = self_test(host, config)
    assert {f.amplifiers for f in found.found} == {(5,)}
    monkeypatch.undo()
    load(host, small, config)


@pytest.mark.cosim
def test_sweep_on_a_board_gives_the_rows_of_the_software(small, virtual, tmp_path):
    """Either goes on in the file of the other."""
    inputs = inputs_for(small, DataOptions(50))
    few, params = (SweepParams((0.01, 0.1), trials=n, kind="read", seed=4) for n in (2, 3))
    with classifier(small, virtual.port, 1_000_000) as classify:
        assert sweep(small, inputs, few, tmp_path / "board.sqlite", workers=WorkerOptions(classify=classify)).computed == 5
        assert sweep(small, inputs, few, tmp_path / "board.sqlite").computed == 0
        assert sweep(small, inputs, replace(params, trials=1), tmp_path / "both.sqlite").computed == 3
        assert sweep(small, inputs, params, tmp_path / "both.sqlite", workers=WorkerOptions(classify=classify)).computed == 4
        with pytest.raises(InputError, match="on a board the kind must be read, in all layers at once"):
            sweep(small, inputs, SweepParams((0.1,)), tmp_path / "x.sqlite", workers=WorkerOptions(classify=classify))
    sweep(small, inputs, params, tmp_path / "software.sqlite")
    rows = {}
    for name in ("software", "board", "both"):
        with Results(tmp_path / f"{name}.sqlite") as results:
            rows[name] = [(t.key, t.errors, t.confusion.tolist()) for t in results.trials()]
    assert rows["both"] == rows["software"]
    assert rows["board"] == [row for row in rows["software"] if row[0].trial < 2]
    assert len({str(matrix) for *_, matrix in rows["software"]}) > 3


@pytest.mark.cosim
def test_command_sweep_on_a_port(small, virtual, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small.save("small.npz")
    trials = ["sweep", "small.npz", "--ber", "0.05", "--images", "30", "--json", "-o", "s.sqlite", "--trials"]
    found = CliRunner().invoke(app, [*trials, "2", "--on", virtual.port])
    assert (found.exit_code, json.loads(found.stdout)["computed"]) == (0, 3), found.stderr
    found = CliRunner().invoke(app, [*trials, "3", "--kind", "read"])
    assert (found.exit_code, json.loads(found.stdout)["computed"]) == (0, 1), found.stderr


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


class Deaf(Host):
    """A board that only says what it is."""

    def __init__(self, *features):
        self.port, self.found = "nowhere", Identity(1, 1, 10, 16384, 30_000_000, 4, "icebreaker", features)

    def identity(self):
        return self.found


def test_a_board_without_an_extra_is_refused(small):
    config = search(small, board("icebreaker").chip, 20).config
    host = Deaf()
    with pytest.raises(InputError, match="board icebreaker must have the programming controller: build it with `prog"):
        load(host, small, config)
    with pytest.raises(InputError, match="board icebreaker must have the programming controller"):
        self_test(host, config)
    with pytest.raises(InputError, match="board icebreaker must have the fault injector: build it with `fault_injector`"):
        host.set_read_errors(ReadErrors(5), host.identity())
    host.set_read_errors(None, host.identity())


# SPI


class Spidev:
    """The driver of Linux, with a board behind it that knows IDENTITY and hesitates."""

    identity = Identity(1, 1, 10, 16384, 255 << 16, 8, "icebreaker", ("spi",))

    def __init__(self):
        self.came, self.says = bytearray(), bytearray()

    def open_path(self, path):
        if path != "/dev/spidev0.0":
            raise FileNotFoundError(2, "No such file or directory")

    def close(self):
        self.came = None

    def xfer2(self, values):
        assert (self.mode, self.max_speed_hz, len(values) <= 4096) == (0, 2_000_000, True)
        read = []
        for n, value in enumerate(values):
            read.append(self.says.pop(0) if self.says and n % 3 else IDLE)
            if value != END:
                self.came.append(value)
            elif self.came:
                sequence = unslip(bytes(self.came))[1]
                self.came.clear()
                frame = slip(with_crc(bytes([sequence]) + self.identity.to_bytes() + bytes([Status.OK])))
                self.says += frame.replace(bytes([IDLE]), bytes([ESC, ESC_IDLE]))
        return read


def test_host_on_spi_of_linux(monkeypatch):
    monkeypatch.setitem(sys.modules, "spidev", SimpleNamespace(SpiDev=Spidev))
    with Host("spi:/dev/spidev0.0", 2_000_000) as host:
        for _ in range(3):
            assert host.identity() == Spidev.identity
        assert host.retries == 0
    with pytest.raises(InputError, match=r"port spi:/dev/spidev0.9: cannot be opened \(No such file or directory\)"):
        Host("spi:/dev/spidev0.9", 2_000_000)
    monkeypatch.setitem(sys.modules, "spidev", None)
    with pytest.raises(InputError, match=r'spidev is needed for SPI of this machine: pip install "oxnor\[spi\]"'):
        Host("spi:/dev/spidev0.0")


@pytest.mark.parametrize("name", NAMES)
def test_pins_of_spi(name, small, tmp_path):
    spec = board(name)
    design = write_design(small, spec, search(small, spec.chip).config, tmp_path, link="spi")
    assert (design.identity.features, design.identity.divisor) == (("spi",), 8)
    pins, top = ((tmp_path / f).read_text() for f in (pin_file(spec, "spi")[0], "rtl/oxnor_top.v"))
    for port, site in zip(("spi_cs_n", "spi_copi", "spi_cipo", "spi_sck"), spec.spi_sites, strict=True):
        assert re.search(rf'{port}"? (SITE "{site}"|{site}\n)', pins)
        assert f".{port}({port})" in top
    assert "uart" not in pins + top


@pytest.mark.cosim
def test_no_port():
    with pytest.raises(InputError, match=r"port /dev/nowhere: cannot be opened \(No such file or directory\)"):
        Host("/dev/nowhere")


@pytest.mark.cosim
def test_commands_emulate_load_and_run(small, tmp_path):
    """Over SPI, and with the macro for block RAM that writes no single bits: the other tests have neither."""
    small.save(tmp_path / "small.npz")
    other = layers_of(70, 20, 10, seed=2)
    other.save(tmp_path / "other.npz")
    faults = FaultMap.draw(other, ber=0.02)
    faults.save(tmp_path / "faults.npz")
    command = [sys.executable, "-m", "oxnor.cli", "fpga"]
    board_options = ["--board", "colorlight-i5", "--fold", "2,1", "--fold", "1,1", "--json"]

    def done(*arguments):
        found = subprocess.run([*command, *arguments, *board_options], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
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


# The command line


@pytest.mark.parametrize("command", ["build", "emulate", "run", "load", "selftest", "check", "fuzz"])
def test_help_has_an_example(command):
    result = CliRunner().invoke(app, ["fpga", command, "--help"])
    assert result.exit_code == 0
    assert f"Example: oxnor fpga {command}" in " ".join(result.stdout.split())


SENTENCES = {
    "board": (["build", "mnist-tfc", "--board", "arty", "-o", "x"],
              "--board must be one of icebreaker, ulx3s-85f, colorlight-i5, not 'arty'"),
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
                 "read error rate must be in [0, 0.999985], not 2"),
    "load port": (["load", "mnist-tfc", "--port", "/dev/nowhere"], "port /dev/nowhere: cannot be opened (No such file or directory)"),
    "extras of a port": (["fuzz", "mnist-tfc", "--port", "/dev/nowhere", "--programming"],
                         "--fault-injector and --programming must not be given with --port: the board says what it has"),
    "bits": (["emulate", "mnist-tfc", "--bit-cycles", "3"], "--bit-cycles must be in [4, 65535], not 3"),
    "images": (["run", "mnist-tfc", "--port", "/dev/nowhere", "--images", "0"], "images must be in [1, 10000], not 0"),
    "port": (["run", "mnist-tfc", "--port", "/dev/nowhere"], "port /dev/nowhere: cannot be opened (No such file or directory)"),
    "frames": (["fuzz", "mnist-tfc", "--frames", "0"], "--frames must be 1 or more, not 0"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_bad_input_is_one_sentence(arguments, sentence):
    result = CliRunner().invoke(app, ["fpga", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert [s for s in result.stderr.splitlines() if s.startswith("oxnor: ")] == [f"oxnor: {sentence}"]


# Netlists and bitstreams


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-85f"])
def test_netlist_of_vendor_cells_is_the_golden_model(name, small):
    spec = board(name)
    config = search(small, spec.chip, 20).config
    result = check(small, spec, config, inputs_for(small, DataOptions(20)))
    assert result["mismatches"] == 0
    assert result["cells"]["block_ram"] > 0
    assert result["cycles"] == result["predicted_cycles"]


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize(("name", "interval"), [("icebreaker", None), ("ulx3s-85f", 64)])
def test_netlist_of_the_shipped_network(name, interval):
    network, spec = zoo.load_binarized("mnist-tfc"), board(name)
    result = check(network, spec, search(network, spec.chip, interval).config, inputs_for(network, DataOptions(500)))
    assert (result["images"], result["mismatches"]) == (500, 0)


def test_bitstream_of_a_small_network(small, tmp_path):
    """Build, report, cache."""
    spec = board("icebreaker")
    config = search(small, spec.chip, 20).config
    steps = []
    first = build(small, spec, config, tmp_path / "a", freq_mhz=12, progress=lambda *a: steps.append(a[0]))
    again = build(small, spec, config, tmp_path / "b", freq_mhz=12)
    assert first == again
    assert first["fits"]
    assert first["advice"] is None
    assert first["fmax_mhz"] > 12
    assert steps == ["Verilog", "synthesis", "place and route", "bitstream", "bitstream"]
    assert (tmp_path / "b" / "oxnor.bin").stat().st_size > 100_000
    assert json.loads((tmp_path / "b" / "oxnor-board.json").read_text())["structure"] == config.digest
    assert (tmp_path / "b" / "nextpnr.log").is_file()


def test_failed_tool_names_its_log(tmp_path):
    (tmp_path / "bad.ys").write_text("no_such_command\n")
    with pytest.raises(tools.ToolError, match=r"failed; see .*bad.log, which ends"):
        tools.run(tools.find("yosys"), ["bad.ys"], tmp_path, "bad.log")


def test_models_of_plls_are_shipped():
    assert "SB_PLL40_PAD" in files("oxnor.fpga").joinpath("rtl", "pll_models.v").read_text()


def test_thresholds_go_where_there_is_room():
    for name, style in {"icebreaker": "block", "ulx3s-85f": "distributed"}.items():
        chip = board(name).chip
        assert memory_style(search(zoo.load_binarized("mnist-tfc"), chip).config, chip) == style
    assert '"block"' in synthesis_script(board("icebreaker"), ["a.v"], "block")
    assert '"logic"' in synthesis_script(board("ulx3s-85f"), ["a.v"], "distributed")


# The reports in docs


REPORTS = {p.stem: json.loads(p.read_text()) for p in sorted(DOCS.glob("*.json"))}


def reported_config(found):
    return EngineConfig.for_network(
        zoo.load_binarized(found["network"]), target=board(found["board"]).chip.target, folding=found["folding"],
        stream_width=16, with_scores=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_report_is_of_this_network_and_structure(name):
    found = REPORTS[name]
    config = reported_config(found)
    assert found["fits"]
    assert found["structure"] == config.digest
    assert found["network_digest"] == zoo.load_binarized(found["network"]).digest
    assert found["cycles_per_image"] == schedule(config).initiation_interval
    row = (f"{found['logic_cells_placed']:,}", f"{found['ff']:,}", f"{found['block_ram']} of {found['block_ram_available']}",
           f"{found['spram']}", f"{found['fmax_mhz']:g} MHz", f"{found['cycles_per_image']}",
           f"{found['images_per_s_at_fmax']:,}", f"{found['bound_cycles']}")  # fmt: skip
    assert " | ".join(row) in (DOCS.parent / "boards.md").read_text()


@pytest.mark.parametrize(
    "name", [n if n == "mnist-tfc-ulx3s-85f" else pytest.param(n, marks=pytest.mark.slow) for n in REPORTS]
)
def test_report_is_what_a_build_says_now(name, tmp_path):
    """The smallest of the builds every day; all of them are written anew by ``make boards``."""
    found = REPORTS[name]
    fresh = build(
        zoo.load_binarized(found["network"]), board(found["board"]), reported_config(found), tmp_path / "board",
        freq_mhz=found["freq_mhz"], seed=found["seed"],
    )  # fmt: skip
    for exact in ("fits", "block_ram", "spram", "cycles_per_image", "bound_cycles"):
        assert fresh[exact] == found[exact], exact
    for near, share in {"lut4": 0.02, "ff": 0.02, "fmax_mhz": 0.15}.items():
        assert fresh[near] == pytest.approx(found[near], rel=share), near

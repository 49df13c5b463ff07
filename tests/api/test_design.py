"""``oxnor`` itself, and designs: as Python objects, as TOML files, and on the command line."""

import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path

import pytest
from helpers.cli import run, sentence

import oxnor
from oxnor import Design
from oxnor.example import EXAMPLE
from oxnor.hw.params.options import EngineOptions, LayerOptions
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.models import Network, zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.options import DataOptions
from oxnor.models.devices import model as devices
from oxnor.models.faults.fault_map import FaultMap
from oxnor.sections import Board, Device, Errors, Tolerance

FULL = Design(
    network="mine.npz",
    data=DataOptions(images=50, seed=3),
    device=Device("lab.csv", cycles=7, seconds=1.5),
    engine=EngineOptions(
        target="asic", stream_width=64, with_scores=False, fault_injector=True, programming=True,
        layers=(LayerOptions("bits", (64, 32), (2, 4), "serial"), LayerOptions()),
    ),
    errors=Errors(ber=0.01, seed=5, trial=2, faults="f.npz", read_ber=0.25),
    tolerance=Tolerance((0.001, 0.5), trials=3, kind="stuck", layer=1, ones=1.0, limit=2.0),
    board=Board("icebreaker", freq_mhz=30.0, baud=9600),
    steps=("accuracy", "sweep"),
)  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch, random_network):
    """Return a folder with a good network ``toy.npz``, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    random_network((37, 13, 5), name="toy").save("toy.npz")
    return tmp_path


# oxnor itself


def test_names():
    assert oxnor.__version__ == version("oxnor")
    assert oxnor.load("mnist-tfc").name == "mnist-tfc"
    assert {"Design", "load", "__version__"} <= set(dir(oxnor))
    with pytest.raises(AttributeError, match="module 'oxnor' has no attribute 'network'"):
        oxnor.network  # noqa: B018


def loaded_by(code):
    """Return the modules that a process has after `code`."""
    code = f"import sys; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_loads_nearly_nothing():
    assert {m for m in loaded_by("import oxnor") if m.split(".")[0] == "oxnor"} == {"oxnor"}
    assert len(loaded_by("import oxnor")) < 30


def test_design_loads_no_tool():
    heavy = ("amaranth", "cocotb", "numba", "matplotlib", "scipy", "numpy")
    assert not loaded_by("import oxnor; print(oxnor.Design(network='mnist-tfc'), file=sys.stderr)") & {*heavy}


# Files


def test_a_design_is_equal_to_its_file(place):
    FULL.save("full.toml")
    assert Design.load("full.toml") == FULL
    assert FULL.network == Path("mine.npz")
    small = Design("mnist-tfc")
    small.save("small.toml")
    assert Path("small.toml").read_text() == 'network = "mnist-tfc"\n'
    assert Design.load("small.toml") == small


def test_paths_are_relative_to_the_file(place):
    (place / "sub").mkdir()
    FULL.save("sub/full.toml")
    text = Path("sub/full.toml").read_text()
    assert 'network = "../mine.npz"' in text
    Path("sub/two.toml").write_text('network = "toy.npz"\ndevice = "lab.csv"\n')
    found = Design.load("sub/two.toml")
    assert (found.network, found.device.model) == (Path("sub/toy.npz"), Path("sub/lab.csv"))
    (place / "toy.npz").rename("sub/toy.npz")
    assert found.loaded.name == "toy"


def test_every_key_is_explained_in_the_example(place):
    whole = re.sub(r"^# (\[?\[?[a-z_.]+\]?\]?( = .*)?)$", r"\1", EXAMPLE, flags=re.M)
    Path("whole.toml").write_text(whole)
    design = Design.load("whole.toml")
    assert design.board == Board("icebreaker", 1000, 30.0, "uart", 1_000_000, 1)
    records = {
        "": Design, "data": DataOptions, "device": Device, "engine": EngineOptions, "engine.layers": LayerOptions,
        "errors": Errors, "tolerance": Tolerance, "board": Board, "verilog": VerilogOptions,
    }  # fmt: skip
    for table, record in records.items():
        section = whole if not table else whole.split(f"[{table}]\n")[1].split("\n[")[0]
        for field in fields(record):
            where = f"[{field.name}]" if f"{table}.{field.name}".strip(".") in records else f"{field.name} = "
            assert where in section or f"[{table}.{field.name}]" in whole, (table, field.name)


WRONG = {
    "missing": (None, "no such file"),
    "no-toml": ("network = ", "is not a TOML file: Invalid value (at end of document)"),
    "no-network": ("[data]\nimages = 3", "network must be given"),
    "key": (
        'netwrok = "toy.npz"',
        ("netwrok must not be given: keys are network, data, device, engine, errors, tolerance, board, technology, verilog, steps"
         " (did you mean network or errors or verilog?)"),
    ),
    "key-of-table": (
        'network = "toy.npz"\n[data]\nimage = 3',
        "data.image must not be given: keys are images, source, labels, directory, random_inputs, seed, at_most, events (did you mean images?)",
    ),
    "key-of-layers": (
        'network = "toy.npz"\n[[engine.layers]]\nfold = [1, 1]',
        ("engine.layers[0].fold must not be given: keys are macro_kind, macro_size, folding, dataflow, sense_latency,"
         " converter_bits, pair_states (did you mean folding?)"),
    ),
    "text": ('network = "toy.npz"\n[data]\nimages = "3"', "data.images must be a whole number, not '3'"),
    "bool": ('network = "toy.npz"\n[data]\nimages = true', "data.images must be a whole number, not True"),
    "list": (
        'network = "toy.npz"\n[engine.layers]\nfolding = [1, 2, 3]',
        "engine.layers.folding must be a list of 2, not [1, 2, 3]",
    ),
    "table": ('network = "toy.npz"\nerrors = 0.1', "errors must be a table, not 0.1"),
    "rule": ('network = "toy.npz"\n[errors]\nber = 2', "errors.ber must be a share in [0, 1], not 2"),
    "steps": (
        'network = "toy.npz"\nsteps = ["simulat"]',
        ("steps must be some of import, accuracy, devices, generate, simulate, sweep, board, not 'simulat'"
         " (did you mean simulate or import?)"),
    ),
    "technology": (
        'network = "toy.npz"\ntechnology = "ihp-sg13"',
        "technology must be one of ihp-sg13g2 or a .toml file, not 'ihp-sg13' (did you mean ihp-sg13g2?)",
    ),
    "board": ('network = "toy.npz"\n[board]\nlink = "spi"', "board.name must be given"),
    "line": ('network = "toy.npz"\n[board]\nname = "icebreaker"\nlink = "i2c"', "board.link must be uart or spi, not 'i2c'"),
    "name": (
        'network = "mnist-tcf"',
        (f"network must be one of {', '.join(zoo.names())}, not 'mnist-tcf' (did you mean mnist-tfc or mnist-sfc or mnist-cnn?)"),
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_wrong_files_are_refused_by_file_field_and_rule(place, text, message):
    if text is not None:
        Path("my.toml").write_text(text)
    with pytest.raises(InputError) as e:
        Design.load("my.toml")
    assert str(e.value) == f"my.toml: {message}"
    assert sentence("info", "--design", "my.toml") == f"my.toml: {message}"


def test_a_design_is_refused_at_once_where_that_can_be_known():
    with pytest.raises(InputError, match=r"^network must be one of .*, not 'nope'$"):
        Design("nope")
    with pytest.raises(InputError, match=r"`oxnor\.load` reads shipped networks by their names"):
        Network.load("mnist-tfc")
    assert Design("mnist-tfc").with_device("weak-3.3e-2", cycles=3).device == Device("weak-3.3e-2", 3)
    assert dir(oxnor) == ["Design", "__version__", "fpga", "hw", "load", "models", "sim"]


def test_objects_have_no_file(place, random_network):
    for design in (
        Design(random_network((8, 4))),
        Design("toy.npz", device=devices.load("weak-3.3e-2")),
        Design("toy.npz", errors=Errors(faults=FaultMap.draw(random_network((8, 4)), ber=0.1))),
    ):
        with pytest.raises(InputError, match="must be a name or a file to be saved in a design: save it first"):
            design.save("my.toml")
    assert not Path("my.toml").exists()


# What is done with it


def test_print_is_one_line():
    text = str(FULL)
    assert text == repr(FULL)
    assert text == "Design of mine.npz: 50 images, target asic, device lab.csv, ber 0.01, read_ber 0.25, a fault map, board icebreaker"


def test_accuracy_and_sweep(place, random_network):
    design = Design("mnist-tfc", data=DataOptions(images=200), errors=Errors(ber=0.05, seed=1))
    found = design.accuracy()
    assert found.clean_accuracy > found.accuracy > 0.5
    assert found.classes.shape == (200,)
    assert found.bit_errors == FaultMap.draw(design.loaded, ber=0.05, seed=1).count
    assert str(found) == f"mnist-tfc: {100 * found.accuracy:.2f} % of 200 images ({found.bit_errors:,} bit errors)"
    drawn = replace(design, errors=Errors(), device=Device("weak-3.3e-2")).accuracy()
    assert drawn.bit_errors > 0
    toy = Design(random_network((37, 13, 5), name="toy"), data=DataOptions(images=50, random_inputs=True))
    assert (toy.accuracy().accuracy, toy.accuracy().agreement) == (None, 1.0)
    curve = replace(toy, tolerance=Tolerance((0.01, 0.1), trials=2)).sweep()
    assert (curve.path, curve.computed) == (Path("toy.sqlite"), 5)
    assert curve.limit == 0.005
    assert curve.plot().svg().startswith("<svg")


def test_generate_takes_the_engine_and_the_devices(place):
    layers = (LayerOptions(folding=(1, 5), dataflow="serial"), LayerOptions())
    sidecar = Design("toy.npz", engine=EngineOptions(stream_width=16, layers=layers)).generate("out").sidecar
    assert sidecar["stream"]["width"] == 16
    assert [y["dataflow"] for y in sidecar["layers"]] == ["serial", "parallel"]


def test_options_override_the_design(place):
    Path("my.toml").write_text(
        'network = "toy.npz"\n[engine]\ntarget = "asic"\nstream_width = 16\n[engine.layers]\ndataflow = "alternate"\n'
    )

    def engine(*arguments):
        result = run("info", *arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)["engine"]

    found = engine("--design", "my.toml")
    assert found == engine("toy.npz", "--target", "asic", "--stream-width", 16, "--dataflow", "alternate")
    assert [y["dataflow"] for y in found["layers"]] == ["parallel", "serial"]
    assert engine("--design", "my.toml", "--stream-width", 32)["stream"]["width"] == 32
    folds = ("--fold", "1,1", "--fold", "1,1")
    assert [y["groups"] for y in engine("--design", "my.toml", *folds)["layers"]] == [1, 1]
    assert engine("mnist-tfc", "--design", "my.toml")["layers"][0]["dataflow"] == "parallel"


def test_neither_network_nor_design():
    assert sentence("simulate") == "NETWORK or --design must be given"

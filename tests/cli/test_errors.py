"""Bad input on the command line: one sentence that names the file, the field and the rule, and exit code 2."""

import gzip
import json

import numpy as np
import pytest
from helpers.cli import run, sentence

from oxnor.models import zoo
from oxnor.models.faults.fault_map import FaultMap


@pytest.fixture
def place(tmp_path, monkeypatch, random_network):
    """Return a folder with a good network ``toy.npz``, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    random_network((37, 13, 5), name="toy").save("toy.npz")
    return tmp_path


OPTIONS = {
    "no-images": (["--images", 0], "--images must be at least 1, not 0"),
    "too-many-images": (["--images", 10001], "--images must be in [1, 10000], not 10001"),
    "negative-rate": (["--ber=-0.1"], "--ber must be a share in [0, 1], not -0.1"),
    "rate-in-percent": (["--ber", 5], "--ber must be a share in [0, 1], not 5"),
    "rate-nan": (["--ber", "nan"], "--ber must be a share in [0, 1], not nan"),
    "negative-seed": (["--seed=-1"], "--seed must be in [0, 2**63), not -1"),
    "large-trial": (["--trial", 1 << 63], f"--trial must be in [0, 2**63), not {1 << 63}"),
    "corrupt": (["--corrupt-rtl=-1"], "--corrupt-rtl must be 0 or more, not -1"),
    "jobs": (["--jobs", "0"], "--jobs must be in [1, 4096], not 0"),
    "jobs-in-order": (
        ["--jobs", "2", "--read-ber", "0.1"], "--jobs must be 1, not 2: which reads err depends on how many images were before"
    ),
    "waves": (["--waves", "svg"], "--waves must be vcd or fst, not 'svg'"),
    "target": (["--target", "chip"], "--target must be one of sim, ice40, ecp5, asic, not 'chip'"),
    "macro-word": (
        ["--macro", "big"],
        "--macro must be a kind (bits, devices, blackbox, cells), a size such as 64x64, or both as devices:64x64, not 'big'",
    ),
    "macro-kind": (
        ["--macro", "tiwn:8x8"],
        "--macro must be a kind (bits, devices, blackbox, cells), a size such as 64x64, or both as devices:64x64, not 'tiwn:8x8'",
    ),
    "macro-size": (["--macro", "twin:8"], "--macro must be two positive integers, for example 64x64, not '8'"),
    "macro-of-layers": (["--macro", "bits,64x8,bits"], "--macro must be one value or 2, one a layer, not 3"),
    "macro-of-one-module": (
        ["--macro", "bits,blackbox"],
        "--macro must not be bits and blackbox in one engine: both are the module rram_macro",
    ),
    "sense-latency": (["--sense-latency", "65"], "--sense-latency must be in [1, 64] cycles, not 65"),
    "macro-blackbox": (["--macro", "blackbox"], "macros of kind blackbox are ports alone and cannot be simulated"),
    "macro-without-device": (["--macro", "twin"], "macros of kind devices need a device model: give --device"),
    "noisy-bits": (
        ["--device", "weak-3.3e-2"],
        (
            "device: read_noise_sigma must be 0 for macros of kind bits, which read the same every time:"
            " use macros of kind devices"
        ),
    ),
    "device-and-ber": (
        ["--device", "calibrated-1e-2", "--ber", 0.1],
        "wrong weights must come from a device, or from ber or a fault map, not from both",
    ),
    "device-none": (["--device", "x.json"], "x.json: no such file"),
    "device-cycles": (
        ["--device", "calibrated-1e-2", "--macro", "twin", "--cycles=-1"],
        "--cycles must be an integer in [0, 1099511627776), not -1",
    ),
    "device-range": (
        ["--device", "wear-illustration", "--macro", "twin", "--seconds", "1e9"],
        "--seconds must be in [0, 1e+06] s, where 'wear-illustration' holds, not 1e+09",
    ),
    "cycles-alone": (["--cycles", 5], "--cycles and --seconds are of a device: give --device too"),
    "macro-zero": (["--macro", "0x16"], "--macro must be two positive integers, for example 64x64, not '0x16'"),
    "macro-rows": (
        ["--macro", "2x16", "--fold", "1,1", "--fold", "1,1"],
        (
            "layer 37 to 13: macros must have at least 39 rows for 3 slices of 13 passes, not 2:"
            " fold it less, or take larger macros"
        ),
    ),
    "fold-word": (["--fold", "1"], "--fold must be two positive integers, for example 1,16, not '1'"),
    "fold-count": (["--fold", "1,1"], "--fold must be 2 pairs (H, V), one a layer, not 1"),
    "fold-range": (["--fold", "9,1", "--fold", "1,1"], "layer 37 to 13: across (H) must be in [1, 1], not 9"),
    "dataflow": (
        ["--dataflow", "serial,both"],
        ("--dataflow must be parallel, serial or alternate, or one of parallel and serial for each of 2 layers,"
        " not 'serial,both'"),
    ),
    "dataflow-and-read-errors": (
        ["--dataflow", "alternate", "--read-ber", "0.01"],
        ("--fault-injector (errors of reads) must not be asked of layers in the serial dataflow:"
        " layer 1 is one"),
    ),
    "stream": (["--stream-width", 12], "--stream-width must be a positive multiple of 8, not 12"),
    "stream-zero": (["--stream-width", 0], "--stream-width must be a positive multiple of 8, not 0"),
    "faults-missing": (["--faults", "none.npz"], "none.npz: no such file"),
    "faults-foreign": (
        ["--faults", "toy.npz"],
        "toy.npz: header.format must be 'oxnor-faults': this is some other file",
    ),
    "data-missing": (
        ["--data", "zz"],
        "--data must be one of mnist, fashion-mnist, digits, cifar10, vowels, hillenbrand, spoken-digits, a file or a folder, not 'zz'",
    ),
}


@pytest.mark.parametrize(("arguments", "text"), OPTIONS.values(), ids=OPTIONS.keys())
def test_simulate_wrong_option(place, arguments, text):
    assert sentence("simulate", "toy.npz", *arguments) == text


def test_faults_of_another_network(place, random_network):
    FaultMap.draw(random_network((8, 4)), ber=0.1).save("other.npz")
    text = sentence("simulate", "toy.npz", "--faults", "other.npz")
    assert text == "faults: the map is for weights of ((4, 8),), not ((13, 37), (5, 13)) as in 'toy'"


def _cut(path, data):
    path.write_bytes(data[: len(data) // 2])


def _foreign(path, data):
    np.savez(path, weights=np.zeros((2, 2)))


def _text(path, data):
    path.write_text("not a network")


FILES = {
    "missing": (lambda path, data: path.unlink(), "no such file"),
    "cut": (_cut, "is not an .npz file, or is cut short"),
    "text": (_text, "is not an .npz file, or is cut short"),
    "empty": (lambda path, data: path.write_bytes(b""), "is not an .npz file, or is cut short"),
    "foreign": (_foreign, "is not an oxnor-network file: it has no array 'header'"),
}


@pytest.mark.parametrize("command", [["simulate"], ["info"], ["generate", "-o", "out"]], ids=lambda c: c[0])
@pytest.mark.parametrize(("spoil", "text"), FILES.values(), ids=FILES.keys())
def test_network_file_that_is_none(place, command, spoil, text):
    path = place / "bad.npz"
    path.write_bytes((place / "toy.npz").read_bytes())
    spoil(path, path.read_bytes())
    assert sentence(command[0], "bad.npz", *command[1:]) == f"bad.npz: {text}"
    assert not (place / "out").exists()


def _rewrite(place, **changes):
    with np.load(place / "toy.npz") as source:
        arrays = dict(source) | {name.replace("__", "."): value for name, value in changes.items()}
    np.savez(place / "bad.npz", **arrays)


FIELDS = {
    "weights-shape": (
        {"layer0__weights": np.zeros((13, 4), np.uint8)},
        "bad.npz: array 'layer0.weights' must have shape (13, 5), not (13, 4)",
    ),
    "thresholds-shape": (
        {"layer0__thresholds": np.zeros(12, np.int32)},
        "bad.npz: array 'layer0.thresholds' must have shape (13), not (12,)",
    ),
    "thresholds-range": (
        {"layer0__thresholds": np.full(13, 39, np.int32)},
        "bad.npz: layer 0: dense layer: thresholds must be in [0, 38], not 39 (neuron 0)",
    ),
}


@pytest.mark.parametrize(("changes", "text"), FIELDS.values(), ids=FIELDS.keys())
def test_network_file_with_a_wrong_field(place, changes, text):
    _rewrite(place, **changes)
    assert sentence("info", "bad.npz") == text


def test_unknown_network():
    known = ", ".join(zoo.names())
    text = sentence("info", "mnist-tcf")
    assert text.startswith(f"network must be one of {known}, not 'mnist-tcf' (did you mean mnist-tfc")


def test_data_with_images_of_another_size(place, random_network):
    random_network((784, 5), name="digits").save("digits.npz")
    header = bytes((0, 0, 8, 3)) + b"".join(n.to_bytes(4, "big") for n in (10_000, 14, 14))
    folder = place / "mnist"
    folder.mkdir()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + bytes(10_000 * 14 * 14)))
    for where in (place, "."):
        text = sentence("simulate", "digits.npz", "--data", where)
        assert text == f"{place.name}: images must have 784 elements for network 'digits', not 196 (14x14)"


def test_data_for_a_network_that_takes_no_digits(place):
    assert sentence("simulate", "toy.npz", "--data", "mnist") == (
        "mnist: images must have 37 elements for network 'toy', not 784 (28x28)"
    )


def test_output_folder_that_is_not_ours(place):
    (place / "out").mkdir()
    (place / "out" / "thesis.tex").write_text("years of work")
    text = sentence("generate", "toy.npz", "-o", "out")
    assert text == "out: must be new, empty or written by this command before, and has other files in it; with --force it is kept under another name"
    assert [p.name for p in (place / "out").iterdir()] == ["thesis.tex"]
    assert run("generate", "toy.npz", "-o", "out", "--force").exit_code == 0
    assert (place / "out" / "oxnor.json").is_file()
    assert (place / "out.old" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("where", [".", "..", "./out/.."])
def test_output_folder_is_never_the_one_you_are_in(place, where):
    (place / "thesis.tex").write_text("years of work")
    for force in ((), ("--force",)):
        text = sentence("generate", "toy.npz", "-o", where, *force)
        assert text.endswith("must be a folder of its own, not the one you are in or one above it")
    assert (place / "thesis.tex").read_text() == "years of work"


def test_output_that_is_a_file(place):
    (place / "out").write_text("")
    assert sentence("generate", "toy.npz", "-o", "out") == "out: must be a folder, not a file"


def test_demo_needs_digits(place):
    text = sentence("demo", "--network", "toy.npz", "--output", "page")
    assert text == "the demo needs digits: network 'toy' must have 784 inputs, not 37"
    assert not (place / "page").exists()


def test_demo_wrong_images(place):
    assert sentence("demo", "--network", "toy.npz", "--images", 0) == "--images must be at least 1, not 0"


def test_macros_of_each_layer(place):
    found = run("info", "toy.npz", "--macro", "devices:64x8,bits", "--fold", "5,1", "--fold", "1,1", "--json")
    layers = json.loads(found.stdout)["engine"]["layers"]
    assert [(y["macro_kind"], y["rows"], y["cols"]) for y in layers] == [("devices", 64, 8), ("bits", 64, 13)]


def test_generate_twin_without_device(place):
    assert sentence("generate", "toy.npz", "-o", "engine", "--macro", "twin") == (
        "macros of kind devices need a device model: give --device"
    )
    assert not (place / "engine").exists()


def test_generate_bits_with_device(place):
    text = sentence("generate", "toy.npz", "-o", "engine", "--device", "calibrated-1e-2")
    assert text == "macros of kind bits hold bits, not devices: --device needs macros of kind devices"
    assert not (place / "engine").exists()


@pytest.mark.parametrize(("name", "rule"), [
    ("none", "no such file"), ("empty", "is empty: not a results file of oxnor sweep"), (".", "is a folder, not a file"),
])  # fmt: skip
def test_results_that_are_none(place, name, rule):
    (place / "empty").write_text("")
    assert sentence("report", name) == f"{name}: {rule}"


def test_import_wrong_input(place):
    pytest.importorskip("onnx", reason='importing ONNX needs the package onnx: pip install -e ".[import]"')
    assert sentence("import", "none.onnx", "-o", "n.npz") == "none.onnx: no such file"
    assert sentence("import", "none.onnx", "-o", "n.txt") == "--output must end in .npz, not 'n.txt'"
    assert sentence("import", "toy.npz", "-o", "n.npz") == "toy.npz: is a network of oxnor already: use it as it is"
    (place / "text.onnx").write_text("hello")
    assert sentence("import", "text.onnx", "-o", "n.npz") == "text.onnx: is not an ONNX file, or is cut short"
    assert run("export", "toy.npz", "-o", "toy.onnx").exit_code == 0
    assert sentence("import", "toy.onnx", "-o", "n.npz", "--check", "none.npz") == "none.npz: no such file"
    assert sentence("import", "toy.onnx", "-o", "n.npz", "--input", "grey") == (
        "toy.onnx: input coding must be one of unit, byte, signed, bipolar, binary, or MEAN,STD as 0.1307,0.3081, not 'grey'"
    )
    assert sentence("import", "toy.onnx", "-o", "n.npz", "--name", "a/b") == (
        "toy.onnx: network: name must be letters, digits, '-', '_' and '.', not 'a/b'"
    )
    assert not (place / "n.npz").exists()


def test_vectors_wrong_input(place):
    assert sentence("tools", "vectors", "toy.npz", "-o", "v", "--images", 0) == "--images must be at least 1, not 0"
    (place / "out").mkdir()
    (place / "out" / "thesis.tex").write_text("years of work")
    text = sentence("tools", "vectors", "toy.npz", "-o", "out")
    assert text == "out: must be new, empty or written by this command before, and has other files in it"


SIZES = {
    "macro": (["info", "toy.npz", "--macro", "1000000x1000000"], "--macro must have at most 32768 rows, 32768 columns and 16777216 pairs, not 1000000x1000000"),
    "macros": (["info", "mnist-tfc", "--macro", "1x1"], "layer 784 to 64: must have at most 16384 macros, not 50176: take larger ones"),
    "stream": (["info", "toy.npz", "--stream-width", 80000], "--stream-width must be at most 32768, not 80000"),
    "spiking stream": (["info", "mnist-spirit", "--stream-width", 80000], "--stream-width must be at most 32768, not 80000"),
    "spiking macro": (["info", "mnist-spirit", "--macro", "1000000x64"], "--macro must have at most 32768 rows, 32768 columns and 16777216 pairs, not 1000000x64"),
    "hidden": (["train", "own", "--hidden", "0,4"], "--hidden must be one or more sizes in [1, 65536], not 0, 4"),
    "name": (["train", "../own", "--hidden", "4"], "network: name must be letters, digits, '-', '_' and '.', not '../own'"),
    "no device": (["device", "faults", "toy.npz", "--ber", 0.1, "--cycles", -5], "--cycles is of a device: give --device too"),
    "no such device": (["simulate", "toy.npz", "--device", "nope"], "--device must be one of calibrated-1e-2, calibrated-1e-4, sky130-1t1r, unformed-1e-3, weak-3.3e-2, wear-illustration, or a .json file, not 'nope'"),
    "bit rate": (["fpga", "run", "mnist-tfc", "--port", "none", "--baud", 0], "--baud must be 1 or more, not 0"),
    "bit cycles": (["fpga", "emulate", "mnist-tfc", "--bit-cycles", 0], "--bit-cycles must be in [4, 65535], not 0"),
}


@pytest.mark.parametrize(("arguments", "text"), SIZES.values(), ids=SIZES.keys())
def test_sizes_and_values_before_any_work(place, arguments, text):
    assert sentence(*arguments) == text


def test_a_layer_that_is_too_wide_to_generate(place, random_network):
    """Amaranth would end in an assertion."""
    random_network((65_000, 2), name="wide").save("wide.npz")
    text = sentence("generate", "wide.npz", "-o", "out", "--macro", "64x64")
    assert text == "layers must have at most 60000 inputs and neurons to be generated, not 65000"
    assert not (place / "out").exists()

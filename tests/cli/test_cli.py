"""The command line: help, exit codes, JSON, and a start that loads nothing heavy."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.cli import process, run
from helpers.convolutions import Conv, random_conv_network
from typer.main import get_command

from oxnor.cli.app import app
from oxnor.models import zoo
from oxnor.models.datasets.names import KNOWN_NAMES
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.networks.binarized import Network
from oxnor.sim.harness.networks import with_conv_scores

COMMANDS = (
    "demo", "playground", "doctor", "networks", "info", "new", "run", "import", "export", "train", "generate", "simulate", "selftest",
    "sweep", "report", "energy", "compare",
)
GROUPS = {
    "fpga": ("build", "generate", "emulate", "run", "load", "selftest", "check", "fuzz"),
    "device": ("show", "fit", "circuit", "faults"),
    "study": ("spirit", "abstain", "pulses", "vowels", "spoken-digits", "ternary", "dbn", "tiling"),
    "tools": ("vectors", "benchmark", "prove", "mutate", "soak", "cache"),
}
PATHS = [(c,) for c in COMMANDS] + [(g, c) for g, members in GROUPS.items() for c in members]
# Names of before, each with its arguments in a call that works.
OLD = {
    "bench": (["bench", "--help"], "tools benchmark"),
    "faults": (["faults", "mnist-tfc", "--ber", "0.01"], "device faults"),
    "vectors": (["vectors", "mnist-tfc", "-o", "v", "--images", "1"], "tools vectors"),
    "device": (["device", "weak-3.3e-2"], "device show"),
    "device-list": (["device", "--list"], "device show"),
    "device-alone": (["device"], "device show"),
}
# What takes long to import, and what only one command needs.
HEAVY = ("numba", "amaranth", "cocotb", "cocotb_tools", "matplotlib", "torch", "scipy", "vcdvcd", "numpy")


@pytest.fixture
def network_file(tmp_path, random_network):
    path = tmp_path / "toy.npz"
    random_network((37, 13, 5), name="toy").save(path)
    return path


def leaves(group, path=()):
    """Yield (path, command) of every command below a group."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


def test_help_lists_every_command_once_below_its_panel():
    result = run("--help")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for command in (*COMMANDS, *GROUPS):
        assert sum(line.startswith(f"│ {command} ") for line in lines) == 1, command
    panels = [line.split("─ ")[1].split(" ─")[0] for line in lines if line.startswith("╭")]
    assert panels == ["Options", "Start", "Networks", "Hardware", "Errors", "Compare", "Tools"]
    words = " ".join(result.stdout.split())
    assert "Exit codes: 0 success, 1 mismatch or failure, 2 invalid input, 130 interrupted." in words
    assert r"\b" not in result.stdout
    assert "\x08" not in result.stdout


def test_at_most_22_commands_at_the_top():
    assert len([c for c in get_command(app).commands.values() if not c.hidden]) <= 22


def test_every_command_is_registered():
    found = {path for path, command in leaves(get_command(app)) if not command.hidden}
    assert found == set(PATHS)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_of_a_command(path):
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert f"Example: oxnor {' '.join(path)}" in " ".join(result.stdout.split())
    assert "bool" not in result.stdout, "a flag takes no value"


def test_every_command_that_takes_a_network_takes_a_design():
    taking = [
        path for path, command in leaves(get_command(app)) if any(p.name == "network" for p in command.params)
    ]
    assert len(taking) > 12
    for path, command in leaves(get_command(app)):
        if path in taking:
            assert "--design" in {option for p in command.params for option in p.opts}, path


def test_every_command_that_takes_data_takes_it_the_same_way():
    options = {
        path: {p.opts[0]: p for p in command.params if p.opts[0].startswith("--")} for path, command in leaves(get_command(app))
    }
    taking = [path for path, known in options.items() if "--data" in known]
    assert {("simulate",), ("sweep",), ("train",), ("tools", "vectors"), ("fpga", "run"), ("fpga", "check")} <= set(taking)
    for path in taking:
        assert {"--labels", "--data-dir"} < set(options[path]), path
        assert ("--random-inputs" in options[path]) == (path != ("train",)), path
        assert ", ".join(KNOWN_NAMES[:-1]) in options[path]["--data"].help, path


@pytest.mark.parametrize(("arguments", "now"), OLD.values(), ids=OLD)
def test_old_names_go_on_working(arguments, now, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    if "--help" not in arguments:
        first = result.stderr.splitlines()[0]
        assert first == f"oxnor: `oxnor {arguments[0]}` is now `oxnor {now}`"
    assert f"│ {arguments[0]} " not in run("--help").stdout or arguments[0] == "device"


def test_no_command_prints_the_help():
    result = run()
    assert result.exit_code == 2
    assert "Start" in result.stdout + result.stderr


def test_version():
    from importlib.metadata import version

    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"oxnor {version('oxnor')}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["simulate", "--help"], ["new", "x"]], ids=" ".join)
def test_start_loads_nothing_heavy(arguments, tmp_path):
    code = """
import sys, oxnor.cli
sys.argv = ["oxnor", *ARGUMENTS]
try:
    oxnor.cli.main()
except SystemExit as e:
    assert not e.code
print([m for m in HEAVY if m in sys.modules])
""".replace("ARGUMENTS", repr(arguments)).replace("HEAVY", repr(HEAVY if arguments[0] != "new" else HEAVY[:-1]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [["simulate"], ["nonsense"], ["simulate", "x", "--images", "many"], ["generate", "x"], ["--nonsense"]],
    ids=["no-network", "unknown-command", "not-a-number", "no-output", "unknown-option"],
)
def test_wrong_usage_is_exit_code_2(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_interrupt_is_exit_code_130(monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo, "names", interrupt)
    result = run("networks")
    assert result.exit_code == 130
    assert result.stderr == "oxnor: interrupted\n"


def test_networks_json():
    result = run("networks", "--json")
    assert result.exit_code == 0
    entries = json.loads(result.stdout)
    assert [e["name"] for e in entries] == zoo.names()
    for entry in entries:
        assert {"name", "label", "shape", "weights", "accuracy"} <= entry.keys()
        assert 0.8 < entry["accuracy"] <= 1


def test_networks_table():
    result = run("networks")
    assert result.exit_code == 0
    for name in zoo.names():
        assert name in result.stdout
    assert "784-64-64-64-10" in result.stdout


def test_info_json(network_file):
    result = run("info", network_file, "--macro", "8x16", "--fold", "3,7", "--fold", "1,5", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["name"], found["shape"], found["weights"]) == ("toy", [37, 13, 5], 37 * 13 + 13 * 5)
    low, high = found["layers"][0]["ranges"]["thresholds"]
    assert 0 <= low <= high <= 38
    first = found["engine"]["layers"][0]
    assert (first["macros"], first["slices"], first["passes"], first["reads"]) == (21, 1, 2, 2)
    assert found["engine"]["latency"] > found["engine"]["initiation_interval"]


def test_info_explains_the_folding(network_file, tmp_path):
    result = run("info", network_file, "--target", "asic", "--explain", "--pictures", tmp_path / "a", "--format", "svg")
    assert "Each layer reads all its word lines for every image: layer 0 is slowest." in result.stderr
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["engine.svg"]
    conv = tmp_path / "conv.npz"
    random_conv_network((8, 8, 3), [Conv(20), Conv(9)]).save(conv)
    for target, sentence in {
        "ecp5": "target ecp5 has 200 macros: with them no layer need take more than",
        "ice40": "target ice40 has 30 macros: with them no layer need take more than",
        "sim": "target sim takes as many macros as make it faster",
    }.items():
        found = json.loads(run("info", conv, "--target", target, "--explain", "--json").stdout)
        layers = found["explanation"]["layers"]
        assert [y["windows"] for y in layers[:2]] == [36, 16]
        assert [y["reads"] for y in layers] == [y["interval"] for y in found["engine"]["layers"]]
        assert all(y["shortest"] <= y["reads"] for y in layers[2:])
        assert found["explanation"]["sentences"][1].startswith(sentence)
    assert {p.name for p in (run("info", conv, "--pictures", tmp_path / "c"), tmp_path / "c")[1].iterdir()} == {
        f"{name}.{kind}" for name in ("engine", "window-0", "window-1") for kind in ("svg", "png")
    }
    random_conv_network((5, 5, 4), [Conv(4, shortcut=7)]).save(conv)
    result = run("info", conv, "--explain")
    assert "shortcut 7" in result.stdout
    assert "Neurons of layer 0 add what passes by a shortcut, which takes no read." in result.stderr
    with_conv_scores(random_conv_network((5, 5, 4), [Conv(4)], dense=())).save(conv)
    result = run("info", conv, "--explain", "--pictures", tmp_path / "d")
    assert "5x5x4-C4-C5k1-A" in result.stdout
    assert "Layer 1 adds up the scores of 9 windows." in result.stderr
    assert run("info", "mnist-spirit", "--explain").exit_code == 2


def test_info_of_alternating_dataflows(network_file):
    found = json.loads(run("info", network_file, "--dataflow", "alternate", "--json").stdout)["engine"]
    assert [y["dataflow"] for y in found["layers"]] == ["parallel", "serial"]
    plain = json.loads(run("info", network_file, "--json").stdout)["engine"]
    assert found["latency"] < plain["latency"]
    assert "serial" in run("info", network_file, "--dataflow", "parallel,serial").stdout


def test_info_table(network_file):
    result = run("info", network_file)
    assert result.exit_code == 0
    assert "toy: 37-13-5, 546 weights" in result.stdout


def test_generate_json(network_file, tmp_path):
    result = run("generate", network_file, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["top"] == "oxnor_engine"
    assert found["network"]["shape"] == [37, 13, 5]
    assert (tmp_path / "out" / "oxnor.json").is_file()
    assert (tmp_path / "out" / "rtl" / "oxnor_engine.sv").is_file()


def test_generate_without_scores(network_file, tmp_path):
    result = run("generate", network_file, "-o", tmp_path / "out", "--no-scores", "--stream-width", 16, "--json")
    found = json.loads(result.stdout)
    assert found["result"] == {"width": 8, "class_width": 8, "score_width": 0, "scores": 0}
    assert found["stream"] == {"width": 16, "beats": 3}


def test_generate_with_names_and_reset(network_file, tmp_path):
    options = ("--name", "digits", "--reset", "async", "--reset-active", "low")
    result = run("generate", network_file, "-o", tmp_path / "out", *options, "--json")
    found = json.loads(result.stdout)
    assert (found["top"], found["reset"]) == ("digits_engine", {"port": "aresetn", "kind": "async", "active": "low"})
    assert all(name.startswith("digits_") for name in (*found["sources"], *found["images"]))
    assert {m["name"] for m in found["modules"]} <= {name.removesuffix(".sv") for name in found["sources"]}
    assert "get_ports aresetn" in (tmp_path / "out" / "digits_engine.sdc").read_text()
    result = run("generate", network_file, "-o", tmp_path / "out", "--name", "a-b")
    assert result.exit_code == 2
    assert "--name must be a letter and at most 63 letters, digits and underscores more, not 'a-b'" in result.stderr


def test_generate_again_replaces_and_prints_a_table(network_file, tmp_path):
    for _ in range(2):
        result = run("generate", network_file, "-o", tmp_path / "out")
        assert result.exit_code == 0
        assert "oxnor_engine" in result.stdout


def test_stdout_has_the_json_alone(network_file):
    done = process("info", network_file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "toy"


def test_error_of_a_process_is_one_line():
    done = process("info", "nothing.npz")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "oxnor: nothing.npz: no such file\n"


SIMULATE_FIELDS = {
    "network", "images", "ber", "seed", "trial", "bit_errors", "mismatches", "accuracy", "golden_accuracy", "cycles",
    "predicted_cycles", "initiation_interval", "build_s", "sim_s", "start_s", "stream_s", "images_per_s", "jobs",
}  # fmt: skip


@pytest.mark.cosim
def test_simulate_json(network_file, tmp_path):
    table = tmp_path / "images.csv"
    options = ["--ber", 0.1, "--seed", 7, "--macro", "64x16", "--jobs", 2, "--json", "-o", table]
    result = run("simulate", network_file, "--images", 50, *options)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found.keys() >= SIMULATE_FIELDS
    assert (found["network"], found["images"], found["ber"], found["seed"]) == ("toy", 50, 0.1, 7)
    assert (found["mismatches"], found["cycles"]) == (0, found["predicted_cycles"])
    assert [images for images, _, _ in found["shards"]] == [25, 25]
    assert found["bit_errors"] > 0
    assert found["accuracy"] is None
    assert found["inputs"].startswith("random bits, seed 7 (no labels")
    rows = table.read_text().splitlines()
    assert rows[0].startswith("image,class,golden_class,score_0,")
    assert len(rows) == 51


@pytest.mark.cosim
def test_simulate_on_digits_has_an_accuracy():
    result = run("simulate", "mnist-tfc", "--images", 20, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["inputs"] == "MNIST test images"
    assert found["accuracy"] == found["golden_accuracy"] in [k / 20 for k in range(21)]


@pytest.mark.cosim
def test_simulate_finds_a_weight_that_is_wrong_in_the_rtl_alone(network_file):
    result = run("simulate", network_file, "--images", 20, "--corrupt-rtl", 1)
    assert result.exit_code == 1
    assert "oxnor: the RTL differs: " in result.stderr
    assert "mismatches" in result.stdout


@pytest.mark.cosim
def test_simulate_with_faults_from_a_file(network_file, tmp_path):
    faults = FaultMap.draw(Network.load(network_file), ber=0.2, seed=3)
    faults.save(tmp_path / "faults.npz")
    result = run("simulate", network_file, "--images", 20, "--faults", tmp_path / "faults.npz", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["bit_errors"] == faults.count


@dataclass
class Check:
    """Stands in for :class:`oxnor.sim.doctor.Check`."""

    name: str
    ok: bool
    required: bool
    found: str
    needed: str
    fix: str


@pytest.mark.parametrize(("ok", "required", "code"), [(True, True, 0), (False, True, 1), (False, False, 0)])
def test_doctor(monkeypatch, ok, required, code):
    check = Check("g++", ok, required, "", "any", "apt-get install g++")
    monkeypatch.setitem(sys.modules, "oxnor.sim.doctor", SimpleNamespace(checks=lambda: [check]))
    result = run("doctor", "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout) == {"ok": code == 0, "checks": [asdict(check)]}
    table = run("doctor")
    assert table.exit_code == code
    assert ("apt-get install g++" in table.stdout) is not ok


def test_benchmark(monkeypatch):
    row = {
        "what": "golden",
        "measured": 5.0,
        "unit": "img/s",
        "baseline": 1.0,
        "ratio": 5.0,
        "reach": 3,
        "reached": True,
    }
    monkeypatch.setitem(sys.modules, "oxnor.sim.studies.benchmark", SimpleNamespace(run=lambda quick, progress, networks: [row]))
    result = run("tools", "benchmark", "--quick", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"quick": True, "rows": [row]}
    assert "golden" in run("bench").stdout


def test_failed_simulation_is_exit_code_1_without_traceback(monkeypatch, network_file):
    from oxnor.sim.runner import runner
    from oxnor.sim.verify import simulate

    def fail(*arguments, **options):
        raise runner.SimulationError("building oxnor_engine failed; see x.log")

    monkeypatch.setattr(simulate, "simulate", fail)
    result = run("simulate", network_file)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "oxnor: building oxnor_engine failed; see x.log"


def test_import_export_and_vectors(tmp_path, monkeypatch):
    """There and back again; and vectors of what came back."""
    pytest.importorskip("onnx", reason='importing ONNX needs the package onnx: pip install -e ".[import]"')
    monkeypatch.chdir(tmp_path)
    assert run("export", "mnist-tfc", "-o", "a.onnx").exit_code == 0
    result = run("import", "a.onnx", "-o", "a.npz", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["digest"] == zoo.load("mnist-tfc").digest
    assert report["thresholds"] == {"checked": 59210, "differ": 0, "rounding": 0}
    assert [c["images"] for c in report["outputs"]] == [1000, 16, 1000]
    assert report["output"] == "a.npz"
    shown = run("import", "a.onnx", "-o", "b.npz", "--name", "mine")
    assert shown.exit_code == 0
    assert "mine: 784-64-64-64-10, 59,008 weights, from a.onnx (ONNX)" in shown.stdout
    assert "imported" in run("info", "b.npz").stdout
    result = run("tools", "vectors", "a.npz", "-o", "v", "--images", "3", "--json")
    assert json.loads(result.stdout)["images"] == 3
    assert len((tmp_path / "v" / "input.mem").read_text().split()) == 3


def test_import_of_a_float_last_layer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    g = np.random.default_rng(6)
    np.savez("a.npz", w0=g.random((12, 20)) < 0.5, t0=np.full(12, 10), w1=g.normal(0, 1, (3, 12)), offsets=g.normal(0, 3, 3))
    result = run("import", "a.npz", "-o", "b.npz")
    assert result.exit_code == 2
    assert "let --last-layer-bits round them, as this is the last layer" in result.stderr
    shown = run("import", "a.npz", "-o", "b.npz", "--last-layer-bits", "8")
    assert shown.exit_code == 0, shown.stderr
    text = " ".join(shown.stdout.split())
    assert "values out of bound by rounding other class class proved" in text
    assert "MatMul 'w1': float weights rounded to 8 bits; an output is off by at most " in text
    assert " - - - " in text  # no popcount of that layer is checked
    assert run("import", "a.npz", "-o", "b.npz", "--last-layer-bits", "9").stderr == "oxnor: --last-layer-bits must be an integer in [2, 8], not 9\n"


def test_import_that_differs_writes_nothing(tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason='importing ONNX needs the package onnx: pip install -e ".[import]"')
    from oxnor.models.exchange import compared

    monkeypatch.chdir(tmp_path)
    assert run("export", "mnist-tfc", "-o", "a.onnx").exit_code == 0
    compare = compared.compare
    monkeypatch.setattr(compared, "compare", lambda *a: compare(*a) | {"differ": 1})
    result = run("import", "a.onnx", "-o", "a.npz", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["output"] is None
    assert "oxnor: the network differs from its source: nothing is written" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.onnx"]


def test_import_binarizes_only_if_asked(tmp_path, monkeypatch):
    """What was assumed is said; nothing is called equal to the source."""
    pytest.importorskip("torch", reason="state dicts need PyTorch")
    path = Path(__file__).parents[1] / "fixtures" / "float_relu_mlp.pt"
    monkeypatch.chdir(tmp_path)
    result = run("import", str(path), "-o", "a.npz")
    assert result.exit_code == 2
    assert "--binarize takes them by their signs" in result.stderr
    result = run("import", str(path), "-o", "a.npz", "--binarize", "--input-threshold", "100")
    assert result.exit_code == 0, result.stderr
    assert "no agreement with the source is claimed" in " ".join(result.stdout.split())
    assert "differ" not in result.stdout
    assert [word in result.stdout for word in ("constant", "dead")] == [True, True]
    np.save("t.npy", np.full(3, 100))
    assert json.loads(run("import", str(path), "-o", "b.npz", "--binarize", "--input-threshold", "t.npy", "--json").stdout)["binarized"]
    assert run("import", str(path), "-o", "b.npz", "--binarize", "--input-threshold", "no.npy").exit_code == 2


def test_cache_lists_and_prunes(tmp_path, monkeypatch):
    monkeypatch.setenv("OXNOR_BUILD", str(tmp_path / "none"))
    assert f"{tmp_path / 'none'}: 0 entries" in run("tools", "cache").stderr
    assert not (tmp_path / "none").exists()
    monkeypatch.setenv("OXNOR_BUILD", str(tmp_path))
    (tmp_path / "sim" / "rtl-1").mkdir(parents=True)
    (tmp_path / "sim" / "rtl-1" / "a.sv").write_text("x" * 10_000)
    shown = run("tools", "cache")
    assert shown.exit_code == 0
    assert "rtl-1" in shown.stdout
    assert f"{tmp_path}: 1 entries" in shown.stderr
    entry = json.loads(run("tools", "cache", "--json").stdout)["entries"][0]
    assert (entry["kind"], entry["path"]) == ("simulation", str(tmp_path / "sim" / "rtl-1"))
    assert entry["bytes"] >= 10_000
    assert "Removed 1 entries" in run("tools", "cache", "--prune").stderr
    assert not (tmp_path / "sim" / "rtl-1").exists()
    assert json.loads(run("tools", "cache", "--prune", "--json").stdout)["removed"] == []

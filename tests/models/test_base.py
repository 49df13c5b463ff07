"""What every module of the models rests on: errors, and names that are imported when they are used."""

import importlib
import json
import pickle
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest
from typer.testing import CliRunner

import oxnor.models
from oxnor.cli.console import sentence
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import in_type_names

#: Where the public names are defined.
HOMES = {
    "DataOptions": "oxnor.models.datasets.options",
    "DeviceModel": "oxnor.models.devices.model",
    "DeviceOptions": "oxnor.models.devices.options",
    "ErrorOptions": "oxnor.models.faults.options",
    "FaultMap": "oxnor.models.faults.fault_map",
    "LearningParams": "oxnor.models.learning.crossbar",
    "Network": "oxnor.models.networks.binarized",
    "PulseNetwork": "oxnor.models.learning.crossbar",
    "ReadErrors": "oxnor.models.faults.read_errors",
    "SpikingNetwork": "oxnor.models.networks.spiking",
    "TrainParams": "oxnor.models.training.params",
    "TrainingData": "oxnor.models.training.presets",
    "export_network": "oxnor.models.exchange.export_network",
    "import_network": "oxnor.models.exchange.import_network",
    "load": "oxnor.models.zoo",
    "pulse_device": "oxnor.models.learning.crossbar",
    "train_network": "oxnor.models.training.presets",
}


def test_error_without_parameter():
    e = InputError("no such file")
    assert (str(e), e.parameter) == ("no such file", None)
    assert sentence(e) == "no such file"


def test_error_names_its_parameter():
    e = InputError("must be in [0, 1], not 2", parameter="stream_width")
    assert str(e) == "stream_width must be in [0, 1], not 2"
    assert sentence(e) == "--stream-width must be in [0, 1], not 2"
    assert sentence(InputError("m.onnx: see `coding`")) == "m.onnx: see --input"
    again = pickle.loads(pickle.dumps(e))
    assert (str(again), again.parameter) == (str(e), e.parameter)


def test_command_line_prints_the_option():
    from oxnor.cli.app import app

    result = CliRunner().invoke(app, ["train", "mnist-spirit", "--views", "2"])
    assert result.exit_code == 2
    assert result.stderr == (
        "oxnor: --views must not be given for a spiking network: mnist-spirit takes --epochs, --seed, --lr, --batch\n"
    )


def submodules():
    return [m.name for m in pkgutil.walk_packages(oxnor.models.__path__, "oxnor.models.")]


def test_public_names_after_every_submodule():
    for name in submodules():
        importlib.import_module(name)
    for name, home in HOMES.items():
        value = getattr(oxnor.models, name)
        assert value is getattr(importlib.import_module(home), name)
        assert not isinstance(value, ModuleType)
        assert value.__module__ == home
    assert oxnor.models.golden is importlib.import_module("oxnor.models.golden")
    assert set(oxnor.models.__all__) == {*HOMES, "golden"}
    assert set(oxnor.models.__all__) <= set(dir(oxnor.models))
    with pytest.raises(AttributeError, match=r"module 'oxnor.models' has no attribute 'nothing'"):
        _ = oxnor.models.nothing


@pytest.mark.parametrize("first", ["from pkg import plot", "import pkg.plot", "import pkg.draw"])
def test_a_public_name_is_not_hidden_by_its_submodule(tmp_path, first):
    (tmp_path / "pkg").mkdir()
    for file, text in {
        "__init__": "from oxnor.models.base.lazy import lazy_names\n"
        "__getattr__, __dir__, __all__ = lazy_names(__name__, {'plot': 'pkg.draw', 'tools': 'pkg.tools'})\n",
        "plot": "", "draw": "def plot(): pass\n", "tools": "",
    }.items():
        (tmp_path / "pkg" / f"{file}.py").write_text(text)
    code = f"{first}\nimport pkg, pkg.plot, pkg.tools\nprint(pkg.plot.__module__, pkg.tools.__name__)"
    printed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert printed.stdout == "pkg.draw pkg.tools\n"


@pytest.mark.parametrize(("code", "unwanted"), [
    ("import oxnor.models", ["numpy", "oxnor.models.networks"]),
    ("from oxnor.models import Network, load; load('mnist-tfc')", ["oxnor.models.training", "torch"]),
    ("import oxnor.models.zoo", ["oxnor.models.training", "torch"]),
    ("from oxnor.models.exchange import detect, import_network, torch_model", ["oxnor.models.training", "torch"]),
    ("from oxnor.models.exchange.readers import torch_file", ["oxnor.models.training", "torch"]),
])
def test_what_an_import_loads(code, unwanted):
    program = f"import sys, json\n{code}\nprint(json.dumps(list(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    assert not set(loaded) & set(unwanted)


@pytest.mark.parametrize(("text", "words"), [
    ("cannot cast from dtype('<U3') to dtype('float64')", "cannot cast from text to float64"),
    ("ufunc 'add' did not contain a loop with signature matching types (dtype('<f4'), dtype('|O')) -> None",
     "ufunc 'add' did not contain a loop with signature matching types (float32, Python objects) -> None"),
    ("nothing of numpy", "nothing of numpy"),
])
def test_type_names_in_messages(text, words):
    assert in_type_names(text) == words

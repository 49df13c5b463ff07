"""What is printed of networks, results and devices: one line that says what it is."""

import numpy as np
import pytest

from oxnor.models import load
from oxnor.models.devices import device_macro
from oxnor.models.devices import model as devices
from oxnor.models.devices.error_rates import wear_curve
from oxnor.models.devices.fit_file import fit_csv
from oxnor.models.exchange.import_network import import_network
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.march import MacroFaults, SelfTestReport
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.golden import spiking
from oxnor.models.networks.encoders import Events
from oxnor.models.trials.curves import Curve

TFC, SPIRIT, DEEP = load("mnist-tfc"), load("mnist-spirit"), load("mnist-spirit-deep")
DEVICE = devices.load("weak-3.3e-2")


def imported(tmp_path):
    np.savez(tmp_path / "mine.npz", w0=np.ones((3, 4), bool), t0=np.array([1, 2, 3]), w1=np.ones((2, 3), bool))
    return import_network(tmp_path / "mine.npz")


def fitted(tmp_path):
    path = tmp_path / "lab.csv"
    rows = [f"{k},{state},{r}" for k in range(4) for state, r in (("LRS", 9e3 + k), ("HRS", 1e5 + k))]
    path.write_text("\n".join(["device,state,resistance", *rows]))
    return fit_csv(path)


FAULTS = FaultMap(((64, 784),), {0: np.arange(3)}, {0: np.array([9])}, read=ReadErrors(655))


@pytest.mark.parametrize(("make", "text"), [
    (lambda _: TFC, "Network('mnist-tfc', 784-64-64-64-10, 59,008 weights, accuracy 95."),
    (lambda _: TFC.layers[0], "DenseLayer(784 -> 64)"),
    (lambda _: TFC.layers[-1], "ScoreLayer(64 -> 10)"),
    (lambda _: SPIRIT, "SpikingNetwork('mnist-spirit', 144-10, 1,440 weights, accuracy 9"),
    (lambda _: SPIRIT.layers[0], "SpikingLayer(144 -> 10, weights up to 4)"),
    (lambda _: FAULTS, "FaultMap(1 layer, 50,176 synapses: 3 flipped, 1 stuck at 0, reads wrong at 0.009995)"),
    (lambda _: FaultMap(((64, 784),)), "FaultMap(1 layer, 50,176 synapses: no errors)"),
    (lambda _: ErrorOptions(faults=FAULTS), "ErrorOptions(ber=0.0, seed=0, trial=0, faults=FaultMap(1 layer, "),
    (lambda _: DEVICE, "DeviceModel('weak-3.3e-2', LRS "),
    (lambda _: wear_curve(DEVICE, [1, 10]), "WearCurve(2 points, 1 to 10 cycles)"),
    (fitted, "Fit('"),
    (imported, "Imported(Network('mine', 4-3-2, 18 weights) from arrays .npz: 0 of 23 popcounts differ)"),
    (lambda _: Events.make([0, 4, 5], [1, 2, 3]), "Events(3 spikes, ticks 0 to 5)"),
    (lambda _: Events.make([], []), "Events(0 spikes)"),
    (lambda _: spiking.run(SPIRIT, np.zeros((2, 784), np.uint8)), "Readout(2 images, 10 classes, 2 undecided, 0 input"),
    (lambda _: spiking.run(DEEP, np.full((2, 784), 255, np.uint8)), "Readout(2 images, 10 classes, 0 undecided, 405 input"),
    (lambda _: spiking.run(DEEP, np.zeros((0, 784), np.uint8)), "Readout(0 images, 10 classes, 0 undecided, 0 input"),
    (lambda _: spiking.run(SPIRIT, np.zeros((2, 784), np.uint8), with_spikes=True).spikes, "Spikes(0 output spikes)"),
    (lambda _: Curve("x", {0.1: np.array([0.5, 0.6]), 0.2: np.array([0.4])}, 0.9, 10),
     "Curve('x', 2 error rates 0.1 to 0.2, 3 trials of accuracy, clean 90.00 %)"),
    (lambda _: device_macro.DeviceTables.from_device(DEVICE), "DeviceTables(noise_sigma="),
    (lambda _: device_macro.DeviceMacro.unformed(device_macro.DeviceTables.from_device(DEVICE), 4, 8),
     "DeviceMacro(4 x 8 pairs, 0 programming operations)"),
    (lambda _: SelfTestReport(2, 64, (MacroFaults(0, 0, 0, rows=(1,)),)), "SelfTestReport(2 macros, 64 pairs: rows 1)"),
    (lambda _: SelfTestReport(2, 64, ()), "SelfTestReport(2 macros, 64 pairs: no fault)"),
])  # fmt: skip
def test_repr_is_one_line(make, text, tmp_path):
    printed = repr(make(tmp_path))
    assert printed.startswith(text)
    assert "\n" not in printed
    assert len(printed) < 160
    assert str(make(tmp_path)) == printed

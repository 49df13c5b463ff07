"""What a read is like against its supply: the simulated points, between them, and nowhere else."""

import json
import math

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import load
from oxnor.models.technology.circuit import ReadCircuit
from oxnor.models.technology.conditions import turned
from oxnor.models.technology.offsets import statistics
from oxnor.models.technology.results import shipped
from oxnor.models.technology.supply import SupplyCurve, supply_curve

BASE = ReadCircuit()


def test_the_curve_goes_through_what_was_simulated():
    curve = supply_curve(20.0, 1000)
    assert curve.vdd == (0.9, 1.0, 1.1, 1.2, 1.5, 1.8)
    for vdd in curve.vdd:
        circuit = turned(BASE, "vdd", vdd)
        offsets, read = statistics(shipped().offsets[circuit]), shipped().reads[circuit]
        assert curve.at(vdd, "stays") == pytest.approx(offsets.stays.sigma)
        assert curve.at(vdd, "turns") == pytest.approx(offsets.turns.sigma)
        assert curve.at(vdd, "noise") == pytest.approx(shipped().noises[circuit].sigma)
        assert curve.at(vdd, "energy_fj") == pytest.approx(read.total_fj)
        assert curve.at(vdd, "delay_ns") == pytest.approx(read.delay_ns)
        assert curve.image_nj(vdd) == pytest.approx(1e-3 * read.total_fj)
    low = supply_curve(2.0).at(1.5, "energy_fj")
    assert low == pytest.approx(shipped().reads[turned(turned(BASE, "vdd", 1.5), "ratio", 2.0)].total_fj)


def test_less_supply_is_less_energy_and_more_of_all_that_disturbs():
    curve = supply_curve(7.0)
    x = np.linspace(0.9, 1.8, 91).tolist()
    for name, sign in {"energy_fj": 1, "delay_ns": -1, "precharge_ns": -1, "turns": -1, "stays": -1, "noise": -1}.items():
        assert np.all(sign * np.diff([curve.at(v, name) for v in x]) > 0), name
    assert curve.at(1.35, "stays") == pytest.approx(math.sqrt(curve.at(1.2, "stays") * curve.at(1.5, "stays")))


def test_thermal_noise_is_far_below_the_offset():
    """About 1e-3 in ln R, an upper bound."""
    found = shipped().noises[BASE]
    assert 5e-4 < found.sigma < 5e-3
    assert set(found.parts) == {"bl", "blb", "q", "qb"}


def test_nothing_is_said_outside_what_was_simulated():
    curve = supply_curve(7.0)
    for vdd in (0.899, 1.801, math.nan):
        with pytest.raises(InputError, match=r"^values must be in \[0.9, 1.8\] V, where the amplifier was simulated, not"):
            curve.at(vdd, "stays")
    for ratio in (1.9, 101.0):
        with pytest.raises(InputError, match=r"^HRS / LRS must be in \[2, 100\], where reads were simulated at every supply"):
            supply_curve(ratio)


def test_device_at_a_supply():
    device = supply_curve(7.0).device(load("weak-3.3e-2"), 1.0)
    assert (device.offset_sigma, device.turning_offset_sigma) == pytest.approx((0.073, 0.0456), rel=0.2)
    assert device.lrs_sigma == load("weak-3.3e-2").lrs_sigma
    for name in ("offset_sigma", "turning_offset_sigma", "read_noise_sigma"):
        assert device.provenance[name].tag == "simulated"
        assert "at 1 V" in device.provenance[name].source


CHANGES = {
    "field": (lambda v: v.pop("reads"), "x: supply must have circuit, ratio, reads"),
    "text": (lambda v: v.update(vdd="1"), "x: supply must hold a text and numbers"),
    "truth": (lambda v: v["stays"].__setitem__(0, True), "x: supply must hold a text and numbers"),
    "falling": (lambda v: v["vdd"].reverse(), "x: supply.vdd must be two or more rising supplies"),
    "short": (lambda v: v["turns"].pop(), "x: supply.turns must be a number above 0 for each supply"),
    "zero": (lambda v: v["noise"].__setitem__(0, 0), "x: supply.noise must be a number above 0 for each supply"),
    "ratio": (lambda v: v.update(ratio=1), "x: supply.ratio must be above 1, and reads 1 or more"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_bad_curves(change, message):
    good = json.loads(json.dumps(supply_curve(7.0).to_json()))
    assert SupplyCurve.from_json(good, "x") == supply_curve(7.0)
    change(good)
    with pytest.raises(InputError) as e:
        SupplyCurve.from_json(good, "x")
    assert str(e.value).startswith(message)

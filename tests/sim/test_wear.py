"""Error rate against cycles: numpy's draws and the device macro in RTL against the closed form."""

import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.devices import model as device
from oxnor.models.devices.draws import interval
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.states import LogLaw
from oxnor.sim.studies import wear
from oxnor.sim.studies.wear import ages, drawn_point, rtl_point, wear_picture

#: Wears fast: 1e-3 when new, 1e-1 after a million cycles; one device in a hundred does not form. Part of the offset turns.
FAST = DeviceModel(
    "fast", 10_000.0, 200_000.0, 0.6, 0.7, 0.3, 0.2, 0.99,
    wear=LogLaw(10.0, 0.05, -0.25, 0.03, 0.05), valid_cycles=(0, 1e6),
    turning_offset_sigma=0.2,
)  # fmt: skip


@pytest.mark.parametrize("cycles", [0, 1000, 10**6])
def test_drawn_pairs_err_as_the_closed_form_says(cycles):
    point = drawn_point(FAST, cycles, pairs=1 << 20, seed=1)
    low, high = interval(point.errors, point.trials, 1 - 1e-4)
    assert point.trials == 1 << 20
    assert low < point.exact < high


@pytest.mark.cosim
@pytest.mark.parametrize("cycles", [1000, 10**6])
def test_rtl_errs_as_the_closed_form_says(cycles, tmp_path):
    """Formed, programmed and read through the ports; every bit is compared with the golden model on the way."""
    point = rtl_point(FAST, cycles, tmp_path, rounds=4)
    low, high = interval(point.errors, point.trials, 1 - 1e-4)
    assert point.trials == 4 * wear.ROWS * wear.COLS
    assert low < point.exact < high


@pytest.mark.cosim
def test_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(wear, "DRAWN", 1 << 18)
    monkeypatch.setattr(wear, "RTL_AGES", 2)
    seen = []
    found = wear_picture(tmp_path / "wear.svg", FAST, rounds=1, progress=lambda *a: seen.append(a))
    assert {name: len(points) for name, points in found.items()} == {"numpy": 13, "rtl": 2}
    assert seen[-1] == (15, 15)
    assert [p.rate for p in found["numpy"]] == sorted(p.rate for p in found["numpy"])
    text = (tmp_path / "wear.svg").read_text()
    assert "RTL in Verilator" in text
    assert "Wear of fast" in text


def test_ages_are_where_errors_can_be_counted():
    found = ages(FAST, 10_000, 5)
    assert found[-1] == 10**6
    assert len(found) == 5
    assert ages(device.load("wear-illustration"), 10_000)[0] > 1e7
    for name in ("calibrated-1e-2", "wear-illustration"):
        with pytest.raises(InputError, match="must wear, and err in 5 of 50 pairs at its end"):
            ages(device.load(name), 50)

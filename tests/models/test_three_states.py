"""Ternary weights in one pair: closed forms, drawn devices and the golden device macro against each other; steps."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from oxnor.models.base.errors import InputError
from oxnor.models.devices import model as devices
from oxnor.models.devices.device_macro import STEPS, DeviceMacro, DeviceTables, count_reads, margins, totals
from oxnor.models.devices.draws import draw_faults, interval
from oxnor.models.devices.three_states import sense_threshold, ternary_rates
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.base import ternary_synapses
from oxnor.models.networks.layers.scores import ScoreLayer

WEAK = devices.load("weak-3.3e-2")
BAD = replace(WEAK, offset_sigma=1.0, turning_offset_sigma=0.5, read_noise_sigma=0.8, forming_yield=0.9)


def network_of(values):
    return Network("three", (ScoreLayer(ternary_synapses(values), weight_bits=2),))


def shares(values, read):
    """Return (errors, weights) of 0 read as another, of +1 and -1 read as 0, and of wrong signs."""
    zero = values == 0
    return (
        (np.count_nonzero(read[zero]), zero.sum()),
        (np.count_nonzero(read[~zero] == 0), (~zero).sum()),
        (np.count_nonzero(read[~zero] == -values[~zero]), (~zero).sum()),
    )


def agree(counted, rates):
    for (errors, count), rate in zip(counted, (rates.zero, rates.lost, rates.sign), strict=True):
        low, high = interval(errors, count, 1 - 1e-5)
        assert low <= rate <= high


def test_closed_form_without_an_offset():
    """Then both devices are independent, and the rates are products."""
    ideal = replace(WEAK, offset_sigma=0.0, read_noise_sigma=0.0)
    stats, rates = ideal.at(), ternary_rates(ideal)
    low, high = (ndtr((rates.threshold - mu) / s) for mu, s in ((stats.lrs_mu, stats.lrs_sigma), (stats.hrs_mu, stats.hrs_sigma)))
    assert rates.zero == pytest.approx(1 - (1 - high) ** 2, rel=1e-9)
    assert rates.lost == pytest.approx((1 - low) * (1 - high), rel=1e-9)
    late = ternary_rates(ideal, threshold=50.0)  # never too late: two states
    assert (late.zero, late.lost) == (pytest.approx(1), 0)
    assert late.sign == pytest.approx(ndtr(-stats.separation / np.hypot(stats.lrs_sigma, stats.hrs_sigma)), rel=1e-6)
    assert ternary_rates(replace(ideal, hrs_median=1e8)).sign == pytest.approx(8.07e-18, rel=1e-2)


@pytest.mark.parametrize("device", [WEAK, BAD], ids=["weak", "bad"])
def test_drawn_pairs_err_as_often_as_the_closed_form_says(device):
    values = np.random.default_rng(1).integers(-1, 2, (300, 300))
    network = network_of(values)
    faults = draw_faults(network, device, macro=(1, 64), noise=True, pair_states=3)
    agree(shares(values, faults.apply(network).layers[0].weight_values // 2), ternary_rates(device))
    # Layers whose weights are single synapses stay as they are.
    plain = Network("two", (ScoreLayer(ternary_synapses(values)),))
    assert np.array_equal(
        draw_faults(plain, device, pair_states=3).flips[0], draw_faults(plain, device).flips[0]
    )
    with pytest.raises(InputError, match="pair_states must be 2 or 3, not 4"):
        draw_faults(network, device, pair_states=4)


@pytest.mark.parametrize("device", [WEAK, BAD], ids=["weak", "bad"])
def test_device_macros_err_as_often(device):
    """Integers of the macro: reads of one row and counts of many; a unit of both is a synapse."""
    g = np.random.default_rng(2)
    rows, cols = 60, 400
    values = g.integers(-1, 2, (rows, cols))
    tables = DeviceTables.from_device(device, pair_states=3)
    assert tables.threshold == round(sense_threshold(device) * STEPS)
    assert tables.words()[61] == tables.threshold
    assert DeviceTables.from_device(device).words()[61] == 0
    numbers = g.integers(0, 1 << 32, (2, 2, rows, cols), np.uint32)
    macro = DeviceMacro.unformed(tables, rows, cols)
    macro.pairs = tables.programmed(ternary_synapses(values).reshape(rows, cols, 2), numbers)
    macro.offsets = tables.offsets(g.integers(0, 1 << 32, cols, np.uint32))
    macro.turning = tables.turnings(g.integers(0, 1 << 32, cols, np.uint32))
    x = g.random((rows, cols)) < 0.5
    noise = macro.noise.copy()
    synapses = macro.read(np.arange(rows), x)
    sums = synapses.reshape(rows, cols, 2).sum(axis=2)
    found = shares(values, np.where(x, sums - 1, 1 - sums))
    rates = ternary_rates(device)
    for (errors, count), rate in zip(found, (rates.zero, rates.lost, rates.sign), strict=True):
        assert errors / count == pytest.approx(rate, abs=0.03)  # errors of a column come together
    # The same reads, a count of each.
    counts = count_reads(
        tables, margins(macro.pairs, macro.offsets)[None], np.zeros((1, cols), np.uint8), noise[None],
        np.ascontiguousarray(x[:1, None, None, :]), np.array([[cols]]), macro.turning[None], 1,
        totals(macro.pairs)[None],
    )  # fmt: skip
    assert counts[0, 0, 0] == sums[0].sum()


@pytest.mark.parametrize("moves", ["zero", "nonzero"])
def test_errors_by_transition(moves):
    values = np.random.default_rng(3).integers(-1, 2, (200, 300))
    network = network_of(values)
    read = FaultMap.draw(network, ber=0.2, kind="step", moves=moves).apply(network).layers[0].weight_values // 2
    (zero, zeros), (lost, others), (sign, _) = shares(values, read)
    assert sign == 0
    assert abs(zero / zeros - 0.2 * (moves == "zero")) < 0.01
    assert abs(lost / others - 0.2 * (moves == "nonzero")) < 0.01
    with pytest.raises(InputError, match="moves must be one of all, zero, nonzero, not 'one'"):
        FaultMap.draw(network, ber=0.2, kind="step", moves="one")

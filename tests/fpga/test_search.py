"""Folding for a chip, and what it is thought to take."""

import pytest
from helpers.boards import layers_of

from oxnor.fpga.boards import board
from oxnor.fpga.report import bound_cycles
from oxnor.fpga.search import find_engine, folding_for
from oxnor.models import zoo
from oxnor.models.base.errors import InputError


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
    found = find_engine(zoo.load_binarized(network), chip, interval)
    assert (found.folding.interval, found.folding.macros) == (cycles, macros)
    assert found.folding.macros <= chip.block_rams
    assert found.steps[-1].endswith("times as many")


def test_nothing_faster_fits():
    network, chip = zoo.load_binarized("mnist-tfc"), board("icebreaker").chip
    best = find_engine(network, chip)
    for reads in range(1, best.folding.interval):
        faster = folding_for(network, chip, reads)
        assert faster is None or faster.interval >= best.folding.interval or (
            faster.macros > chip.block_rams or faster.luts > 0.98 * chip.luts
        )


def test_what_does_not_fit_says_by_how_much():
    with pytest.raises(InputError) as e:
        find_engine(zoo.load_binarized("mnist-mlp"), board("colorlight-i5").chip)
    assert str(e.value).startswith(
        "network 'mnist-mlp' does not fit on ECP5 LFE5U-25F: at 512 cycles an image it needs 103 block RAMs of 56 and about"
    )
    assert str(e.value).endswith("; take a larger board")


def test_options_take_logic():
    """What the search allows for them is what synthesis has made of them, within a tenth."""
    small, measured = layers_of(70, 20, 10), {}
    for name, option in (("icebreaker", "programming"), ("icebreaker", "fault_injector"), ("ulx3s-85f", "programming")):
        chip = board(name).chip
        with_it, without = (folding_for(small, chip, 20, **options) for options in ({option: True}, {}))
        assert with_it.folds == without.folds
        measured[name, option] = with_it.luts - without.luts
    assert measured == pytest.approx(
        {("icebreaker", "programming"): 1941, ("icebreaker", "fault_injector"): 14860, ("ulx3s-85f", "programming"): 1721}, rel=0.1
    )
    config = find_engine(zoo.load_binarized("mnist-tfc"), board("ulx3s-85f").chip, fault_injector=True, programming=True).config
    assert config.fault_injector
    assert config.programming
    with pytest.raises(InputError, match="network 'mnist-tfc' does not fit on iCE40 UP5K"):
        find_engine(zoo.load_binarized("mnist-tfc"), board("icebreaker").chip, fault_injector=True)


def test_bound_is_all_block_rams_in_every_cycle():
    chip = board("ulx3s-85f").chip
    config = find_engine(zoo.load_binarized("mnist-mlp"), chip).config
    assert bound_cycles(config, chip) == pytest.approx((784 * 1024 + 1024 * 1024 + 10240) / (208 * 36))

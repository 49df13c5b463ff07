"""Folding for a chip, and what it is thought to take."""

import pytest
from helpers.boards import layers_of
from helpers.convolutions import Conv, random_conv_network

from oxnor.fpga.boards.table import board
from oxnor.fpga.engines import engine_for, fixed_luts, macro_luts
from oxnor.fpga.memories import block_rams, buffer_words, layers_in_logic, macro_rams, pixel_memories
from oxnor.fpga.report import bound_cycles
from oxnor.fpga.search import find_engine, folding_for
from oxnor.hw.params.schedule import schedule
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


@pytest.mark.parametrize(
    ("name", "packed", "folds", "cells"),
    [
        # oxnor fpga build tern.npz --board icebreaker --fold 25,1 --fold 2,1 --fold 2,1 --fold 1,1: nextpnr's logic cells
        ("icebreaker", False, [(25, 1), (2, 1), (2, 1), (1, 1)], 5723),
        # ... --packed --fold 20,1 --fold 2,1 --fold 2,1 --fold 1,1: 4,687 LUT4, 1,560 flip-flops alone, 95 for carries
        ("icebreaker", True, [(20, 1), (2, 1), (2, 1), (1, 1)], 6340),
        # ... --board ulx3s-85f --fold 22,1 --fold 2,1 --fold 2,1 --fold 1,1
        ("ulx3s-85f", False, [(22, 1), (2, 1), (2, 1), (1, 1)], 5830),
    ],
)
def test_weights_of_several_synapses_are_estimated(name, packed, folds, cells):
    """Input registers have a bit for each input, however many synapses see it."""
    chip = board(name).chip
    network = random_conv_network((1, 1, 784), (), dense=(64, 64, 64), classes=10, bits=2)
    config = engine_for(network, chip, folds, packed=packed)
    assert fixed_luts(config, chip) + macro_luts(config, chip) == pytest.approx(cells, rel=0.05)


def test_bound_is_all_block_rams_in_every_cycle():
    chip = board("ulx3s-85f").chip
    config = find_engine(zoo.load_binarized("mnist-mlp"), chip).config
    assert bound_cycles(config, chip) == pytest.approx((784 * 1024 + 1024 * 1024 + 10240) / (208 * 36))


@pytest.fixture(scope="module")
def digits():
    """A network with convolutions of the size of a shipped one."""
    halves = (2, 2)
    return random_conv_network((28, 28, 1), (Conv(16, pool=halves), Conv(32, pool=halves)), (64,), 10)


def test_block_rams_of_memories():
    ice40, ecp5 = board("icebreaker").chip, board("ulx3s-85f").chip
    assert [block_rams(ice40, *size) for size in ((256, 16), (257, 16), (2048, 32), (50, 32))] == [1, 2, 16, 2]
    assert [block_rams(ecp5, *size) for size in ((512, 36), (1024, 48), (2048, 36), (8192, 16))] == [1, 3, 4, 8]


def test_convolutions_are_folded_by_windows(digits):
    """Few rows in look-up tables where windows are many; a deep narrow macro, and vectors in a memory, where not."""
    chip = board("icebreaker").chip
    found = find_engine(digits, chip)
    config = found.config
    assert found.folding.interval == schedule(config).initiation_interval == 2887
    assert [(y.rows, y.cols, y.macros) for y in config.layers] == [(4, 9, 4), (16, 16, 18), (2048, 32, 1), (256, 16, 1)]
    assert [y.in_memory for y in config.layers] == [False, False, True, False]
    assert layers_in_logic(config, chip) == [0, 1]
    assert [(m.name, m.words, m.width, m.block_rams) for m in pixel_memories(config, chip)] == [
        ("images", 98, 16, 1), ("window 0", 112, 1, 1), ("pool 0", 13, 16, 1), ("window 1", 52, 16, 1),
        ("pool 1", 5, 32, 2), ("vectors 2", 50, 32, 2),
    ]  # fmt: skip
    assert found.folding.macros == 16 + 1 + 8 <= chip.block_rams
    # The folding says all of it, as a report does.
    assert engine_for(digits, chip, found.folding.folds).digest == config.digest
    reads = sum(y.n_in * y.n_out * y.vectors for y in config.layers)
    assert bound_cycles(config, chip) == reads / (30 * 16)


def test_packed_weights_take_fewer_block_rams():
    """Ten ternary weights to a row of 16 bits in place of eight; what is found is what the macros of the engine take."""
    ice40, ecp5 = board("icebreaker").chip, board("ulx3s-85f").chip
    network = random_conv_network((1, 1, 784), (), dense=(64, 64, 64), classes=10, bits=2)
    plain, packed = (folding_for(network, ice40, 256, packed=p) for p in (False, True))
    assert (plain.macros, packed.macros) == (30, 25)
    config = engine_for(network, ice40, packed.folds, packed=True)
    assert [(y.rows, y.pairs, y.word_bits) for y in config.layers] == [(256, 10, 16)] * 4
    assert macro_rams(config, ice40) == packed.macros
    assert bound_cycles(config, ice40) == pytest.approx(0.8 * bound_cycles(engine_for(network, ice40, plain.folds), ice40))
    windows = random_conv_network((8, 8, 2), (Conv(4, pool=(2, 2)),), (9,), 3, bits=2)
    for chip in (ice40, ecp5):
        config = engine_for(windows, chip, [(1, 1), (2, 1), (1, 1)], packed=True)
        assert [y.word_bits for y in config.layers] == [8 * -(-y.pairs // 5) for y in config.layers]
        in_ram = [y for k, y in enumerate(config.layers) if k not in layers_in_logic(config, chip)]
        assert macro_rams(config, chip) == sum(y.macros * block_rams(chip, y.rows, y.word_bits) for y in in_ram)


def test_an_interval_is_kept_with_less_logic(digits):
    chip = board("icebreaker").chip
    fastest, slower = find_engine(digits, chip), find_engine(digits, chip, 5000)
    assert fastest.folding.interval < slower.folding.interval <= 5000
    assert slower.folding.luts < fastest.folding.luts
    with pytest.raises(InputError, match=r"`?interval`? ?.*must be 2,887 or more for this network, not 2,000"):
        find_engine(digits, chip, 2000)


def test_options_of_convolutions_take_block_ram(digits):
    """What can be programmed lies in block RAM."""
    chip = board("ulx3s-85f").chip
    config = find_engine(digits, chip, programming=True).config
    assert not layers_in_logic(config, chip)
    assert all(y.rows >= 512 for y in config.layers)


def test_images_that_no_request_holds_are_refused():
    chip = board("ulx3s-85f").chip
    colours = random_conv_network((28, 28, 3), (Conv(4, pool=(2, 2)),), (4,), planes=8)
    config = find_engine(colours, chip).config
    assert (config.beats, buffer_words(config, chip)) == (1176, 8192)
    large = random_conv_network((150, 150, 3), (Conv(2, (3, 3), pool=(37, 37)),), (4,), planes=8)
    with pytest.raises(InputError, match="an image must be at most 65,534 bytes on a board, the longest request of its link, not 67,500"):
        find_engine(large, chip)


def test_convolutions_that_do_not_fit_say_by_how_much():
    large = random_conv_network((12, 12, 64), (Conv(256), Conv(256)), (), planes=1)
    with pytest.raises(InputError, match=r"does not fit on iCE40 UP5K: at .* cycles an image it needs .* block RAMs of 30"):
        find_engine(large, board("icebreaker").chip)

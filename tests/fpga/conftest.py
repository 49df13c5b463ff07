"""A small network, on a virtual board that all files share."""

import pytest
from helpers.boards import layers_of

from oxnor.fpga.boards.table import board
from oxnor.fpga.emulate import VirtualBoard
from oxnor.fpga.host import Host
from oxnor.hw.params.engine import EngineConfig


@pytest.fixture(scope="session")
def small():
    return layers_of(70, 20, 10)


@pytest.fixture(scope="session")
def virtual(small, tmp_path_factory):
    """A small network on a virtual iCEBreaker with all options; macros of few rows, so that a self-test is short."""
    config = EngineConfig.for_network(
        small, target="ice40", macro_size=(20, 16), folding=[(5, 1), (2, 1)], stream_width=16, with_scores=False,
        fault_injector=True, programming=True, margin=True,
    )  # fmt: skip
    with VirtualBoard(small, board("icebreaker"), config, tmp_path_factory.mktemp("board")) as running:
        yield running


@pytest.fixture
def host(virtual):
    with Host(virtual.port) as h:
        yield h

"""A small network for sweeps, and inputs whose labels are what it gives without errors."""

import dataclasses

import pytest

from oxnor.models import golden
from oxnor.models.datasets.options import DataOptions
from oxnor.sim.verify.inputs import inputs_for


@pytest.fixture
def network(random_network):
    return random_network((60, 50, 10), name="net")


@pytest.fixture
def inputs(network):
    drawn = inputs_for(network, DataOptions(200))
    return dataclasses.replace(drawn, labels=golden.predict(network, drawn.images))

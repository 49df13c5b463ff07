"""What is done with each type of network: its engine, its description, its simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.golden import registry

from .describe import describe, describe_spiking

if TYPE_CHECKING:
    from .case import Case, Request


@dataclass(frozen=True)
class Flow:
    """What is done with a network of one type.

    Parameters
    ----------
    config : callable
        (network, EngineOptions or None, and options that differ) to the structure of its engine.
    describe : callable
        (network, config) to a JSON-able description.
    prepare : callable
        (network, images, request) to what :func:`oxnor.sim.verify.simulate.simulate` builds, runs and compares.
    """

    config: Callable[..., Any]
    describe: Callable[[Any, Any], dict[str, Any]]
    prepare: Callable[[Any, Any, Request], Case]


def _binarized(network: Any, images: Any, request: Request) -> Case:
    from .binarized import prepare

    return prepare(network, images, request)


def _spiking(network: Any, images: Any, request: Request) -> Case:
    from .spiking import prepare

    return prepare(network, images, request)


#: By the name of a type of network.
FLOWS: Mapping[str, Flow] = {
    "binarized": Flow(EngineConfig.for_network, describe, _binarized),
    "spiking": Flow(SpikingConfig.for_network, describe_spiking, _spiking),
}


def flow_of(network: Any) -> Flow:
    """Return what is done with `network`."""
    return FLOWS[registry.type_of(network).name]

"""What the commands do with each kind of network: its engine, its description, its simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.base.errors import InputError
from oxnor.models.golden import registry
from oxnor.models.networks.spiking import SpikingNetwork

from .describe import describe, describe_spiking

if TYPE_CHECKING:
    from .case import Case, Request

#: What the engine options of the command line are called there.
_OPTIONS = {
    "folding": "--fold",
    "dataflow": "--dataflow",
    "with_scores": "--no-scores",
    "macro_kind": "--macro with a kind",
    "fault_injector": "--fault-injector",
    "programming": "--programming",
}


@dataclass(frozen=True)
class Flow:
    """What is done with a network of one kind.

    Parameters
    ----------
    config : callable
        (network, target, and any of macro, folding, stream_width, with_scores) to the structure of its engine.
    describe : callable
        (network, config) to a JSON-able description.
    prepare : callable
        (network, images, request) to what :func:`oxnor.sim.verify.simulate.simulate` builds, runs and compares.
    """

    config: Callable[..., Any]
    describe: Callable[[Any, Any], dict[str, Any]]
    prepare: Callable[[Any, Any, Request], Case]


def _spiking_config(network: SpikingNetwork, *, target: str, **given: Any) -> SpikingConfig:
    for name, option in _OPTIONS.items():
        if name in given:
            raise InputError(f"{option} must not be given for a spiking network: {network.name!r} is one")
    return SpikingConfig.for_network(network, target=target, **given)


def _binarized(network: Any, images: Any, request: Request) -> Case:
    from .binarized import prepare

    return prepare(network, images, request)


def _spiking(network: Any, images: Any, request: Request) -> Case:
    from .spiking import prepare

    return prepare(network, images, request)


#: By the name of a kind of network.
FLOWS: Mapping[str, Flow] = {
    "binarized": Flow(EngineConfig.for_network, describe, _binarized),
    "spiking": Flow(_spiking_config, describe_spiking, _spiking),
}


def flow_of(network: Any) -> Flow:
    """Return what is done with `network`."""
    return FLOWS[registry.type_of(network).name]

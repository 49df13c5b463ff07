"""What the commands do with each kind of network: its engine, its description, its simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.base.errors import InputError
from oxnor.models.golden import registry
from oxnor.models.networks.encoders import Encoder, encode
from oxnor.models.networks.spiking import SpikingNetwork

from .describe import describe, describe_spiking

#: What the engine options of the command line are called there.
_OPTIONS = {
    "folding": "--fold",
    "dataflow": "--dataflow",
    "with_scores": "--no-scores",
    "macro_kind": "--macro with a kind",
    "fault_injector": "--fault-injector",
    "programming": "--programming",
}
#: Arguments of a simulation that only binarized networks have.
_ERRORS = {"adder_tree": "--adder-tree", "read_errors": "--read-ber", "device": "--device"}


@dataclass(frozen=True)
class Flow:
    """What is done with a network of one kind.

    Parameters
    ----------
    config : callable
        (network, target, and any of macro, folding, stream_width, with_scores) to the structure of its engine.
    describe : callable
        (network, config) to a JSON-able description.
    simulate : callable
        (network, inputs, and the arguments that :func:`oxnor.sim.verify.simulate.simulate` takes) to a result with
        ``ok`` and ``to_json``.
    """

    config: Callable[..., Any]
    describe: Callable[[Any, Any], dict[str, Any]]
    simulate: Callable[..., Any]


def _spiking_config(network: SpikingNetwork, *, target: str, **given: Any) -> SpikingConfig:
    for name, option in _OPTIONS.items():
        if name in given:
            raise InputError(f"{option} must not be given for a spiking network: {network.name!r} is one")
    return SpikingConfig.for_network(network, target=target, **given)


def _simulate(network: Any, images: Any, **options: Any) -> Any:
    from .simulate import simulate

    return simulate(network, images, **options)


def _simulate_spiking(network: SpikingNetwork, images: Any, **options: Any) -> Any:
    from .spiking import simulate_spiking

    for name, option in _ERRORS.items():
        if options.pop(name, None):
            raise InputError(f"{option} must not be given for a spiking network: {network.name!r} is one")
    for name in ("device_cycles", "device_seconds"):
        options.pop(name, None)
    if network.encoder.kind == "external":
        # A host's part: the default encoder makes the events.
        images = [encode(Encoder(), v, network.decision.window) for v in network.inputs(images)]
    return simulate_spiking(network, images, **options)


#: By the name of a kind of network.
FLOWS: Mapping[str, Flow] = {
    "binarized": Flow(EngineConfig.for_network, describe, _simulate),
    "spiking": Flow(_spiking_config, describe_spiking, _simulate_spiking),
}


def flow_of(network: Any) -> Flow:
    """Return what is done with `network`."""
    return FLOWS[registry.type_of(network).name]

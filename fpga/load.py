"""Programming a board over its link: any network of its shape, any faults, and the self-test of its macros."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from oxnor.hw.host.programmer import EngineError, Programmer, run_now
from oxnor.hw.interface.link_protocol import Identity
from oxnor.hw.params.engine import EngineConfig
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.march import SelfTestReport
from oxnor.models.networks.binarized import Network

from .host import TRIES, Host, LinkError


def _programmer(host: Host, config: EngineConfig) -> tuple[Programmer, Identity]:
    """Return what programs the board behind `host`, after a check that it can be programmed and has this structure."""
    identity = host.identity()
    if not identity.engine_options["programming"]:
        raise InputError(f"board {identity.name} must have the programming controller: build it with `programming`")
    return host.programmer(config, host.check(config.digest, None)), identity


def load(
    host: Host,
    network: Network,
    config: EngineConfig,
    faults: FaultMap | None = None,
    *,
    retries: int = 3,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:
    """Program a network into a board, with static faults, and verify every bit.

    Parameters
    ----------
    host : Host
        The board.
    network : Network
        Of the board's shape.
    config : EngineConfig
        Structure of the engine on it.
    faults : FaultMap, optional
        Static errors that are programmed with it.
    retries : int
        How often a failing pair is programmed again, in [0, 255].
    progress : callable, optional
        Called with (memories programmed, memories).

    Returns
    -------
    dict
        JSON-able; ``failing`` counts the weights and coefficients that still read wrong, ``first_failing`` names some.

    Raises
    ------
    InputError
        If the board has no programming controller, or the network does not fit its engine.
    LinkError
        If the board has another structure, or does not answer as it should.
    """
    programmer, identity = _programmer(host, config)
    started = time.monotonic()
    try:
        failing = run_now(programmer.program_network(network, faults, retries=retries, progress=progress))
    except EngineError as e:
        raise LinkError(str(e)) from e
    held = faults.apply(network) if faults else network
    return {
        "network": network.name,
        "board": identity.name,
        "weights": sum(y.weights.size for y in network.layers),
        "wrong_weights": faults.wrong(network) if faults else 0,
        "network_register": f"{int(held.digest[:8], 16):08x}",
        "failing": len(failing),
        "first_failing": [[s.layer, s.neuron, s.input] for s in failing[:8]],
        "bytes_sent": host.sent,
        "bytes_received": host.received,
        "seconds": round(time.monotonic() - started, 3),
        "line_seconds": round(10 * max(host.sent, host.received) / host.baud, 3),
    }


def self_test(
    host: Host, config: EngineConfig, progress: Callable[[int, int], object] | None = None
) -> SelfTestReport:
    """March through all macros of a board; the network on it is lost. Parameters and errors as for :func:`load`.

    A march reads what it then writes again: after a request that had to be repeated it starts from its beginning.
    """
    programmer, identity = _programmer(host, config)
    for _ in range(TRIES):
        retries = host.retries
        try:
            report = run_now(programmer.self_test(progress))
        except EngineError as e:
            raise LinkError(str(e)) from e
        if host.retries == retries:
            return report
    raise LinkError(f"{identity.name}: requests are lost again and again, so that no self-test is whole")

"""Images through a board, compared with the golden model."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from oxnor.hw.config import EngineConfig
from oxnor.hw.schedule import schedule
from oxnor.models import golden
from oxnor.models.network import Network
from oxnor.sim.inputs import Inputs

from .host import PATIENCE_S, Host, LinkError


def run_images(
    network: Network,
    config: EngineConfig,
    inputs: Inputs,
    port: str,
    baud: int,
    *,
    board: str | None = None,
    patience_s: float = PATIENCE_S,
    batch: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:
    """Run images on a board in batches as large as it takes.

    Parameters
    ----------
    network : Network
        What must be on the board.
    config : EngineConfig
        The engine that must be there.
    inputs : Inputs
        Images, and labels where there are any.
    port, baud
        Serial port.
    board : str, optional
        Name that the board must give.
    patience_s : float
        Seconds to wait for an answer.
    batch : int, optional
        Images in one request. Default: as many as the board takes.
    progress : callable, optional
        Called with (images done, images).

    Returns
    -------
    dict
        JSON-able: accuracy, speed, mismatches, cycles as the board has counted them, what the link counted. The cycles
        are those of the schedule, unless an image has as many beats as a layer has reads: the buffer of the link has
        one port, and storing a result takes a cycle of it.

    Raises
    ------
    LinkError
        If the board is another one, or does not answer as it should.
    """
    bits = golden.binarize(network, inputs.images)
    count = len(bits)
    classes = np.zeros(count, np.int64)
    cycles = predicted = batches = 0
    with Host(port, baud, patience_s) as host:
        identity = host.check(config.digest, network.digest)
        if board is not None and identity.name != board:
            raise LinkError(f"{port}: must be a {board}, but says that it is a {identity.name}")
        before = dict(zip(("FRAMES", "DROPPED"), host.read("FRAMES", "DROPPED"), strict=True))
        size = min(batch or count, identity.payload_max // identity.image_bytes)
        started = time.monotonic()
        for first in range(0, count, size):
            part = bits[first : first + size]
            result = host.run(part, identity)
            classes[first : first + len(part)] = result.classes
            cycles += result.cycles
            predicted += schedule(config).cycles(len(part))
            batches += 1
            if progress:
                progress(first + len(part), count)
        seconds = time.monotonic() - started
        after = dict(zip(("FRAMES", "DROPPED"), host.read("FRAMES", "DROPPED"), strict=True))
        link = host.counters()
        retries = host.retries
    expected = golden.argmax(golden.scores(network, bits))
    labels = inputs.labels
    return {
        "network": network.name,
        "board": identity.name,
        "port": port,
        "images": count,
        "mismatches": int(np.count_nonzero(classes != expected)),
        "accuracy": None if labels is None else float(np.mean(classes == labels)),
        "golden_accuracy": None if labels is None else float(np.mean(expected == labels)),
        "batches": batches,
        "cycles": cycles,
        "predicted_cycles": predicted,
        "frames": after["FRAMES"] - before["FRAMES"],
        "dropped": after["DROPPED"] - before["DROPPED"],
        "clock_hz": identity.clock_hz,
        "engine_images_per_s": round(count * identity.clock_hz / cycles),
        "seconds": round(seconds, 3),
        "images_per_s": round(count / seconds, 1),
        "retries": retries,
        "link": link,
        "inputs": inputs.source,
    }

"""Images through a board, compared with the golden model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.interface.link_protocol import PAYLOAD_CHECKED, Identity
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.hw.placement.arrange import placed
from oxnor.models import golden
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.sim.sweeps.params import Classify
from oxnor.sim.verify.confidence import compare_margins, confidence
from oxnor.sim.verify.inputs import Inputs

from .host import TRIES, Host, LinkError, RunResult


def classify(
    host: Host,
    identity: Identity,
    bits: NDArray[np.bool_],
    read_errors: ReadErrors | None = None,
    *,
    batch: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[RunResult, list[int]]:
    """Run images with errors of single reads, in batches as large as the board takes.

    With read errors a request that the host has to repeat spoils the numbers of the images that follow: all of them
    are run again then.

    Parameters
    ----------
    host, identity
        The board.
    bits : ndarray of bool, shape (n, n_in)
    read_errors, batch, progress
        As for :func:`run_images`.

    Returns
    -------
    result : RunResult
        Of all batches.
    sizes : list of int
        Images of each batch.

    Raises
    ------
    LinkError
        If the board does not answer as it should.
    """
    room = min(identity.payload_max, PAYLOAD_CHECKED)
    size = max(1, min(batch or len(bits), room // identity.image_bytes))
    for _ in range(TRIES):
        host.set_read_errors(read_errors, identity)
        retries = host.retries
        results: list[RunResult] = []
        for first in range(0, len(bits), size):
            results.append(host.run(bits[first : first + size], identity))
            if progress:
                progress(min(first + size, len(bits)), len(bits))
        if not read_errors or host.retries == retries:
            margins = [r.margins for r in results if r.margins is not None]
            unsure = [r.unsure for r in results if r.unsure is not None]
            whole = RunResult(
                np.concatenate([r.classes for r in results]), sum(r.cycles for r in results),
                np.concatenate(margins) if margins else None, np.concatenate(unsure) if unsure else None,
            )  # fmt: skip
            return whole, [len(r.classes) for r in results]
    raise LinkError(f"{identity.name}: requests are lost again and again, so that read errors cannot be repeated")


def _known(host: Host, network: Network, classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the classes that a board has answered with, if the network has them all."""
    if classes.size and classes.max() >= network.n_out:
        raise LinkError(f"{host.port}: class {classes.max()} of {network.n_out} is none")
    return classes


@dataclass(frozen=True, eq=False, repr=False)
class BoardRun:
    """What a board made of images, beside what it should have made of them.

    Parameters
    ----------
    network, board, port : str
        Names.
    features : tuple of str
        What the board says that it has.
    images : int
        How many.
    mismatches : int
        Images whose class, margin or being unsure differs from the golden model's.
    accuracy, golden_accuracy : float or None
        Part of the images whose class is their label, in [0, 1]; None without labels.
    read_ber : float or None
        Probability that a single read was wrong, in the board and in the golden model.
    min_margin : int or None
        Least margin of a sure result; None if the board gives no margins, and so with the next two.
    unsure : int or None
        Images whose result is unsure; the board's counter says so too.
    sure_accuracy : float or None
        Part of the other images whose class is their label; None without labels, or if there are none.
    batches : int
        Requests.
    cycles, predicted_cycles : int
        Clock cycles of all batches as the board counted them, and those of the schedule. They are equal, unless an
        image has as many beats as a layer has reads: the buffer of the link has one port, and storing a result takes a
        cycle of it.
    frames, dropped : int
        Images that the engine took in, and that it dropped.
    clock_hz : int
        Clock of the engine.
    engine_images_per_s : int
        By the cycles.
    seconds, images_per_s : float
        By the host's clock.
    retries : int
        Requests that were repeated.
    link : dict of str to int
        What the link has counted.
    inputs : str
        Where the images come from.
    classes, golden_classes : ndarray of int64, shape (images,)
    """

    network: str
    board: str
    port: str
    features: tuple[str, ...]
    images: int
    mismatches: int
    accuracy: float | None
    golden_accuracy: float | None
    read_ber: float | None
    min_margin: int | None
    unsure: int | None
    sure_accuracy: float | None
    batches: int
    cycles: int
    predicted_cycles: int
    frames: int
    dropped: int
    clock_hz: int
    engine_images_per_s: int
    seconds: float
    images_per_s: float
    retries: int
    link: dict[str, int]
    inputs: str
    classes: NDArray[np.int64]
    golden_classes: NDArray[np.int64]

    def __repr__(self) -> str:
        accuracy = "" if self.accuracy is None else f", accuracy {100 * self.accuracy:.2f} %"
        verdict = "equal to the golden model" if self.ok else f"{self.mismatches:,} mismatches"
        return f"BoardRun({self.network!r} on {self.board}, {self.images:,} images{accuracy}: {verdict})"

    @property
    def ok(self) -> bool:
        """Whether every class is the golden model's."""
        return self.mismatches == 0

    def to_json(self) -> dict[str, Any]:
        """Return all but the arrays."""
        arrays: tuple[str, ...] = ("classes", "golden_classes")
        if self.min_margin is None:
            arrays += ("min_margin", "unsure", "sure_accuracy")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in arrays}


def run_images(
    host: Host,
    network: Network,
    config: EngineConfig,
    inputs: Inputs,
    *,
    board: str | None = None,
    batch: int | None = None,
    read_errors: ReadErrors | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> BoardRun:
    """Run images on a board in batches as large as it takes, and compare every class with the golden model.

    Parameters
    ----------
    host : Host
        The board.
    network : Network
        What must be on it.
    config : EngineConfig
        The engine that must be there.
    inputs : Inputs
        Images, and labels where there are any.
    board : str, optional
        Name that the board must give.
    batch : int, optional
        Images in one request. Default: as many as the board takes.
    read_errors : ReadErrors, optional
        Errors of single reads, of the board and of the golden model alike; the board needs its fault injector.
    progress : callable, optional
        Called with (images done, images).

    Returns
    -------
    BoardRun

    Raises
    ------
    LinkError
        If the board is another one, or does not answer as it should.
    """
    bits = golden.binarize(network, inputs.images)
    identity = host.check(config.digest, network.digest)
    if board is not None and identity.name != board:
        raise LinkError(f"{host.port}: must be a {board}, but says that it is a {identity.name}")
    counters = ("FRAMES", "DROPPED", *(("UNSURE",) if config.margin else ()))
    before, retries = host.read(*counters), host.retries
    started = time.monotonic()
    result, sizes = classify(host, identity, bits, read_errors, batch=batch, progress=progress)
    seconds, cycles = time.monotonic() - started, result.cycles
    counted = [(b - a) % (1 << 32) for a, b in zip(before, host.read(*counters), strict=True)]
    host.set_read_errors(None, identity)
    scores = golden.scores(placed(network, config), bits, read_errors=read_errors)
    expected = golden.argmax(scores)
    classes, labels = _known(host, network, result.classes), inputs.labels
    differs, least = classes != expected, 0
    if result.margins is not None and result.unsure is not None:
        (least,), unsure = host.read("MIN_MARGIN"), int(np.count_nonzero(result.unsure))
        if not host.retries - retries and counted[2] != unsure:
            raise LinkError(f"{host.port}: {unsure} results are unsure, of which the board counts {counted[2]}")
        differs |= compare_margins(result.margins, result.unsure, scores, least, config.margin_max)
    return BoardRun(
        network=network.name,
        board=identity.name,
        port=host.port,
        features=tuple(identity.features),
        images=len(bits),
        mismatches=int(np.count_nonzero(differs)),
        accuracy=None if labels is None else float(np.mean(classes == labels)),
        golden_accuracy=None if labels is None else float(np.mean(expected == labels)),
        read_ber=read_errors.ber if read_errors else None,
        **confidence(result.unsure, least, classes, labels),
        batches=len(sizes),
        cycles=cycles,
        predicted_cycles=sum(schedule(config).cycles(size) for size in sizes),
        frames=counted[0],
        dropped=counted[1],
        clock_hz=identity.clock_hz,
        engine_images_per_s=round(len(bits) * identity.clock_hz / cycles),
        seconds=round(seconds, 3),
        images_per_s=float(f"{len(bits) / seconds:.4g}"),  # less than one of a netlist
        retries=host.retries - retries,
        link=host.counters(),
        inputs=inputs.source,
        classes=classes,
        golden_classes=expected,
    )


@contextmanager
def classifier(network: Network, port: str, baud: int) -> Iterator[Classify]:
    """Yield a function that runs images with errors of single reads on the board at a port: what a sweep needs.

    Parameters
    ----------
    network : Network
        What must be on the board, in whatever folding.
    port, baud
        Serial port.

    Raises
    ------
    InputError
        If the board has no fault injector.
    LinkError
        If the board is another one, or does not answer as it should.
    """
    with Host(port, baud) as host:
        identity = host.check(None, network.digest)
        host.set_read_errors(ReadErrors(1), identity)

        def run(bits: NDArray[np.bool_], errors: ReadErrors) -> NDArray[np.int64]:
            return _known(host, network, classify(host, identity, bits, errors)[0].classes)

        try:
            yield run
        finally:
            host.set_read_errors(None, identity)

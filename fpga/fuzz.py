"""Damaged frames on a board's link: every one is answered and counted, none changes anything, none hangs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from oxnor.hw.interface.link_protocol import END, ENTRY_BYTES, ESC, Identity, Status, commands, judge, request
from oxnor.hw.params.engine import EngineConfig
from oxnor.models import golden
from oxnor.models.base.rng import stream
from oxnor.models.networks.binarized import Network

from .host import Host, LinkError

#: Good images go through the board after so many damaged frames.
CHECK_EVERY = 500
#: Registers that may not change but by the good images.
WATCHED = ("MAGIC", "VERSION", "STRUCTURE", "NETWORK", "N_IN", "N_OUT", "STATUS", "DROPPED")


def _good(g: np.random.Generator, identity: Identity) -> bytes:
    """Return a request as a host sends it, of any kind."""
    known = commands(identity)
    kind = g.integers(len(known))
    payload = {
        0: b"",
        1: b"",
        2: g.bytes(identity.image_bytes),
        3: g.bytes(2 * int(g.integers(1, 4))),
        4: g.bytes(ENTRY_BYTES * int(g.integers(1, 3))),
        5: g.bytes(ENTRY_BYTES * int(g.integers(1, 5))),
    }[int(kind)]
    return request(known[kind], int(g.integers(256)), payload)


def damaged(g: np.random.Generator, identity: Identity) -> Iterator[bytes]:
    """Yield what is between END bytes: requests damaged on their way, and well-made ones that ask for nonsense."""
    wire = bytearray(_good(g, identity))
    kind = g.integers(8)
    if kind == 0:  # bits that flipped
        for _ in range(int(g.integers(1, 5))):
            wire[g.integers(1, len(wire) - 1)] ^= 1 << int(g.integers(8))
    elif kind == 1:  # the end is missing
        del wire[int(g.integers(2, len(wire) - 1)) : -1]
    elif kind == 2:  # a piece is missing
        first = int(g.integers(1, len(wire) - 2))
        del wire[first : first + int(g.integers(1, 9))]
    elif kind == 3:  # bytes that nobody sent
        first = int(g.integers(1, len(wire)))
        wire[first:first] = g.bytes(int(g.integers(1, 40)))
    elif kind == 4:  # noise
        wire[:] = g.bytes(int(g.integers(1, 60)))
    elif kind == 5:  # a wrong length
        wire[3:5] = g.bytes(2)
    elif kind == 6:  # an escape of nothing
        wire[int(g.integers(1, len(wire) - 1))] = ESC
    else:  # right in form, wrong in what it says
        command = int(g.choice([*range(0x30, 0x40), 0, 0xFF, *commands(identity)]))
        payload = g.bytes(int(g.choice([1, 3, 5, 7, identity.image_bytes - 1, identity.image_bytes + 1])))
        wire[:] = request(command, int(g.integers(256)), payload)
    yield from bytes(wire).split(bytes([END]))


def fuzz(
    host: Host,
    network: Network,
    config: EngineConfig,
    frames: int,
    *,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:
    """Send at least `frames` damaged frames and check the answer to each, the counters, and what the board computes.

    Parameters
    ----------
    host : Host
        The board.
    network, config
        What is on it.
    frames : int
        Damaged frames, at least.
    seed : int
        Key of the damage.
    progress : callable, optional
        Called with (frames done, frames).

    Returns
    -------
    dict
        JSON-able: frames by the answer that they got.

    Raises
    ------
    LinkError
        If a frame gets no answer or another one than it must, or anything has changed.
    """
    g = stream("link", seed=seed, layer=0, trial=0)
    identity = host.check(config.digest, network.digest)
    before = host.read(*WATCHED)
    (frames_before,) = host.read("FRAMES")
    rejected_before = host.counters()["rejected"]
    answers: Counter[str] = Counter()
    good = sent = 0
    while sent < frames:
        for segment in damaged(g, identity):
            expected = judge(segment, identity)
            if expected is None or expected is Status.OK:
                continue
            host.send(segment + bytes([END]))
            answer = host.receive(host.patience_s)
            if answer is None or answer.status != expected:
                what = "nothing" if answer is None else str(answer.status)
                raise LinkError(f"frame {sent} ({segment.hex()}) must be answered with {expected.name}, not {what}")
            answers[expected.name] += 1
            sent += 1
            if sent % CHECK_EVERY == 0:
                bits = g.random((3, network.n_in)) < 0.5
                result = host.run(bits, identity)
                good += len(bits)
                if not np.array_equal(result.classes, golden.argmax(golden.scores(network, bits))):
                    raise LinkError(f"after frame {sent} the board computes something else")
                if progress:
                    progress(min(sent, frames), frames)
    after = host.read(*WATCHED)
    link = host.counters()
    if after != before or host.read("FRAMES") != [frames_before + good]:
        raise LinkError(f"damaged frames have changed registers: {WATCHED} were {before} and are {after}")
    if (rejected := link["rejected"] - rejected_before) != sent:
        raise LinkError(f"{sent} damaged frames were sent and {rejected} counted")
    return {"frames": sent, "seed": seed, "answers": dict(sorted(answers.items())), "good_images": good,
            "retries": host.retries, "link": link}  # fmt: skip

"""Proof that no few flipped bits of a frame of the host link escape its CRC-32, by the syndromes of all of them.

A CRC is linear: flips stay undetected if and only if the remainders of what they add, x to the power of their places,
sum up to 0. Its polynomial has the term 1, so that x can be cancelled, and the last flip may be taken as that of the
last bit: of three flips two places are left, and all of them are tried.
"""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.interface.link_protocol import (
    CRC_BYTES,
    CRC_POLYNOMIAL,
    END,
    ESC,
    HEADER_BYTES,
    PAYLOAD_CHECKED,
    PAYLOAD_MAX,
    Command,
    Identity,
    Status,
    judge,
    request,
    unslip,
)  # fmt: skip

NAME = "link-frames"
CLAIM = (
    "two flipped bits of the longest request are noticed, and three where its payload is at most"
    f" {PAYLOAD_CHECKED:,} bytes; on the wire, any two bits of END, ESC, length and the rest"
)
#: The longest request that a board can accept, and that a host sends, in bits, before it is escaped.
FRAME_BITS, CHECKED_BITS = (8 * (HEADER_BYTES + payload + CRC_BYTES) for payload in (PAYLOAD_MAX, PAYLOAD_CHECKED))
_BOARD = Identity(1, 1, 6, 1024, 12_000_000, 4, "drawn", ("fault_injector", "programming"))
#: Of each command; bytes that must be escaped are in it.
_PAYLOADS = {
    Command.IDENTITY: b"", Command.COUNTERS: b"", Command.RUN: bytes([END, 1, ESC, 2, ESC, END]),
    Command.READ: bytes([END, 0]), Command.WRITE: bytes([4, 0, ESC, 0, END, 0]),
    Command.ACCESS: bytes([ESC, 0x80, 0, 0, 0, 0]),
}  # fmt: skip


def remainders(bits: int, polynomial: int = CRC_POLYNOMIAL) -> NDArray[np.uint32]:
    """Return x**k modulo the polynomial for k below `bits`; both with the highest power in the lowest bit."""
    found = np.empty(bits, np.uint32)
    value = 1 << 31
    for k in range(bits):
        found[k] = value
        value = value >> 1 ^ (polynomial if value & 1 else 0)
    return found


def shortest_undetected(flips: int, bits: int, polynomial: int = CRC_POLYNOMIAL) -> int | None:
    """Return the least length of a frame of which some flipped bits stay undetected.

    Parameters
    ----------
    flips : int
        1, 2 or 3.
    bits : int
        Longest frame that is looked at, its CRC included.
    polynomial : int
        Of the CRC, without its highest power, which is the lowest bit's neighbour.

    Returns
    -------
    int or None
        In bits; None if there is none up to `bits`.
    """
    r = remainders(bits, polynomial)
    if flips == 1:
        lengths = np.flatnonzero(r == 0) + 1
    elif flips == 2:
        lengths = np.flatnonzero(r[1:] == r[0]) + 2
    else:  # 1 + x**a = x**b
        order = np.argsort(r, kind="stable")
        wanted = r[1:] ^ r[0]
        place = order[np.minimum(np.searchsorted(r, wanted, sorter=order), bits - 1)]
        lengths = np.maximum(np.arange(1, bits), place)[r[place] == wanted] + 1
    return int(lengths.min()) if len(lengths) else None


def _hit(wire: bytes, at: int) -> str:
    """Return what the byte at a place of a frame on the wire is."""
    plain = wire[: at + 1].replace(bytes([ESC]), b"")
    escaped = "END" if wire[at] == END else "ESC" if wire[at] == ESC else "after ESC" if wire[at - 1] == ESC else ""
    return escaped or ("length" if len(plain) in (4, 5) else "other")


def outcomes(wire: bytes, flips: int) -> Counter[tuple[str, str]]:
    """Return how often a board answers how, by the byte that is hit first: all flips of a frame on the wire are tried.

    Parameters
    ----------
    wire : bytes
        A request, its END bytes included. The END of another frame is before it, and one after it.
    flips : int
        Bits flipped at a time.

    Returns
    -------
    Counter of (str, str)
        By END, ESC, after ESC, length or other, and the names of the board's answers; "taken as it was sent" where the
        frame is still whole, and "taken as another" where a request is executed that nobody has sent.
    """
    sent, found = unslip(wire.strip(bytes([END]))), Counter[tuple[str, str]]()
    for places in itertools.combinations(range(8 * len(wire)), flips):
        spoilt = bytearray(wire)
        for place in places:
            spoilt[place // 8] ^= 1 << place % 8
        answers = []
        for segment in bytes(spoilt).split(bytes([END])):
            answer = judge(segment, _BOARD)
            if answer is Status.OK:
                answers.append("taken as it was sent" if unslip(segment) == sent else "taken as another")
            elif answer is not None:
                answers.append(answer.name)
        # Without its last END a frame waits for that of the next one, and is judged with it.
        found[_hit(wire, places[0] // 8), " and ".join(answers) or "no answer"] += 1
    return found


def unnoticed(polynomial: int = CRC_POLYNOMIAL) -> list[str]:
    """Return what contradicts :data:`CLAIM`."""
    found = []
    for flips, bits in ((1, FRAME_BITS), (2, FRAME_BITS), (3, CHECKED_BITS)):
        if length := shortest_undetected(flips, bits, polynomial):
            found.append(f"{flips} flipped bits of a frame of {length} bits")
    for command, payload in _PAYLOADS.items():
        counts = outcomes(request(command, END, payload), 2)
        found += [f"{command.name}: {what}: {answer}" for what, answer in counts if "another" in answer]
    return found

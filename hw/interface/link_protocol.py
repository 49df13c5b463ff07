"""The host link's frames: commands, status codes, and their bytes. The one source for gateware, host and documents.

A frame is SLIP (RFC 1055): its bytes between two END bytes, with END and ESC inside replaced by two bytes each.

===========  =======================================================================
request      command, sequence number, payload length (2 bytes), payload, CRC-32
response     sequence number, payload, status, CRC-32
===========  =======================================================================

Numbers are little-endian. The CRC-32 is the one of zlib, over all bytes of the frame before it.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from oxnor.hw.params.options import OPTIONAL_PARTS

VERSION = 1
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
#: What a board sends over SPI while it has nothing to say, and what such a byte of a response is escaped to there.
IDLE, ESC_IDLE = 0xFF, 0xDE
#: What a CRC register holds after a frame and its CRC.
CRC_RESIDUE = 0xDEBB20E3
CRC_POLYNOMIAL = 0xEDB88320
HEADER_BYTES, CRC_BYTES = 4, 4
#: The identity's payload; its last bytes are the name of the board in ASCII, padded with zeros, and its features.
IDENTITY_BYTES = 32
NAME_BYTES = 15
#: What a board may have, bit k of the features' byte: the options of its engine, and SPI instead of a UART.
FEATURES = ("fault_injector", "programming", "spi", "margin", "packed")
#: Bytes of an entry of WRITE and of ACCESS: address and value. In ACCESS this bit of the address asks for a read.
ENTRY_BYTES = 6
READ_FLAG = 1 << 15
#: Fewest clock cycles to a bit, by the kind of the serial line.
BIT_CYCLES_MIN = {"uart": 4, "spi": 8}
#: Cycles after which a run is given up: the engine has not answered.
RUN_TIMEOUT_BITS = 24
#: Bits of a beat of the engine behind the link, and of a word of the link's buffer.
WORD = 16
#: Longest payload, in bytes: whole words, of which two bytes say how many bytes they are.
PAYLOAD_MAX = 65534
#: Longest payload of a request of which three flipped bits never stay unnoticed: CRC-32 has words of four ones from the
#: next bit on (``sim/verify/proofs/link_frames.py``). Hosts send no longer ones, unless a single image is.
PAYLOAD_CHECKED = 11_446


class Command(IntEnum):
    """What a request asks for."""

    IDENTITY = 0x01
    COUNTERS = 0x02
    RUN = 0x10
    READ = 0x20
    WRITE = 0x21
    #: Of boards with the programming controller.
    ACCESS = 0x22


class Status(IntEnum):
    """How a request went; the last byte of a response before its CRC."""

    OK = 0
    BAD_CRC = 1
    TOO_SHORT = 2
    TOO_LONG = 3
    BUSY = 4
    UNKNOWN_COMMAND = 5
    BAD_PAYLOAD = 6
    BUS_ERROR = 7
    TIMEOUT = 8


#: The link's counters, in the order of the answer to COUNTERS, 4 bytes each: requests that were executed, and those
#: that were not, for whatever reason.
COUNTERS = ("accepted", "rejected")


def slip(data: bytes) -> bytes:
    """Return `data` as a SLIP frame with an END on both sides."""
    escaped = data.replace(bytes([ESC]), bytes([ESC, ESC_ESC])).replace(bytes([END]), bytes([ESC, ESC_END]))
    return bytes([END]) + escaped + bytes([END])


def unslip(data: bytes, with_idle: bool = False) -> bytes | None:
    """Return what is inside a frame (given without its END bytes), or None if an escape is wrong.

    The escape of :data:`IDLE` is one in responses only.
    """
    escapes = {ESC_END: END, ESC_ESC: ESC} | ({ESC_IDLE: IDLE} if with_idle else {})
    out = bytearray()
    it = iter(data)
    for byte in it:
        if byte == ESC:
            following = escapes.get(next(it, -1))
            if following is None:
                return None
            out.append(following)
        else:
            out.append(byte)
    return bytes(out)


def with_crc(data: bytes) -> bytes:
    """Return `data` with its CRC-32 behind it."""
    return data + zlib.crc32(data).to_bytes(CRC_BYTES, "little")


def request(command: int, sequence: int, payload: bytes = b"") -> bytes:
    """Return a request, ready for the wire."""
    return slip(with_crc(bytes([command, sequence]) + len(payload).to_bytes(2, "little") + payload))


def commands(identity: Identity) -> list[Command]:
    """Return the commands that a board knows."""
    return [c for c in Command if c is not Command.ACCESS or "programming" in identity.features]


def judge(segment: bytes, identity: Identity) -> Status | None:
    """Return how a board answers what comes between two END bytes, before it executes anything; None if it does not.

    Parameters
    ----------
    segment : bytes
        What is on the wire, without an END.
    identity : Identity
        What the board says it is.

    See Also
    --------
    oxnor.hw.link.receiver.LinkReceiver : the gateware.
    """
    if not segment:
        return None
    data = unslip(segment)
    if data is None:
        return Status.BAD_CRC
    length = int.from_bytes(data[2:HEADER_BYTES], "little") if len(data) >= HEADER_BYTES else 0
    over = len(data) - (HEADER_BYTES + length + CRC_BYTES)
    if length > identity.payload_max or (over > 0 and len(data) >= HEADER_BYTES):
        return Status.TOO_LONG
    if over < 0:
        return Status.TOO_SHORT
    if with_crc(data[:-CRC_BYTES]) != data:
        return Status.BAD_CRC
    allowed = {
        Command.IDENTITY: length == 0,
        Command.COUNTERS: length == 0,
        Command.RUN: length > 0 and length % identity.image_bytes == 0,
        Command.READ: length > 0 and length % 2 == 0,
        Command.WRITE: length > 0 and length % ENTRY_BYTES == 0,
        Command.ACCESS: length > 0 and length % ENTRY_BYTES == 0,
    }
    if data[0] not in commands(identity):
        return Status.UNKNOWN_COMMAND
    return Status.OK if allowed[Command(data[0])] else Status.BAD_PAYLOAD


@dataclass(frozen=True)
class Response:
    """An answer of the board.

    Parameters
    ----------
    sequence : int
        That of the request; not to be relied on where the request was not understood.
    payload : bytes
        What it says.
    status : int
        A :class:`Status`.
    """

    sequence: int
    payload: bytes
    status: int


def parse_response(frame: bytes) -> Response | None:
    """Return the response in a frame (given without its END bytes), or None if it is damaged."""
    data = unslip(frame, with_idle=True)
    if data is None or len(data) < 2 + CRC_BYTES or with_crc(data[:-CRC_BYTES]) != data:
        return None
    return Response(data[0], data[1 : -CRC_BYTES - 1], data[-CRC_BYTES - 1])


@dataclass(frozen=True)
class Identity:
    """What a board says it is.

    Parameters
    ----------
    version : int
        Version of this protocol.
    result_bytes, image_bytes : int
        Size of a result and of an image.
    payload_max : int
        Longest payload of a request, in bytes.
    clock_hz : int
        Clock of the engine.
    divisor : int
        Clock cycles to a bit of the serial line; of SPI, the fewest that it stands.
    name : str
        Name of the board, at most :data:`NAME_BYTES` characters.
    features : tuple of str
        What it has of :data:`FEATURES`.
    """

    version: int
    result_bytes: int
    image_bytes: int
    payload_max: int
    clock_hz: int
    divisor: int
    name: str
    features: tuple[str, ...] = ()

    @property
    def engine_options(self) -> dict[str, bool]:
        """Options of its engine, fields of :class:`oxnor.hw.params.options.EngineOptions`."""
        return {name: name in self.features for name in OPTIONAL_PARTS}

    def to_bytes(self) -> bytes:
        """Return the payload of the answer to IDENTITY."""
        numbers: Iterable[tuple[int, int]] = (
            (self.version, 1),
            (self.result_bytes, 1),
            (self.image_bytes, 2),
            (self.payload_max, 2),
            (self.clock_hz, 4),
            (self.divisor, 2),
        )
        text = self.name.encode("ascii")[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
        flags = sum(1 << k for k, name in enumerate(FEATURES) if name in self.features)
        return b"OXNR" + b"".join(v.to_bytes(n, "little") for v, n in numbers) + text + bytes([flags])

    def fault(self) -> str | None:
        """Return what no board of this version says of itself, or None if all is well."""
        if self.result_bytes not in (1, 2):
            return f"results of {self.result_bytes} bytes"
        if self.image_bytes == 0 or self.image_bytes % (WORD // 8):
            return f"images of {self.image_bytes} bytes"
        if self.payload_max < max(self.image_bytes, ENTRY_BYTES):
            return f"requests of {self.payload_max} bytes for images of {self.image_bytes}"
        if not self.clock_hz or not self.divisor:
            return f"a clock of {self.clock_hz} Hz and {self.divisor} cycles to a bit"
        if not (self.name.isascii() and self.name.isprintable()):
            return "a name that cannot be printed"
        return None

    @classmethod
    def from_bytes(cls, data: bytes) -> Identity | None:
        """Return the identity in a payload, or None if it is none. Its values are as they came: see :meth:`fault`."""
        if len(data) != IDENTITY_BYTES or data[:4] != b"OXNR":
            return None
        ends = (4, 5, 6, 8, 10, 14, 16)
        version, result, image, payload, clock, divisor = (
            int.from_bytes(data[a:b], "little") for a, b in itertools.pairwise(ends)
        )
        name = data[16:-1].rstrip(b"\0").decode("ascii", "replace")
        features = tuple(f for k, f in enumerate(FEATURES) if data[-1] >> k & 1)
        return cls(version, result, image, payload, clock, divisor, name, features)

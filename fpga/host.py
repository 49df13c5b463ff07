"""The host's side of the link: requests over a serial line, with time-outs and retries."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.host.beats import unpack_results
from oxnor.hw.host.programmer import Access, Programmer, at_once
from oxnor.hw.interface.link_protocol import (
    COUNTERS,
    END,
    ENTRY_BYTES,
    READ_FLAG,
    VERSION,
    WORD,
    Command,
    Identity,
    Response,
    Status,
    parse_response,
    request,
)
from oxnor.hw.interface.registers import INDEX, MAGIC
from oxnor.hw.params.engine import EngineConfig
from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.errors import InputError
from oxnor.models.faults.read_errors import ReadErrors

from .transport import LinkError, is_simulation, open_transport

#: Times that a request is sent before the board counts as silent.
TRIES = 3
#: Seconds to wait for an answer beyond the time that its bytes take on the line.
PATIENCE_S = 2.0
#: The same where a simulation answers, which has no bit rate to keep.
SIMULATION_PATIENCE_S = 60.0
#: Bytes of one request for accesses, at most: what is lost is soon sent again.
ACCESS_BYTES_MAX = 4096
#: Seconds of silence after which a board that was out of step counts as being at rest, and the most to wait for them.
SETTLE_S, SETTLE_MAX_S = 0.1, 2.0
#: Longest frame of a response: any payload, with every byte escaped.
FRAME_BYTES_MAX = 2 * ((1 << 16) + 8)
#: Reads of a status register before a board counts as hung: each takes a request and its answer.
POLLS = 10_000
#: What a request may be answered with that sending it again can cure.
AGAIN = (Status.BAD_CRC, Status.TOO_SHORT, Status.TOO_LONG, Status.BUSY)


@dataclass(frozen=True)
class RunResult:
    """What a board says to a batch of images.

    Parameters
    ----------
    classes : ndarray of int64, shape (n,)
    cycles : int
        Clock cycles from the transfer of the first beat to that of the last result.
    margins : ndarray of int64, shape (n,), or None
        How far the score of each class leads the second best, at most 127; None if the board does not say it.
    unsure : ndarray of bool, shape (n,), or None
        Whether that is below the board's least margin.
    """

    classes: NDArray[np.int64]
    cycles: int
    margins: NDArray[np.int64] | None = None
    unsure: NDArray[np.bool_] | None = None


def _entry(address: int, value: int) -> bytes:
    return address.to_bytes(2, "little") + value.to_bytes(4, "little")


class Host:
    """A board at a port; a context manager.

    Parameters
    ----------
    port : str
        The serial port, or one of SPI: see :func:`oxnor.fpga.transport.open_transport`.
    baud : int
        Its bit rate.
    patience_s : float, optional
        Seconds to wait for an answer. Default: more of a virtual board than of a board.

    Attributes
    ----------
    retries, sent, received : int
        Requests that were repeated, and bytes on the line both ways.

    Raises
    ------
    InputError
        If the port cannot be opened or its driver is not installed.
    """

    def __init__(self, port: str, baud: int = 1_000_000, patience_s: float | None = None):
        self._line = open_transport(port, baud)
        self.port = port
        self.baud = baud
        self.patience_s = patience_s or (SIMULATION_PATIENCE_S if is_simulation(port) else PATIENCE_S)
        self.retries = self.sent = self.received = 0
        self._sequence = 0
        self._received, self._searched = bytearray(), 0

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._line.close()

    def send(self, data: bytes) -> None:
        """Put bytes on the line as they are."""
        self.sent += len(data)
        self._line.write(data)

    def receive(self, timeout_s: float) -> Response | None:
        """Return the next undamaged response, or None if none comes in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            # Every byte is looked at once, however much noise the line is full of.
            while (end := self._received.find(END, self._searched)) >= 0:
                frame = bytes(self._received[:end])
                del self._received[: end + 1]
                self._searched = 0
                if frame and (response := parse_response(frame)) is not None:
                    return response
            self._searched = len(self._received)
            if self._searched > FRAME_BYTES_MAX:
                self._forget()
            if time.monotonic() > deadline:
                return None
            data = self._line.read()
            self.received += len(data)
            self._received += data

    def _forget(self) -> None:
        self._received.clear()
        self._searched = 0

    def request(self, command: int, payload: bytes = b"", *, answer_bytes: int = 64) -> Response:
        """Send a request, again if it is lost or damaged, and return the response to it.

        Raises
        ------
        LinkError
            If the board stays silent, or the last of :data:`TRIES` answers says that the request came damaged.
        """
        last = "no answer"
        for attempt in range(TRIES):
            self.retries += attempt > 0
            self._sequence = (self._sequence + 1) % 256
            self.send(request(command, self._sequence, payload))
            # Ten bits a byte, and any byte may have been escaped.
            line_s = 20 * (len(payload) + answer_bytes + 32) / self.baud
            deadline = time.monotonic() + self.patience_s + line_s
            while (left := deadline - time.monotonic()) > 0:
                response = self.receive(left)
                if response is None:
                    break
                if response.status in AGAIN:
                    last = f"status {Status(response.status).name}"
                    self._settle()
                    break
                if response.sequence == self._sequence:
                    return response
        raise LinkError(f"{self.port}: the board does not answer command 0x{command:02x} ({last})")

    def _settle(self) -> None:
        """Wait until the board has nothing more to say: what is sent while it speaks is lost."""
        deadline = time.monotonic() + SETTLE_MAX_S
        while self.receive(SETTLE_S) is not None and time.monotonic() < deadline:
            pass
        self._forget()

    def _ok(self, command: Command, payload: bytes = b"", *, answer_bytes: int = 64) -> bytes:
        response = self.request(command, payload, answer_bytes=answer_bytes)
        if response.status != Status.OK:
            name = Status(response.status).name if response.status in list(Status) else str(response.status)
            raise LinkError(f"{self.port}: the board answers {command.name} with {name}")
        return response.payload

    def identity(self) -> Identity:
        """Return what the board says it is.

        Raises
        ------
        LinkError
            If it says nothing that can be understood.
        """
        # Whatever was on the line before: an END brings the board in step.
        self.send(bytes([END]))
        identity = Identity.from_bytes(self._ok(Command.IDENTITY))
        if identity is None or identity.version != VERSION:
            what = "another device" if identity is None else f"version {identity.version} of the link"
            raise LinkError(f"{self.port}: must be an oxnor board with version {VERSION} of the link, not {what}")
        if fault := identity.fault():
            raise LinkError(f"{self.port}: the board says of itself what none can: {fault}")
        return identity

    def counters(self) -> dict[str, int]:
        """Return the link's counters."""
        return dict(zip(COUNTERS, self._numbers(Command.COUNTERS, b"", len(COUNTERS)), strict=True))

    def read(self, *names: str) -> list[int]:
        """Return registers of the engine by name."""
        return self._numbers(Command.READ, b"".join((4 * INDEX[n]).to_bytes(2, "little") for n in names), len(names))

    def write(self, values: Sequence[tuple[str, int]]) -> None:
        """Write registers of the engine, in order."""
        self._ok(Command.WRITE, b"".join(_entry(4 * INDEX[n], v) for n, v in values))

    def access(self, accesses: Sequence[Access]) -> list[int]:
        """Write and read registers of the engine in order, in one request; return what was read.

        A write of PROG_COMMAND is over when the command is done. The board must have the programming controller.
        """
        entries = (_entry(a | READ_FLAG, 0) if v is None else _entry(a, v) for a, v in accesses)
        return self._numbers(Command.ACCESS, b"".join(entries), sum(v is None for _, v in accesses))

    def _numbers(self, command: Command, payload: bytes, count: int) -> list[int]:
        data = self._ok(command, payload, answer_bytes=4 * count + 8)
        if len(data) != 4 * count:
            raise LinkError(f"{self.port}: {4 * count} bytes must come for {count} numbers, not {len(data)}")
        return np.frombuffer(data, "<u4").tolist()

    def programmer(self, config: EngineConfig, identity: Identity) -> Programmer:
        """Return what programs and tests the macros of this board, whose engine has the structure `config`."""

        def one(address: int, value: int | None = None) -> int:
            return next(iter(self.access([(address, value)])), 0)

        room = min(identity.payload_max, ACCESS_BYTES_MAX) // ENTRY_BYTES
        return Programmer(config, at_once(one), at_once(one), access=at_once(self.access), room=room, polls=POLLS)

    def check(self, structure: str | None, network: str | None) -> Identity:
        """Return the identity of the board if it is the one that is wanted.

        Parameters
        ----------
        structure, network : str or None
            Digests (hex) of the engine's structure and of the network; None where any will do.

        Raises
        ------
        LinkError
            If it is another one.
        """
        identity = self.identity()
        names = ("MAGIC", "STRUCTURE", "NETWORK")
        expected = [MAGIC, *(int(digest[:8], 16) if digest else None for digest in (structure, network))]
        for name, value, wanted in zip(names, self.read(*names), expected, strict=True):
            if wanted is not None and value != wanted:
                what = "network" if name == "NETWORK" else "bitstream"
                raise LinkError(
                    f"{self.port}: register {name} must be {wanted:08x} for this network, board and folding, not"
                    f" {value:08x}: another {what} is on this board: give the network, board and"
                    " folding that it was built with"
                )
        return identity

    def set_read_errors(self, errors: ReadErrors | None, identity: Identity) -> None:
        """Give the reads of the engine errors, and the next image the number 0; None: no errors.

        Raises
        ------
        InputError
            If errors are wanted of a board that has no fault injector.
        """
        if identity.engine_options["fault_injector"]:
            rate, seed = (errors.rate, errors.seed) if errors else (0, 0)
            self.write([("ERROR_RATE", rate), ("ERROR_SEED", seed)])
        elif errors and errors.rate:
            raise InputError(f"board {identity.name} must have the fault injector: build it with `fault_injector`")

    def set_min_margin(self, min_margin: int | None, identity: Identity) -> None:
        """Call results unsure from now on whose margin is less; None: none of them.

        Raises
        ------
        InputError
            If it is no number of 32 bits, or is wanted of a board whose engine gives no margins.
        """
        if min_margin is not None and not 0 <= min_margin < 1 << 32:
            raise InputError(f"must be in [0, {(1 << 32) - 1}], not {min_margin}", parameter="min_margin")
        if identity.engine_options["margin"]:
            self.write([("MIN_MARGIN", min_margin or 0)])
        elif min_margin is not None:
            raise InputError(f"board {identity.name} must give margins: build it with `margin`")

    def run(self, bits: NDArray[np.bool_], identity: Identity) -> RunResult:
        """Run one batch of images, as many as fit into one request.

        Parameters
        ----------
        bits : ndarray of bool, shape (n, n_in)
            At most ``identity.payload_max // identity.image_bytes``.
        identity : Identity
            What the board says it is.

        Raises
        ------
        LinkError
            If the answer is not what was asked for.
        """
        payload = pack_bytes(bits, WORD).tobytes()
        if len(payload) != len(bits) * identity.image_bytes:
            raise LinkError(
                f"{self.port}: an image has {identity.image_bytes} bytes on this board, not {len(payload) // len(bits)}"
            )
        size = len(bits) * identity.result_bytes
        data = self._ok(Command.RUN, payload, answer_bytes=size + 16)
        if len(data) != size + 4:
            raise LinkError(f"{self.port}: {size + 4} bytes must come for {len(bits)} images, not {len(data)}")
        raw = np.frombuffer(data[:size], f"<u{identity.result_bytes}")
        cycles = int.from_bytes(data[size:], "little")
        if not cycles:
            raise LinkError(f"{self.port}: {len(bits)} images cannot take 0 clock cycles")
        if not identity.engine_options["margin"]:
            return RunResult(raw.astype(np.int64), cycles)
        layout = {"class_width": 8 * identity.result_bytes - 8, "margin_bits": 7, "scores": 0}
        results = unpack_results(raw.view(np.uint8).reshape(len(bits), -1), layout)
        return RunResult(results.classes, cycles, results.margins, results.unsure)

"""Ways to a board's serial line: a UART by pyserial, SPI by spidev, and SPI of a virtual board."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from oxnor.hw.interface.link_protocol import END, IDLE
from oxnor.models.base.errors import InputError, install

#: What stands before the name of a port that is SPI.
SPI = "spi:"
#: Bytes that are written at once: a netlist in simulation takes fifty a second.
PIECE = 256
#: Bytes that a driver of SPI takes at once, and those that are clocked to hear whether there is an answer.
CHUNK, LISTEN = 4096, 64
#: Seconds in which a virtual board exchanges so few bytes, however busy the machine is.
SILENCE_S = 60.0


class LinkError(RuntimeError):
    """A board that does not answer as it should."""


class Transport(Protocol):
    """Bytes to and from a board."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self) -> bytes:
        """Return what has come; waits a little if nothing has."""

    def close(self) -> None:
        """Give the port back."""


class Serial(Protocol):
    """A port of pyserial."""

    in_waiting: int

    def write(self, data: bytes) -> int | None:
        """Send bytes."""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; waits a little."""

    def close(self) -> None:
        """Give the port back."""


def is_simulation(port: str) -> bool:
    """Return whether a virtual board is behind a port: a pseudo-terminal, which keeps no bit rate."""
    return "/pts/" in port


def _serial(port: str, path: str, rate: int) -> Serial:
    """Return an open serial port."""
    try:
        import serial
    except ModuleNotFoundError:
        raise InputError(f"pyserial is needed to talk to a board: {install('fpga')}") from None
    try:
        return serial.Serial(path, rate, timeout=0.05, write_timeout=30)
    except (serial.SerialException, ValueError, OSError) as e:
        # pyserial keeps the number of an error of termios in its text alone.
        if e.__context__ is not None and e.__context__.args[:1] == (errno.ENOTTY,):
            raise InputError(f"port {port}: is no serial port") from None
        raise _cannot_open(port, e) from None


def _reason(e: Exception) -> str:
    number = getattr(e, "errno", None)
    return os.strerror(number) if number else str(e)


def _cannot_open(port: str, e: Exception) -> InputError:
    return InputError(f"port {port}: cannot be opened ({_reason(e)})")


@contextmanager
def _lost(port: str) -> Iterator[None]:
    """Say that a port has failed: the board was unplugged, or takes no bytes."""
    try:
        yield
    except OSError as e:  # what pyserial raises is one
        raise LinkError(f"port {port}: lost ({_reason(e)})") from None


class Uart:
    """A serial port.

    Parameters
    ----------
    port : str
        Its name.
    rate : int
        Bits a second.
    """

    def __init__(self, port: str, rate: int):
        self._port = port
        self._serial = _serial(port, port, rate)

    def write(self, data: bytes) -> None:  # noqa: D102
        with _lost(self._port):
            # The time in which a port must take what is written is that of a piece, not of all.
            for first in range(0, len(data), PIECE):
                self._serial.write(data[first : first + PIECE])

    def read(self) -> bytes:  # noqa: D102
        with _lost(self._port):
            return self._serial.read(min(max(1, self._serial.in_waiting), CHUNK))

    def close(self) -> None:  # noqa: D102
        self._serial.close()


class Spi:
    """A controller of SPI: every byte that is sent brings one back, and END bytes are sent to hear.

    Parameters
    ----------
    exchange : callable
        Sends at most :data:`CHUNK` bytes with the board selected, and returns as many that have come meanwhile.
    close : callable
        Gives the port back.
    """

    def __init__(self, exchange: Callable[[bytes], bytes], close: Callable[[], object]):
        self._exchange, self._close = exchange, close
        self._heard = bytearray()

    def write(self, data: bytes) -> None:  # noqa: D102
        for first in range(0, len(data), CHUNK):
            answer = self._exchange(data[first : first + CHUNK])
            self._heard += answer.replace(bytes([IDLE]), b"")

    def read(self) -> bytes:  # noqa: D102
        if not self._heard:
            self.write(bytes([END]) * LISTEN)
        heard = bytes(self._heard)
        self._heard.clear()
        return heard

    def close(self) -> None:  # noqa: D102
        self._close()


def _spidev(port: str, path: str, rate: int) -> Spi:
    try:
        import spidev
    except ModuleNotFoundError:
        raise InputError(f"spidev is needed for SPI of this machine: {install('spi')}") from None
    device = spidev.SpiDev()
    try:
        device.open_path(path)
        device.mode, device.max_speed_hz = 0, rate
    except OSError as e:
        raise _cannot_open(port, e) from None

    def exchange(data: bytes) -> bytes:
        with _lost(port):
            return bytes(device.xfer2(list(data)))

    return Spi(exchange, device.close)


def _simulated_spi(port: str, path: str, rate: int) -> Spi:
    """Return SPI of a virtual board: the bytes of both ways go through a pseudo-terminal."""
    line = _serial(port, path, rate)

    def exchange(data: bytes) -> bytes:
        answer = bytearray()
        for first in range(0, len(data), LISTEN):
            part = data[first : first + LISTEN]
            deadline = time.monotonic() + SILENCE_S
            with _lost(port):
                line.write(part)
                while left := first + len(part) - len(answer):
                    answer += line.read(left)
                    if time.monotonic() > deadline:
                        raise LinkError(f"port {port}: the virtual board exchanges no bytes")
        return bytes(answer)

    return Spi(exchange, line.close)


def open_transport(port: str, rate: int) -> Transport:
    """Return the way to a board.

    Parameters
    ----------
    port : str
        A serial port; or, for SPI, ``spi:`` and a device of Linux (``/dev/spidev0.0``) or the terminal of a virtual
        board.
    rate : int
        Bits a second.

    Raises
    ------
    InputError
        If the port cannot be opened or its driver is not installed.
    """
    if not port.startswith(SPI):
        return Uart(port, rate)
    path = port.removeprefix(SPI)
    return _simulated_spi(port, path, rate) if is_simulation(port) else _spidev(port, path, rate)

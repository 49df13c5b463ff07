"""The host by itself: its ports, and boards that lack what is asked of them or lie."""

import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from oxnor.fpga.boards.table import board
from oxnor.fpga.host import FRAME_BYTES_MAX, Host, LinkError
from oxnor.fpga.load import load, self_test
from oxnor.fpga.search import find_engine
from oxnor.fpga.session import classify, run_images
from oxnor.fpga.transport import PIECE, Uart
from oxnor.hw.interface.link_protocol import END, ESC, ESC_IDLE, IDLE, Command, Identity, Status, slip, unslip, with_crc
from oxnor.hw.interface.registers import MAGIC
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.options import DataOptions
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.sim.verify.inputs import inputs_for


class Deaf(Host):
    """A board that only says what it is."""

    def __init__(self, *features):
        self.port, self.found = "nowhere", Identity(1, 1, 10, 16384, 30_000_000, 4, "icebreaker", features)

    def identity(self):
        return self.found


def test_a_board_without_an_option_is_refused(small):
    config = find_engine(small, board("icebreaker").chip, 20).config
    host = Deaf()
    with pytest.raises(InputError, match="board icebreaker must have the programming controller: build it with `prog"):
        load(host, small, config)
    with pytest.raises(InputError, match="board icebreaker must have the programming controller"):
        self_test(host, config)
    with pytest.raises(InputError, match="board icebreaker must have the fault injector: build it with `fault_injector`"):
        host.set_read_errors(ReadErrors(5), host.identity())
    host.set_read_errors(None, host.identity())


class Spidev:
    """The driver of Linux, with a board behind it that knows IDENTITY and hesitates."""

    identity = Identity(1, 1, 10, 16384, 255 << 16, 8, "icebreaker", ("spi",))

    def __init__(self):
        self.came, self.says = bytearray(), bytearray()

    def open_path(self, path):
        if path != "/dev/spidev0.0":
            raise FileNotFoundError(2, "No such file or directory")

    def close(self):
        self.came = None

    def xfer2(self, values):
        assert (self.mode, self.max_speed_hz, len(values) <= 4096) == (0, 2_000_000, True)
        read = []
        for n, value in enumerate(values):
            read.append(self.says.pop(0) if self.says and n % 3 else IDLE)
            if value != END:
                self.came.append(value)
            elif self.came:
                sequence = unslip(bytes(self.came))[1]
                self.came.clear()
                frame = slip(with_crc(bytes([sequence]) + self.identity.to_bytes() + bytes([Status.OK])))
                self.says += frame.replace(bytes([IDLE]), bytes([ESC, ESC_IDLE]))
        return read


def test_host_on_spi_of_linux(monkeypatch):
    monkeypatch.setitem(sys.modules, "spidev", SimpleNamespace(SpiDev=Spidev))
    with Host("spi:/dev/spidev0.0", 2_000_000) as host:
        for _ in range(3):
            assert host.identity() == Spidev.identity
        assert host.retries == 0
    with pytest.raises(InputError, match=r"port spi:/dev/spidev0.9: cannot be opened \(No such file or directory\)"):
        Host("spi:/dev/spidev0.9", 2_000_000)
    monkeypatch.setitem(sys.modules, "spidev", None)
    with pytest.raises(InputError, match=r'spidev is needed for SPI of this machine: pip install -e "\.\[spi\]"'):
        Host("spi:/dev/spidev0.0")


@pytest.mark.cosim
def test_no_port():
    with pytest.raises(InputError, match=r"port /dev/nowhere: cannot be opened \(No such file or directory\)"):
        Host("/dev/nowhere")
    with pytest.raises(InputError, match=r"^port /dev/null: is no serial port$"):
        Host("/dev/null")


class Liar:
    """A line with a board on it that answers requests as it likes.

    `says` maps a command to the payload of its answer, or to a function of the sequence number
    that returns whole bytes; what it does not have is silence. `without_end`: it goes on with its last answer for ever.
    """

    def __init__(self, says, without_end=False):
        self.says, self.without_end = says, without_end
        self.out, self.last = bytearray(), b""

    def write(self, data):
        for segment in data.split(bytes([END])):
            if segment:
                command, sequence = unslip(segment)[:2]
                answer = self.says.get(command, b"")
                if callable(answer):
                    self.last = answer(sequence)
                else:
                    self.last = slip(with_crc(bytes([sequence]) + answer + bytes([Status.OK]))) if answer else b""
                self.out += self.last

    def read(self):
        if self.without_end and not self.out:
            self.out += self.last * (4096 // len(self.last))
        part = bytes(self.out[:4096])
        del self.out[:4096]
        if not part:
            time.sleep(0.001)
        return part

    def close(self):
        pass


TRUE = Identity(1, 1, 10, 16384, 30_000_000, 30, "icebreaker")


@pytest.fixture
def lying(monkeypatch):
    """Return a maker of hosts whose board lies; `says` as for :class:`Liar`."""

    def make(says, *, without_end=False):
        monkeypatch.setattr("oxnor.fpga.host.open_transport", lambda port, baud: Liar(says, without_end))
        return Host("liar", 10_000_000, patience_s=0.3)

    return make


LIES = {
    "results": (replace(TRUE, result_bytes=3), "results of 3 bytes"),
    "no results": (replace(TRUE, result_bytes=0), "results of 0 bytes"),
    "images": (replace(TRUE, image_bytes=0), "images of 0 bytes"),
    "odd images": (replace(TRUE, image_bytes=7), "images of 7 bytes"),
    "requests": (replace(TRUE, payload_max=8), "requests of 8 bytes for images of 10"),
    "clock": (replace(TRUE, clock_hz=0), "a clock of 0 Hz and 30 cycles to a bit"),
    "divisor": (replace(TRUE, divisor=0), "a clock of 30000000 Hz and 0 cycles to a bit"),
    "escapes": (replace(TRUE, name="\x1b[2Jboard"), "a name that cannot be printed"),
}  # fmt: skip


@pytest.mark.parametrize(("identity", "sentence"), LIES.values(), ids=LIES)
def test_an_identity_that_no_board_has_is_refused(identity, sentence, lying):
    with lying({Command.IDENTITY: identity.to_bytes()}) as host, pytest.raises(LinkError) as e:
        host.identity()
    assert str(e.value) == f"liar: the board says of itself what none can: {sentence}"
    with lying({Command.IDENTITY: TRUE.to_bytes()}) as host:
        assert host.identity() == TRUE


def test_bytes_that_are_no_ascii_are_no_name(lying):
    data = bytearray(TRUE.to_bytes())
    data[16] = 0xFF
    with lying({Command.IDENTITY: bytes(data)}) as host, pytest.raises(LinkError, match="a name that cannot be printed"):
        host.identity()


RUNS = {
    "another class": (bytes([0, 1, 10]) + bytes([9, 0, 0, 0]), "liar: class 10 of 10 is none"),
    "no cycles": (bytes([0, 1, 2]) + bytes(4), "liar: 3 images cannot take 0 clock cycles"),
    "too few": (bytes([0, 1]) + bytes([9, 0, 0, 0]), "liar: 7 bytes must come for 3 images, not 6"),
    "too many": (bytes(60_000), "liar: 7 bytes must come for 3 images, not 60000"),
}


@pytest.mark.parametrize(("payload", "sentence"), RUNS.values(), ids=RUNS)
def test_results_that_cannot_be(payload, sentence, small, lying):
    config = find_engine(small, board("icebreaker").chip, 20).config
    registers = [int(digest[:8], 16).to_bytes(4, "little") for digest in (config.digest, small.digest)]
    says = {
        Command.IDENTITY: TRUE.to_bytes(), Command.RUN: payload, Command.COUNTERS: bytes(8),
        Command.READ: lambda sequence: slip(with_crc(bytes([sequence]) + reads.pop(0) + bytes([Status.OK]))),
    }  # fmt: skip
    reads = [MAGIC.to_bytes(4, "little") + b"".join(registers), bytes(8), bytes(8)]
    with lying(says) as host, pytest.raises(LinkError) as e:
        run_images(host, small, config, inputs_for(small, DataOptions(3)))
    assert str(e.value) == sentence


def test_images_of_another_size(small, lying):
    """Batches are as large as the board says that it takes: more than a request can hold, if it lies."""
    with lying({}) as host, pytest.raises(LinkError, match="an image has 2 bytes on this board, not 10"):
        classify(host, replace(TRUE, image_bytes=2, payload_max=65535), inputs_for(small, DataOptions(8)).images > 127)


def test_counters_that_are_not_there(lying):
    with lying({Command.COUNTERS: bytes(4)}) as host, pytest.raises(LinkError, match="8 bytes must come for 2 numbers, not 4"):
        host.counters()


FLOODS = {
    "ends": lambda sequence: bytes([END]),
    "noise": lambda sequence: bytes(1),
    "old answers": lambda sequence: slip(with_crc(bytes([sequence - 1 & 255, Status.OK]))),
    "busy": lambda sequence: slip(with_crc(bytes([sequence, Status.BUSY]))),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_in_time_and_fills_no_memory(flood, lying, monkeypatch):
    monkeypatch.setattr("oxnor.fpga.host.SETTLE_MAX_S", 0.3)
    started = time.monotonic()
    with lying({Command.IDENTITY: flood}, without_end=True) as host:
        with pytest.raises(LinkError, match="the board does not answer command 0x01"):
            host.identity()
        assert len(host._received) <= FRAME_BYTES_MAX + 4096
    assert time.monotonic() - started < 120  # it would never end


def test_a_port_that_is_lost(monkeypatch, tmp_path):
    class Unplugged:
        in_waiting = 0

        def write(self, data):
            raise OSError(5, "Input/output error")

        read = write

        def close(self):
            pass

    monkeypatch.setattr("oxnor.fpga.transport._serial", lambda *_: Unplugged())
    for port in ("/dev/ttyUSB9", "spi:/dev/pts/99"):
        with Host(port) as host, pytest.raises(LinkError) as e:
            host.identity()
        assert str(e.value) == f"port {port}: lost (Input/output error)"


def test_each_piece_of_a_request_has_its_own_time(monkeypatch):
    taken = []
    port = SimpleNamespace(write=taken.append, read=lambda n: b"", close=list)
    monkeypatch.setattr("oxnor.fpga.transport._serial", lambda *_: port)
    data = bytes(range(256)) * 5 + b"end"
    Uart("/dev/ttyUSB9", 1_000_000).write(data)
    assert b"".join(taken) == data
    assert max(map(len, taken)) == PIECE


def test_a_virtual_board_that_exchanges_nothing(monkeypatch):
    monkeypatch.setattr("oxnor.fpga.transport.SILENCE_S", 0.1)
    monkeypatch.setattr("oxnor.fpga.transport._serial", lambda *_: SimpleNamespace(write=len, read=lambda n: b"", close=list))
    with Host("spi:/dev/pts/99") as host, pytest.raises(LinkError, match="the virtual board exchanges no bytes"):
        host.identity()

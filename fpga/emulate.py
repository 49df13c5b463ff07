"""The virtual board: a board's whole top level in Verilator, its serial line on a pseudo-terminal."""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import subprocess
import time
from importlib.resources import files
from pathlib import Path
from types import TracebackType

from oxnor.hw.interface.link_protocol import BIT_CYCLES_MIN
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.models.base.files import build_root, locked
from oxnor.models.networks.binarized import Network
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.cache import Lease, is_whole, new_entry
from oxnor.sim.runner.places import make_place, plain_sources
from oxnor.sim.runner.process import execute, failure
from oxnor.sim.runner.runner import SimulationError
from oxnor.sim.runner.runtime import Runtime
from oxnor.sim.runner.verilator_options import CXX_FLAGS

from .boards.board import Board
from .design import BoardDesign, write_design
from .memories import buffer_words
from .options import BuildOptions
from .top import TOP
from .transport import SPI

#: Cycles of silence beyond those of a run: an operation of the programming controller takes fewer.
REST_CYCLES = 100_000
#: What the pins in ``virtual_board.cpp`` are, by the kind of serial line.
LINE_FLAGS = {"uart": "", "spi": " -DOXNOR_SPI"}


def build_program(
    sources: list[Path],
    *,
    root: Path | None = None,
    defines: tuple[str, ...] = (),
    link: str = "uart",
    cxx_flags: str = CXX_FLAGS,
) -> Path:
    """Return the compiled virtual board of Verilog sources, built once for the same bytes."""
    flags = cxx_flags + LINE_FLAGS[link]
    toolchain.require_compiler()
    tool = toolchain.find_verilator()
    main = Path(str(files("oxnor.fpga").joinpath("virtual_board.cpp")))
    h = hashlib.sha256(f"{tool} {tool.path} {flags} {defines}".encode())
    for path in [main, *sources]:
        h.update(f"\n{path.name} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    folder = build_root(root) / "fpga"
    target = folder / f"virtual-{h.hexdigest()[:24]}"
    program = target / "virtual_board"
    with locked(folder / f"{target.name}.lock"):
        if not is_whole(target):
            log = folder / f"{target.name}.log"
            with new_entry(target) as work, make_place(work / "build") as place:
                _compile([*plain_sources([*sources, main], place)], tool, defines, flags, place, log)
                shutil.copy2(place / "obj" / program.name, work)
                shutil.rmtree(place)
        Lease(target).close()  # used now
    return program


def _compile(
    sources: list[Path], tool: toolchain.Tool, defines: tuple[str, ...], flags: str, place: Path, log: Path
) -> None:
    """Compile a virtual board in a folder."""
    obj, jobs = place / "obj", str(os.cpu_count() or 1)
    command = [
        str(tool.path), "--cc", "--exe", "-O3", "--x-assign", "fast", "--x-initial", "fast",
        "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--top-module", TOP, "-CFLAGS", flags,
        "-o", "virtual_board", "--Mdir", "obj",
        *(f"+define+{d}" for d in defines),
        *sorted({f"+incdir+{p.parent}" for p in sources[:-1]}),
        *map(str, sources),
    ]  # fmt: skip
    # The kind of the line is for our own source alone: the runtime is that of any simulation without waves.
    cxx = flags.partition(" -D")[0]
    runtime = Runtime({"cxx": cxx, "tool": [str(tool), str(tool.path)], "waves": None})
    env, deadline = {**os.environ, **tool.env}, time.monotonic() + 3600
    with runtime.first_alone():
        with log.open("w") as f:
            code = execute(command, place, env, f, deadline, None)
            if not code:
                runtime.take(obj)
                code = execute(["make", "-f", f"V{TOP}.mk", "-j", jobs], obj, env, f, deadline, None)
        if code:
            raise failure(SimulationError, "building the virtual board failed", log)
        runtime.keep(obj)


def rest_cycles(config: EngineConfig, board: Board) -> int:
    """Return the cycles of silence after which a board is at rest: more than a request of the most images takes."""
    images = max(1, buffer_words(config, board.chip) // config.beats)
    return REST_CYCLES + schedule(config).cycles(images)


class VirtualBoard:
    """A board that runs; a context manager.

    Parameters
    ----------
    network, board, config
        What it is.
    directory : Path
        Its working directory: sources and memory images.
    bit_cycles : int, optional
        Clock cycles to a bit. Default: the fewest, as each one costs time.
    link : str
        Kind of the serial line, a key of :data:`oxnor.hw.link.board.LINES`.
    root : Path, optional
        Folder for the compiled program.

    Attributes
    ----------
    port : str
        The pseudo-terminal, as the host takes it.
    design : BoardDesign
        What runs.
    """

    link = "uart"

    def __init__(
        self,
        network: Network,
        board: Board,
        config: EngineConfig,
        directory: Path,
        *,
        bit_cycles: int | None = None,
        link: str = "uart",
        root: Path | None = None,
    ):
        self.directory = Path(directory).resolve()
        self.link = link
        fewest = BIT_CYCLES_MIN.get(link)
        options = BuildOptions(link=link, bit_cycles=fewest if bit_cycles is None else bit_cycles)
        self._bit_cycles = options.bit_cycles
        self._rest = rest_cycles(config, board)
        self.design: BoardDesign = write_design(network, board, config, self.directory, options)
        models = Path(str(files("oxnor.fpga").joinpath("rtl", "pll_models.v")))
        sources = [*sorted((self.directory / "rtl").iterdir()), models]
        self._program = build_program(sources, root=root, defines=("OXNOR_BEHAVIOURAL=1",), link=link)
        self.port = ""

    def __enter__(self) -> VirtualBoard:
        self.process = subprocess.Popen(
            [str(self._program), str(self._bit_cycles), str(self._rest)], cwd=self.directory,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        self.port = self.process.stdout.readline().strip() if ready else ""
        if not self.port:
            self.__exit__(None, None, None)
            raise SimulationError("the virtual board did not start")
        if self.link == "spi":
            self.port = SPI + self.port
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

"""The engine in its testbench: emit, build, load a network, run, count the tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.hw.emit.verilog import emit_engine
from oxnor.hw.engine.engine import Engine
from oxnor.hw.interface.registers import INTERFACE_VERSION, MAGIC
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.hw.placement.memory_files import write_images
from oxnor.models import golden
from oxnor.models.base.bits import pack_bytes
from oxnor.models.networks.binarized import Network
from oxnor.sim.runner import runner

#: Tests in ``tb_engine``.
TESTS = 16


@dataclass(frozen=True)
class EngineTestbench:
    """A testbench of the whole engine on random images.

    Parameters
    ----------
    module : str
        In ``oxnor.sim.benches``.
    tests : int
        How many of its tests run.
    pattern : str, optional
        Regular expression on their names. Default: all.
    simulator : str
        "verilator" or "icarus".
    images : int
        How many, at least 3.
    seed : int
        Of the images and of the testbench.
    adder_tree : bool
        Simulate the popcounts that synthesis gets.
    cycle_limit : int, optional
        Of each test. Default: what the busiest of ``tb_engine`` needs, and some more.
    public : bool
        Whether the testbench can reach every signal: see :func:`oxnor.sim.runner.runner.build`.
    """

    module: str = "engine.tb_engine"
    tests: int = TESTS
    pattern: str | None = None
    simulator: str = "icarus"
    images: int = 12
    seed: int = 1
    adder_tree: bool = False
    cycle_limit: int | None = None
    public: bool = False

    def run(
        self, network: Network, config: EngineConfig, directory: Path, root: Path | None = None
    ) -> tuple[runner.Build, runner.Run]:
        """Build the engine and run the tests in `directory`.

        Parameters
        ----------
        network : Network
            What the memory files hold.
        config : EngineConfig
            What the engine was made for.
        directory : Path
            Made if missing.
        root : Path, optional
            Folder of the builds. Default: :func:`oxnor.models.base.files.build_root`.

        Raises
        ------
        oxnor.sim.runner.runner.SimulationError
            If a test fails or not all of them ran.
        """
        sources, top = self.lay_out(network, config, directory)
        defines = {} if self.adder_tree else {"OXNOR_BEHAVIOURAL": 1}
        build = runner.build(sources, top, simulator=self.simulator, defines=defines, public=self.public, root=root)
        selection = runner.Selection(self.tests, self.pattern, self.seed)
        return build, runner.run(build, f"oxnor.sim.benches.{self.module}", directory, selection)

    def lay_out(self, network: Network, config: EngineConfig, directory: Path) -> tuple[Sequence[Path], str]:
        """Write all that a run needs into its working directory; return the Verilog and the top module."""
        emitted = emit_engine(config, directory / "rtl")
        bits = np.random.default_rng(self.seed).random((self.images, network.n_in)) < 0.5
        write_images(network, config, directory)
        network.save(directory / "network.npz")
        np.save(directory / "inputs.npy", pack_bytes(bits, config.stream_width))
        np.save(directory / "scores.npy", golden.scores(network, bits, converters=config.converters))
        timing = schedule(config)
        # The busiest test sends each image twice through a consumer that pauses.
        limit = 5000 + 20 * (self.images + 40) * (timing.latency + timing.initiation_interval)
        job = emitted.sidecar | {
            "identity": _identity(network, config),
            "config": asdict(config),
            "cycle_limit": self.cycle_limit or limit,
        }
        (directory / "job.json").write_text(json.dumps(job))
        return emitted.sources, emitted.top


def _identity(network: Network, config: EngineConfig) -> dict[str, int]:
    """Return the registers by which a host knows the engine and its network."""
    return {
        "MAGIC": MAGIC,
        "VERSION": INTERFACE_VERSION,
        "STRUCTURE": int(config.digest[:8], 16),
        "NETWORK": int(network.digest[:8], 16),
        "N_IN": network.n_in,
        "N_OUT": network.n_out,
    }


@dataclass(frozen=True)
class LoadedEngine:
    """An engine with a network, in its testbench: laid out as a unit's is.

    Parameters
    ----------
    network : Network
    config : EngineConfig
    testbench : EngineTestbench
    """

    network: Network
    config: EngineConfig
    testbench: EngineTestbench = EngineTestbench()

    @property
    def unit(self) -> Engine:
        """The gateware."""
        return Engine(self.config)

    @property
    def module(self) -> str:
        """Module in ``oxnor.sim.benches``."""
        return self.testbench.module

    @property
    def tests(self) -> int:
        """How many tests it has."""
        return self.testbench.tests

    @property
    def parameters(self) -> dict[str, object]:
        """Verilog parameters."""
        return {}

    def lay_out(self, directory: Path) -> tuple[Sequence[Path], str]:
        """Write all that a run needs into its working directory; return the Verilog and the top module."""
        return self.testbench.lay_out(self.network, self.config, directory)


def joined_engine(network: Network, **structure: Any) -> LoadedEngine:
    """Return the testbench of what joins the parts of the engine of a network."""
    bench = EngineTestbench("blocks.tb_status", 2, cycle_limit=100_000)
    return LoadedEngine(network, EngineConfig.for_network(network, **structure), bench)

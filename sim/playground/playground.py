"""``oxnor playground``: the engine of a network as a page in which it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.base.files import write_text
from oxnor.sim.drawing.diagram import engine_diagram
from oxnor.sim.drawing.html import figure
from oxnor.sim.verify.flows import flow_of

from .data import page_data
from .page import build_page
from .store import Progress, check_size, engine_module, shipped_index


def playground(
    network: Any, config: Any = None, *, build_dir: Path | None = None, progress: Progress | None = None
) -> str:
    """Return the page in which a reader runs the engine of a network.

    Parameters
    ----------
    network : Network or SpikingNetwork
        One that takes images.
    config : EngineConfig or SpikingConfig, optional
        Structure of its engine. Default: that of ``oxnor simulate`` without options.
    build_dir : Path, optional
        Folder for builds. Shipped networks need none.
    progress : callable, optional
        Called with (what is done, 0, 0) as the work goes on.

    Returns
    -------
    str
        The page, which holds everything that it needs.

    Raises
    ------
    InputError
        If the network is too large for a page or takes no images, or a tool is missing.
    oxnor.sim.runner.synthesis.ToolError
        If a tool fails.
    """
    check_size(network)
    config = config or flow_of(network).config(network)
    data = page_data(network, config)
    module = engine_module(config, build_dir, progress)
    return build_page(data, module, shipped_index()["sweeps"].get(network.digest), _stills(network, config))


def _stills(network: Any, config: Any) -> str:
    """Return what a browser without WebAssembly shows: the engine, as a picture."""
    if isinstance(config, SpikingConfig):
        return ""
    picture = engine_diagram(config, f"Block diagram of the engine of {network.name}")
    return figure(picture, "The engine: each blue box is an RRAM macro, in which XNOR happens as a row is read.")


def write_page(network: Any, path: str | Path, config: Any = None, **options: Any) -> Path:
    """Write :func:`playground`, whole or not at all, and return where."""
    write_text(path, playground(network, config, **options))
    return Path(path)

"""Why an engine is folded as it is."""

from __future__ import annotations

from typing import TypedDict

from oxnor.models.base.words import counted
from oxnor.models.networks.binarized import Network

from .engine import EngineConfig
from .folding import balance
from .options import EngineOptions
from .schedule import schedule
from .targets import TARGETS


class LayerLoad(TypedDict):
    """What an image asks of a layer, in cycles."""

    windows: int
    planes: int
    word_lines: int
    reads: int
    macros: int
    shortest: int


class Explanation(TypedDict):
    """The folding of an engine, layer by layer."""

    sentences: list[str]
    layers: list[LayerLoad]


def explain(network: Network, config: EngineConfig, options: EngineOptions) -> Explanation:
    """Return the loads of the layers of an engine, and why they are folded so.

    Parameters
    ----------
    network : Network
    config : EngineConfig
        The engine of `network` with `options`.
    options : EngineOptions
    """
    count = len(network.layers)
    target, of_layers = TARGETS[options.target], options.for_layers(count)
    found = balance(network.layers, target, of_layers)
    layers: list[LayerLoad] = [
        {
            "windows": y.vectors,
            "planes": y.planes,
            "word_lines": y.word_lines,
            "reads": y.interval,
            "macros": y.macros,
            "shortest": shortest,
        }
        for y, shortest in zip(config.layers, found.shortest, strict=True)
    ]
    macros = sum(y.macros for y in config.layers)
    slowest = max(range(count), key=lambda k: layers[k]["reads"])
    interval = schedule(config).initiation_interval
    sentences = [f"each layer reads all its word lines for every bit plane of every window: layer {slowest} is slowest"]
    if not config.has_windows:
        sentences[0] = f"each layer reads all its word lines for every image: layer {slowest} is slowest"
        limit = min(target.reads_max, target.rows)
        sentences.append(f"target {options.target} takes as few macros as allow for {limit} reads, or fewer")
    elif found.budget:
        sentences.append(
            f"target {options.target} has {counted(found.budget, 'macro')}: with them no layer need take more than"
            f" {found.interval:,} cycles"
            if macros <= found.budget
            else f"target {options.target} has {counted(found.budget, 'macro')}, fewer than the {macros:,} that the"
            " weights need: give another target, or larger macros"
        )
    else:
        sentences.append(f"target {options.target} takes as many macros as make it faster")
    fixed = [k for k, y in enumerate(of_layers) if y.folding]
    if fixed:
        sentences.append(f"the folding of {counted(len(fixed), 'layer')} was given: {', '.join(map(str, fixed))}")
    if past := [str(k) for k, y in enumerate(config.layers) if y.shortcut]:
        sentences.append(f"neurons of layer {' and '.join(past)} add what passes by a shortcut, which takes no read")
    if (windows := config.layers[-1].windows_summed) > 1:
        sentences.append(f"layer {count - 1} adds up the scores of {windows:,} windows")
    if config.beats > layers[slowest]["reads"]:
        sentences.append(f"an image takes {counted(config.beats, 'beat')} of the stream, longer than any layer")
    waits = interval - max(config.beats, layers[slowest]["reads"])
    between = f", {waits:,} of them between two images" if waits else ""
    sentences.append(f"an image takes {counted(interval, 'cycle')}{between}")
    return {"sentences": sentences, "layers": layers}

"""Import of any supported file, with a report that compares the network with its source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.build import Built, build
from oxnor.models.exchange.folding.check import Source
from oxnor.models.exchange.folding.graph import FILE_MAX, Graph, Unsupported
from oxnor.models.exchange.folding.inputs import meaning
from oxnor.models.exchange.nir.network import compared
from oxnor.models.exchange.nir.options import SpikingOptions
from oxnor.models.exchange.nir.reader import NirGraph
from oxnor.models.exchange.readers.pynq_folder import files_of, is_pynq_folder
from oxnor.models.exchange.readers.source import Unsaid
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import SpikingNetwork

from .compared import comparisons, read_images
from .detect import read

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Parameters
    ----------
    network : Network or SpikingNetwork
        Its info records its source.
    report : dict
        JSON-able: source, input, layers, thresholds checked, outputs compared, notes.
    """

    network: Network | SpikingNetwork
    report: dict[str, Any]

    def __repr__(self) -> str:
        source, thresholds = self.report["source"], self.report["thresholds"]
        return (
            f"Imported({self.network!r} from {source['format']}: {thresholds['differ']:,} of {thresholds['checked']:,}"
            f" {'weights' if self.report.get('kind') == 'spiking' else 'popcounts'} differ)"
        )

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.report["thresholds"]["differ"] and not any(c["differ"] for c in self.report["outputs"])


def import_network(
    path: str | Path,
    *,
    coding: str | None = None,
    name: str | None = None,
    check: str | Path | None = None,
    spiking: SpikingOptions | None = None,
    tell: Tell | None = None,
    **unsaid: Any,
) -> Imported:
    """Read a network that another tool trained, fold it into integers, and compare it with its source.

    Parameters
    ----------
    path : path
        ONNX or QONNX, Keras ``.h5``, ``.keras`` or ``.json`` (also of Larq), PyTorch state dict, ``.npz`` of arrays,
        NIR, or a folder of BNN-PYNQ's parameters.
    coding : str, optional
        How the source takes images: see :data:`oxnor.models.exchange.folding.inputs.CODINGS`.
    name : str, optional
        Of the network; default: the file's.
    check : path, optional
        ``.npz`` with ``images`` (uint8, bool, or what the source takes), and optional ``labels`` and ``outputs`` (what
        the source gave for them), to compare on as well.
    spiking : SpikingOptions, optional
        Only for NIR.
    tell : callable, optional
        Told of (what is done, steps done, steps in all).
    **unsaid
        Fields of :class:`oxnor.models.exchange.readers.source.Unsaid`: ``binarize``, ``input_threshold``, ``weights``,
        ``last_layer_bits``.

    Raises
    ------
    InputError
        If the file cannot be used, naming it and every node that is not supported.
    """
    path, said = Path(path), Unsaid(**unsaid)
    tell = tell or (lambda *_: None)
    if path.is_dir() and not is_pynq_folder(path):
        raise InputError(
            f"{path}: must be a file, or a folder of BNN-PYNQ's parameters; save a Keras model as .keras or .h5, not as"
            " a folder"
        )
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: no such file")
    if path.is_file() and not path.stat().st_size:
        raise InputError(f"{path}: must hold a network, and is empty")
    if path.stat().st_size > FILE_MAX:
        raise InputError(f"{path}: must have at most {FILE_MAX:,} bytes, not {path.stat().st_size:,}")
    tell(f"reading {path.name}", 0, 0)
    try:
        source = read(path, said, coding)
        if isinstance(source, NirGraph):
            imported = _from_nir(source, name or _name_of(path), spiking, coding, check)
        elif spiking:
            names = ", ".join(f"`{f.name}`" for f in fields(SpikingOptions))
            raise InputError(f"{names} must not be given for {source.kind}")
        else:
            imported = from_graph(
                source.graph,
                source.kind,
                name or _name_of(path),
                coding=coding or _coding_of(check, source.graph),
                check=check,
                reference=source.reference,
                tell=tell,
            )
    except Unsupported as e:
        raise _named(path, e) from None
    except InputError as e:
        text = str(e)
        raise e if text.startswith((f"{path}:", f"{check}:")) else InputError(f"{path}: {text}") from None
    digest = _digest(path)
    kind = "NIR" if isinstance(source, NirGraph) else source.kind
    return _with_record(imported, {"file": path.name, "sha256": digest, "format": kind})


def _from_nir(
    graph: NirGraph, name: str, spiking: SpikingOptions | None, coding: str | None, check: str | Path | None
) -> Imported:
    for parameter, value in {"coding": coding, "check": check}.items():
        if value is not None:
            raise InputError(f"`{parameter}` must not be given for NIR: a spiking network takes grey values or events")
    network, report = compared(graph, name, spiking or SpikingOptions())
    return Imported(network, {"name": name, "source": {"format": "NIR"}} | report)


def _digest(path: Path) -> str:
    if path.is_dir():
        digest = hashlib.sha256()
        for file in files_of(path):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _named(path: Path, e: Unsupported) -> InputError:
    error = InputError(f"{path}: {e}")
    error.problems = e.problems  # type: ignore[attr-defined]
    return error


def _name_of(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-.") or "imported"


def _coding_of(check: str | Path | None, graph: Graph) -> str | None:
    """Return the coding that given images show, if they are bits in the source's own values."""
    if check is None or graph.input_kind:
        return None
    images = read_images(check).images
    if images.dtype.kind != "f" or images.size == 0:
        return None
    levels = np.unique(images[:64])
    return {(-1.0, 1.0): "bipolar"}.get(tuple(levels.tolist()))


def from_graph(
    graph: Graph,
    kind: str,
    name: str,
    *,
    coding: str | None = None,
    check: str | Path | None = None,
    reference: Callable[[Built], Source | None] | None = None,
    by: str = "reference evaluator",
    tell: Tell | None = None,
) -> Imported:
    """Fold a graph and compare it with its source; arguments as :func:`import_network`.

    `reference` gives another implementation of the source, where there is one, and `by` is its name.
    """
    tell = tell or (lambda *_: None)
    tell("folding and checking every popcount", 0, 0)
    built = build(graph, coding, name)
    tell("comparing outputs", 0, 0)
    compared = comparisons(built, graph, check, reference, by)
    layers = [y | compared.neurons[k] for k, y in enumerate(built.layers)]
    checked = {k: sum(y[k] for y in layers) for k in ("checked", "differ", "rounding")}
    report: dict[str, Any] = {
        "shape": list(built.network.shape), "label": built.network.label, "weights": built.network.n_weights,
        "digest": built.network.digest,
        "input": {"coding": built.coding, "meaning": meaning(built.coding), "assumed": built.assumed,
                  "threshold": built.network.input_rule.to_json()},
        "layers": layers, "thresholds": checked, "outputs": compared.outputs, "accuracy": compared.accuracy,
        "agreement": compared.agreement, "neurons_on": compared.neurons_on, "binarized": graph.assumed == "binarized",
        "notes": [*built.notes, *compared.notes], "rounded": _rounded(built, graph),
    }  # fmt: skip
    network = replace(built.network, info=_info(built, kind, report))
    return Imported(network, {"name": name, "source": {"format": kind}} | report)


def _rounded(built: Built, graph: Graph) -> dict[str, Any] | None:
    """Return how the last layer was rounded, if it was."""
    if built.rounded is None:
        return None
    return {"bits": graph.last_layer_bits, "unit": built.rounded.unit, "bounds": built.rounded.far.tolist()}


def _info(built: Built, kind: str, report: dict[str, Any]) -> dict[str, Any]:
    layers = {
        str(k): f"{y['node']}: {', '.join(y['operators'])}; weights {y['weights']}; {y['checked']:,} popcounts checked"
        for k, y in enumerate(built.layers)
    }
    rounded = report["rounded"]
    if rounded is not None:
        last = str(len(layers) - 1)
        bound = f"an output is off by at most {max(rounded['bounds']):.4g}"
        layers[last] = layers[last].replace("0 popcounts checked", bound)
    info: dict[str, Any] = {
        "origin": f"imported from {kind}",
        "imported": {"input": f"{built.coding}: {meaning(built.coding)}", "layers": layers},
    }
    if rounded is not None:
        info["imported"]["rounded"] = {
            "bits": rounded["bits"], "unit": rounded["unit"], "bound": max(rounded["bounds"])
        }  # fmt: skip
    return info if report["accuracy"] is None else info | {"accuracy_on_given_images": report["accuracy"]}


def _with_record(imported: Imported, source: dict[str, str]) -> Imported:
    """Add where the network comes from to its header and to the report."""
    info = dict(imported.network.info)
    info["imported"] = {"source": source} | info["imported"]
    return Imported(replace(imported.network, info=info), imported.report | {"source": source})

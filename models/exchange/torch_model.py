"""Import of PyTorch and Brevitas models as Python objects, by their own export, compared with their own output."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.exchange.folding.build import Built
from oxnor.models.exchange.folding.check import Source
from oxnor.models.exchange.readers.source import SourceFile, Unsaid

from .detect import read
from .import_network import Imported, from_graph


def import_brevitas(
    model: Any,
    example: Any,
    name: str = "network",
    *,
    coding: str | None = None,
    check: str | Path | None = None,
    last_layer_bits: int | None = None,
) -> Imported:
    """Import a Brevitas model through its own QONNX export.

    Parameters
    ----------
    model : torch module
        Is put into evaluation mode.
    example : torch tensor
        One input, shape (1, ...).
    name, coding, check, last_layer_bits
        As for :func:`oxnor.models.exchange.import_network.import_network`.

    Returns
    -------
    Imported
        Its report compares with the model's own forward pass too.
    """
    try:
        os.environ.setdefault("BREVITAS_JIT", "0")
        from brevitas.export import export_qonnx
    except ImportError:
        raise InputError("importing a Brevitas model needs the packages brevitas and onnxoptimizer") from None
    return _import(model, example, name, "Brevitas model", export_qonnx, coding, check, last_layer_bits)


def import_torch_model(
    model: Any,
    example: Any,
    name: str = "network",
    *,
    coding: str | None = None,
    check: str | Path | None = None,
    last_layer_bits: int | None = None,
) -> Imported:
    """Import a plain PyTorch module through ``torch.onnx.export``; arguments as :func:`import_brevitas`."""
    torch = import_torch("importing a PyTorch model")

    def export(module: Any, args: Any, path: str) -> None:
        torch.onnx.export(module, (args,), path, input_names=["x"], dynamo=False, opset_version=17)

    return _import(model, example, name, "PyTorch model", export, coding, check, last_layer_bits)


def _import(
    model: Any, example: Any, name: str, kind: str, export: Any, coding: str | None, check: Any, bits: int | None
) -> Imported:
    torch = import_torch("importing a PyTorch model")
    model.eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporters' own
            export(model, example, str(path))
        source = read(path, Unsaid(last_layer_bits=bits))
    assert isinstance(source, SourceFile)

    def reference(built: Built) -> Source | None:
        if built.output.name != source.graph.outputs[0]:
            return None

        def run(x: NDArray) -> NDArray:
            with torch.no_grad():
                y = model(torch.from_numpy(np.ascontiguousarray(x, np.float32)))
            y = getattr(y, "value", y)
            return y.detach().numpy().reshape(len(x), -1)

        return run

    imported = from_graph(
        source.graph, kind, name, coding=coding, check=check, reference=reference, by="the model itself"
    )
    imported.report["source"] |= {"file": type(model).__name__}
    return imported

"""Choice of the reader of a file, by its first bytes rather than its name."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.build import Built
from oxnor.models.exchange.nir.reader import NirGraph, parse
from oxnor.models.exchange.readers.pynq_folder import read_pynq
from oxnor.models.exchange.readers.source import SourceFile, Unsaid

#: The first bytes of what torch.save wrote before it wrote archives.
_TORCH_BEFORE_1_6 = b"\x80\x02\x8a\x0a"


def read(path: Path, unsaid: Unsaid | None = None, coding: str | None = None) -> SourceFile | NirGraph:
    """Return the graph of a file of any supported format.

    Parameters
    ----------
    path : path
    unsaid : Unsaid, optional
        What the file does not say; refused where it does.
    coding : str, optional
        How the source takes images, for formats that do not say.
    """
    unsaid = unsaid or Unsaid()
    source = _read(path, unsaid, coding)
    if isinstance(source, NirGraph):
        unsaid.check_taken((), "NIR")
    else:
        unsaid.check_taken((*source.takes, "last_layer_bits"), source.kind)
        if unsaid.last_layer_bits:
            return replace(source, graph=replace(source.graph, last_layer_bits=unsaid.last_layer_bits))
    return source


def _read(path: Path, unsaid: Unsaid, coding: str | None) -> SourceFile | NirGraph:
    if path.is_dir():
        return SourceFile(read_pynq(path), "BNN-PYNQ parameters")
    with path.open("rb") as source:
        start = source.read(8)
    if start == b"\x89HDF\r\n\x1a\n":
        from oxnor.models.exchange.readers.h5_child import read_h5_file

        config, arrays, texts = read_h5_file(path)
        if any(name.startswith("node/") for name in texts):
            return parse(arrays, texts)
        from oxnor.models.exchange.readers.keras_file import from_h5

        return SourceFile(from_h5(config, arrays), "Keras .h5")
    if start[:2] == b"PK":
        return _archive(path, unsaid, coding)
    if start[:4] == _TORCH_BEFORE_1_6:
        from oxnor.models.exchange.readers.torch_file import read_torch

        return read_torch(path, unsaid, coding)
    if start[:6] == b"\x93NUMPY":
        raise InputError("is one array (.npy): give the arrays of all layers in an .npz file")
    if start[4:8] == b"TFL3":
        raise InputError("is a TensorFlow Lite file: save the Keras model itself, as .keras or .h5")
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05":
        raise InputError(
            "is a pickle, which could run any program and is never loaded: save a state dict with torch.save"
        )
    if start.lstrip()[:1] == b"{":
        from oxnor.models.exchange.readers.keras_file import read_json

        return SourceFile(read_json(path, unsaid.weights), "Keras .json and weights", takes=("weights",))
    return _onnx(path)


def _onnx(path: Path) -> SourceFile:
    from oxnor.models.exchange.readers.onnx_file import from_model, read_model
    from oxnor.models.exchange.readers.reference import evaluator

    model = read_model(path)
    external = any(t.data_location == 1 for t in model.graph.initializer)
    graph = from_model(model, path.parent)

    def reference(built: Built) -> Any:
        return None if external else evaluator(model, built.output.name, graph.input)

    return SourceFile(graph, "ONNX", reference)


def _archive(path: Path, unsaid: Unsaid, coding: str | None) -> SourceFile:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise InputError("is no archive that can be read, or is cut short") from None
    if "config.json" in names and "model.weights.h5" in names:
        from oxnor.models.exchange.readers.keras_file import read_keras

        return SourceFile(read_keras(path), "Keras .keras")
    if any(n.endswith("/data.pkl") or n == "data.pkl" for n in names):
        from oxnor.models.exchange.readers.torch_file import read_torch

        return read_torch(path, unsaid, coding)
    if any(n.endswith(".npy") for n in names):
        from oxnor.models.exchange.readers.arrays_file import read_arrays

        return SourceFile(read_arrays(path, float_end=unsaid.last_layer_bits is not None), "arrays .npz")
    raise InputError(
        "must be ONNX, NIR, Keras (.h5, .keras), a PyTorch state dict or an .npz of arrays, and is another archive"
    )

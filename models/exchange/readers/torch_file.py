"""PyTorch state dicts: of networks of linear layers, batch norms and signs, and of ``oxnor train``."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import BATCH_NORM_EPS, import_torch, load_state
from oxnor.models.datasets import mnist
from oxnor.models.datasets.splits import STATISTICS_IMAGES, split
from oxnor.models.exchange.folding.graph import FILE_MAX, Graph, Node, Unsupported

from .source import SourceFile

_NORM = ("weight", "bias", "running_mean", "running_var")


def read_torch(path: Path) -> SourceFile:
    """Return the graph of a state dict, which is read with ``weights_only``: nothing in it can run.

    Raises
    ------
    InputError
        If the file holds anything but tensors and plain values, or tensors that make no binarized network.
    """
    import_torch()
    total = 0
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                total = sum(i.file_size for i in archive.infolist())
        except (zipfile.BadZipFile, OSError, ValueError):
            raise InputError("is no archive that can be read, or is cut short") from None
    if total > FILE_MAX:
        raise InputError(f"its parts must have at most {FILE_MAX:,} bytes together, not {total:,}")
    try:
        state = load_state(path)
    except InputError:
        raise InputError(
            "must be a state dict saved with torch.save(model.state_dict(), ...), and holds something else"
        ) from None
    if "best_averages" in state and "params" in state:
        return SourceFile(_from_checkpoint(state), "checkpoint of oxnor train")
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state.get(key), Mapping):
            state = state[key]
    return SourceFile(from_state(state), "PyTorch state dict")


def _array(value: Any) -> NDArray:
    array = value.detach().cpu().numpy()
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def from_state(state: Mapping[str, Any]) -> Graph:
    """Return the graph of a state dict of linear layers and batch norms in the order in which they compute.

    The weights are taken by their signs (0 is +1), each batch norm is followed by a sign (0 is +1), and the inputs are
    bits: pixel >= 128 is 1. A state dict holds none of that, so the report says that it was assumed.
    """
    torch = import_torch()
    groups: dict[str, dict[str, NDArray]] = {}
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"entry {str(key)!r} must be a tensor, not {type(value).__name__}")
        if value.is_sparse or value.is_quantized or value.is_complex():
            raise InputError(f"entry {str(key)!r} must be a plain tensor of numbers")
        module, _, field = str(key).rpartition(".")
        # Brevitas keeps what its quantisers learnt there; the weights' signs do not depend on it.
        if field != "num_batches_tracked" and "_quant." not in f"{module}.":
            groups.setdefault(module, {})[field] = _array(value)
    nodes: list[Node] = []
    constants: dict[str, NDArray] = {"one": np.ones((), np.float32)}
    problems: list[str] = []
    here, n_in, size, pending = "x", 0, 0, False
    for module, fields in groups.items():
        label = module or "the model"
        weight = fields.get("weight")
        if weight is not None and weight.ndim == 2 and set(fields) <= {"weight", "bias"}:
            if pending:
                nodes.append(Node(f"{here}.sign", "BipolarQuant", (here, "one"), (f"{here}/b",)))
                here = f"{here}/b"
            n_in = n_in or weight.shape[1]
            if size and weight.shape[1] != size:
                problems.append(
                    f"'{label}': must have {size} inputs, as the layer before has neurons, not {weight.shape[1]}"
                )
            constants[module] = np.where(weight >= 0, np.float32(1), np.float32(-1)).T
            nodes.append(Node(label, "MatMul", (here, module), (f"{module}/z",)))
            here, size, pending = f"{module}/z", weight.shape[0], True
            if "bias" in fields:
                constants[f"{module}/bias"] = fields["bias"]
                nodes.append(Node(f"{label}.bias", "Add", (here, f"{module}/bias"), (f"{module}/y",)))
                here = f"{module}/y"
        elif {"running_mean", "running_var"} <= set(fields) <= set(_NORM) and fields["running_mean"].ndim == 1:
            n = len(fields["running_mean"])
            fields = {"weight": np.ones(n, np.float32), "bias": np.zeros(n, np.float32)} | fields
            for field in _NORM:
                constants[f"{module}/{field}"] = fields[field]
            names = tuple(f"{module}/{field}" for field in _NORM)
            attrs = {"epsilon": BATCH_NORM_EPS}
            nodes.append(Node(label, "BatchNormalization", (here, *names), (f"{module}/n",), attrs))
            here = f"{module}/n"
        else:
            shapes = ", ".join(f"{f} {v.shape}" for f, v in list(fields.items())[:4])
            what = (
                "convolutions are not supported"
                if weight is not None and weight.ndim == 4
                else "neither a linear layer nor a batch norm"
            )
            problems.append(f"'{label}' ({shapes}): {what}: export the model to ONNX, which holds its operators")
    if problems:
        raise Unsupported(problems)
    if not n_in:
        raise InputError("must hold linear layers, and has none")
    notes = (
        (
            "a state dict holds no operators: weights are taken by their signs (0 is +1), layers are joined by signs"
            " (0 is +1), batch norm has eps 1e-5, and pixel >= 128 is input bit 1"
        ),
    )
    return Graph(tuple(nodes), constants, "x", (None, n_in), (here,), "bipolar", notes=notes)


def _from_checkpoint(state: Mapping[str, Any]) -> Graph:
    """Return the graph of a checkpoint of ``oxnor train``: batch statistics are taken over the training images."""
    torch = import_torch()
    try:
        averages = [_array(v) for v in state["best_averages"]]
        validation = int(state["params"]["validation"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError("must be a checkpoint of oxnor train, and is damaged") from None
    n = (len(averages) + 2) // 3
    signs, gammas, betas = averages[:n], averages[n : 2 * n - 1], averages[2 * n - 1 :]
    ok = n and len(averages) == 3 * n - 2 and all(w.ndim == 2 for w in signs) and signs[0].shape[1] == 784
    sizes = [len(w) for w in signs] if ok else []
    if (
        not ok
        or [w.shape[1] for w in signs[1:]] != sizes[:-1]
        or [g.shape for g in (*gammas, *betas)] != [(s,) for s in sizes[:-1]] * 2
    ):
        raise InputError("must be a checkpoint of oxnor train after its first epoch, and is none")
    images, _ = mnist.load_mnist("train")
    kept, _ = split(len(images), validation)
    x = np.where(images[kept[:STATISTICS_IMAGES]].reshape(-1, 784) >= 128, np.float32(1), np.float32(-1))
    nodes: list[Node] = []
    constants: dict[str, NDArray] = {"one": np.ones((), np.float32)}
    here = "x"
    for k, w in enumerate(signs):
        constants[f"w{k}"] = np.where(w >= 0, np.float32(1), np.float32(-1)).T
        nodes.append(Node(f"layer{k}", "MatMul", (here, f"w{k}"), (f"z{k}",)))
        if k == n - 1:
            return Graph(tuple(nodes), constants, "x", (None, 784), (f"z{k}",), "bipolar")
        z = x @ constants[f"w{k}"]
        variance, mean = (v.numpy() for v in torch.var_mean(torch.from_numpy(z), dim=0, correction=0))
        names = (f"gamma{k}", f"beta{k}", f"mean{k}", f"variance{k}")
        constants |= dict(zip(names, (gammas[k], betas[k], mean, variance), strict=True))
        nodes.append(Node(f"norm{k}", "BatchNormalization", (f"z{k}", *names), (f"y{k}",), {"epsilon": BATCH_NORM_EPS}))
        nodes.append(Node(f"sign{k}", "BipolarQuant", (f"y{k}", "one"), (f"b{k}",)))
        factor = constants[names[0]] / np.sqrt(constants[names[3]] + np.float32(BATCH_NORM_EPS))
        x = np.where((z - constants[names[2]]) * factor + constants[names[1]] >= 0, np.float32(1), np.float32(-1))
        here = f"b{k}"
    raise InputError("must be a checkpoint of oxnor train, and is damaged")

"""PyTorch state dicts: of networks of linear layers, batch norms and signs, and of ``oxnor train``."""

from __future__ import annotations

import hashlib
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
from oxnor.models.exchange.folding.inputs import BITS

from .source import SourceFile, Unsaid

_NORM = ("weight", "bias", "running_mean", "running_var")


def read_torch(path: Path, unsaid: Unsaid, coding: str | None = None) -> SourceFile:
    """Return the graph of a state dict, which is read with ``weights_only``: nothing in it can run.

    Raises
    ------
    InputError
        If the file holds anything but tensors and plain values, or tensors that make no binarized network.
    """
    import_torch("reading a PyTorch file")
    total = 0
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                total = sum(i.file_size for i in archive.infolist())
        except (zipfile.BadZipFile, OSError, ValueError):
            raise InputError("is no archive that can be read, or is cut short") from None
    if total > FILE_MAX:
        raise InputError(f"its parts must have at most {FILE_MAX:,} bytes together, not {total:,}")
    state = load_state(path, "a state dict saved with torch.save(model.state_dict(), ...)", objects=True)
    if "best_averages" in state and "params" in state:
        return SourceFile(_from_checkpoint(state), "checkpoint of oxnor train")
    return SourceFile(
        from_state(_of_the_network(state), unsaid, coding), "PyTorch state dict", takes=("binarize", "input_threshold")
    )


def _of_the_network(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the state dict in a checkpoint, which may hold that of an optimizer and plain values besides."""
    torch = import_torch()

    def holds_weights(v: Any) -> bool:
        return isinstance(v, Mapping) and any(isinstance(w, torch.Tensor) and w.ndim > 1 for w in v.values())

    single = {key: v[0] if isinstance(v, list) and len(v) == 1 else v for key, v in state.items()}
    inside = {key: v for key, v in single.items() if holds_weights(v)}
    if holds_weights(state) or not inside:
        return state
    named = [key for key in ("state_dict", "model_state_dict", "model") if key in inside]
    if len(inside) > 1 and not named:
        listed = ", ".join(repr(str(key)) for key in list(inside)[:8])
        raise InputError(f"must be the state dict of one network, and holds {len(inside)} ({listed})")
    return inside[named[0] if named else next(iter(inside))]


def _array(value: Any) -> NDArray:
    value = value.detach().cpu()
    return np.asarray((value.float() if value.is_floating_point() else value).numpy())


def from_state(state: Mapping[str, Any], unsaid: Unsaid, coding: str | None = None) -> Graph:
    """Return the graph of a state dict of linear layers and batch norms in the order in which they compute.

    Each batch norm is followed by a sign (0 is +1), and so is each linear layer that none follows; the inputs are bits,
    or become bits at ``unsaid.input_threshold``. A state dict holds none of that, so the report says that it was
    assumed. Weights that are not binary are refused, or taken by their signs if ``unsaid.binarize`` says so.
    """
    groups, problems = _modules(state)
    linear = [module for module, fields in groups.items() if "weight" in fields and fields["weight"].ndim == 2]
    reader = _StateReader(unsaid.binarize, linear[-1] if linear else None, unsaid.last_layer_bits is not None)
    for module, fields in groups.items():
        reader.add(module, fields)
    if not (reader.n_in or problems or reader.problems):
        problems.append("must hold linear layers, and has none")
    if problems or reader.problems:
        raise Unsupported(reader.problems, problems)
    rule, kind = "pixel >= 128 is input bit 1", coding or "bipolar"
    if unsaid.input_threshold is not None:
        kind = coding or "byte"
        if kind in BITS:
            raise InputError(f"`input_threshold` must not be given with `coding` {kind}, whose inputs are bits")
        reader.binarize_input(unsaid.input_threshold)
        rule = "an input is bit 1 where it reaches the threshold given"
    signs = "weights are taken by their signs (0 is +1), " if reader.float_layers else ""
    assumed = (
        f"a state dict holds no operators, so these are assumed: {signs}layers are joined by signs (0 is +1),"
        f" batch norm has eps 1e-5, and {rule}"
    )
    if reader.float_layers:
        assumed += "; no agreement with the source is claimed"
    return Graph(
        tuple(reader.nodes), reader.constants, "x", (None, reader.n_in), (reader.here,), kind,
        notes=(assumed, *reader.notes),
        assumed="binarized" if reader.float_layers else "operators",
    )  # fmt: skip


def _modules(state: Mapping[str, Any]) -> tuple[dict[str, dict[str, NDArray]], list[str]]:
    """Return the arrays of a state dict by module and field, and what is wrong with entries."""
    torch = import_torch()
    groups: dict[str, dict[str, NDArray]] = {}
    problems: list[str] = []
    for key, value in state.items():
        module, _, field = str(key).rpartition(".")
        if not isinstance(value, torch.Tensor):
            problems.append(f"entry {str(key)!r} must be a tensor, not {type(value).__name__}")
        elif value.is_sparse or value.is_quantized or value.is_complex():
            problems.append(f"entry {str(key)!r} must be a plain tensor of numbers")
        # Brevitas keeps what its quantisers learnt there; the weights' signs do not depend on it.
        elif field != "num_batches_tracked" and "_quant." not in f"{module}.":
            groups.setdefault(module, {})[field] = _array(value)
    return groups, problems


def _is_binary(weight: NDArray) -> bool:
    """Return whether weights have one magnitude a neuron."""
    size = np.abs(weight)
    return bool(weight.size and (size == size[:, :1]).all() and (size > 0).all())


class _StateReader:
    """Makes nodes of modules in the order in which they compute."""

    def __init__(self, binarize: bool, last: str | None, keep_last: bool):
        self.nodes: list[Node] = []
        self.constants: dict[str, NDArray] = {"one": np.ones((), np.float32)}
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.float_layers: list[str] = []
        self.here, self.n_in = "x", 0
        self._binarize, self._size, self._pending = binarize, 0, False
        self._last, self._keep_last = last, keep_last

    def add(self, module: str, fields: dict[str, NDArray]) -> None:
        """Add a linear layer or a batch norm."""
        label = module or "the model"
        weight = fields.get("weight")
        fields = self._without_latent(label, fields)
        bad = [f for f, v in fields.items() if v.dtype.kind == "f" and not np.isfinite(v).all()]
        if bad:
            self.problems.append(f"'{label}': {', '.join(bad)} must be finite")
        if weight is not None and weight.ndim == 2 and weight.size and set(fields) <= {"weight", "bias"}:
            self._linear(module, label, weight, fields.get("bias"), not bad)
        elif {"running_mean", "running_var"} <= set(fields) <= set(_NORM) and fields["running_mean"].ndim == 1:
            self._norm(module, label, fields)
        elif not bad or len(fields) > 1:
            shapes = ", ".join(f"{f} {v.shape}" for f, v in list(fields.items())[:4])
            what = (
                "a convolution, whose stride, padding and pooling no state dict holds"
                if weight is not None and weight.ndim in (3, 4, 5)
                else "neither a linear layer nor a batch norm"
            )
            self.problems.append(f"'{label}' ({shapes}): {what}: export the model to ONNX, which holds its operators")
            self._size = 0  # what comes next has inputs of a number that is not known

    def _without_latent(self, label: str, fields: dict[str, NDArray]) -> dict[str, NDArray]:
        """Leave out what some training keeps beside binary weights: the values of which they are the signs."""
        weight = fields.get("weight")
        if weight is None or weight.ndim != 2 or not _is_binary(weight):
            return fields
        latent = [f for f, v in fields.items() if f.startswith("weight_") and v.shape == weight.shape]
        if latent:
            self.notes.append(f"'{label}': {', '.join(latent)} left out, as weight is binary already")
        return {f: v for f, v in fields.items() if f not in latent}

    def _norm(self, module: str, label: str, fields: dict[str, NDArray]) -> None:
        n = len(fields["running_mean"])
        fields = {"weight": np.ones(n, np.float32), "bias": np.zeros(n, np.float32)} | fields
        wrong = [f for f in _NORM if fields[f].shape != (n,)]
        if wrong:
            self.problems.append(f"'{label}': {', '.join(wrong)} must have {n} elements, as running_mean has")
        if self._size and n not in (1, self._size):
            self.problems.append(f"'{label}': must have 1 or {self._size} elements, one a neuron before it, not {n}")
        if (fields["running_var"] < 0).any():
            self.problems.append(f"'{label}': running_var must be 0 or more")
        for field in _NORM:
            self.constants[f"{module}/{field}"] = fields[field]
        names = tuple(f"{module}/{field}" for field in _NORM)
        attrs = {"epsilon": BATCH_NORM_EPS}
        self.nodes.append(Node(label, "BatchNormalization", (self.here, *names), (f"{module}/n",), attrs))
        self.here = f"{module}/n"

    def _linear(self, module: str, label: str, weight: NDArray, bias: NDArray | None, finite: bool) -> None:
        if self._pending:
            self.nodes.append(Node(f"{self.here}.sign", "BipolarQuant", (self.here, "one"), (f"{self.here}/b",)))
            self.here = f"{self.here}/b"
        self.n_in = self.n_in or weight.shape[1]
        if self._size and weight.shape[1] != self._size:
            self.problems.append(
                f"'{label}': must have {self._size} inputs, as the layer before has neurons, not {weight.shape[1]}"
            )
        if bias is not None and bias.shape != (len(weight),):
            self.problems.append(f"'{label}': bias must have shape ({len(weight)},), one a neuron, not {bias.shape}")
        if finite and not _is_binary(weight) and not (self._keep_last and module == self._last):
            self.float_layers.append(label)
            if not self._binarize:
                self.problems.append(
                    f"'{label}': weights must be -1 and +1, or have one magnitude a neuron, and have"
                    f" {len(np.unique(weight)):,} values: `binarize` takes them by their signs, which is another"
                    " network unless it was trained so"
                    + (", and `last_layer_bits` rounds them, as this is the last layer" if module == self._last else "")
                )
            weight = np.where(weight >= 0, np.float32(1), np.float32(-1))
        self.constants[module] = weight.T.astype(np.float32)
        self.nodes.append(Node(label, "MatMul", (self.here, module), (f"{module}/z",)))
        self.here, self._size, self._pending = f"{module}/z", weight.shape[0], True
        if bias is not None:
            self.constants[f"{module}/bias"] = bias
            self.nodes.append(Node(f"{label}.bias", "Add", (self.here, f"{module}/bias"), (f"{module}/y",)))
            self.here = f"{module}/y"

    def binarize_input(self, threshold: Any) -> None:
        """Put a threshold, one or one an input, before the first layer."""
        cut = np.asarray(threshold, np.float32).reshape(-1)
        if cut.size not in (1, self.n_in) or not np.isfinite(cut).all():
            raise InputError(f"`input_threshold` must be one finite number, or {self.n_in}, one an input")
        self.constants["input/cut"] = cut
        first = self.nodes[0]
        self.nodes[0] = Node(first.name, first.op, ("input/bits", *first.inputs[1:]), first.outputs, first.attrs)
        self.nodes[:0] = [
            Node("input", "Sub", ("x", "input/cut"), ("input/above",)),
            Node("input bits", "BipolarQuant", ("input/above", "one"), ("input/bits",)),
        ]


def _from_checkpoint(state: Mapping[str, Any]) -> Graph:
    """Return the graph of a checkpoint of ``oxnor train``: batch statistics are taken over the training images."""
    torch = import_torch()
    others = InputError(
        "must be a checkpoint of oxnor train on MNIST at threshold 128, of dense layers, whose images give the batch"
        " statistics; finish others by oxnor train with `resume`"
    )
    if isinstance(state["params"], dict) and state["params"].get("layers"):
        raise others
    try:
        averages = [_array(v) for v in state["best_averages"]]
        params, data = dict(state["params"]), state.get("data")
        validation = int(params["validation"])
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
    if not all(np.isfinite(v).all() for v in averages):
        raise InputError("must be a checkpoint of oxnor train with finite parameters, and some are not")
    images, _ = mnist.load_mnist("train")
    plain = params.get("input_threshold", 128) == 128 and not (params.get("input_bits") or params.get("input_planes"))
    if not plain or data not in (None, hashlib.sha256(images.tobytes()).hexdigest()):
        raise others
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

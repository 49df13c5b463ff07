"""ONNX and QONNX files, which are not trusted: sizes are checked before anything is made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError, install
from oxnor.models.exchange.folding.graph import (
    BFLOAT16,
    DTYPES,
    ELEMENTS_MAX,
    FILE_MAX,
    NODES_MAX,
    Graph,
    Node,
    Unsupported,
    element_type,
    needed_nodes,
)
from oxnor.models.exchange.folding.maps import CHANNELS_LAST
from oxnor.models.exchange.folding.refusals import refused

from .finn_nodes import expanded, is_hardware

#: Where a tensor has its values, by element type, if not as raw bytes.
_FIELDS = {1: ("float_data", np.float32), 6: ("int32_data", np.int32), 7: ("int64_data", np.int64),
           9: ("int32_data", np.int32), 11: ("double_data", np.float64), 2: ("int32_data", np.int32),
           3: ("int32_data", np.int32), 4: ("int32_data", np.int32), 5: ("int32_data", np.int32),
           10: ("int32_data", np.int32), 16: ("int32_data", np.int32)}  # fmt: skip
_INTEGERS = {number: kind for number, kind in DTYPES.items() if np.dtype(kind).kind in "iu"}
_DATATYPES = {"BIPOLAR": "bipolar", "BINARY": "binary", "UINT8": "byte"}


def import_onnx() -> Any:
    """Return the package ``onnx``, or say how to get it."""
    try:
        import onnx
    except ImportError:
        raise InputError(f"reading ONNX files needs the package onnx: {install('import')}") from None
    return onnx


def read_model(path: Path) -> Any:
    """Return the model of an ONNX file.

    Raises
    ------
    InputError
        If the file is no ONNX file, or is too large, or holds what no import needs.
    """
    onnx = import_onnx()
    from google.protobuf.message import DecodeError

    size = path.stat().st_size
    if size > FILE_MAX:
        raise InputError(f"the file must have at most {FILE_MAX:,} bytes, not {size:,}")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except (DecodeError, ValueError, RuntimeError, MemoryError, RecursionError):
        raise InputError("is not an ONNX file, or is cut short") from None
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise InputError("is not an ONNX file: it holds no graph")
    return model


def from_model(model: Any, folder: Path | None = None) -> Graph:
    """Return the graph of an ONNX model; `folder` is where its external data may lie."""
    graph = model.graph
    opsets = {_text(entry.domain): entry.version for entry in model.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx", 17))
    if len(graph.node) > NODES_MAX:
        raise InputError(f"the graph must have at most {NODES_MAX:,} nodes, not {len(graph.node):,}")
    budget = _Budget(folder)
    constants, unread, problems = _constants(graph, budget)
    inputs = [v for v in graph.input if _text(v.name) not in {*constants, *unread}]
    if len(inputs) != 1:
        listed = ", ".join(repr(_text(v.name)) for v in inputs[:8]) or "none"
        problems.append(f"the graph must have one input, not {len(inputs)} ({listed})")
    if not inputs:
        raise Unsupported((), problems)
    functions = {(f.domain, f.name): f for f in model.functions}
    if functions:
        from .onnx_functions import inlined

        raw = inlined(graph.node, functions)
    else:
        raw = list(graph.node)
    named = Counter(proto.name for proto in raw)
    nodes: list[Node] = []
    for k, proto in enumerate(raw):
        node = _node(proto, k, budget, named[proto.name] < 2)
        nodes += expanded(node, constants) if is_hardware(node) else [node]
    nodes = [_checked(node, opset) for node in nodes]
    outputs = tuple(_text(v.name) for v in graph.output if v.name)
    if not outputs:
        raise InputError("the graph must have an output")
    name = _text(inputs[0].name)
    notes = (
        ()
        if len(outputs) == 1
        else (f"outputs: the first, {outputs[0]!r}, is taken; {len(outputs) - 1} more left out",)
    )
    shape, kind = _input_type(inputs[0], graph)
    metadata = {_text(p.key): _text(p.value) for p in model.metadata_props}
    others = tuple(_text(v.name) for v in inputs[1:])
    return Graph(
        needed_nodes(nodes, outputs[:1], {*constants, *unread, name, *others}), constants, name, shape, outputs[:1],
        kind, notes, metadata.get("oxnor.scores") == "exact", problems=tuple(problems), other_inputs=others,
        input_type=_INTEGERS.get(inputs[0].type.tensor_type.elem_type, np.float32),
    )  # fmt: skip


def _constants(graph: Any, budget: _Budget) -> tuple[dict[str, NDArray], set[str], list[str]]:
    """Return the tensors that are given, the names of those that no import reads, and the reasons against these."""
    constants: dict[str, NDArray] = {}
    unread: set[str] = set()
    problems = []
    for tensor in graph.initializer:
        name = _text(tensor.name)
        if name in constants or name in unread:
            raise InputError(f"initializer {name!r} must be there once")
        if why := _unreadable(tensor):
            unread.add(name)
            problems.append(why)
        else:
            constants[name] = budget.array(tensor)
    if graph.sparse_initializer:
        unread |= {_text(tensor.values.name) for tensor in graph.sparse_initializer}
        problems.append("sparse initializers are not supported")
    return constants, unread, problems


def _unreadable(tensor: Any) -> str:
    """Return why the elements of a TensorProto cannot be read; empty if they can."""
    if tensor.data_type in DTYPES or tensor.data_type == BFLOAT16:
        return ""
    return (
        f"tensor {_text(tensor.name)!r}: elements must be bool, int8 to int64, uint8 to uint64, float16 to float64 or"
        f" bfloat16, not {element_type(tensor.data_type)}"
    )


def _input_type(value: Any, graph: Any) -> tuple[tuple[int | None, ...], str]:
    """Return the shape of the input, without dimensions if the file gives none, and its coding."""
    tensor = value.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim]
    kind = ""
    for note in graph.quantization_annotation:
        if note.tensor_name == value.name:
            kind = next((_DATATYPES.get(p.value, "") for p in note.quant_parameter_tensor_names
                         if p.key == "finn_datatype"), "")  # fmt: skip
    if not kind:
        kind = {2: "byte", 9: "binary"}.get(tensor.elem_type, "")
    return tuple(dims), kind


class _Budget:
    """Turns tensors into arrays as long as their sizes are right and their sum stays small."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.left = FILE_MAX

    def array(self, tensor: Any) -> NDArray:
        """Return the array of a TensorProto."""
        where = f"tensor {_text(tensor.name)!r}"
        brain = tensor.data_type == BFLOAT16  # the upper half of a float32
        if why := _unreadable(tensor):
            raise InputError(why)
        dtype = np.dtype(np.uint16 if brain else DTYPES[tensor.data_type])
        dims = [int(n) for n in tensor.dims]
        if any(n < 0 for n in dims) or len(dims) > 8:
            raise InputError(f"{where}: dimensions must be 0 or more, not {dims[:9]}")
        n = 1
        for d in dims:
            n *= d
        if n > ELEMENTS_MAX:
            raise InputError(f"{where}: must have at most {ELEMENTS_MAX:,} elements, not {n:,}")
        self.left -= n * dtype.itemsize
        if self.left < 0:
            raise InputError(f"its tensors must have at most {FILE_MAX:,} bytes together")
        array = self._data(tensor, n, dtype, where).reshape(dims)
        return (array.astype(np.uint32) << 16).view(np.float32) if brain else array

    def _data(self, tensor: Any, n: int, dtype: np.dtype, where: str) -> NDArray:
        if tensor.data_location == 1:
            data = self._external(tensor, n * dtype.itemsize, where)
            return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False)
        if tensor.HasField("raw_data"):
            if len(tensor.raw_data) != n * dtype.itemsize:
                raise InputError(f"{where}: must have {n * dtype.itemsize} bytes of data, not {len(tensor.raw_data)}")
            return np.frombuffer(tensor.raw_data, dtype.newbyteorder("<")).astype(dtype, copy=False)
        if tensor.data_type not in _FIELDS:
            raise InputError(f"{where}: must have its data as raw bytes")
        field, kind = _FIELDS[tensor.data_type]
        values = getattr(tensor, field)
        if len(values) != n:
            raise InputError(f"{where}: must have {n} values, not {len(values)}")
        if tensor.data_type == 10:  # float16 as the numbers of its bits
            return np.array(values, kind).astype(np.uint16).view(np.float16)
        return np.array(values, kind).astype(dtype, copy=False)

    def _external(self, tensor: Any, size: int, where: str) -> bytes:
        """Read data from a file beside the model: never from another folder, and never more than is there."""
        entries = {_text(e.key): _text(e.value) for e in tensor.external_data}
        name = entries.get("location", "")
        if self.folder is None or not name or Path(name).name != name or name in (".", ".."):
            raise InputError(f"{where}: its data must be in the file or in a file beside it, not in {name!r}")
        path = self.folder / name
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
        except ValueError:
            raise InputError(f"{where}: offset and length of its data must be whole numbers") from None
        if length != size or offset < 0:
            raise InputError(f"{where}: must have {size} bytes of data, not {length}")
        if path.is_symlink() or not path.is_file():
            raise InputError(f"{where}: its data must be in {name!r} beside the file, and that file is not there")
        with path.open("rb") as source:
            source.seek(offset)
            data = source.read(size)
        if len(data) != size:
            raise InputError(f"{where}: must have {size} bytes of data in {name!r}, not {len(data)}")
        return data


def _text(value: Any) -> str:
    """Return a text of the file; in a damaged one it comes as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _checked(node: Node, opset: int) -> Node:
    """Return a node, or what stands for a refused one: with more or fewer inputs than its operator takes."""
    from onnx import defs

    if node.domain not in ("", "ai.onnx") or not defs.has(node.op):
        return node
    try:
        schema = defs.get_schema(node.op, max(1, min(opset, defs.onnx_opset_version())))
    except defs.SchemaError:
        return node  # newer than this opset: let the operator be judged by its name
    least, most = schema.min_input, schema.max_input
    if least <= len(node.inputs) <= most:
        return node
    return refused(node, f"must have {least}{f' to {most}' if most > least else ''} inputs, not {len(node.inputs)}")


#: Operators whose attributes are graphs; they are refused by name.
_WITH_GRAPHS = ("If", "Loop", "Scan", "SequenceMap")


def _node(proto: Any, k: int, budget: _Budget, has_own_name: bool = True) -> Node:
    name = (has_own_name and proto.name) or (proto.output[0] if proto.output else f"node {k}")
    attrs: dict[str, Any] = {}
    why = ""
    for a in proto.attribute:
        key = _text(a.name)
        if a.type == 1:
            attrs[key] = float(a.f)
        elif a.type == 2:
            attrs[key] = int(a.i)
        elif a.type == 3:
            attrs[key] = bytes(a.s[:256])
        elif a.type == 4:
            why = why or _unreadable(a.t)
            if not why:
                attrs[key] = budget.array(a.t)
        elif a.type == 6:
            attrs[key] = list(a.floats)
        elif a.type == 7:
            attrs[key] = [int(v) for v in a.ints]
        elif proto.op_type not in _WITH_GRAPHS and not proto.domain.startswith("ai.onnx.ml"):
            # Those belong to operators that are refused by name. Left out, an attribute would have its default.
            why = why or f"attribute {key[:80]!r} must be a number, a text, a tensor or a list of numbers"
    inputs, outputs = (tuple(_text(v) for v in names) for names in (proto.input, proto.output))
    node = Node(_text(name)[:200], _text(proto.op_type)[:80], inputs, outputs, attrs, _text(proto.domain))
    if node.op == "BatchNormalization":
        attrs["axis"] = -1 if node.domain == CHANNELS_LAST else 1
    return refused(node, why) if why else node

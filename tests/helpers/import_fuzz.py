"""Structure-aware mutation of valid source files, and what must hold for whatever comes out.

    python tests/helpers/import_fuzz.py 5000          # counts by outcome; exit code 1 if anything but a clean refusal or import

For every file: an import whose comparison with the source finds nothing, or one :class:`InputError`; under 5 s, and
under 1 GiB of growth.
"""

import collections
import io
import json
import resource
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
from helpers import onnx_convolutions as made
from helpers import onnx_networks
from onnx import helper, numpy_helper

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.ops import CONSTANT_ONLY, ELEMENTWISE, HEADS, MAPS, PRODUCTS, SHAPES
from oxnor.models.exchange.import_network import import_network

FIXTURES = Path(__file__).parents[1] / "fixtures"
SECONDS, BYTES = 5.0, 1 << 30
OPS = sorted({*CONSTANT_ONLY, *ELEMENTWISE, *HEADS, *PRODUCTS, *SHAPES, *MAPS, "If", "Foo"})
NUMBERS = [0, 1, -1, 2, 7, 127, 128, 255, 256, 1 << 31, -(1 << 31), 1 << 62, -(1 << 63)]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e38, -1e38, float("nan"), float("inf"), -float("inf"), 1e-5]
CASES = list(onnx_networks.cases().values())


def pick(g, values):
    return values[int(g.integers(len(values)))]


def _values(g, t):
    """Change the values of a tensor."""
    a = numpy_helper.to_array(t).copy()
    if not a.size:
        return
    how = int(g.integers(6))
    with np.errstate(all="ignore"):
        _spoil(g, a, how, t)


def _spoil(g, a, how, t):
    if a.dtype.kind == "f":
        if how == 0:
            a.flat[int(g.integers(a.size))] = pick(g, FLOATS)
        elif how == 1:
            a *= np.float32(pick(g, FLOATS))
        elif how == 2:
            a = np.where(g.random(a.shape) < 0.3, np.float32(pick(g, FLOATS)), a).astype(a.dtype)
        elif how == 3:
            a = g.permutation(a.ravel()).reshape(a.shape)
        elif how == 4:
            a = -a
        else:
            a = a.T.copy()
    else:
        a.flat[int(g.integers(a.size))] = np.array(pick(g, NUMBERS)).astype(a.dtype)
    t.CopyFrom(numpy_helper.from_array(a, t.name))


def _tensor(g, model):
    init = model.graph.initializer
    if not init:
        return
    t = pick(g, init)
    how = int(g.integers(8))
    if how < 4:
        _values(g, t)
    elif how == 4:
        t.raw_data = t.raw_data[: int(g.integers(len(t.raw_data) + 1))]
    elif how == 5:
        t.data_type = int(g.integers(24))
    elif how == 6:
        t.dims.append(pick(g, NUMBERS))
    elif t.dims:
        t.dims[int(g.integers(len(t.dims)))] = pick(g, NUMBERS)


def _attribute(g, model):
    with_some = [n for n in model.graph.node if n.attribute]
    if not with_some:
        return
    node = pick(g, with_some)
    a = pick(g, node.attribute)
    if a.type == 1:
        a.f = pick(g, FLOATS)
    elif a.type == 2:
        a.i = pick(g, NUMBERS)
    elif a.type == 3:
        a.s = pick(g, [b"", b"NHWC", b"ROUND", b"CEIL", b"\xff\xfe"])
    elif a.type == 7 and a.ints:
        a.ints[int(g.integers(len(a.ints)))] = pick(g, NUMBERS)
    if g.random() < 0.2:
        node.attribute.remove(a)
    elif g.random() < 0.2:
        a.type = int(g.integers(12))


def _node(g, model):
    nodes = model.graph.node
    k = int(g.integers(len(nodes)))
    how = int(g.integers(8))
    names = [t.name for t in model.graph.initializer] + [o for n in nodes for o in n.output] + ["x", "", "nobody"]
    if how == 0:
        nodes[k].op_type = pick(g, OPS)
    elif how == 1 and nodes[k].input:
        nodes[k].input[int(g.integers(len(nodes[k].input)))] = pick(g, names)
    elif how == 2:
        del nodes[k]
    elif how == 3:
        nodes[k].domain = pick(g, ["", "finn.custom_op.general", "com.example", "qonnx.custom_op.general", made.LAST])
    elif how == 4:
        nodes.insert(k, helper.make_node(pick(g, OPS), [pick(g, names), pick(g, names)], [f"new{k}"]))
        nodes[min(k + 1, len(nodes) - 1)].input[:1] = [f"new{k}"]
    elif how == 5 and nodes[k].input:
        del nodes[k].input[-1]
    elif how == 6:
        nodes[k].input.append(pick(g, names))
    else:
        nodes[k].output[:] = [pick(g, names)]


def _frame(g, model):
    how = int(g.integers(5))
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if how == 0:
        pick(g, dims).dim_value = pick(g, NUMBERS)
    elif how == 1:
        del dims[int(g.integers(len(dims)))]
    elif how == 2:
        model.opset_import[0].version = pick(g, [1, 5, 9, 11, 13, 18, 99])
    elif how == 3:
        model.graph.output[0].name = pick(g, [n.output[0] for n in model.graph.node if n.output] or ["x"])
    else:
        model.graph.input[0].type.tensor_type.elem_type = int(g.integers(17))


def onnx_file(g):
    """Return the bytes of a mutated ONNX file."""
    case = dict(pick(g, CASES))
    case["sizes"] = pick(g, [(8, 6, 4), (8, 5, 3, 2), (12, 4)])
    return _mutated(g, onnx_networks.network(seed=int(g.integers(1000)), **case))


def conv_file(g):
    """Return the bytes of a mutated ONNX file of a network with convolutions."""
    fields = {"input": made.INPUTS, "act": made.ACTS, "pool_at": made.POOLS, "pad": made.PADS, "layout": made.LAYOUTS,
              "flatten": made.FLATTENS, "kernel": [(1, 1), (3, 3)], "size": [(9, 8), (7, 7)]}  # fmt: skip
    return _mutated(g, made.conv_network(seed=int(g.integers(1000)), **{k: pick(g, v) for k, v in fields.items()}))


def _mutated(g, model):
    for _ in range(int(g.integers(1, 4))):
        try:
            pick(g, [_tensor, _tensor, _attribute, _node, _node, _frame])(g, model)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue  # the change itself is not possible
    data = bytearray(model.SerializeToString())
    if g.random() < 0.15:
        for _ in range(int(g.integers(1, 6))):
            data[int(g.integers(len(data)))] = int(g.integers(256))
    if g.random() < 0.05:
        del data[int(g.integers(len(data))) :]
    return bytes(data)


def arrays_file(g):
    """Return the bytes of a mutated ``.npz`` of plain arrays."""
    sizes = (8, 6, 3)
    arrays = {}
    for k in range(2):
        arrays[f"w{k}"] = g.integers(0, 2, (sizes[k + 1], sizes[k])).astype(pick(g, [bool, np.uint8, np.float32, np.int64]))
    arrays["t0"] = g.integers(0, 9, 6).astype(pick(g, [np.int64, np.float32, np.uint8]))
    if g.random() < 0.4:
        arrays |= {"scales": g.integers(-9, 9, 3), "offsets": g.integers(-99, 99, 3), "input_threshold": np.array(pick(g, NUMBERS[:9]))}
    if g.random() < 0.3:
        del arrays["t0"]
        arrays |= {f"{k}0": g.normal(size=6) for k in ("gamma", "beta", "mean", "variance")}
    name = pick(g, sorted(arrays))
    how = int(g.integers(6))
    if how == 0:
        del arrays[name]
    elif how == 1:
        arrays[name] = arrays[name].astype(pick(g, [np.float64, np.int8, np.complex64, "U4"]))
    elif how == 2:
        arrays[name] = arrays[name][:-1] if arrays[name].ndim else arrays[name]
    elif how == 3 and arrays[name].dtype.kind == "f" and arrays[name].size:
        arrays[name].flat[0] = pick(g, FLOATS)
    elif how == 4:
        arrays[pick(g, ["w7", "t9", "header", "x"])] = arrays[name]
    file = io.BytesIO()
    np.savez(file, **arrays)
    return _bytes(g, file.getvalue())


def _bytes(g, data):
    data = bytearray(data)
    if g.random() < 0.4:
        for _ in range(int(g.integers(1, 8))):
            data[int(g.integers(len(data)))] = int(g.integers(256))
    return bytes(data)


def keras_file(g):
    """Return the bytes of a mutated Keras model: its config or its bytes."""
    name = pick(g, ["larq_sequential", "larq_functional"])
    if g.random() < 0.5:
        return _bytes(g, (FIXTURES / f"{name}.h5").read_bytes())
    with zipfile.ZipFile(FIXTURES / f"{name}.keras") as source:
        parts = {n: source.read(n) for n in source.namelist()}
    config = json.loads(parts["config.json"])
    for _ in range(int(g.integers(1, 4))):
        here = config
        for _ in range(12):
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = pick(g, keys)
            if isinstance(here[key], dict | list) and g.random() < 0.85:
                here = here[key]
                continue
            here[key] = pick(g, [None, 0, -1, 1 << 40, "x", [], {}, True, 0.5, "ste_sign", "QuantDense"])
            break
    parts["config.json"] = json.dumps(config).encode()
    parts["model.weights.h5"] = _bytes(g, parts["model.weights.h5"])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as to:
        for n, data in parts.items():
            to.writestr(n, data)
    return _bytes(g, file.getvalue()) if g.random() < 0.2 else file.getvalue()


MAKERS = {"onnx": onnx_file, "arrays": arrays_file, "keras": keras_file, "onnx of convolutions": conv_file}


def processor_time():
    """Return the seconds that this process and its children have computed: what a busy machine does not change."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def outcome(kind, seed, folder):
    """Return what importing one mutated file comes to: imported, refused, or differs (which writes nothing)."""
    g = np.random.default_rng([seed, sorted(MAKERS).index(kind)])
    path = Path(folder) / "source"
    path.write_bytes(MAKERS[kind](g))
    start, before = processor_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            imported = import_network(path)
        found = "imported" if imported.ok else "differs"
    except InputError as e:
        found = "refused" if len(str(e)) < 20_000 else "endless"
    seconds = processor_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < BYTES, f"{kind} {seed}: {grown:,} bytes"
    return found, seconds


def main():
    count = int(sys.argv[1])
    kinds = sys.argv[2:] or sorted(MAKERS)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            counts, slowest = collections.Counter(), 0.0
            for seed in range(count):
                try:
                    found, seconds = outcome(kind, seed, folder)
                except Exception as e:  # anything but InputError is what is looked for
                    found, seconds = f"{type(e).__name__}: {str(e)[:150]}", 0.0
                    print(kind, seed, found, flush=True)
                    bad += 1
                slowest = max(slowest, seconds)
                if found == "differs":
                    print(kind, seed, found, flush=True)
                counts[found] += 1
            print(f"{kind}: {count:,} files: {dict(counts)}, slowest {slowest:.2f} s, peak "
                  f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10:,} MiB", flush=True)
            bad += slowest > SECONDS
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

"""What an import says of a file, and files to import."""

import json

import numpy as np

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.import_network import import_network


def refused(path, **options):
    """Return why a file is refused, without its name."""
    try:
        import_network(path, **options)
    except InputError as e:
        return str(e).removeprefix(f"{path}: ")
    raise AssertionError(f"{path} must be refused, and is imported")


def save(model, path):
    """Write an ONNX model."""
    path.write_bytes(model.SerializeToString())
    return path


def keras_files(path, layers, arrays, shape=(12,)):
    """Write a sequential model as .json, a (class, name, config) each layer, and its weights beside it."""
    import h5py

    config = [{"class_name": kind, "config": {"name": name} | more} for kind, name, more in layers]
    config[0]["config"]["batch_input_shape"] = [None, *shape]
    path.write_text(json.dumps({"class_name": "Sequential", "config": {"layers": config}}))
    with h5py.File(path.with_suffix(".h5"), "w") as f:
        for name, array in arrays.items():
            f[f"{name}:0"] = array.astype(np.float32)
    return path

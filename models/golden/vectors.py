"""Golden vectors for any testbench: inputs, outputs of every layer, scores and classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import hex_lines
from oxnor.models.base.files import write_npz, write_text
from oxnor.models.base.replace import whole_folder
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.hidden import pack_planes

from . import binarized as golden

#: Bits of a score in the text files, two's complement.
SCORE_WIDTH = 64


def vectors(network: Network, images: NDArray) -> dict[str, NDArray]:
    """Return arrays by name.

    Parameters
    ----------
    network, images
        As for :func:`oxnor.models.golden.binarized.binarize`.

    Returns
    -------
    dict
        ``input``, bool (n, n_in); ``layerK``, as of :func:`oxnor.models.golden.layer_outputs`, for each hidden layer;
        ``popcounts``, int32, of the output layer; ``scores``, int64 (n, n_out); ``classes``, int64 (n,).
    """
    bits = golden.binarize(network, images)
    outputs = golden.layer_outputs(network, images)
    final = network.layers[-1]
    last = outputs[-2].reshape(len(bits), -1) if len(outputs) > 1 else golden.elements(network, images)
    arrays = {"input": bits} | {f"layer{k}": y for k, y in enumerate(outputs[:-1])}
    arrays["popcounts"] = final.popcounts(pack_planes(last, final.planes), "numba")
    return arrays | {"scores": outputs[-1], "classes": golden.argmax(outputs[-1])}


def write_vectors(
    network: Network, images: NDArray, directory: str | Path, *, labels: NDArray | None = None
) -> dict[str, Any]:
    """Write golden vectors to a new or empty folder, or over earlier ones, whole or not at all.

    ``vectors.npz`` has the arrays of :func:`vectors` (and ``images``, ``labels``). For ``$readmemh``: ``input.mem`` and
    ``layerK.mem``, one image a line, element 0 in bit 0; ``scores.mem``, one score a line, image by image, 64 bits
    two's complement; ``classes.mem``, 32 bits.

    Returns
    -------
    dict
        ``images``, their number, ``files`` and the network's ``digest``.

    Raises
    ------
    InputError
        If the folder has other files in it, or cannot be written.
    """
    directory = Path(directory)
    outputs = vectors(network, images)
    texts = {f"{k}.mem": hex_lines(v) for k, v in outputs.items() if v.dtype == bool}
    texts["scores.mem"] = "".join(f"{int(s) & (1 << SCORE_WIDTH) - 1:016x}\n" for s in outputs["scores"].ravel())
    texts["classes.mem"] = "".join(f"{int(c):08x}\n" for c in outputs["classes"])
    arrays = {"images": np.asarray(images)} | outputs
    if labels is not None:
        arrays["labels"] = np.asarray(labels)
    with whole_folder(directory, marker="vectors.npz") as temporary:
        write_npz(temporary / "vectors.npz", arrays)
        for name, text in texts.items():
            write_text(temporary / name, text)
    return {"images": len(outputs["input"]), "files": ["vectors.npz", *sorted(texts)], "digest": network.digest}

"""The golden model: what the hardware must compute, bit for bit.

The functions here are those of binarized networks; :mod:`oxnor.models.golden.spiking` has those of spiking ones.
"""

from .binarized import (
    argmax,
    binarize,
    elements,
    layer_outputs,
    margins,
    pack_inputs,
    popcount,
    popcount_threshold,
    predict,
    scores,
)

__all__ = [
    "argmax",
    "binarize",
    "elements",
    "layer_outputs",
    "margins",
    "pack_inputs",
    "popcount",
    "popcount_threshold",
    "predict",
    "scores",
]

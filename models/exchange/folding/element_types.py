"""Types of tensors' elements, which ONNX numbers."""

from __future__ import annotations

import numpy as np

#: Those that are read, by number.
DTYPES = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
    10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64,
}  # fmt: skip
#: Read as float32, of which it is the upper half.
BFLOAT16 = 16
_OTHERS = {
    8: "string", 14: "complex64", 15: "complex128", BFLOAT16: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz",
    19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4e2m1",
}  # fmt: skip


def element_type(number: int) -> str:
    """Return the name of a type."""
    return np.dtype(DTYPES[number]).name if number in DTYPES else _OTHERS.get(number, "an unknown type")

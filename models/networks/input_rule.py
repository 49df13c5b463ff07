"""How the numbers of an image, or of other features, become the bits that the first layer takes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader, type_name

#: Largest threshold: no grey value reaches it.
THRESHOLD_MAX = 256
#: The rules that a network file names, and what each does.
INPUT_RULES: Mapping[str, str] = {
    "threshold": "bit 1 iff value >= threshold, which is one for all features or one a feature",
    "thermometer": "some bits a feature, each with its own threshold, which rise",
    "bipolar": "the sign of a number: bit 1 iff value >= 0",
    "planes": "the bits of an integer, which a table may give for the value",
}


@dataclass(frozen=True, eq=False)
class InputRule:
    """Thresholds that turn features into bits; the same object serves the golden model, data sets and hosts.

    Parameters
    ----------
    thresholds : ndarray of int64, shape (), (features,) or (features, bits)
        Bit k of feature f is 1 iff its value is at least thresholds[f, k]; input f * bits + k of the network has it.
        Range [0, 256]; 0 gives a constant 1, and 256 a constant 0. Along a feature's bits they do not fall. Equal ones,
        one a feature, become one.
    signs : bool
        Take signed numbers instead: bit 1 iff the value is at least 0. The thresholds have no meaning then.
    table : ndarray of uint8, shape (256,), optional
        Take integers instead: the element that each value becomes, whose bit planes the first layer takes. Input
        f * planes + k of the network is bit k of element f. The thresholds have no meaning then.

    Raises
    ------
    InputError
        If a threshold is out of range, or the shape is another.
    """

    thresholds: NDArray[np.int64]
    signs: bool = False
    table: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.table is not None:
            table = np.asarray(self.table)
            if table.dtype != np.uint8 or table.shape != (256,):
                raise InputError(f"input_rule: table must be 256 of uint8, not {table.shape} of {table.dtype}")
            table = table.copy()
            table.setflags(write=False)
            object.__setattr__(self, "table", table)
        array = np.asarray(self.thresholds)
        if array.dtype.kind not in "iu":
            what = "an integer" if array.ndim == 0 else "integers"
            raise InputError(f"input_rule: thresholds must be {what}, not {self.thresholds!r:.80}")
        if array.ndim > 2 or not array.size:
            raise InputError(f"input_rule: thresholds must be one, one a feature or rows of them, not {array.shape}")
        outside = array[(array < 0) | (array > THRESHOLD_MAX)]
        if outside.size:
            raise InputError(f"input_rule: thresholds must be in [0, {THRESHOLD_MAX}], not {outside[0]}")
        if array.ndim == 2 and (falls := np.argwhere(np.diff(array, axis=1) < 0)).size:
            rule = "must not fall along the bits of a feature"
            raise InputError(f"input_rule: thresholds {rule}, as they do in {falls[0][0]}")
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim == 1 and (array == array[0]).all():
            array = array[0]
        array = array.astype(np.int64)
        array.setflags(write=False)
        object.__setattr__(self, "thresholds", array)

    @classmethod
    def of(cls, value: Any) -> InputRule:
        """Return a rule as it is, and thresholds as a rule."""
        if isinstance(value, cls):
            return value
        if isinstance(value, bool):
            raise InputError(f"input_rule: thresholds must be an integer, not {value}")
        return cls(value)

    @classmethod
    def bipolar(cls) -> InputRule:
        """Return the rule that takes the signs of numbers."""
        return cls(np.array(0), signs=True)

    @classmethod
    def thermometer(cls, images: NDArray[np.uint8], bits: int) -> InputRule:
        """Return thresholds between equal shares of the values that each feature has.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, features)
            Of a training set.
        bits : int
            Of a feature, 1 to 255; 1 puts its threshold just above the median.
        """
        if not 1 <= bits <= 255:
            raise InputError(f"must be in [1, 255], not {bits}", parameter="input_bits")
        shares = np.arange(1, bits + 1) / (bits + 1)
        cuts = np.quantile(images, shares, axis=0, method="lower").T.astype(np.int64) + 1
        return cls(np.minimum(cuts, 255))

    @classmethod
    def planes(cls, table: NDArray[np.uint8] | None = None) -> InputRule:
        """Return the rule that takes the bits of the values themselves, or of what a table has for them."""
        return cls(np.array(0), table=np.arange(256, dtype=np.uint8) if table is None else table)

    @property
    def kind(self) -> str:
        """A key of :data:`INPUT_RULES`."""
        if self.signs:
            return "bipolar"
        if self.table is not None:
            return "planes"
        return "thermometer" if self.thresholds.ndim == 2 else "threshold"

    @property
    def bits(self) -> int:
        """Bits of a feature."""
        if self.table is not None:
            return max(1, int(self.table.max()).bit_length())
        return self.thresholds.shape[1] if self.thresholds.ndim == 2 else 1

    def features(self, n_in: int) -> int:
        """Return the number of features that give `n_in` bits."""
        return n_in // self.bits

    def check(self, n_in: int) -> None:
        """Raise InputError unless the rule gives the bits of a network with `n_in` inputs."""
        shape = self.thresholds.shape
        if len(shape) == 1 and shape != (n_in,):
            raise InputError(f"network: input_rule must have one threshold, or {n_in}, one an input, not {shape[0]}")
        if len(shape) == 2 and shape[0] * shape[1] != n_in:
            raise InputError(
                f"network: input_rule must give {n_in} bits, not {shape[0]} features of {shape[1]} bits each"
            )

    def apply(self, images: NDArray, n_in: int) -> NDArray[np.bool_]:
        """Return features as bits.

        Parameters
        ----------
        images : ndarray, shape (n, features)
            uint8: values. bool: 0 and 1 are the least and the largest value; or shape (n, n_in), bits of a thermometer
            code as they are. For signs: bool, or any signed numbers.
        n_in : int
            Inputs of the network.

        Returns
        -------
        ndarray of bool, shape (n, n_in)
        """
        if self.signs:
            return images if images.dtype == bool else images >= 0
        if self.table is not None:
            if images.dtype == bool and images.shape[1] == n_in:
                return images
            elements = self.elements(images)
            return (elements[:, :, None] >> np.arange(self.bits, dtype=np.uint8) & 1).astype(bool).reshape(-1, n_in)
        t = self.thresholds
        if images.dtype != bool:
            return (images[:, :, None] >= t).reshape(len(images), -1) if t.ndim == 2 else images >= t
        if t.ndim == 0 or (t.ndim == 2 and images.shape[1] == n_in):
            return images
        values = images[:, :, None] if t.ndim == 2 else images
        return ((values & (t < THRESHOLD_MAX)) | (t == 0)).reshape(len(images), n_in)

    def elements(self, images: NDArray) -> NDArray[np.uint8]:
        """Return the integers whose bit planes the first layer takes, shape (n, features), of values or of 0 and 1."""
        assert self.table is not None
        if images.dtype == bool:
            return np.where(images, self.table[-1], self.table[0])
        return self.table[images]

    def check_dtype(self, images: NDArray) -> None:
        """Raise InputError unless the rule takes numbers of this type."""
        if images.dtype == bool or (self.signs and images.dtype.kind in "if"):
            return
        if self.signs:
            raise InputError(
                "images: dtype must be bool (bits) or signed numbers, whose signs the network takes,"
                f" not {type_name(images.dtype)}"
            )
        if images.dtype != np.uint8:
            raise InputError(f"images: dtype must be uint8 (grey) or bool (bits), not {type_name(images.dtype)}")

    def to_json(self) -> Any:
        """Return the rule for JSON: a threshold, a list of one a feature, or an object with its ``kind``."""
        if self.kind == "threshold":
            return self.thresholds.tolist()
        if self.table is not None:
            return {"kind": self.kind, "planes": self.bits, "table": self.table.tolist()}
        return {"kind": self.kind} | ({} if self.signs else {"thresholds": self.thresholds.tolist()})

    def described(self) -> dict[str, Any]:
        """Return the rule as a field of a description: ``input_threshold`` where thresholds are all that there is."""
        return {"input_threshold" if self.kind == "threshold" else "input_rule": self.to_json()}

    def words(self) -> str:
        """Return what the rule does, for people."""
        if self.signs:
            return "bit 1 iff value >= 0"
        if self.table is not None:
            same = np.array_equal(self.table, np.arange(256))
            return f"{self.bits} bit planes of " + ("the value" if same else "an integer from a table of 256")
        if self.thresholds.ndim == 0:
            return f"bit 1 iff value >= {int(self.thresholds)}"
        span = f"{int(self.thresholds.min())} to {int(self.thresholds.max())}"
        if self.thresholds.ndim == 1:
            return f"bit 1 iff value >= the threshold of its input, {span}"
        return f"thermometer code of {self.bits} bits a feature, thresholds {span}"

    def update(self, h: hashlib._Hash, name: str) -> None:
        """Add the rule to the hash of a network of the format `name`."""
        if self.table is not None:
            h.update(f"{name} 2 {self.kind} ".encode() + self.table.tobytes())
        elif self.kind == "threshold" and self.thresholds.ndim == 0:
            h.update(f"{name} 1 {int(self.thresholds)}".encode())
        elif self.kind == "threshold":
            h.update(f"{name} 2 ".encode() + self._stored().tobytes())
        else:
            h.update(f"{name} 2 {self.kind} {self.thresholds.shape} ".encode() + self._stored().tobytes())

    def _stored(self) -> NDArray[np.int16]:
        return self.thresholds.astype("<i2")

    def to_file(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return what a network file has of the rule: fields of its header, and arrays. Arrays need version 2."""
        if self.signs:
            return {"input_rule": self.kind}, {}
        if self.table is not None:
            return {"input_rule": self.kind}, {"input_table": self.table}
        if self.thresholds.ndim == 0:
            return {"input_threshold": int(self.thresholds)}, {}
        named = {"input_rule": self.kind} if self.thresholds.ndim == 2 else {}
        return named, {"input_thresholds": self._stored()}

    @classmethod
    def from_file(cls, header: Mapping[str, Any], source: NpzReader, n_in: int) -> InputRule:
        """Undo :meth:`to_file`; nothing is trusted."""
        if header["version"] == 1 or "input_threshold" in header:
            return cls.of(_integer(header.get("input_threshold")))
        kind = header.get("input_rule", "threshold")
        if not isinstance(kind, str) or kind not in INPUT_RULES:
            raise InputError(f"header.input_rule must be one of {', '.join(INPUT_RULES)}, not {kind!r:.80}")
        if kind == "bipolar":
            return cls.bipolar()
        if kind == "planes":
            return cls.planes(source.array("input_table", "|u1", (256,)))
        shape: tuple[int | None, ...] = (n_in,) if kind == "threshold" else (None, None)
        return cls(source.array("input_thresholds", "<i2", shape, limit=2 * n_in))


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"header.input_threshold must be of type int, not {value!r:.80}")
    return value

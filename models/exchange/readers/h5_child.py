"""HDF5 files, read in a limited process of their own: a damaged file may crash the library, but not oxnor."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError, install
from oxnor.models.exchange.folding.graph import FILE_MAX

_MEMORY = 3 << 30  # of addresses: numpy and HDF5 take half of it before anything is read
#: Of processor time; a busy machine may take longer.
_SECONDS = 4
_TEXT_MAX = 1 << 24


def read_h5_file(path: Path) -> tuple[str, dict[str, NDArray], dict[str, Any]]:
    """Return the text of attribute ``model_config`` (or ""), and by their paths every array and every text.

    Texts, or nested lists of them, are only read from NIR files, which have a group ``node``.

    Raises
    ------
    InputError
        If h5py is missing, or the file cannot be read.
    """
    try:
        import h5py  # noqa: F401
    except ImportError:
        raise InputError(f"reading HDF5 files needs the package h5py: {install('import')}") from None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [sys.executable, "-W", "ignore", "-m", "oxnor.models.exchange.readers.h5_child", str(path.resolve())]
        try:
            done = subprocess.run(
                command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, timeout=15 * _SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"takes the HDF5 library more than {_SECONDS} s: is damaged") from None
        err.seek(0)
        message = err.read(100_000).decode("utf-8", "replace")
        if done.returncode == 3:
            raise InputError(message.strip().splitlines()[-1] if message.strip() else "is damaged")
        if done.returncode:
            raise InputError("cannot be read by the HDF5 library: is damaged or cut short")
        out.seek(0)
        with zipfile.ZipFile(out) as archive:
            arrays = {}
            for name in archive.namelist():
                with archive.open(name) as member:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(
                        io.BytesIO(member.read()), allow_pickle=False
                    )
    config = arrays.pop("@config").tobytes().decode("utf-8", "replace")
    return config, arrays, json.loads(arrays.pop("@texts").tobytes())


def _collect(path: str) -> dict[str, NDArray]:
    import h5py

    arrays: dict[str, Any] = {"@config": np.zeros(0, np.uint8)}
    texts: dict[str, Any] = {}
    left = FILE_MAX
    with h5py.File(path, "r") as source:
        config = source.attrs.get("model_config", "")
        config = config.encode() if isinstance(config, str) else bytes(config)
        if len(config) > _TEXT_MAX:
            raise InputError(f"model_config must have at most {_TEXT_MAX:,} bytes, not {len(config):,}")
        arrays["@config"] = np.frombuffer(config, np.uint8)
        with_texts, text_left = "node" in source, _TEXT_MAX
        waiting = [("", source)]
        seen, seen_names = 0, set[str]()
        while waiting:
            prefix, group = waiting.pop()
            for name in group:
                seen += 1
                if seen > 20_000:
                    raise InputError("must have at most 20,000 entries")
                link = group.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise InputError(f"entry {prefix + name!r} must be in the file, and is a link")
                here = prefix + name.replace("\\", "/")  # Keras writes paths of Windows into names
                if here in seen_names:
                    raise InputError(f"entry {here!r} must be there once")
                seen_names.add(here)
                if here.startswith("optimizer"):
                    continue
                item = group[name]
                if isinstance(item, h5py.Group):
                    if here.count("/") > 16:
                        raise InputError("groups must be at most 16 levels deep")
                    waiting.append((here + "/", item))
                elif isinstance(item, h5py.Dataset):
                    if with_texts and item.shape is not None and h5py.check_string_dtype(item.dtype):
                        text_left -= 8 * item.size
                        if text_left >= 0:
                            text = np.asarray(item.asstr()[()], object)
                            text_left -= sum(len(t) for t in text.reshape(-1))
                        if text_left < 0:
                            raise InputError(f"its texts must have at most {_TEXT_MAX:,} bytes together")
                        texts[here] = text.tolist()
                        continue
                    if item.dtype.kind not in "fiub" or item.shape is None:
                        continue
                    left -= item.size * item.dtype.itemsize
                    if left < 0:
                        raise InputError(f"its arrays must have at most {FILE_MAX:,} bytes together")
                    arrays[here] = item[()]
    arrays["@texts"] = np.frombuffer(json.dumps(texts).encode(), np.uint8)
    return arrays


def main() -> int:
    """Write the arrays of the file named on the command line to stdout, as ``.npz``."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        arrays = _collect(sys.argv[1])
    except InputError as e:
        print(e, file=sys.stderr)
        return 3
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, RecursionError):
        return 4
    with zipfile.ZipFile(sys.stdout.buffer, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())

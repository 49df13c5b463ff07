"""Ways to damage a file: its bytes, members of archives, values of JSON and TOML, cells of SQLite, tensors of torch."""

import io
import json
import sqlite3
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

_NASTY = [
    None, True, 0, -1, 1, 2, 7, 1 << 31, 1 << 63, -(1 << 63), 1 << 80, 10**4500, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "\ud800", "../..", "<script>", "a" * 5000, [], [[]], [1, 2], {}, {"x": 1}, [None] * 9,
]  # fmt: skip
_DIGITS = sys.get_int_max_str_digits()


def pick(g, values):
    return values[int(g.integers(len(values)))]


def damage_bytes(g, data):
    spoilt = bytearray(data)
    for _ in range(int(g.integers(1, 5))):
        if not spoilt:
            break
        at = int(g.integers(len(spoilt)))
        how = int(g.integers(5))
        if how == 0:
            spoilt[at] = int(g.integers(256))
        elif how == 1:
            spoilt[at] ^= 1 << int(g.integers(8))
        elif how == 2:
            del spoilt[at : at + int(g.integers(1, 50))]
        elif how == 3:
            spoilt[at:at] = g.bytes(int(g.integers(1, 9)))
        else:
            del spoilt[at:]
    return bytes(spoilt)


def damage_json(g, value):
    """Put a nasty value somewhere, or remove or add a key."""
    if isinstance(value, dict | list) and value and g.random() < 0.85:
        key = pick(g, list(value) if isinstance(value, dict) else range(len(value)))
        if g.random() < 0.15:
            del value[key]
        else:
            value[key] = damage_json(g, value[key])
        if isinstance(value, dict) and g.random() < 0.05:
            value["extra"] = pick(g, _NASTY)
        return value
    return pick(g, _NASTY)


def damaged_json_bytes(g, data):
    sys.set_int_max_str_digits(0)
    text = json.dumps(damage_json(g, json.loads(data)))
    sys.set_int_max_str_digits(_DIGITS)
    return text.encode("utf-8", "surrogatepass")


def _header_array(g, data):
    """Damage the JSON in the array ``header`` of an archive."""
    array = np.load(io.BytesIO(data))
    changed = np.frombuffer(damaged_json_bytes(g, array.tobytes()), np.uint8)
    buffer = io.BytesIO()
    np.save(buffer, changed)
    return buffer.getvalue()


def damage_toml(g, data):
    """Put a nasty value after a key, which may be one that stood behind a "#"."""
    lines = data.decode().splitlines()
    k = pick(g, [k for k, line in enumerate(lines) if " = " in line])
    name = lines[k].removeprefix("# ").partition(" = ")[0]
    values = ["-1", "0", "1e999", "nan", "[]", "[[]]", "{}", "1979-05-27", '"x"', '"\\u0000"', "9" * 4999, "9" * 30, "true"]
    lines[k] = f"{name} = {pick(g, values)}"
    return "\n".join(lines).encode()


def damage_archive(g, data):
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        parts = {n: source.read(n) for n in source.namelist()}
    name = pick(g, sorted(parts))
    how = int(g.integers(6))
    if "header.npy" in parts and how < 3:
        parts["header.npy"] = _header_array(g, parts["header.npy"])
    elif how == 3:
        del parts[name]
    elif how == 4:
        parts[name] = parts[pick(g, sorted(parts))]
    else:
        parts[name] = damage_bytes(g, parts[name])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", pick(g, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as to:
        for n, part in parts.items():
            to.writestr(n, part)
    return buffer.getvalue()


def damage_sqlite(g, data):
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
        Path(file.name).write_bytes(data)
        db = sqlite3.connect(file.name, isolation_level=None)
        value = pick(g, [None, -1, 0, 99, 1 << 62, 0.5, -0.5, 1e300, "x", b"", b"\0" * 36, b"\xff" * 36, "\udc80"])
        table, columns = pick(g, [
            ("trials", ["layer", "rate", "trial", "errors", "correct", "confusion", "seconds"]),
            ("checks", ["layer", "rate", "trial", "mismatches", "simulator"]), ("header", ["key", "value"]),
        ])  # fmt: skip
        column = pick(g, columns)
        try:
            if table == "header" and g.random() < 0.8:
                rows = db.execute("SELECT key, value FROM header").fetchall()
                key, text = pick(g, rows)
                text = damaged_json_bytes(g, text).decode("utf-8", "replace")
                db.execute("UPDATE header SET value = ? WHERE key = ?", (text, key))
            elif g.random() < 0.1:
                db.execute(pick(g, [f"DROP TABLE {table}", f"DELETE FROM {table}", f"ALTER TABLE {table} ADD COLUMN z"]))
            else:
                db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid % 2 OR 1" if table == "header" else f"UPDATE {table} SET {column} = ?", (value,))
        except (sqlite3.Error, UnicodeEncodeError, OverflowError):
            pass
        db.close()
        return Path(file.name).read_bytes()


def damage_state(g, data):
    """Damage the dictionary in a file of ``torch.save``."""
    import torch

    state = damage_json(g, torch.load(io.BytesIO(data), weights_only=True))
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def damage_flips(g, data):
    """Flip one to three bits."""
    spoilt = bytearray(data)
    for at in g.choice(8 * len(data), int(g.integers(1, 4)), replace=False):
        spoilt[at // 8] ^= 1 << at % 8
    return bytes(spoilt)

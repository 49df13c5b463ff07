"""Branch coverage of the Python sources by the tests, as a small record.

    coverage run -m pytest ...                                          # coverage of every process goes to build/coverage-python
    coverage combine && coverage json -o build/coverage-python/all.json
    python tests/helpers/covered/python.py build/coverage-python/all.json

What is compiled by numba is left out: no tracer sees it. ``[tool.coverage]`` of pyproject.toml says what is measured.
"""

import collections
import json
import sys
from pathlib import Path


def holes(branches):
    """Return branches that are never taken, [from, to] by line numbers, as a text: 12>15,17 33>exit."""
    ends = collections.defaultdict(list)
    for start, end in branches:
        ends[start].append("exit" if end < 0 else str(end))
    return " ".join(f"{start}>{','.join(found)}" for start, found in sorted(ends.items()))


def summary(report):
    """Return the figures of a report of coverage.py by package, and the holes of files, as a JSON-able dict.

    Figures are [taken, all]; those of a file and its holes are one text. A file that no test loads has the hole "all".
    """
    packages = collections.defaultdict(lambda: {"line": [0, 0], "branch": [0, 0], "left out": 0})
    files = {}
    for name, found in sorted(report["files"].items()):
        counts = found["summary"]
        lines = [counts["covered_lines"], counts["num_statements"]]
        branches = [counts["covered_branches"], counts["num_branches"]]
        package = packages["/".join(Path(name).parts[:2]) if len(Path(name).parts) > 2 else Path(name).parts[0]]
        for kind, both in (("line", lines), ("branch", branches)):
            package[kind] = [a + b for a, b in zip(package[kind], both, strict=True)]
        package["left out"] += counts["excluded_lines"]
        if branches[0] < branches[1]:
            where = holes(found["missing_branches"]) if lines[0] else "all"
            files[name] = f"{branches[0]}/{branches[1]} {where}"
    sums = {kind: [sum(p[kind][k] for p in packages.values()) for k in (0, 1)] for kind in ("line", "branch")}
    return {**sums, "left out": sum(p["left out"] for p in packages.values()), "packages": packages, "files": files}


if __name__ == "__main__":
    print(json.dumps(summary(json.loads(Path(sys.argv[1]).read_text()))))

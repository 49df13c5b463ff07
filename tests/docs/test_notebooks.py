"""The notebooks run from top to bottom, use public names alone, and hold no outputs."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs/notebooks").glob("*.ipynb"))
#: Run by `make test-slow`: they build a board, or several engines. What they import is checked each day.
LONG = ("digits", "learning", "own-model", "spiking")
PUBLIC = ("oxnor", "oxnor.models", "oxnor.hw", "oxnor.sim", "oxnor.fpga")
of_notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path):
    return json.loads(path.read_text())["cells"]


def code(path):
    return "\n\n".join("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code") + "\n"


@of_notebooks
def test_notebook_has_no_outputs(path):
    notebook = json.loads(path.read_text())
    assert notebook["nbformat"] == 4
    assert [c for c in cells(path) if c.get("outputs") or c.get("execution_count")] == []
    assert len({c["id"] for c in cells(path)}) == len(cells(path))


@of_notebooks
def test_notebook_uses_public_names(path):
    imported = [n for n in ast.walk(ast.parse(code(path))) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = [n.module for n in imported if isinstance(n, ast.ImportFrom)] + [
        name.name for n in imported if isinstance(n, ast.Import) for name in n.names
    ]
    assert [n for n in names if n.split(".")[0] == "oxnor" and n not in PUBLIC] == []
    for node in imported:
        if isinstance(node, ast.ImportFrom) and node.module in PUBLIC:
            assert {name.name for name in node.names} <= set(importlib.import_module(node.module).__all__)


@pytest.mark.parametrize(
    "path", [pytest.param(p, marks=pytest.mark.slow) if p.stem in LONG else p for p in NOTEBOOKS], ids=lambda p: p.stem
)
@pytest.mark.cosim
def test_notebook_runs(path, tmp_path):
    if "import torch" in code(path):
        pytest.importorskip("torch", reason='training needs PyTorch: pip install -e ".[train]"')
    (tmp_path / "notebook.py").write_text(code(path))
    done = subprocess.run(
        [sys.executable, "notebook.py"], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

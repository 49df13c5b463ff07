"""The wheel holds every module and every data file."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Folders that become packages of their own, in the order of their imports; ``api`` is ``oxnor`` itself.
PACKAGES = ("models", "hw", "sim", "fpga", "cli")
FOLDERS = (*PACKAGES, "api")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the folder into which the project's wheel was unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    # A copy: setuptools would reuse what an earlier build left in the tree.
    for package in FOLDERS:
        shutil.copytree(ROOT / package, folder / "source" / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(folder / "source")]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as z:
        z.extractall(folder / "site")
    return folder / "site"


def tracked(package):
    done = subprocess.run(["git", "ls-files", package], cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.split() or [str(p.relative_to(ROOT)) for p in (ROOT / package).rglob("*") if p.is_file()]
    return [n for n in names if "__pycache__" not in n]


def in_wheel(name):
    """Return where a file of the tree is in the wheel."""
    return Path("oxnor") / name.removeprefix("api/")


@pytest.mark.parametrize("package", FOLDERS)
def test_wheel_has_every_file(installed, package):
    missing = [n for n in tracked(package) if not (installed / in_wheel(n)).is_file()]
    assert not missing


def test_wheel_is_small(installed):
    (wheel,) = installed.parent.glob("*.whl")
    assert wheel.stat().st_size <= 12e6


def test_wheel_has_nothing_else(installed):
    found = {p.name for p in (installed / "oxnor").iterdir()}
    assert found == {*PACKAGES, *(p.name for p in (ROOT / "api").glob("*.py"))}


def test_every_module_imports_from_the_wheel(installed):
    names = sorted(
        ".".join(p.relative_to(installed).with_suffix("").parts).removesuffix(".__init__")
        for p in (installed / "oxnor").rglob("*.py")
        if p.stem != "__main__"
    )
    assert len(names) > 30
    # A bench is a module of cocotb tests: it imports outside a simulator too.
    code = f"""
import importlib, sys
sys.path.insert(0, {str(installed)!r})
sys.meta_path = [f for f in sys.meta_path if "editable" not in type(f).__module__ + getattr(f, "__module__", "")]
for name in {names!r}:
    module = importlib.import_module(name)
    assert module.__file__.startswith({str(installed)!r}), module.__file__
    missing = [n for n in getattr(module, "__all__", ()) if not hasattr(module, n)]
    assert not missing, (name, missing)
print(len({names!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=installed)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) == len(names)


@pytest.mark.parametrize("package", FOLDERS)
def test_import_under_another_name_is_refused(package):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {package}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    name = "oxnor" if package == "api" else f"oxnor.{package}"
    assert f"import this package as '{name}'" in done.stderr


def test_imports_go_one_way():
    """A package imports itself and those before it: models <- hw <- sim <- fpga <- cli."""
    wrong = []
    for k, package in enumerate(PACKAGES):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            wrong += [(path.name, later) for later in PACKAGES[k + 1 :] if f"oxnor.{later}" in text.split('"""', 2)[-1] and f"from oxnor.{later}" in text]
            if package == "models":
                wrong += [(path.name, tool) for tool in ("amaranth", "cocotb") if f"import {tool}" in text or f"from {tool}" in text]
    assert not wrong

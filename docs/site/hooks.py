"""Hooks of mkdocs: README as the front page, notebooks and the Python API as pages, and nothing from the net."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from oxnor.models import zoo
from oxnor.sim.playground.playground import playground

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))
import verification  # noqa: E402

#: Networks whose engines run in a page of the site.
PLAYGROUNDS = ("mnist-tfc", "mnist-cnn-small", "mnist-spirit")
PACKAGES = ("oxnor", "oxnor.models", "oxnor.hw", "oxnor.sim", "oxnor.fpga")

#: Scripts, styles, fonts and pictures that a page would fetch from elsewhere.
_REMOTE = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>""")


def notebook_markdown(path: Path) -> str:
    """Return a notebook as Markdown: its texts, and its code in fences."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join([*parts, f'<a href="{path.name}" download>Download this notebook</a>']) + "\n"


def readme_markdown() -> str:
    """Return README.md with its links as seen from the site's root; the picture of the engine leads to the engine."""
    text = re.sub(r"\]\(docs/", "](", (ROOT / "README.md").read_text())
    return re.sub(r"(!\[[^]]*\]\(pictures/playground\.png\))", rf"[\1](playground-{PLAYGROUNDS[0]}.html)", text)


def api_markdown(package: str) -> str:
    """Return the page of a package: each public name, documented where it is defined."""
    module = importlib.import_module(package)
    parts = [f"# {package}", inspect.getdoc(module) or ""]
    for name in module.__all__:
        value = getattr(module, name)
        if name.startswith("__"):
            parts += [f"### `{package}.{name}`", f"`{value!r}`"]
        elif inspect.ismodule(value):
            names = [f"::: {value.__name__}.{n}" for n in value.__all__]
            parts += [f"## {package}.{name}", inspect.getdoc(value) or "", *names]
        elif inspect.isclass(value) or inspect.isroutine(value):
            parts.append(f"::: {value.__module__}.{value.__qualname__}")
        else:
            parts.append(f"::: {module._public[name]}.{name}")
    return "\n\n".join(parts) + "\n"


def on_files(files: Files, config) -> Files:
    """Add the pages that are made from other sources."""
    pages = {"index.md": readme_markdown()} | {n: (ROOT / n).read_text() for n in ("LICENSE", "CITATION.cff")}
    pages |= {"site.css": (Path(__file__).parent / "site.css").read_text()}
    pages |= {f"playground-{name}.html": playground(zoo.load(name)) for name in PLAYGROUNDS}
    pages |= {f"notebooks/{p.stem}.md": notebook_markdown(p) for p in sorted((ROOT / "docs/notebooks").glob("*.ipynb"))}
    pages |= {f"api/{package.rpartition('.')[2]}.md": api_markdown(package) for package in PACKAGES}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page, **_: object) -> str:
    """Let links to notebooks lead to their pages; the front page has no navigation of its own."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    if page.file.src_uri == "verification.md":  # says what is stale of these sources
        markdown = verification.page()
    return re.sub(r"\]\(((?:\.\./)*(?:notebooks/)?[\w-]+)\.ipynb\)", r"](\1.md)", markdown)


def on_page_content(html: str, **_: object) -> str:
    """Drop the roles of docstrings, which are those of Sphinx."""
    return re.sub(r":(?:data|class|func|meth|mod|attr):<code>~?", "<code>", html)


def on_post_build(config) -> None:
    """Refuse a site that loads anything from the net."""
    folder = Path(config["site_dir"])
    for path in sorted(folder.rglob("*.html")):
        remote = [tag for tag in _REMOTE.findall(path.read_text()) if 'rel="canonical"' not in tag]
        if remote:
            raise PluginError(f"{path.relative_to(folder)} loads from the net: {remote[0]}")

"""README and docs: commands, paths, imports, pictures and figures in them are those of the sources."""

import ast
import importlib.util
import itertools
import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
import verification_tables

from oxnor.cli.app import app
from oxnor.models.base.errors import InputError

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = typer.main.get_command(app)
FOLDERS = "models|hw|sim|fpga|cli|api|tests|docs"
# Not those of the reader: machines that wrote the documents, and package indexes.
FOREIGN = re.compile(r"/(?:work|root|home|tmp)/|pypi\.org|pythonhosted|npmjs")


of_pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def from_file(name):
    """Return the module of a file that is not in the package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/site/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(text):
    """Return the lines of all code blocks of a page: fenced ones, and indented ones outside lists."""
    fenced = re.findall(r"^```(?!python)\w*\n(.*?)^```$", text, flags=re.M | re.S)
    indented = re.findall(r"(?:(?<=\n\n)|\A)((?: {4}.*\n)+)", text)
    return [line.strip() for block in [*fenced, *indented] for line in block.splitlines()]


def commands(text):
    """Return the commands of oxnor in code blocks, without comments and prompts."""
    lines = [line.removeprefix("$ ") for line in blocks(text)]
    return [re.sub(r"\s+#.*", "", line) for line in lines if re.match(r"oxnor\b(?!:)", line)]


def mentions(text):
    """Return the commands of oxnor within sentences, which may lack what a whole one needs."""
    return re.findall(r"`(oxnor [^`\n]+)`", text)


def imports(text):
    """Return (module, name) of everything that Python blocks import from oxnor."""
    trees = [ast.parse(block) for block in re.findall(r"^```python\n(.*?)^```$", text, flags=re.M | re.S)]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [f"{n.module}.{name.name}" for n in nodes if n.module.split(".")[0] == "oxnor" for name in n.names]


def paths(text):
    """Return the files and folders of the repository that a page names."""
    return re.findall(rf"`((?:{FOLDERS})/(?!test_)[^`\s]*)`", text)


def named_tests(text):
    return re.findall(r"`((?:(?:models|hw|sim|fpga|cli|docs)/)?test_\w+\*?)`", text)


def resolve(words):
    """Return the command that `words` (after ``oxnor``) start with, its context, and the words left."""
    command = COMMAND
    context = command.context_class(command, info_name="oxnor")
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"no command {words[0]!r}"
        assert not inner.hidden, f"{words[0]!r} is an old name"
        command, words = inner, words[1:]
        context = command.context_class(command, parent=context, info_name=command.name)
    return command, context, words


def check_command(line):
    """Raise unless the command line `line` is understood, with all that it needs."""
    command, context, words = resolve(shlex.split(line)[1:])
    options, rest, _ = command.make_parser(context).parse_args(words)
    assert not rest, f"{rest} are left"
    missing = {p.name for p in command.params if p.required} - {k for k, v in options.items() if v not in (None, ())}
    assert not missing, f"{missing} is missing"


def check_mention(line):
    """Raise unless the command in `line` and its options exist."""
    if line.split()[1] in ("COMMAND", "--help"):
        return
    command, _, words = resolve(line.split()[1:])
    known = set(itertools.chain.from_iterable([*p.opts, *p.secondary_opts] for p in command.params))
    unknown = {word for word in words if re.match(r"--?[a-z]", word)} - known
    assert not unknown, f"no option {unknown}"


def check_path(name):
    """Raise unless a path, which may have ``*`` and one ``{a,b}``, exists."""
    before, choices, after = (re.fullmatch(r"([^{]*)\{(.*)\}(.*)", name) or re.match("(.*)()()", name)).groups()
    for choice in choices.split(","):
        assert list(ROOT.glob((before + choice + after).rstrip("/"))), "not there"


def check_import(name):
    """Raise unless ``module.name`` can be imported."""
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute), "no such name"


def problems(items, check):
    """Return what is wrong with each item, in words."""
    wrong = []
    for item in dict.fromkeys(items):
        try:
            check(item)
        except Exception as e:
            wrong.append(f"{item}: {e}".splitlines()[0])
    return wrong


@of_pages
def test_commands_are_understood(page):
    assert not problems(commands(page.read_text()), check_command)


@of_pages
def test_commands_in_sentences_exist(page):
    assert not problems(mentions(page.read_text()), check_mention)


def test_other_commands_are_found_out():
    assert problems(["oxnor simulate mnist-mlp --image 3"], check_command)
    assert problems(["oxnor report"], check_command) == ["oxnor report: {'results'} is missing"]
    assert problems(["oxnor draw --fast"], check_mention) == ["oxnor draw --fast: no command 'draw'"]
    assert problems(["oxnor info --fast"], check_mention) == ["oxnor info --fast: no option {'--fast'}"]


@of_pages
def test_paths_exist(page):
    assert not problems(paths(page.read_text()), check_path)


def test_tests_of_the_plan_exist():
    names = set(named_tests((ROOT / "docs/testplan.md").read_text()))
    assert not [name for name in sorted(names) if not list((ROOT / "tests").glob(f"{name}.py"))]


@of_pages
def test_imports_work(page):
    assert not problems(imports(page.read_text()), check_import)


@of_pages
def test_page_names_no_machine_and_no_index(page):
    assert not FOREIGN.findall(page.read_text())


def test_every_picture_is_shown():
    shown = {Path(p).name for page in PAGES for p in re.findall(r"\]\(([^)]*\.(?:svg|png))\)", page.read_text())}
    assert {p.name for p in (ROOT / "docs/pictures").iterdir()} == shown


@pytest.mark.parametrize("what", ["one_neuron", pytest.param("window", marks=pytest.mark.slow)])  # with a waveform
def test_drawn_pictures_are_those_of_the_sources(what, tmp_path):
    for path in from_file(what).draw(tmp_path):
        assert path.read_bytes() == (ROOT / "docs/pictures" / path.name).read_bytes(), "make pictures"


def without_states(page):
    return re.sub(r"\| (current|\*\*.*\*\*: `make \w+`) \|\n", "| |\n", page)


def test_verification_is_the_page_of_its_records(tmp_path, monkeypatch):
    verification = from_file("verification")
    assert without_states(verification.page()) == without_states((ROOT / "docs/verification.md").read_text())
    monkeypatch.setattr(verification, "RECORDS", tmp_path)
    assert "| Proofs | - | - | **missing**: `make prove` |" in verification.page()
    proof = {"name": "fifo", "claim": "order", "proved": True, "breach": ""}
    verification.keep("proofs", {"proved": 0, "of": 1, "proofs": [proof]})
    assert "| 0 of 1 proved; 0 of 1 found to fail when broken |" in verification.page()
    assert "| **not all units**: `make prove` |" in verification.page()
    monkeypatch.setattr(verification, "PROVED", ("fifo",))
    assert "| current |" in verification.page()
    assert "| `fifo` | order | yes | **no** |" in verification.page()
    row = {"format": "set.npy", "sources": "as it was", "counts": {"refused": 1200, "changed": 7}, "wrong": [[3, "TypeError"]], "slowest": 0.1, "peak": 99}
    verification.keep("files", {"tried": 1208, "seed": 5, "rows": [row]})
    assert "1,208 damaged files: 1,200 refused, 0 read as they were, 7 read as others, 1 wrong, seed 5" in verification.page()
    found = {"runs": 1, "line": [1, 1], "toggle": [1, 2], "units": [], "wrong": ["a rule leaves nothing out"]}
    with pytest.raises(InputError, match="a record of coverage must have something that was tried"):
        verification.keep("coverage", found)
    verification.keep("coverage", found | {"units": [{"unit": "fifo", "line": [1, 1], "toggle": [1, 2]}]})
    assert "toggles 1 of 2 (50.00 %) in 1 simulations, **1 doubtful**" in verification.page()
    assert verification.read("files")["sources"] == "as it was"
    assert "- a rule leaves nothing out" in verification.page()
    assert "| `set.npy` | 1,200 | 0 | 7 | 0.1 | 99 | 1 |" in verification.page()
    monkeypatch.setitem(verification.SOURCES, "proofs", ("hw",))
    assert "**stale**: `make prove`" in verification.page()


def test_units_whose_mutants_did_not_run_stay_as_they_were(tmp_path, monkeypatch):
    verification = from_file("verification")
    monkeypatch.setattr(verification, "RECORDS", tmp_path)
    names = verification.MUTATED
    monkeypatch.setattr(verification, "digest_now", lambda name, **draw: "as it was")
    unit = {"digest": "as it was", "mutants": 2, "of": 2, "killed": 1, "equivalent": 0, "reasons": 0, "alive": 1, "unfinished": 0, "score": 0.5, "made": "2026-01-02"}

    def run(*ran, killed=1):
        units = {name: unit | {"killed": killed, "alive": 2 - killed} for name in ran}
        left = [{"unit": name, "number": 3, "mutant": "cut", "reason": ""} for name in ran] if killed < 2 else []
        verification.keep("mutations", {"units": units, "survivors": left})
        return verification.page()

    assert f"| **{len(names) - 3} units missing**: `make mutate` |" in run("folding", "fifo", "argmax")
    shown = run("argmax", killed=2)
    kept = verification.read("mutations")
    assert list(kept["units"]) == ["fifo", "argmax", "folding"]
    assert [s["unit"] for s in kept["survivors"]] == ["fifo", "folding"]
    assert "| `argmax` | 2 | 2 | 0 | 0 | 0 | 50.0 % | 2026-01-02 |" in shown
    kept["units"]["fifo"] |= {"of": 999, "low": 0.1, "high": 0.9}
    verification.keep("mutations", kept)
    assert "| [Mutants of a second draw]" not in verification.page()
    again = {name: unit | {"killed": 1, "alive": 1, "mutants": 2, "of": 999} for name in ("fifo", "argmax")}
    verification.keep("again", {"units": again, "survivors": [{"unit": "fifo", "number": 7, "mutant": "cut", "reason": ""}]})
    second = "Verilog: 2 of 4 killed, 50.00 % (6.8 to 93.2); Python: 0 of 0 killed, - (0.0 to 100.0); 2 alive"
    assert f"(#mutants-of-a-second-draw) | {second}; 0 more are proved equivalent and do not count | " in verification.page()
    drawn = []
    monkeypatch.setattr(verification, "digest_now", lambda name, **draw: drawn.append((name, draw)) or {"fifo": "as it was"}.get(name))
    assert f"| **2 units stale**, **{len(names) - 3} units missing**: `make mutate` |" in verification.page()
    assert ("fifo", {"sample": 20, "seed": 2}) in drawn
    assert ("fifo", {}) in drawn


def test_results_of_tests_are_counted_by_testpoint(tmp_path, monkeypatch):
    verification = from_file("verification")
    case = '<testcase classname="tests.sim.test_{}" name="{}">{}</testcase>'
    cases = [case.format("soak", "a", ""), case.format("soak", "b", "<failure/>"), case.format("soak", "c", "<skipped/>")]
    (tmp_path / "t.xml").write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    files = verification.of_junit([tmp_path / "t.xml"])["files"]
    assert files == {"sim/test_soak": [1, 1, 1]}
    (line,) = [t for t in verification_tables.testpoints(files) if "`sim/test_soak`" in t]
    assert line.endswith("| 1 passed, **1 failed**, 1 skipped |")
    assert sum(" missing**" in t for t in verification_tables.testpoints(files)) > 50
    os.utime(tmp_path / "t.xml", (0, 0))
    with pytest.raises(InputError, match=r"t\.xml must be newer than "):
        verification.of_junit([tmp_path / "t.xml"])


def test_citation_is_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = dict(re.findall(r"^([\w-]+): (.+)$", (ROOT / "CITATION.cff").read_text(), flags=re.M))
    assert {k: citation[k] for k in ("title", "version", "license")} == {
        "title": project["name"], "version": project["version"], "license": project["license"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "remote"),
    [
        ('<script src="https://example.org/a.js"></script>', True),
        ('<link rel="stylesheet" href="//example.org/a.css">', True),
        ('<img alt="" src="https://example.org/a.png">', True),
        ('<a href="https://example.org">', False),
        ('<script src="assets/a.js"></script>', False),
        ('<link rel="canonical" href="https://example.org/">', False),
    ],
)
def test_the_site_loads_nothing_from_the_net(tag, remote, tmp_path):
    """The hook that ``make docs`` runs over every page."""
    mkdocs = pytest.importorskip("mkdocs.exceptions", reason='mkdocs is not installed: pip install -e ".[docs]"')
    hooks = from_file("hooks")
    (tmp_path / "index.html").write_text(f"<html><head>{tag}</head></html>")
    config = {"site_dir": str(tmp_path)}
    if not remote:
        hooks.on_post_build(config)
        return
    with pytest.raises(mkdocs.PluginError, match=r"^index\.html loads from the net: <"):
        hooks.on_post_build(config)

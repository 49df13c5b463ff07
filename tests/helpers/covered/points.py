"""What each test reaches of the emitted Verilog, by lines and changes of signals: a plugin of pytest.

    PYTHONPATH=tests pytest -p helpers.covered.points -m cosim tests/sim

Every simulation is built with Verilator's coverage, those for Icarus too. What a test that passes has reached is kept, and the
test does not run again as long as the sources that it may depend on are the same: of the hardware, the benches and harness that
it may name, its own file, the helpers that it imports, and this one. So a run that was stopped goes on.
"""

import collections
import contextlib
import functools
import hashlib
import json
import re
import resource
import shutil
from pathlib import Path

import pytest

from oxnor.sim.verify.soak_record import sources_hash

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "build/coverage"
#: What runs simulations of its own, whichever test asks for them.
RUNS = ("sim", "-sim/benches", "-sim/harness", "-sim/verify/mutations", "-sim/verify/proofs")
#: What no synthesis tool takes, or the register of a top of :mod:`oxnor.sim.runner.tops`: a source with it is a testbench.
_TESTBENCH = re.compile(r"\$(fopen|finish|fatal|display)\b|\brst_registered\b")


def is_testbench(text):
    """Return whether a source is of a testbench, not of a circuit."""
    return bool(_TESTBENCH.search(text))


@functools.cache
def _texts(*folders):
    """Return the text of each Python source in some folders, without those in folders after a minus."""
    apart = {ROOT / folder[1:] for folder in folders if folder.startswith("-")}
    paths = sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py") if apart.isdisjoint(p.parents))
    return {p: p.read_text() for p in paths}


@functools.cache
def benches_named(text):
    """Return the files of benches and of their harness that a source may run: those that it names, that these name, and so on."""
    every = _texts("sim/benches", "sim/harness")
    names = {}
    for path in every:
        folder, name = path.parent.name, path.stem
        pattern = rf"\b{folder}\.{name}\b|\b{folder} import (\([^)]*|[^\n]*)\b{name}\b|from \.{name} import"
        pattern += rf"|[\"']{name}[\"']" * (folder == "models")  # which are loaded by name
        if name == "__init__":
            pattern = rf"\.{folder} import"
        names[path] = re.compile(rf"\b{name}\b" if name.startswith("tb_") else pattern)
    found, todo = set(), [text, *_texts(*RUNS).values()]
    while todo:
        some = todo.pop()
        more = {path for path, name in names.items() if path not in found and name.search(some)}
        found |= more
        todo += [every[path] for path in more]
    return sorted(found)


@functools.cache
def place(test_file):
    """Return the folder of what the tests of a file have reached, by the sources that this depends on."""
    text = (ROOT / test_file).read_text()
    helpers = sorted({a or b for a, b in re.findall(r"\bfrom helpers\.(\w+)|\bfrom helpers import (\w+)", text)})
    files = [test_file, "tests/sim/conftest.py", *(f"tests/helpers/{n}.py" for n in (*helpers, "covered/points"))]
    texts = [(ROOT / name).read_text() for name in files]
    h = hashlib.sha256(sources_hash(ROOT, ("hw",)).encode())
    for path in (*benches_named("\n".join(texts)), *(ROOT / name for name in files)):
        h.update(f"{path.relative_to(ROOT).as_posix()} ".encode() + path.read_bytes())
    return FOLDER / f"{Path(test_file).stem}-{h.hexdigest()[:16]}"


def kept(test):
    """Return the file of what a test has reached, by its name as pytest gives it."""
    name = test.partition("::")[0]
    return place(name) / f"{hashlib.sha256(test.encode()).hexdigest()[:16]}.json"


def records():
    """Return what each test has reached, of the sources as they are."""
    found = [(path, json.loads(path.read_text())) for path in sorted(FOLDER.glob("test_*/*.json"))]
    there = [(path, r) for path, r in found if (ROOT / r["test"].partition("::")[0]).exists()]
    return [r for path, r in there if path == kept(r["test"])]


def nothing():
    """Return what :func:`summary` gives of no run, to be added to."""
    return collections.defaultdict(lambda: {"line": collections.Counter(), "toggle": collections.Counter()})


def add(total, found):
    """Add one summary to another."""
    for name, kinds in found.items():
        for kind, counts in kinds.items():
            for key, hits in counts.items():  # a counter's update drops what is 0, but that must be there
                total[name][kind][key] += hits


def read(text):
    """Yield (kind, file, line, module, what, count) of a coverage file of Verilator."""
    for line in text.decode("latin-1").splitlines():
        if not line.startswith("C "):
            continue
        fields, _, count = line.rpartition("' ")
        keys = dict(part.split("\x02", 1) for part in fields.split("\x01")[1:])
        kind, _, module = keys.get("page", "").partition("/")
        yield kind.removeprefix("v_"), Path(keys["f"]).name, int(keys["l"]), module, keys, int(count)


def _lines(keys):
    """Return the lines of a block, which Verilator writes as 12-14,17."""
    for part in filter(None, keys.get("S", keys["l"]).split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


@functools.cache
def no_signals(text):
    """Return the names in a source that are no signals: memories, whose words are data, and variables of loops."""
    memories = re.findall(r"\breg\b[^;\n]*?(\w+) *\[[^\]]*\] *;", text)
    return {*memories, *(n for names in re.findall(r"\binteger ([\w, ]+);", text) for n in names.split(", "))}


def alone(counts):
    """Return counts of changes in which each bit has its own.

    Verilator 5.48 counts a change of bit k of a signal of more than 64 bits for k + 32, k + 64, ... too: in
    ``VL_COV_TOGGLE_CHG_ST_W`` a word has as many bits as are left of the signal.
    """
    places = {key: re.fullmatch(r"(.*)\[(\d+)\](:.*)", key) for key in counts}
    tops = collections.Counter()
    for m in filter(None, places.values()):
        tops[m[1]] = max(tops[m[1]], int(m[2]))
    return {
        key: max(0, hits - counts[f"{m[1]}[{int(m[2]) - 32}]{m[3]}"]) if m and tops[m[1]] >= 64 and int(m[2]) >= 32 else hits
        for key, hits in counts.items() for m in [places[key]]
    }  # fmt: skip


def statements(text):
    """Return of each line of a source the statement without its numbers, and which of the equal ones it is; "" of no statement."""
    found, seen = [], collections.Counter()
    for line in text.splitlines():
        code = line.split("//")[0].strip()
        code = "" if code in ("begin", "end", "else", "endcase", "join", "default: ;") else code  # these do nothing
        code = re.sub(r"(?<='h)[\da-f]+|\d+", "#", code)
        seen[code] += 1
        found.append(f"{code} ({seen[code]})" if code and seen[code] > 1 else code)
    return found


def summary(data, texts):
    """Return {module: {"line": {statement: hits}, "toggle": {signal and direction: hits}}} of one run.

    A module of several sets of parameters is one.
    """
    found = nothing()
    ours = {file: text for file, text in texts.items() if file.startswith("oxnor_") or (ROOT / "hw/rtl" / file).exists()}
    lines = {file: statements(text) for file, text in ours.items() if not is_testbench(text)}
    changes = collections.defaultdict(collections.Counter)
    for kind, file, _, module, keys, count in read(data):
        if file not in lines:
            continue  # the top around the unit, or a testbench
        entry = found[module.partition("__")[0]]
        if kind == "toggle":
            signal = keys["o"].replace("___05F", "__")
            if re.match(r"\w+", signal)[0] not in no_signals(texts[file]):
                changes[module][signal] += count
        elif kind in ("line", "branch"):
            for n in _lines(keys):
                if lines[file][n - 1]:
                    entry["line"][lines[file][n - 1]] += count
    for module, counts in changes.items():
        add(found, {module.partition("__")[0]: {"toggle": alone(counts)}})
    return found


#: Of the test that runs now: what its simulations reached, and the time of processors until it began.
_runs, _begun = [], [0.0]


def _processors():
    """Return the seconds of processors that this process and those that it waited for have taken."""
    return sum(t.ru_utime + t.ru_stime for t in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def pytest_configure():
    from oxnor.sim.runner import runner, runtime, verilator_options

    arguments = verilator_options.verilator_arguments
    quick = lambda text: "-O0" if text == verilator_options.CXX_FLAGS else text  # noqa: E731
    runner.verilator_arguments = lambda *a: [*map(quick, arguments(*a)), "--coverage-line", "--coverage-toggle"]
    plain = runtime.Runtime
    runner.Runtime = lambda flags: plain({**flags, "coverage": True})
    build, run, texts = runner.build, runner.run, {}

    def covered_build(sources, top, **options):
        options |= {"simulator": "verilator", "root": None}  # one cache: tests of the same engine share its build
        if options.get("waves") == "fst":
            options["waves"] = None
        built = build(sources, top, **options)
        texts[built.directory] = {Path(s).name: Path(s).read_text() for s in sources}
        folder = FOLDER / "builds" / built.directory.name
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            shutil.copy(source, folder)
        kept = {"top": top, "sources": [Path(s).name for s in sources]}
        kept |= {k: {n: str(v) for n, v in (options.get(k) or {}).items()} for k in ("defines", "parameters")}
        (folder / "build.json").write_text(json.dumps(kept))
        return built

    def covered_run(built, *args, **options):
        done = run(built, *args, **options)
        with contextlib.suppress(FileNotFoundError):
            _runs.append((built.directory.name, summary((done.directory / "coverage.dat").read_bytes(), texts[built.directory])))
        return done

    runner.build, runner.run = covered_build, covered_run


def pytest_collection_modifyitems(config, items):
    there = [kept(item.nodeid).exists() for item in items]
    config.hook.pytest_deselected(items=[item for item, done in zip(items, there, strict=True) if done])
    items[:] = [item for item, done in zip(items, there, strict=True) if not done]


def pytest_sessionfinish(session):
    if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and FOLDER.exists():
        session.exitstatus = pytest.ExitCode.OK  # there was nothing left to do


def pytest_runtest_logstart():
    _runs.clear()
    _begun[:] = [_processors()]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.when == "call" and report.passed:
        builds = collections.defaultdict(nothing)
        for build, modules in _runs:
            add(builds[build], modules)
        found = {"test": item.nodeid, "seconds": round(_processors() - _begun[0], 1), "runs": len(_runs), "builds": builds}
        path = kept(item.nodeid)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(found))
        part.replace(path)
    return report

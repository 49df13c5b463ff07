"""Line and toggle coverage of the emitted Verilog by the tests.

    PYTHONPATH=tests pytest -p helpers.rtl_coverage -m cosim tests/sim    # what Verilator counts goes to build/coverage
    PYTHONPATH=tests python tests/helpers/rtl_coverage.py build/coverage  # the sums, and what is not covered

As a plugin of pytest it builds every simulation with Verilator's coverage, those for Icarus too, and keeps the points of each
run that passes. Modules of one unit with other sizes are one family: a line is covered where it is in any of them, whatever
its numbers are, and so is a change of a signal. Engines are families of their own.
"""

import collections
import contextlib
import json
import re
import sys
import uuid
from pathlib import Path

FOLDER = Path("build/coverage")


def family(module):
    """Return the unit of a module: its name without sizes."""
    name = module.partition("__")[0].removeprefix("oxnor_").removeprefix("engine_")
    return re.sub(r"_?\d+([a-z]\d*)*(?=_|$)", "", name) or name


def points(text):
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


def summary(data, texts):
    """Return {family: {"line": {text: hits}, "toggle": {signal and direction: hits}}} of one run."""
    found = collections.defaultdict(lambda: {"line": collections.Counter(), "toggle": collections.Counter()})
    for kind, file, _, module, keys, count in points(data):
        if file not in texts:
            continue  # the top around the unit, or a testbench
        entry = found[family(module)]
        if kind == "toggle":
            if re.match(r"(k|mem)\b", keys["o"]):
                continue  # a variable of a loop, and what a memory holds
            entry["toggle"][keys["o"]] += count
        elif kind in ("line", "branch"):
            for n in _lines(keys):
                text = texts[file][n - 1].split("//")[0].strip()
                if text and text not in ("begin", "end", "else", "endcase", "join"):
                    entry["line"][re.sub(r"\d+", "#", text)] += count
    return found


def pytest_configure(config):
    from oxnor.sim.runner import runner, runtime, verilator_options

    arguments = verilator_options.verilator_arguments
    quick = lambda text: "-O0" if text == verilator_options.CXX_FLAGS else text  # noqa: E731
    runner.verilator_arguments = lambda *a: [*map(quick, arguments(*a)), "--coverage-line", "--coverage-toggle"]
    plain = runtime.Runtime
    runner.Runtime = lambda flags: plain({**flags, "coverage": True})
    build, run, texts = runner.build, runner.run, {}

    def covered_build(sources, top, **options):
        options["simulator"] = "verilator"
        if options.get("waves") == "fst":
            options["waves"] = None
        built = build(sources, top, **options)
        texts[built.directory] = {Path(s).name: Path(s).read_text().splitlines() for s in sources}
        return built

    def covered_run(built, test_module, run_dir, *args, **options):
        done = run(built, test_module, run_dir, *args, **options)
        with contextlib.suppress(FileNotFoundError):
            found = summary((done.directory / "coverage.dat").read_bytes(), texts[built.directory])
            folder = config.rootpath / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{uuid.uuid4().hex}.json").write_text(json.dumps(found))
        return done

    runner.build, runner.run = covered_build, covered_run


def merged(folder):
    """Return the sums of all runs in a folder, and how many there are."""
    total = collections.defaultdict(lambda: {"line": collections.Counter(), "toggle": collections.Counter()})
    paths = sorted(folder.glob("*.json"))
    for path in paths:
        for name, kinds in json.loads(path.read_text()).items():
            for kind, counts in kinds.items():
                total[name][kind].update(counts)
                for key in counts:  # a counter drops nothing, but what is 0 must be there
                    total[name][kind].setdefault(key, 0)
    return total, len(paths)


def report(folder):
    """Return the figures of each family and of all, as a JSON-able dict."""
    total, runs = merged(folder)
    rows, sums = [], collections.Counter()
    for name in sorted(total):
        row = {"unit": name}
        for kind, counts in total[name].items():
            hit = sum(c > 0 for c in counts.values())
            row[kind] = [hit, len(counts)]
            sums[kind, "hit"] += hit
            sums[kind, "of"] += len(counts)
            row[f"{kind} holes"] = sorted(k for k, c in counts.items() if not c)
        rows.append(row)
    return {"runs": runs, "units": rows, **{k: [sums[k, "hit"], sums[k, "of"]] for k in ("line", "toggle")}}


if __name__ == "__main__":
    result = report(Path(sys.argv[1]))
    if "--json" in sys.argv:
        sys.exit(print(json.dumps(result)))
    for row in result["units"]:
        print(f"{row['unit']:40} line {row['line'][0]:5} of {row['line'][1]:5}   toggle {row['toggle'][0]:6} of {row['toggle'][1]:6}")
        for hole in row["line holes"]:
            print(f"    {hole}")
    print(result["runs"], "runs", *(f"{k} {result[k][0] / max(1, result[k][1]):.2%}" for k in ("line", "toggle")))

"""Line and toggle coverage of the emitted Verilog by the tests.

    PYTHONPATH=tests pytest -p helpers.covered.rtl -m cosim tests/sim    # what Verilator counts goes to build/coverage
    PYTHONPATH=tests python tests/helpers/covered/rtl.py build/coverage  # the sums, and what is not covered

As a plugin of pytest it builds every simulation with Verilator's coverage, those for Icarus too, and keeps the points of each
run that passes. Modules of one unit with other sizes are one family: a line is covered where it is in any of them, whatever
its numbers are, and so is a change of a signal. Engines are families of their own. What cannot be covered is left out by the
rules of :mod:`helpers.covered.rules`.
"""

import collections
import contextlib
import functools
import json
import re
import shutil
import sys
import uuid
from multiprocessing import Pool
from pathlib import Path

from helpers.covered import rules
from helpers.covered.constants import constants, is_testbench

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


@functools.cache
def no_signals(text):
    """Return the names in a source that are no signals: memories, whose words are data, and variables of loops."""
    memories = re.findall(r"\breg\b[^;\n]*?(\w+) *\[[^\]]*\] *;", text)
    return {*memories, *(n for names in re.findall(r"\binteger ([\w, ]+);", text) for n in names.split(", "))}


def summary(data, texts):
    """Return {family: {"line": {text: hits}, "toggle": {signal and direction: hits}}} of one run."""
    found = collections.defaultdict(lambda: {"line": collections.Counter(), "toggle": collections.Counter()})
    ours = {file: text for file, text in texts.items() if file.startswith("oxnor_") or Path("hw/rtl", file).exists()}
    lines = {file: text.splitlines() for file, text in ours.items() if not is_testbench(text)}
    for kind, file, _, module, keys, count in points(data):
        if file not in lines:
            continue  # the top around the unit, or a testbench
        entry = found[family(module)]
        if kind == "toggle":
            signal = keys["o"].replace("___05F", "__")
            if re.match(r"\w+", signal)[0] not in no_signals(texts[file]):
                entry["toggle"][signal] += count
        elif kind in ("line", "branch"):
            for n in _lines(keys):
                text = lines[file][n - 1].split("//")[0].strip()
                if text and text not in ("begin", "end", "else", "endcase", "join", "default: ;"):  # these do nothing
                    entry["line"][re.sub(r"(?<='h)[\da-f]+|\d+", "#", text)] += count
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
        texts[built.directory] = {Path(s).name: Path(s).read_text() for s in sources}
        folder = config.rootpath / FOLDER / "builds" / built.directory.name
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            shutil.copy(source, folder)
        kept = {"top": top, "sources": [Path(s).name for s in sources]}
        kept |= {k: {n: str(v) for n, v in (options.get(k) or {}).items()} for k in ("defines", "parameters")}
        (folder / "build.json").write_text(json.dumps(kept))
        return built

    def covered_run(built, test_module, run_dir, *args, **options):
        done = run(built, test_module, run_dir, *args, **options)
        with contextlib.suppress(FileNotFoundError):
            found = summary((done.directory / "coverage.dat").read_bytes(), texts[built.directory])
            folder = config.rootpath / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{uuid.uuid4().hex}.json").write_text(json.dumps({"build": built.directory.name, "units": found}))
        return done

    runner.build, runner.run = covered_build, covered_run


def merged(folder):
    """Return {family: {kind: {point: hits}}} of all runs in a folder, and how many there are."""
    total = collections.defaultdict(lambda: {"line": collections.Counter(), "toggle": collections.Counter()})
    paths = sorted(folder.glob("*.json"))
    for path in paths:
        for name, kinds in json.loads(path.read_text())["units"].items():
            for kind, counts in kinds.items():
                total[name][kind].update(counts)
                for key in counts:  # a counter drops nothing, but what is 0 must be there
                    total[name][kind].setdefault(key, 0)
    return total, len(paths)


def constant_bits(folder):
    """Return {family: {signal: mask of the bits that are constant in all builds}}; families that Yosys cannot read have none."""
    masks, unknown = collections.defaultdict(dict), set()
    builds = sorted((folder / "builds").iterdir())
    with Pool() as pool:
        for build, found in zip(builds, pool.imap(constants, builds, chunksize=4), strict=True):
            if found is None:
                unknown |= {family(p.stem) for p in build.glob("*.sv")}
                continue
            for module, signals in found.items():
                for signal, (constant, free) in signals.items():
                    before = masks[family(module)].get(signal, (0, 0))
                    masks[family(module)][signal] = before[0] | constant, before[1] | free
    return {f: {s: c & ~x for s, (c, x) in signals.items()} for f, signals in masks.items() if f not in unknown}


def _signals(counts):
    """Yield (signal, bit, direction, hits) of the points of toggles."""
    for key, hits in counts.items():
        name, bit, way = re.fullmatch(r"(.*?)(?:\[(\d+)\])?:(0->1|1->0)", key).groups()
        yield name, int(bit or 0), way, hits


def _ranges(bits):
    """Return bits as 7:4,0."""
    parts = []
    for k in sorted(bits, reverse=True):
        if parts and parts[-1][1] == k + 1:
            parts[-1][1] = k
        else:
            parts.append([k, k])
    return ",".join(f"{a}:{b}" if a > b else f"{a}" for a, b in parts)


def compact(holes):
    """Return texts of (signal, bit, direction), one a signal: bits that never change, never rise, never fall."""
    signals = collections.defaultdict(lambda: (set(), set()))
    for name, bit, way in holes:
        signals[name][way == "1->0"].add(bit)
    texts = []
    for name, (rise, fall) in sorted(signals.items()):
        kinds = (("", rise & fall), (" never rises", rise - fall), (" never falls", fall - rise))
        texts += [f"{name}[{_ranges(bits)}]{what}" for what, bits in kinds if bits]
    return texts


def toggles(unit, counts, constant, used, wrong):
    """Return [hit, of] and the holes of a unit's toggles; count in `used` what is left out, by rule.

    What a rule leaves out although it changes is added to `wrong`.
    """
    hit, holes = [0, 0], []
    falls = {(name, bit) for name, bit, way, hits in _signals(counts) if hits and way == "1->0"}
    # A signal of which Yosys says what a simulation contradicts is counted whole, and its bits are told.
    doubtful = {name for name, bit in falls if constant.get(name, 0) >> bit & 1}
    for name, bit, way, hits in _signals(counts):
        proved = constant.get(name, 0) >> bit & 1 and name not in doubtful
        if name in doubtful and (name, bit) in falls and constant[name] >> bit & 1:
            print(f"{unit}: {name}[{bit}] changes, but is constant to Yosys", file=sys.stderr)
        rule = rules.CONSTANT if proved else rules.of_signal(unit, name, bit)
        if rule:
            # What is constant may rise once, at the very start.
            if hits and way == "1->0":
                wrong.append(f"{unit}: {name}[{bit}] changes, but is left out: {rule}")
            used[rule] += 1
            continue
        hit[0] += hits > 0
        hit[1] += 1
        if not hits:
            holes.append((name, bit, way))
    return hit, compact(holes)


def lines_of(unit, counts, used, wrong):
    """Return the same of a unit's lines."""
    left = {}
    for text, hits in counts.items():
        rule = rules.of_line(unit, text)
        if rule:
            if hits:
                wrong.append(f"{unit}: {text!r} is reached, but is left out: {rule}")
            used[rule] += 1
        else:
            left[text] = hits
    return [sum(h > 0 for h in left.values()), len(left)], sorted(text for text, hits in left.items() if not hits)


def report(folder):
    """Return the figures of each family and of all, as a JSON-able dict.

    Raises
    ------
    ValueError
        If a rule leaves out what is covered, or nothing.
    """
    total, runs = merged(folder)
    constant, used, wrong = constant_bits(folder), collections.Counter(), []
    rows, sums = [], {"line": [0, 0], "toggle": [0, 0]}
    for name in sorted(total):
        row = {"unit": name}
        row["line"], row["line holes"] = lines_of(name, total[name]["line"], used, wrong)
        row["toggle"], holes = toggles(name, total[name]["toggle"], constant.get(name, {}), used, wrong)
        row["toggle holes"] = "; ".join(holes)
        for kind, both in sums.items():
            sums[kind] = [a + b for a, b in zip(both, row[kind], strict=True)]
        rows.append({k: v for k, v in row.items() if v})
    wrong += [f"{rule} leaves nothing out" for rule in (*rules.SIGNALS, *rules.LINES) if not used[rule]]
    if wrong:
        raise ValueError("\n".join(wrong))
    reasons = collections.Counter()
    for rule, n in used.items():
        reasons[rule if isinstance(rule, str) else rule.reason] += n
    return {"runs": runs, **sums, "left out": dict(reasons), "units": rows}


if __name__ == "__main__":
    result = report(Path(sys.argv[1]))
    if "--json" in sys.argv:
        sys.exit(print(json.dumps(result)))
    for row in result["units"]:
        print(f"{row['unit']:40} line {row['line'][0]:5} of {row['line'][1]:5}   toggle {row['toggle'][0]:6} of {row['toggle'][1]:6}")
        for hole in (*row.get("line holes", ()), *filter(None, row.get("toggle holes", "").split("; "))):
            print(f"    {hole}")
    print(*(f"{n:7} left out: {reason}" for reason, n in result["left out"].items()), sep="\n")
    print(result["runs"], "runs", *(f"{k} {result[k][0] / max(1, result[k][1]):.2%}" for k in ("line", "toggle")))

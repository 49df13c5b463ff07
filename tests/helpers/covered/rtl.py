"""Line and toggle coverage of the emitted Verilog by the tests: the sums of what :mod:`helpers.covered.points` kept.

    PYTHONPATH=tests pytest -p helpers.covered.points -m cosim tests/sim
    PYTHONPATH=tests python tests/helpers/covered/rtl.py [--json]

Modules of one unit with other sizes are one family: a line is covered where it is in any of them, whatever its numbers are,
and so is a change of a signal. Engines are families of their own. What cannot be covered is left out by Yosys, build by build,
and by the rules of :mod:`helpers.covered.rules`.
"""

import collections
import json
import re
import sys
from multiprocessing import Pool

from helpers.covered import points, rules
from helpers.covered.constants import constants


def family(module):
    """Return the unit of a module: its name without sizes, or the key of a spiking neuron."""
    name = module.partition("__")[0].removeprefix("oxnor_").removeprefix("engine_")
    name = re.sub(r"^if_neuron_.*", "if_neuron", name)
    return re.sub(r"_?\d+([a-z]\d*)*(?=_|$)", "", name) or name


def merged(builds, proved):
    """Return {family: points} of all builds, and {family: {signal: mask of what no build can change}}.

    `proved` says of each build what :func:`helpers.covered.constants.constants` gives. A bit that only one build can change
    may be changed; so may one of which Yosys says nothing.
    """
    total, fixed, free = points.nothing(), collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    for build, modules in builds.items():
        for module, kinds in modules.items():
            unit, known = family(module), (proved[build] or {}).get(module, {})
            points.add(total, {unit: kinds})
            for name, bit, _, _ in _signals(kinds["toggle"]):
                is_fixed = known.get(name, (0, 0))[0] >> bit & 1
                (fixed if is_fixed else free)[unit][name] |= 1 << bit
    return total, {unit: {name: mask & ~free[unit][name] for name, mask in signals.items()} for unit, signals in fixed.items()}


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

    What a rule leaves out although it changes, and what Yosys says of a bit that does, is added to `wrong`.
    """
    hit, holes = [0, 0], []
    # A signal of which Yosys says what a simulation contradicts is counted whole.
    falls = {(name, bit) for name, bit, way, hits in _signals(counts) if hits and way == "1->0"}
    denied = [(name, bit, way) for name, bit in falls if constant.get(name, 0) >> bit & 1 for way in ("0->1", "1->0")]
    wrong += [f"{unit}: `{text}` changes, but is constant to Yosys" for text in compact(denied)]
    doubtful = {name for name, *_ in denied}
    for name, bit, way, hits in _signals(counts):
        proved = constant.get(name, 0) >> bit & 1 and name not in doubtful
        rule = rules.CONSTANT if proved else rules.of_signal(unit, name, bit)
        if rule:
            # What is constant may rise once, at the very start.
            if hits and way == "1->0":
                wrong.append(f"{unit}: `{name}[{bit}]` changes, but is left out: {rule}")
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
                wrong.append(f"{unit}: `{text}` is reached, but is left out: {rule}")
            used[rule] += 1
        else:
            left[text] = hits
    return [sum(h > 0 for h in left.values()), len(left)], sorted(text for text, hits in left.items() if not hits)


def report(found, proved):
    """Return the figures of each family and of all, as a JSON-able dict: "wrong" has what makes them doubtful.

    That is a rule that leaves out what is covered, or nothing, and a bit that changes although Yosys proves it constant.

    Parameters
    ----------
    found : list of dict
        What the plugin kept of tests.
    proved : dict
        What Yosys says of each build.
    """
    builds = collections.defaultdict(points.nothing)
    for record in found:
        for build, modules in record["builds"].items():
            points.add(builds[build], modules)
    total, constant = merged(builds, proved)
    used, wrong = collections.Counter(), []
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
    reasons = collections.Counter()
    for rule, n in used.items():
        reasons[rule if isinstance(rule, str) else rule.reason] += n
    return {"runs": sum(r["runs"] for r in found), **sums, "left out": dict(reasons), "wrong": wrong, "units": rows}


def main():
    """Print the figures of all that the tests have reached; exit code 1 if something makes them doubtful."""
    found = points.records()
    if not found:
        sys.exit("rtl.py: no test of these sources has kept what it reached: run pytest -p helpers.covered.points first")
    names = sorted({build for record in found for build in record["builds"]})
    with Pool() as pool:
        proved = dict(zip(names, pool.imap(constants, [points.FOLDER / "builds" / n for n in names], chunksize=1), strict=True))
    result = report(found, proved)
    if "--json" in sys.argv:
        print(json.dumps(result))
        sys.exit(bool(result["wrong"]))
    for row in result["units"]:
        print(f"{row['unit']:40} line {row['line'][0]:5} of {row['line'][1]:5}   toggle {row['toggle'][0]:6} of {row['toggle'][1]:6}")
        for hole in (*row.get("line holes", ()), *filter(None, row.get("toggle holes", "").split("; "))):
            print(f"    {hole}")
    print(*(f"{n:7} left out: {reason}" for reason, n in result["left out"].items()), *result["wrong"], sep="\n")
    print(result["runs"], "runs", *(f"{k} {result[k][0] / max(1, result[k][1]):.2%}" for k in ("line", "toggle")))
    sys.exit(bool(result["wrong"]))


if __name__ == "__main__":
    main()

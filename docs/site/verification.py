"""The page of what was verified, from the records in docs/verification.

    python docs/site/verification.py                     write docs/verification.md
    python docs/site/verification.py tests FILE.xml...   keep the results of pytest's --junitxml, by test file
    python docs/site/verification.py KIND < result.json  keep what a command gives with --json

KIND is mutations, proofs, coverage, python, soaks, files, kills or disk. A record has the date and a hash of the
sources that it is of: where they have changed since, the page says that it is stale. The mutants of a unit have a
digest of the unit, its testbench and its stimuli instead, and those that did not run stay as they were.
"""

from __future__ import annotations

import fnmatch
import json
import platform
import re
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oxnor.models.base.replace import whole_file
from oxnor.sim.runner import runner
from oxnor.sim.verify import soak_record
from oxnor.sim.verify.mutations.run import digest_now
from oxnor.sim.verify.mutations.source_run import SOURCES as MUTATED_SOURCES
from oxnor.sim.verify.mutations.units import UNITS
from oxnor.sim.verify.soak_record import sources_hash

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "docs/verification"
PAGE = ROOT / "docs/verification.md"
#: What has mutants, in the order of the page.
MUTATED = (*UNITS, *MUTATED_SOURCES)
#: Folders whose sources decide what a record says.
SOURCES = {
    "tests": ("models", "hw", "sim", "fpga", "api", "cli", "tests"),
    "proofs": ("hw", "sim/verify/proofs"),
    "coverage": ("hw", "sim/benches", "sim/harness", "tests/sim"),
    "python": ("models", "hw", "sim", "fpga", "api", "cli", "tests"),
    **soak_record.SOURCES,
}  # fmt: skip
MAKES = {"tests": "test", "mutations": "mutate", "proofs": "prove", "coverage": "coverage", "python": "coverage",
         **dict.fromkeys(("soaks", "files", "kills", "disk"), "soak")}  # fmt: skip


def keep(kind: str, content: dict[str, Any]) -> None:
    """Write a record: what was found, when, with which versions, of which sources."""
    RECORDS.mkdir(exist_ok=True)
    if kind == "mutations":
        content = _with_others(content)
    head: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "versions": {
            "oxnor": version("oxnor"), "Python": platform.python_version(),
            "Verilator": str(runner.find_tool("verilator")).split()[-1],
        },
    }  # fmt: skip
    if kind in SOURCES:
        head["sources"] = _hash_of(SOURCES[kind])
    with whole_file(RECORDS / f"{kind}.json") as temporary:
        temporary.write_text(json.dumps(head | content, indent=1) + "\n")


@cache
def _hash_of(folders: tuple[str, ...]) -> str:
    return sources_hash(ROOT, folders)


def _with_others(content: dict[str, Any]) -> dict[str, Any]:
    """Return what came of mutants, with the units of the record that did not run, in the order of the units."""
    others = read("mutations") or {"units": {}, "survivors": []}
    ran = content["units"]
    found = others["units"] | ran
    order = [name for name in MUTATED if name in found]
    left = [s for s in others["survivors"] if s["unit"] not in ran] + content["survivors"]
    left = sorted((s for s in left if s["unit"] in order), key=lambda s: (order.index(s["unit"]), s["number"]))
    return content | {"units": {name: found[name] for name in order}, "survivors": left}


def of_junit(paths: list[Path]) -> dict[str, Any]:
    """Return [passed, failed, skipped] by test file of the results of pytest."""
    files: dict[str, list[int]] = {}
    for path in paths:
        for case in ET.parse(path).iter("testcase"):
            name = case.get("classname", "").removeprefix("tests.").replace(".", "/")
            tags = {child.tag for child in case}
            k = 1 if tags & {"failure", "error"} else 2 if "skipped" in tags else 0
            files.setdefault(name, [0, 0, 0])[k] += 1
    return {"files": dict(sorted(files.items()))}


def read(kind: str) -> dict[str, Any] | None:
    """Return a record, or None if there is none."""
    path = RECORDS / f"{kind}.json"
    return json.loads(path.read_text()) if path.exists() else None


def state(kind: str, record: dict[str, Any] | None) -> str:
    """Return whether a record is there, and of the sources as they are."""
    make = f"`make {MAKES[kind]}`"
    if record and kind == "mutations":
        stale = sum(u["digest"] != digest_now(name) for name, u in record["units"].items() if name in MUTATED)
        missing = len({*MUTATED} - {*record["units"]})
        counts = [f"**{n} units {what}**" for n, what in ((stale, "stale"), (missing, "missing")) if n]
        return f"{', '.join(counts)}: {make}" if counts else "current"
    if record and record.get("sources") == _hash_of(SOURCES[kind]):
        return "current"
    return f"**{'stale' if record else 'missing'}**: {make}"


def _percent(hit: int, of: int) -> str:
    return f"{100 * hit / of:.2f} %" if of else "-"


def testpoints(files: dict[str, list[int]]) -> list[str]:
    """Return the lines of a table: each testpoint of the test plan, its tests and their last result."""
    lines = ["| testpoint | tests | last result |", "|---|---|---|"]
    for line in (ROOT / "docs/testplan.md").read_text().splitlines():
        cells = [c.strip() for c in line.split(" | ")]
        names = re.findall(r"`((?:[a-z]+/)?test_[\w*]+)`", cells[-1])
        if not (line.startswith("| ") and len(cells) == 3 and names):
            continue
        found = [v for n in names for f, v in files.items() if fnmatch.fnmatch(f, n)]
        passed, failed, skipped = (sum(v[k] for v in found) for k in range(3))
        others = [f"**{failed} failed**"] * bool(failed) + [f"{skipped} skipped"] * bool(skipped)
        result = ", ".join([f"{passed:,} passed", *others]) if found else "**missing**"
        lines.append(f"| {cells[0].removeprefix('| ')} | {', '.join(f'`{n}`' for n in names)} | {result} |")
    return lines


def _tests(record: dict[str, Any]) -> tuple[str, list[str]]:
    files = record["files"]
    passed, failed, skipped = (sum(v[k] for v in files.values()) for k in range(3))
    return f"{passed:,} passed, {failed} failed, {skipped} skipped in {len(files)} files", testpoints(files)


def _mutations(record: dict[str, Any]) -> tuple[str, list[str]]:
    titles = ("unit", "mutants", "killed", "proved equivalent", "listed with a reason", "alive", "score", "date")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    keys = ("killed", "equivalent", "reasons", "alive")
    units = [{"unit": name, **u} for name, u in record["units"].items()]
    for u in units:
        of = f"{u['mutants']} of {u['of']}" if u["of"] > u["mutants"] else f"{u['mutants']}"
        interval = f" ({100 * u['low']:.1f} to {100 * u['high']:.1f})" if u["of"] > u["mutants"] else ""
        cells = [f"`{u['unit']}`", of, *(str(u[k]) for k in keys), f"{100 * u['score']:.1f} %{interval}", u["made"]]
        lines.append(f"| {' | '.join(cells)} |")
    sums = [sum(u[k] for u in units) for k in keys]
    judged = sums[0] + sums[2] + sums[3]
    text = f"{sums[0]:,} of {judged:,} mutants killed, {_percent(sums[0], judged)}; {sums[1]} more proved equivalent"
    return text, [*lines, *_survivors(record.get("survivors", []))]


#: What a mutant of a netlist changes, and cells that come of a choice.
_MODES = {"inv": "inverted", "const0": "stuck at 0", "const1": "stuck at 1", "cnot0": "mixed", "cnot1": "mixed"}
_CELLS = {"procmux": "choice", "ternary": "choice", "procdff": "register"}
#: Lines of a unit's survivors; the record has all of them.
_SURVIVORS_SHOWN = 4


def _in_words(mutant: str) -> str:
    """Return a mutant of a netlist by kind of cell, line and change, without names of the netlist; else as it is."""
    fields = dict(f.split("=", 1) for f in mutant.split() if "=" in f)
    if not {"cell", "mode"} <= set(fields):
        return mutant
    cell = re.search(r"\$([a-z]+)\$(?:.*?(\w+\.sv:\d+))?", fields["cell"])
    kind, line = (cell[1], cell[2]) if cell else ("memory", None)
    where = f" ({line})" if line else ""
    return f"`{_CELLS.get(kind, kind)}`{where} {_MODES.get(fields['mode'], fields['mode'])}"


def _survivors(found: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the survivors: a few a unit, like ones together."""
    units: dict[str, Counter[str]] = {}
    for s in found:
        why = s.get("reason") or "alive"
        units.setdefault(s["unit"], Counter())[f"{_in_words(s['mutant'])}: {why}"] += 1
    lines = []
    for unit, counts in units.items():
        shown = counts.most_common(_SURVIVORS_SHOWN)
        left = counts.total() - sum(n for _, n in shown)
        lines += ["", "<details>", f"<summary><code>{unit}</code>: {counts.total()} survive</summary>", ""]
        lines += [f"- {text}{f', {n} times' if n > 1 else ''}" for text, n in shown]
        lines += [f"- and {left} more, in [the record](verification/mutations.json)"] * bool(left)
        lines += ["", "</details>"]
    return lines


def _proofs(record: dict[str, Any]) -> tuple[str, list[str]]:
    lines = ["| unit | what is proved | proved | broken unit found |", "|---" * 4 + "|"]
    words = {True: "yes", False: "**no**"}
    for p in record["proofs"]:
        lines.append(f"| `{p['name']}` | {p['claim']} | {words[p['proved']]} | {words[p['breach_found']]} |")
    return f"{record['proved']} of {record['of']} units proved, each broken one found", lines


def _details(summary: str, lines: list[str]) -> list[str]:
    """Return lines that show when one clicks on their summary; none if there are none."""
    return ["", "<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"] if lines else []


def _shortened(text: str, of: str) -> str:
    """Return the first of a unit's holes, and how many more are in the record."""
    parts = text.split("; ")
    more = f"; {len(parts) - _HOLES_SHOWN} more in [the record](verification/{of}.json)"
    return "; ".join(parts[:_HOLES_SHOWN]) + more * (len(parts) > _HOLES_SHOWN)


#: Signals of a unit that the page names; the record has all of them.
_HOLES_SHOWN = 12


def _coverage(record: dict[str, Any]) -> tuple[str, list[str]]:
    lines = ["| unit | lines | toggles | lines that no test reaches |", "|---" * 4 + "|"]
    for u in record["units"]:
        holes = ", ".join("`{}`".format(h.replace("|", "\\|")) for h in u.get("line holes", []))
        lines.append(f"| {u['unit']} | {u['line'][0]} of {u['line'][1]} | {_percent(*u['toggle'])} | {holes} |")
    left_out = record.get("left out", {})
    rules = ["Left out, as no simulation can reach it; a rule that names what one reaches, or nothing, is told:", ""]
    rules += ["| what and why | lines and toggles |", "|---|---|"]
    rules += [f"| {reason} | {count:,} |" for reason, count in sorted(left_out.items(), key=lambda item: -item[1])]
    units = [u for u in record["units"] if u.get("toggle holes")]
    holes = [f"- `{u['unit']}`: {_shortened(u['toggle holes'], 'coverage')}" for u in units]
    if left_out:
        lines = [*rules, "", *lines]
    wrong = record.get("wrong", [])
    if wrong:
        lines = ["**What makes these figures doubtful:**", "", *(f"- {text}" for text in wrong), "", *lines]
    shares = f"lines {_percent(*record['line'])}, toggles {_percent(*record['toggle'])}"
    doubts = f", **{len(wrong)} doubtful**" if wrong else ""
    return f"{shares} in {record['runs']} simulations{doubts}", [*lines, *_details("Signals that do not change", holes)]


#: Files that the page names as those with most branches that no test takes.
_FILES_SHOWN = 20


def _python(record: dict[str, Any]) -> tuple[str, list[str]]:
    lines = ["| package | lines | branches |", "|---" * 3 + "|"]
    lines += [f"| `{n}` | {_percent(*p['line'])} | {_percent(*p['branch'])} |" for n, p in record["packages"].items()]
    files = []
    for name, text in sorted(record["files"].items()):
        figures, _, holes = text.partition(" ")
        taken, of = map(int, figures.split("/"))
        files.append((name, taken, of, holes))
    worst = sorted(files, key=lambda file: file[1] - file[2])[:_FILES_SHOWN]
    lines += ["", "Most branches that no test takes:", "", "| file | branches |", "|---|---|"]
    lines += [f"| `{name}` | {taken} of {of} |" for name, taken, of, _ in worst]
    for top in sorted({name.split("/")[0] for name, *_ in files}):
        found = [f"- `{name}`: {holes}" for name, *_, holes in files if name.startswith(f"{top}/")]
        lines += _details(f"Branches of <code>{top}</code> that no test takes, from line to line", found)
    shares = f"lines {_percent(*record['line'])}, branches {_percent(*record['branch'])}"
    return f"{shares}; {record['left out']:,} lines that numba compiles, or of types alone, are left out", lines


def _soaks(record: dict[str, Any]) -> tuple[str, list[str]]:
    columns = "engine | frames | of a wrong length | resets | results | register accesses | cycles | difference"
    lines = [f"| {columns} |", "|---" * 8 + "|"]
    for row in record["engines"]:
        c = row["counts"]
        wrong, accesses = c["too_short"] + c["too_long"], c["reads"] + c["writes"]
        numbers = (c["frames"], wrong, c["resets"], c["results"], accesses, c["cycles"])
        lines.append(f"| {row['engine']} | {' | '.join(f'{n:,}' for n in numbers)} | {row['difference'] or 'none'} |")
    frames = sum(row["counts"]["frames"] for row in record["engines"])
    differences = sum(bool(row["difference"]) for row in record["engines"])
    return f"{frames:,} frames, {differences} differences, seed {record['seed']}", lines


def _tried(what: str, counts: dict[str, str], **more: str) -> Callable[[dict[str, Any]], tuple[str, list[str]]]:
    """Return a function to a record of `what` was tried: headings by the name of a count, and of another figure."""

    def show(record: dict[str, Any]) -> tuple[str, list[str]]:
        rows = record["rows"]
        name = next(key for key in rows[0] if isinstance(rows[0][key], str))
        heads = [name, *counts.values(), *more.values(), "wrong"]
        lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for row in rows:
            figures = [f"{row['counts'].get(key, 0):,}" for key in counts] + [f"{row[key]:,}" for key in more]
            lines.append(f"| `{row[name]}` | {' | '.join(figures)} | {len(row['wrong'])} |")
        others = {key: head for key, head in counts.items() if head != what}
        sums = [f"{sum(row['counts'].get(key, 0) for row in rows):,} {head}" for key, head in others.items()]
        wrong, seed = sum(len(row["wrong"]) for row in rows), record.get("seed")
        said = f"{record['tried']:,} {what}: {', '.join(sums)}, {wrong} wrong"
        return said + (f", seed {seed}" if seed is not None else ""), lines

    return show


#: What the page shows of each record: a heading, and a function to its result in a sentence and its table.
SECTIONS = {
    "tests": ("Testpoints", _tests), "mutations": ("Mutants", _mutations), "proofs": ("Proofs", _proofs),
    "coverage": ("Coverage of the RTL", _coverage), "python": ("Coverage of Python", _python),
    "soaks": ("Hostile traffic", _soaks),
    "files": ("Damaged files", _tried(
        "damaged files", {"refused": "refused", "equal": "read as they were", "changed": "read as others"},
        slowest="slowest, s", peak="most memory, MiB",
    )),
    "kills": ("Kills", _tried("kills", {"kills": "kills", "runs": "runs"})),
    "disk": ("Full disk", _tried("full disks", {"full": "full disks", "writes": "writes"})),
}  # fmt: skip
INTRODUCTION = """# Verification

What was run, with what result, of which sources. `make verification` writes this page from the records in
`docs/verification/`. A record whose sources have changed since is stale until its command has run again; the mutants of
a unit are, when its Verilog, its testbench or its stimuli have changed. The
[test plan](testplan.md) says how each is done.
"""


def page() -> str:
    """Return the page, in Markdown."""
    head, body = ["| what | last result | date | |", "|---" * 4 + "|"], []
    for kind, (title, show) in SECTIONS.items():
        record = read(kind)
        sentence, lines = show(record) if record else ("-", [])
        name, date = title, "-"
        if record:
            name, date = f"[{title}](#{title.lower().replace(' ', '-')})", record["date"]
        head.append(f"| {name} | {sentence} | {date} | {state(kind, record)} |")
        if record:
            versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
            body += ["", f"## {title}", "", f"{record['date']}, {versions}. `make {MAKES[kind]}`", "", *lines]
    return "\n".join([INTRODUCTION, *head, *body, ""])


def main(arguments: list[str]) -> None:
    """Keep a record, or write the page."""
    if arguments[:1] == ["tests"]:
        if arguments[1:]:
            keep("tests", of_junit([Path(p) for p in arguments[1:]]))
    elif arguments:
        keep(arguments[0], json.load(sys.stdin))
    with whole_file(PAGE) as temporary:
        temporary.write_text(page())


if __name__ == "__main__":
    main(sys.argv[1:])

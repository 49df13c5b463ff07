"""The tables of the page of what was verified: a sentence of each record, and the lines of Markdown below it."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oxnor.models.devices.draws import interval
from oxnor.sim.verify.mutations.outcomes import drawn
from oxnor.sim.verify.mutations.reasons import reason
from oxnor.sim.verify.mutations.run import SAMPLE, SEED
from oxnor.sim.verify.mutations.scope import LEFT_OUT
from oxnor.sim.verify.mutations.source_run import SOURCES as MUTATED_SOURCES
from oxnor.sim.verify.mutations.units import UNITS

ROOT = Path(__file__).parents[2]
#: The second draw: so many mutants of each unit of which not all have run, by this seed.
AGAIN, AGAIN_SEED = 20, 2
#: What the words of each section mean.
WORDS = tomllib.loads(Path(__file__).with_name("verification.toml").read_text())


def _percent(hit: int, of: int) -> str:
    return f"{100 * hit / of:.2f} %" if of else "-"


def _of(hit: int, of: int) -> str:
    return f"{hit:,} of {of:,} ({_percent(hit, of)})"


def testpoints(files: dict[str, list[int]]) -> list[str]:
    """Return the lines of a table: each testpoint of the test plan, its tests and their last result."""
    lines = ["| testpoint | tests | last result |", "|---|---|---|"]
    for line in (ROOT / "docs/testplan.md").read_text().splitlines():
        if line.startswith("## "):
            heading = f"{line.removeprefix('## ')}: " if lines[2:] else ""
        cells = [c.strip() for c in line.split(" | ")]
        names = re.findall(r"`((?:[a-z]+/)?test_[\w*]+)`", cells[-1])
        if not (line.startswith("| ") and len(cells) == 3 and names):
            continue
        found = [v for n in names for f, v in files.items() if fnmatch.fnmatch(f, n)]
        gone = [n for n in names if not any(fnmatch.fnmatch(f, n) for f in files)]
        slow = [n for n in gone if (path := ROOT / f"tests/{n}.py").exists() and "mark.slow" in path.read_text()]
        passed, failed, skipped = (sum(v[k] for v in found) for k in range(3))
        others = [f"**{failed} failed**"] * bool(failed) + [f"{skipped} skipped"] * bool(skipped)
        for said, some in (("slow alone: {}", slow), ("**{} missing**", [n for n in gone if n not in slow])):
            others += [said.format(", ".join(f"`{n}`" for n in some))] * bool(some)
        result = ", ".join([f"{passed:,} passed"] * bool(found) + others)
        lines.append(f"| {heading}{cells[0].removeprefix('| ')} | {', '.join(f'`{n}`' for n in names)} | {result} |")
    return lines


def _tests(record: dict[str, Any]) -> tuple[str, list[str]]:
    files = record["files"]
    passed, failed, skipped = (sum(v[k] for v in files.values()) for k in range(3))
    text = f"{passed:,} passed, {failed} failed, {skipped} skipped in {len(files)} files"
    return text, [WORDS["tests"], *testpoints(files)]


def _mutations(record: dict[str, Any]) -> tuple[str, list[str]]:
    titles = ("unit", "mutants", "killed", "proved equivalent", "listed with a reason", "alive", "score", "date")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    keys = ("killed", "equivalent", "reasons", "alive")
    units, left = _judged(record)
    for u in units:
        of = f"{u['mutants']} of {u['of']}" if u["of"] > u["mutants"] else f"{u['mutants']}"
        interval = f" ({100 * u['low']:.1f} to {100 * u['high']:.1f})" if u["of"] > u["mutants"] else ""
        cells = [f"`{u['unit']}`", of, *(str(u[k]) for k in keys), f"{100 * u['score']:.1f} %{interval}", u["made"]]
        lines.append(f"| {' | '.join(cells)} |")
    shares = [f"{what}: {k:,} of {n:,} killed, {_percent(k, n)}" for what, k, n in _shares(units)]
    every, equal, unfinished = (sum(u[k] for u in units) for k in ("of", "equivalent", "unfinished"))
    text = f"{'; '.join(shares)}; {unfinished} of them by a time-out or a crash; drawn from {every:,}; "
    text += f"{equal:,} more are proved equivalent and do not count"
    carried: dict[str, list[str]] = {}
    for u in units:
        if why := u.get("carried"):
            carried.setdefault(why, []).append(f"`{u['unit']}`")
    notes = [f"\nDigests that were carried over, {why}: {', '.join(names)}." for why, names in carried.items()]
    left_out = ["| unit | why |", "|---|---|", *(f"| `{name}` | {why} |" for name, why in LEFT_OUT.items())]
    lines += [*_survivors(left, "mutations"), *_details(f"{len(LEFT_OUT)} units have no mutants", left_out)]
    return text, [WORDS["mutants"], *lines, *notes]


def _shares(units: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Return how many of which mutants of Verilog and of Python are killed."""
    rows = []
    for what, some in (("Verilog", UNITS), ("Python", MUTATED_SOURCES)):
        of = [u for u in units if u["unit"] in some]
        rows.append((what, sum(u["killed"] for u in of), sum(u["mutants"] - u["equivalent"] for u in of)))
    return rows


def _again(record: dict[str, Any]) -> tuple[str, list[str]]:
    units, left = _judged(record)
    units = [u for u in units if u["of"] > SAMPLE]
    shares = []
    for what, killed, judged in _shares(units):
        low, high = interval(killed, judged, 0.95)
        share = f"{_percent(killed, judged)} ({100 * low:.1f} to {100 * high:.1f})"
        shares.append(f"{what}: {killed:,} of {judged:,} killed, {share}")
    equal, alive = (sum(u[k] for u in units) for k in ("equivalent", "alive"))
    text = f"{'; '.join(shares)}; {alive} alive; {equal:,} more are proved equivalent and do not count"
    names = {u["unit"] for u in units}
    draws = [[{*drawn(range(u["of"]), *d)} for d in ((SAMPLE, SEED), (AGAIN, AGAIN_SEED))] for u in units]
    both = sum(len(first & second) for first, second in draws)
    words = WORDS["again"].format(both=both, all=sum(u["mutants"] for u in units))
    return text, [words, *_survivors([s for s in left if s["unit"] in names], "again")]


def _judged(record: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what came of the mutants of each unit, and the survivors, with the reasons that there are now."""
    left = [s | {"reason": reason(s["unit"], s["mutant"])} for s in record.get("survivors", [])]
    with_reason = Counter(s["unit"] for s in left if s["reason"])
    units = []
    for name, u in record["units"].items():
        survivors = u["reasons"] + u["alive"]
        reasons = min(with_reason[name], survivors)
        units.append({"unit": name, **u, "reasons": reasons, "alive": survivors - reasons})
    return units, left


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


def _survivors(found: list[dict[str, Any]], of: str) -> list[str]:
    """Return the lines of the survivors of a record: a few a unit, like ones together."""
    units: dict[str, Counter[str]] = {}
    for s in found:
        why = s.get("reason") or "alive"
        units.setdefault(s["unit"], Counter())[f"{_in_words(s['mutant'])}: {why}"] += 1
    lines = []
    for unit, counts in units.items():
        shown = counts.most_common(_SURVIVORS_SHOWN)
        left = counts.total() - sum(n for _, n in shown)
        number = f"{counts.total()} survivor" + "s" * (counts.total() > 1)
        lines += ["", "<details>", f"<summary><code>{unit}</code>: {number}</summary>", ""]
        lines += [f"- {text}{f', {n} times' if n > 1 else ''}" for text, n in shown]
        lines += [f"- and {left} more, in [the record](verification/{of}.json)"] * bool(left)
        lines += ["", "</details>"]
    return lines


def _proofs(record: dict[str, Any]) -> tuple[str, list[str]]:
    lines = [WORDS["proofs"], "| unit | what is proved | proved | broken unit found |", "|---" * 4 + "|"]
    for p in record["proofs"]:
        proved, breach = "yes" if p["proved"] else "**no**", p["breach"] or "**no**"
        lines.append(f"| `{p['name']}` | {p['claim']} | {proved} | {breach} |")
    found = sum(bool(p["breach"]) for p in record["proofs"])
    return f"{record['proved']} of {record['of']} proved; {found} of {record['of']} found to fail when broken", lines


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
    lines = [WORDS["coverage"], "| unit | statements | toggles | statements that no test reaches |", "|---" * 4 + "|"]
    for u in record["units"]:
        holes = ", ".join("`{}`".format(h.replace("|", "\\|")) for h in u.get("line holes", []))
        lines.append(f"| {u['unit']} | {u['line'][0]} of {u['line'][1]} | {_percent(*u['toggle'])} | {holes} |")
    left_out = record.get("left out", {})
    points = sum(left_out.values())
    every = points + record["line"][1] + record["toggle"][1]
    rules = [WORDS["left out"].format(points=points, every=every)]
    rules += ["| what and why | statements and toggles |", "|---|---|"]
    rules += [f"| {reason} | {count:,} |" for reason, count in sorted(left_out.items(), key=lambda item: -item[1])]
    units = [u for u in record["units"] if u.get("toggle holes")]
    holes = [f"- `{u['unit']}`: {_shortened(u['toggle holes'], 'coverage')}" for u in units]
    if left_out:
        lines = [*rules, "", *lines]
    wrong = record.get("wrong", [])
    if wrong:
        lines = ["**What makes these figures doubtful:**", "", *(f"- {text}" for text in wrong), "", *lines]
    shares = ", ".join(f"{n} {_of(*record[k])}" for n, k in (("statements", "line"), ("toggles", "toggle")))
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
    columns = "engine | frames | too short | too long | resets | results | register accesses | cycles | difference"
    lines = [WORDS["hostile traffic"], f"| {columns} |", "|---" * 9 + "|"]
    for row in record["engines"]:
        c = row["counts"]
        accesses = c["reads"] + c["writes"]
        numbers = (c["frames"], c["too_short"], c["too_long"], c["resets"], c["results"], accesses, c["cycles"])
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
        return said + (f", seed {seed}" if seed is not None else ""), [WORDS[what], *lines]

    return show


#: What the page shows of each record: a heading, and a function to its result in a sentence and its table.
SECTIONS = {
    "tests": ("Testpoints", _tests), "mutations": ("Mutants", _mutations),
    "again": ("Mutants of a second draw", _again), "proofs": ("Proofs", _proofs),
    "coverage": ("Coverage of the RTL", _coverage), "python": ("Coverage of Python", _python),
    "soaks": ("Hostile traffic", _soaks),
    "files": ("Damaged files", _tried(
        "damaged files", {"refused": "refused", "equal": "read as they were", "changed": "read as others"},
        slowest="slowest, s", peak="peak memory of the process, MiB",
    )),
    "kills": ("Kills", _tried("kills", {"kills": "kills", "runs": "runs"})),
    "disk": ("Full disk", _tried("full disks", {"full": "full disks", "writes": "writes of the commands"})),
}  # fmt: skip

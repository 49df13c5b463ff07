"""The page of what was verified, from the records in docs/verification.

    python docs/site/verification.py                     write docs/verification.md
    python docs/site/verification.py tests FILE.xml...   keep the results of pytest's --junitxml, by test file
    python docs/site/verification.py KIND < result.json  keep what a command gives with --json

KIND is mutations, again, proofs, coverage, python, soaks, files, kills or disk. A record has the date and a hash of the
files that it is of: where they have changed since, the page says that it is stale. The mutants of a unit have a
digest of the unit, its testbench and its stimuli instead, and those that did not run stay as they were.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from verification_tables import AGAIN, AGAIN_SEED, ROOT, SECTIONS, WORDS

from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import whole_file
from oxnor.sim.runner import runner
from oxnor.sim.verify import soak_record
from oxnor.sim.verify.mutations.run import digest_now
from oxnor.sim.verify.mutations.source_run import SOURCES as MUTATED_SOURCES
from oxnor.sim.verify.mutations.units import UNITS
from oxnor.sim.verify.proofs.units import NAMES as PROVED
from oxnor.sim.verify.soak_record import sources_hash

RECORDS = ROOT / "docs/verification"
PAGE = ROOT / "docs/verification.md"
#: What has mutants, in the order of the page.
MUTATED = (*UNITS, *MUTATED_SOURCES)
_ALL = ("models", "hw", "sim", "fpga", "api", "cli", "tests")
#: Folders whose files decide what a record says.
SOURCES = {
    "tests": _ALL,
    "proofs": ("hw", "models/base", "models/networks", "sim/harness", "sim/verify/proofs"),
    "coverage": ("hw", "models", "sim/benches", "sim/harness", "sim/runner", "tests/sim", "tests/helpers/covered"),
    "python": _ALL,
    **soak_record.SOURCES,
}  # fmt: skip
#: What records have: one of these.
_CONTENT = ("files", "units", "proofs", "engines", "rows")
MAKES = {"tests": "test", "mutations": "mutate", "again": "mutate", "proofs": "prove", "coverage": "coverage",
         "python": "coverage", **dict.fromkeys(("soaks", "files", "kills", "disk"), "soak")}  # fmt: skip


def keep(kind: str, content: dict[str, Any]) -> None:
    """Write a record: what was found, when, with which versions, of which sources.

    Raises
    ------
    InputError
        If nothing was tried, or the page could not show it; what is there stays.
    """
    try:
        record = _record(kind, content)
        SECTIONS[kind][1](record)
    except (AttributeError, KeyError, TypeError) as e:
        raise InputError(f"a record of {kind} must be what its command prints ({e})") from e
    RECORDS.mkdir(exist_ok=True)
    with whole_file(RECORDS / f"{kind}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")


def _record(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    if not any(content.get(key) for key in _CONTENT):
        raise InputError(f"a record of {kind} must have something that was tried")
    if kind in ("mutations", "again"):
        content = _with_others(kind, content)
    head: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "versions": {
            "oxnor": version("oxnor"), "Python": platform.python_version(),
            "Verilator": str(runner.find_tool("verilator")).split()[-1],
        },
    }  # fmt: skip
    if kind in SOURCES:
        # Rows say what they were of when they were made.
        of_rows = {row["sources"] for row in content.get("rows", []) if "sources" in row}
        head["sources"] = " and ".join(sorted(of_rows)) or _hash_of(SOURCES[kind])
    return head | content


def _commit() -> str:
    """Return the commit of the checkout, and whether sources have changed since; "" outside of one."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short=12", "HEAD") + "-dirty" * bool(git("status", "--porcelain", *_ALL))


@cache
def _hash_of(folders: tuple[str, ...]) -> str:
    return sources_hash(ROOT, folders)


def _with_others(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return what came of mutants, with the units of the record that did not run, in the order of the units."""
    others = read(kind) or {"units": {}, "survivors": []}
    ran = content["units"]
    if unknown := ran.keys() - {*MUTATED}:
        raise InputError(f"a record of {kind} must be of units that there are, not {', '.join(sorted(unknown))}")
    found = others["units"] | ran
    order = [name for name in MUTATED if name in found]
    left = [s for s in others["survivors"] if s["unit"] not in ran] + content["survivors"]
    left = sorted((s for s in left if s["unit"] in order), key=lambda s: (order.index(s["unit"]), s["number"]))
    return content | {"units": {name: found[name] for name in order}, "survivors": left}


def of_junit(paths: list[Path]) -> dict[str, Any]:
    """Return [passed, failed, skipped] by test file of the results of pytest.

    Raises
    ------
    InputError
        If a source is newer than a file of results.
    """
    files: dict[str, list[int]] = {}
    sources = [p for folder in _ALL for p in (ROOT / folder).rglob("*.*") if p.suffix != ".pyc"]
    newest = max((p for p in sources if p.is_file()), key=lambda p: p.stat().st_mtime)
    for path in paths:
        if path.stat().st_mtime < newest.stat().st_mtime:
            raise InputError(f"{path} must be newer than {newest.relative_to(ROOT)}: run the tests again")
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
    if record and kind in ("mutations", "again"):
        drawn = {"sample": AGAIN, "seed": AGAIN_SEED} if kind == "again" else {}
        of = MUTATED if kind == "mutations" else _drawn_from()
        stale = sum(u["digest"] != digest_now(name, **drawn) for name, u in record["units"].items() if name in of)
        missing = len({*of} - {*record["units"]})
        counts = [f"**{n} units {what}**" for n, what in ((stale, "stale"), (missing, "missing")) if n]
        return f"{', '.join(counts)}: {make}" if counts else "current"
    if record and kind == "proofs" and {p["name"] for p in record["proofs"]} != {*PROVED}:
        return f"**not all units**: {make}"
    if record and record.get("sources") == _hash_of(SOURCES[kind]):
        return "current"
    return f"**{'stale' if record else 'missing'}**: {make}"


def _drawn_from() -> list[str]:
    """Return the units of which not all mutants have run."""
    return [name for name, u in (read("mutations") or {"units": {}})["units"].items() if u["of"] > u["mutants"]]


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
            at = f" at {record['commit']}" if record.get("commit") else ""
            body += ["", f"## {title}", "", f"{record['date']}{at}, {versions}. `make {MAKES[kind]}`", "", *lines]
    return "\n".join([WORDS["introduction"], *head, *body, ""])


def main() -> None:
    """Keep a record, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=SECTIONS)
    parser.add_argument("files", nargs="*", type=Path, help="of the results of tests")
    args = parser.parse_args()
    try:
        if args.kind == "tests":
            if args.files:
                keep("tests", of_junit(args.files))
        elif args.kind:
            keep(args.kind, json.load(sys.stdin))
    except (InputError, json.JSONDecodeError) as e:
        parser.error(str(e))
    with whole_file(PAGE) as temporary:
        temporary.write_text(page())


if __name__ == "__main__":
    main()

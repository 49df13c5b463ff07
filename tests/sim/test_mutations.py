"""Mutation testing: a tiny unit from end to end, what its file keeps, and what is refused."""

import json
import re
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from helpers.cli import run as cli

from oxnor.models.base.errors import InputError
from oxnor.sim.benches.models import MODELS
from oxnor.sim.harness.blocks import popcount
from oxnor.sim.runner import toolchain
from oxnor.sim.verify.mutations import equivalence, reasons, run, scope, sources, units
from oxnor.sim.verify.mutations.netlist import mutate, run_script, yosys
from oxnor.sim.verify.mutations.store import EQUIVALENT, SURVIVED, MutantRow, Mutations, UnitRow
from oxnor.sim.verify.mutations.summary import fate, results, score, scores, survivors

pytest.importorskip("pyosys", reason="needs the package pyosys")
ROW = UnitRow("unit", "digest", 9, 1, "yosys", "2026-01-01")


@pytest.mark.skipif(toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}")
def test_a_unit_from_end_to_end(monkeypatch, tmp_path):
    """A testbench that tries two of four inputs lets mutants live, each of which is proved to differ; the rest die."""
    whole = popcount(2, {})
    weak = replace(whole, arrays={"vectors": np.array([[False, False], [True, True]])})
    bench = [weak]
    monkeypatch.setitem(units.UNITS, "pair", units.MutatedUnit("two bits", lambda: bench[0]))
    with Mutations(tmp_path / "m.sqlite") as store:
        told = []
        run.try_unit("pair", store, sample=12, progress=lambda *what: told.append(what))
        (first,) = scores(store, ["pair"])
        assert first.mutants == 12 == first.killed + first.alive < first.of
        assert 1 <= first.alive == len(survivors(store, ["pair"])) < 12
        assert all(m.verdict == "different in cycle 0" for m in survivors(store, ["pair"]))
        assert ("pair", 12, 12) in told
        bench[0] = whole  # another testbench: all of it is stale
        run.try_unit("pair", store, sample=12)
        (second,) = scores(store, ["pair"])
        assert (second.killed, second.alive, second.waiting) == (12, 0, 0)
        assert first.digest != second.digest
        monkeypatch.setattr(run.runner, "build", lambda *_, **__: pytest.fail("all of it was there"))
        run.try_unit("pair", store, sample=12)


def stored(path, outcomes):
    store = Mutations(path)
    store.begin(ROW, [f"mutant {k}" for k in range(len(outcomes))])
    for k, (outcome, verdict) in enumerate(outcomes, 1):
        if outcome:
            store.add("unit", k, outcome, "test", 0.5)
        if verdict:
            store.add_verdict("unit", k, verdict)
    return store


def test_counts_add_up(monkeypatch, tmp_path):
    outcomes = [("failed", ""), ("hung", ""), ("died", ""), (SURVIVED, EQUIVALENT), (SURVIVED, "unknown"), (SURVIVED, "unknown"), (SURVIVED, ""), ("", "")]
    monkeypatch.setitem(reasons.REASONS, "unit", ((r"^mutant 4$", "nobody sees it"),))
    with stored(tmp_path / "m.sqlite", outcomes) as store:
        (found,) = scores(store, ["unit", "not there"])
        assert (found.killed, found.equivalent, found.reasons, found.alive, found.waiting, found.unfinished) == (3, 1, 1, 1, 2, 2)
        assert (found.mutants, found.of, found.score) == (8, 9, 3 / 5)
        assert found.low < found.score < found.high
        assert [fate(m) for m in survivors(store, ["unit"])] == ["reasons", "alive"]
        written = json.loads(json.dumps(results(store, ["unit"])))
        assert written["units"]["unit"]["killed"] == 3
        assert [m["reason"] for m in written["survivors"]] == ["nobody sees it", ""]


def test_all_mutants_have_no_interval():
    rows = [MutantRow("unit", k, "", "failed", "", 0.0, "") for k in range(9)]
    assert (score(ROW, rows).low, score(ROW, rows).high) == (1, 1)


def test_what_is_there_stays_and_what_is_stale_goes(tmp_path):
    with stored(tmp_path / "m.sqlite", [("failed", ""), (SURVIVED, "")]):
        pass
    with Mutations(tmp_path / "m.sqlite") as store:
        store.begin(ROW, ["a", "b"])
        assert [m.outcome for m in store.mutants("unit")] == ["failed", SURVIVED]
        for other in (replace(ROW, digest="other", seed=2), replace(ROW, digest="other")):
            with pytest.raises(InputError, match=r"m.sqlite has 2 mutants of unit by seed 1: choose another file"):
                store.begin(other, ["a", "b"] if other.seed == 2 else ["a"])
        assert [m.outcome for m in store.mutants("unit")] == ["failed", SURVIVED]
        store.begin(replace(ROW, digest="other", total=1), ["a"])
        assert [(m.mutant, m.outcome) for m in store.mutants("unit")] == [("a", "")]


def test_files_that_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        Mutations(tmp_path / "none.sqlite", writes=False)
    sweep = tmp_path / "other.sqlite"
    with sqlite3.connect(sweep) as db:
        db.execute("CREATE TABLE trials (a)")
    with pytest.raises(InputError, match=r"other.sqlite: is not a file of oxnor tools mutate$"):
        Mutations(sweep)
    (tmp_path / "text.sqlite").write_text("a text")
    with pytest.raises(InputError, match="is not a file of oxnor tools mutate"):
        Mutations(tmp_path / "text.sqlite")
    with stored(tmp_path / "new.sqlite", []) as store:
        store._db.execute("UPDATE header SET value = '2' WHERE key = 'version'")
    with pytest.raises(InputError, match=r"header.version must be 1, not '2': the file is from another release"):
        Mutations(tmp_path / "new.sqlite")


def test_command_line(tmp_path):
    path = str(tmp_path / "m.sqlite")
    result = cli("tools", "mutate", "argmux", "-o", path)
    assert result.exit_code == 2
    assert "not 'argmux' (did you mean argmax" in result.stderr
    result = cli("tools", "mutate", "--list", "-o", path, "--json")
    listed = json.loads(result.stdout)["units"]
    assert [row["unit"] for row in listed] == [*units.UNITS, *units.SOURCES]
    assert all(row["score"] is None for row in listed)


SOURCE = '''"""Text, 1 + 1 of it."""


def most(values: list[int], floor: int = 0) -> int:
    if not values:
        raise ValueError(f"there are {1 + 1} things")
    found = floor
    for v in values:
        if v > found and v != 7:
            found = v
    return found << 2
'''


def test_mutants_of_a_source():
    """Each changes one thing, and none a text, a type or the sentence of an error."""
    found = sources.mutations(SOURCE)
    assert {(m.line, m.after) for m in found} >= {
        (9, "v >= found"), (9, "v > found or v != 7"), (9, "v == 7"), (11, "found >> 2"), (4, "1"), (11, "3")
    }  # fmt: skip
    assert not {m.line for m in found} & {1, 6}
    results = set()
    for m in found:
        space = {}
        exec(compile(sources.mutated(SOURCE, m.node, m.variant), "mutant", "exec"), space)
        try:
            results.add(str([space["most"](v) for v in ([3, 7, 5], [1], [7, 9])]))
        except (ValueError, IndexError, UnboundLocalError):
            results.add("raises")
    assert len(results) > 3


def test_every_unit_is_mutated_or_left_out_for_a_reason():
    """A new unit of gateware goes into the table, inside another of it, or on the list of those left out."""
    every, done = scope.all_units(), scope.mutated()
    assert {"layers.tile.Tile", "rram_macro"} <= done <= every
    assert not sorted(every - done - set(scope.LEFT_OUT)), "neither mutated nor left out for a reason"
    assert not sorted(set(scope.LEFT_OUT) & done), "left out, though mutated"
    assert set(scope.LEFT_OUT) <= every
    assert all(scope.LEFT_OUT.values())


UNIT = """module unit (input clk, input rst, input load, input unread, input [1:0] d, output reg [1:0] q, output hit);
  reg [2:0] count;
  always @(posedge clk) begin
    if (rst) q <= 0; else if (load) q <= d;
    count <= rst | hit ? 0 : count + 1;
  end
  assign hit = count == 4;
endmodule
"""


def test_proofs(monkeypatch, tmp_path):
    """What a reset leaves says nothing before a load; a count that never comes is none, by outputs or inside the unit."""
    (tmp_path / "unit.v").write_text(UNIT)
    netlist = mutate([tmp_path / "unit.v"], "unit", tmp_path, parameters={}, sample=1000, seed=1)
    ports, use = equivalence.ports_of(netlist), equivalence.Use({"q": "loaded"}, "", {"loaded": "load | loaded"})

    def verdict(mutant, use=use):
        (number,) = [k for k, text in enumerate(netlist.mutants, 1) if re.fullmatch(mutant, text)]
        return equivalence.prove_equivalent(netlist, number, ports, tmp_path, use, seconds=5)

    of_reset, unreached, reached = (
        rf"mode={mode} cell=\${cell}\S+ port={port}"
        for mode, cell, port in (
            ("const1", "procmux", "B portbit=0"), ("const0", "eq", "A portbit=1"), ("const0", "eq", "A portbit=2")
        )
    )  # fmt: skip
    assert verdict(of_reset) == EQUIVALENT
    assert verdict(of_reset, equivalence.Use()).startswith("different")
    plain = equivalence._prove
    monkeypatch.setattr(
        equivalence, "_prove", lambda abc, d, name, *more: "unknown" if name.startswith("miter") else plain(abc, d, name, *more)
    )
    assert (verdict(unreached), verdict(reached)) == (EQUIVALENT, "unknown")


def test_mutants_that_are_those_of_other_units_are_left_out(tmp_path):
    (tmp_path / "unit.v").write_text(UNIT)
    only = r"-cell \$eq.* -portbit [01] "
    netlist = mutate([tmp_path / "unit.v"], "unit", tmp_path, parameters={}, sample=1000, seed=1, only=only)
    assert all(re.search(r"cell=\$eq.* portbit=[01]\b", m) for m in netlist.mutants)
    assert {m.split()[0] for m in netlist.mutants} >= {"mode=inv", "mode=const0", "mode=const1"}
    assert netlist.total == len(netlist.mutants)


def test_a_models_digest_is_of_no_other_model():
    text = run._model_text(MODELS["AxiLite"])
    assert b"class AxiLite(" in text
    assert b"import zlib" in text
    assert b"class Crc32(" not in text


def test_a_digest_is_of_what_the_testbench_imports():
    benches = "oxnor.sim.benches"
    found = run._imported(f"{benches}.learning.tb_machine")
    assert {f"{benches}.{n}" for n in ("support", "models.base", "models.controller", "models.learning")} == found
    assert f"{benches}.models.base" in run._imported(f"{benches}.learning.tb_rbm_learner")


@pytest.mark.parametrize(("name", "most"), [("programming", 127), ("programming-ternary", 63)])
def test_columns_end_where_proofs_say(name, most, tmp_path):
    """What proofs of the controller's mutants assume of its columns holds in every cycle, by induction."""
    assumed = units.UNITS[name].use.assumed.removeprefix(f"{units._ONE_ACCESS} & ")
    (whole, sequence), top = units.UNITS[name].testbench().lay_out(tmp_path)
    at = "(column | {15'h0, is_ternary})" if "is_ternary" in sequence.read_text() else "column"
    steps = "step_state == 2 | step_state == 6 | step_state == 9"  # PULSE, WAIT, REPORT
    inside = f"column <= {most} & last_column < {most} & (!({steps}) | {at} <= last_column) & busy == (step_state != 0)"
    for path, holds in ((sequence, inside), (whole, assumed)):
        path.write_text(path.read_text().replace("endmodule", f"(* keep *) wire holds = {holds};\nendmodule"))
    lines = [
        f"read_verilog -sv {sequence} {whole}", f"hierarchy -check -top {top}", "proc", "flatten",
        "opt -nodffe -nosdff", "async2sync", "dffunmap",
        "sat -tempinduct -set-init-zero -maxsteps 2 -verify -prove holds 1 -prove sequence_.holds 1",
    ]  # fmt: skip
    run_script(yosys(), tmp_path, "induction", lines)

"""What the coverage of RTL and Python leaves out, and what it says of the rest."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest
from helpers.covered import constants, points, python, rtl, rules

UNIT = """module oxnor_unit(input wire clk, input wire [3:0] a, output reg [3:0] count, output wire [3:0] tied);
  wire [7:0] word, row;
  reg [3:0] kept;
  coefficient_rom #(.ROWS(1), .WIDTH(8)) one (.clk(clk), .en(1'b1), .row(1'b0), .q(word));
  coefficient_rom #(.ROWS(2), .WIDTH(8)) two (.clk(clk), .en(1'b1), .row(a[0]), .q(row));
  initial count = 4'd0;
  always @(posedge clk) count <= {1'b0, count[2:0]} & 4'd7;
  assign tied = {word[0], row[0], 1'b1, a[1]};
endmodule
"""


def test_yosys_says_what_is_constant(tmp_path):
    build = {"top": "oxnor_unit", "sources": ["oxnor_unit.sv", "coefficient_rom.sv"], "defines": {}, "parameters": {}}
    (tmp_path / "build.json").write_text(json.dumps(build))
    (tmp_path / "oxnor_unit.sv").write_text(UNIT)
    (tmp_path / "coefficient_rom.sv").write_text("replaced")
    found = {s: tuple(masks) for s, masks in constants.constants(tmp_path)["oxnor_unit"].items()}
    # A word that nothing writes is constant, whatever it is; what two rows give is not.
    wanted = {"tied": (0b1010, 0b0101), "word": (255, 0), "row": (0, 255), "a": (0, 15), "clk": (0, 1)}
    assert {s: found[s] for s in wanted} == wanted
    assert found["count"][0] & 8  # held at 0 by its own next value
    assert constants.constants(tmp_path) == json.loads(next(tmp_path.glob("constants-*.json")).read_text())


EVENTS = """module oxnor_spiking_engine_events (
  input wire clk, input wire [15:0] a,
  output reg  [52:0]  o__payload
);
  initial o__payload = 53'd0;
  always @(posedge clk) o__payload <= {o__payload[52:21] + 32'd1, a[0], a, a[3:0]};
endmodule
"""
DOUBLE = "// Test double of a macro\nmodule rram_macro(input wire clk, output wire q); assign q = 1'b0; endmodule\n"


def test_numbers_of_events_and_ticks_are_bounded_and_a_macro_of_a_test_gives_anything(tmp_path):
    top = "module oxnor_top(input wire clk, input wire [15:0] a, output wire [52:0] given, output wire q);\n"
    top += "  oxnor_spiking_engine_events e (.clk(clk), .a(a), .o__payload(given));\n  rram_macro m (.clk(clk), .q(q));\nendmodule\n"
    sources = {"oxnor_top.sv": top, "oxnor_spiking_engine_events.sv": EVENTS, "rram_macro.sv": DOUBLE}
    build = {"top": "oxnor_top", "sources": list(sources), "defines": {}, "parameters": {}}
    (tmp_path / "build.json").write_text(json.dumps(build))
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    found = constants.constants(tmp_path)
    bounded = 0xFFFF << 37 | 1 << 19
    both = [bounded, (1 << 53) - 1 - bounded]
    assert found["oxnor_top"] | {"a": None, "clk": None} == {"a": None, "clk": None, "given": both, "q": [0, 1]}
    assert found["oxnor_spiking_engine_events"]["o__payload"] == both


def test_a_source_that_yosys_cannot_read_proves_nothing(tmp_path, capsys):
    (tmp_path / "build.json").write_text('{"top": "oxnor_unit", "sources": ["oxnor_unit.sv"], "defines": {}, "parameters": {}}')
    (tmp_path / "oxnor_unit.sv").write_text("module oxnor_unit(; endmodule")
    assert constants.constants(tmp_path) is None
    assert "syntax error" in capsys.readouterr().err


def changes(**hits):
    return {f"{name}[{bit}]:{way}": n for name, bits in hits.items() for bit, both in enumerate(bits) for way, n in zip(("0->1", "1->0"), both, strict=True)}


def test_what_is_left_out_must_not_change(monkeypatch):
    rule = rules.Rule("unit", "count", rules.LONG, rules.above(2))
    monkeypatch.setattr(rules, "SIGNALS", (rule,))
    counts = changes(count=[(1, 1), (1, 0), (0, 0), (0, 0)], one=[(1, 0), (3, 2)])
    used, wrong = Counter(), []
    assert rtl.toggles("unit", counts, {"one": 1}, used, wrong) == ([5, 6], ["count[1] never falls"])
    assert used == {rule: 4, rules.CONSTANT: 2}
    assert not wrong
    rtl.toggles("unit", counts | changes(count=[(1, 1), (1, 1), (1, 1), (0, 0)]), {"one": 3}, used, wrong)
    assert wrong == ["unit: `one[1]` changes, but is constant to Yosys", f"unit: `count[2]` changes, but is left out: {rule}"]
    assert rtl.toggles("other", counts, {}, Counter(), [])[1] == ["count[3:2]", "count[1] never falls", "one[0] never falls"]


def test_lines_that_are_left_out_must_not_be_reached(monkeypatch):
    monkeypatch.setattr(rules, "LINES", (rules.Rule("unit", "else x", "why"),))
    wrong = []
    assert rtl.lines_of("unit", {"a <= b;": 0, "c <= d;": 4, "else x": 0, "else x (2)": 0}, Counter(), wrong) == ([1, 2], ["a <= b;"])
    assert not wrong
    rtl.lines_of("unit", {"else x": 1}, Counter(), wrong)
    assert len(wrong) == 1


@pytest.mark.parametrize(
    ("text", "named", "others"),
    [("from oxnor.sim.harness.pixels import window_bench", {"pixels", "unit", "tb_pixels", "support"}, {"tb_popcount", "modelled"}),
     ("from oxnor.sim.harness import (\n    modelled,\n)", {"modelled", "tb_model", "base", "arithmetic"}, {"tb_pixels", "pixels"}),
     ("", {"tb_simulate"}, {"tb_model", "tb_pixels"})],
)  # fmt: skip
def test_what_a_test_may_run_is_what_it_names(text, named, others):
    found = {path.stem for path in points.benches_named(text)}
    assert named <= found
    assert not others & found


def test_equal_statements_of_a_source_are_apart():
    text = "  case (a)\n    4'h0:  // first\n      b <= 1;\n    4'h1:\n      b <= 12;\n  endcase\n"
    assert points.statements(text) == ["case (a)", "#'h#:", "b <= #;", "#'h#: (2)", "b <= #; (2)", ""]


@pytest.mark.parametrize(
    ("text", "names"),
    [("  reg [3:0] mem[0:7];\n  reg [3:0] kept;\n", {"mem"}), ("  integer r, c;\n  reg a;\n", {"r", "c"})],
)
def test_memories_and_variables_of_loops_are_no_signals(text, names):
    assert points.no_signals(text) == names


@pytest.mark.parametrize(
    ("module", "unit"),
    [("oxnor_if_neuron_a3f2", "if_neuron"), ("oxnor_if_neuron_30e1", "if_neuron"), ("oxnor_engine_layer0_array", "layer_array"),
     ("oxnor_neuron_9_s_p2_l2_r5", "neuron_s_p_l_r"), ("coefficient_rom__W10", "coefficient_rom")],
)  # fmt: skip
def test_sizes_and_keys_make_no_other_unit(module, unit):
    assert rtl.family(module) == unit


@pytest.mark.parametrize("width", [64, 100])
def test_a_change_of_a_wide_signal_is_of_its_bit_alone(width):
    truth = {f"a[{k}]:{way}": k % 7 * n for k in range(width) for n, way in enumerate(("0->1", "1->0"), 1)} | {"b:0->1": 3}
    counted = truth if width <= 64 else {
        f"a[{k}]:{way}": sum(truth[f"a[{j}]:{way}"] for j in range(k % 32, k + 1, 32)) for k in range(width) for way in ("0->1", "1->0")
    } | {"b:0->1": 3}  # fmt: skip
    assert points.alone(counted) == truth


def reached(**builds):
    return [{"test": "test", "runs": 2, "builds": {b: {"oxnor_unit_4": {"line": {"a <= b;": 1}, "toggle": counts}} for b, counts in builds.items()}}]


def test_a_bit_that_one_build_can_change_is_counted(monkeypatch):
    monkeypatch.setattr(rules, "SIGNALS", ())
    monkeypatch.setattr(rules, "LINES", ())
    found = reached(one=changes(a=[(0, 0), (0, 0)]), two=changes(a=[(0, 0), (0, 0)]))
    proved = {"one": {"oxnor_unit_4": {"a": [3, 0]}}, "two": {"oxnor_unit_4": {"a": [1, 2]}}}
    # Of what Yosys does not name, and of a build that it cannot read, it says nothing.
    for two, holes in ((proved["two"], "a[1]"), ({"oxnor_unit_4": {"b": [3, 0]}}, "a[1:0]"), (None, "a[1:0]"), (proved["one"], None)):
        made = rtl.report(found, proved | {"two": two})
        assert made["units"][0].get("toggle holes") == holes
        assert (made["runs"], made["line"], made["wrong"]) == (2, [1, 1], [])


def test_a_rule_that_leaves_nothing_out_is_told(monkeypatch):
    monkeypatch.setattr(rules, "SIGNALS", (rules.Rule("unit", "a", "why"), rules.Rule("unit", "gone", "why")))
    monkeypatch.setattr(rules, "LINES", (rules.Rule("unit", "gone", "a line"),))
    made = rtl.report(reached(one=changes(a=[(0, 0)])), {"one": {}})
    assert made["wrong"] == [f"{rule} leaves nothing out" for rule in (rules.SIGNALS[1], rules.LINES[0])]
    assert made["left out"] == {"why": 2}


NAMES = "from helpers.used import it\nfrom oxnor.sim.harness.h import run\n"


def forget():
    for found in (points.place, points.benches_named, points._texts):
        found.cache_clear()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a test, a helper that it imports, one that it does not, and hardware."""
    names = ("tests/sim/test_x.py", "tests/sim/conftest.py", "tests/helpers/used.py", "tests/helpers/other.py",
             "tests/helpers/covered/points.py", "hw/unit.py", "sim/benches/tb_used.py", "sim/benches/tb_other.py", "sim/harness/h.py")  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / names[0]).write_text(NAMES)
    (tmp_path / "sim/harness/h.py").write_text('run("engine.tb_used")\n')
    monkeypatch.setattr(points, "ROOT", tmp_path)
    monkeypatch.setattr(points, "FOLDER", tmp_path / "build/coverage")
    forget()
    yield tmp_path
    forget()


@pytest.mark.parametrize(
    ("changed", "runs"),
    [(None, 0), ("tests/helpers/other.py", 0), ("hw/unit.py", 1), ("sim/benches/tb_used.py", 1),
     ("sim/benches/tb_other.py", 0), ("sim/harness/h.py", 1),
     ("tests/sim/test_x.py", 1), ("tests/sim/conftest.py", 1), ("tests/helpers/used.py", 1)],
)  # fmt: skip
def test_a_test_runs_again_when_its_sources_have_changed(checkout, changed, runs):
    item = SimpleNamespace(nodeid="tests/sim/test_x.py::test_it")
    path = points.kept(item.nodeid)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"test": item.nodeid}))
    if changed:
        (checkout / changed).write_text((checkout / changed).read_text() + "# another\n")
        forget()
    dropped, items = [], [item, SimpleNamespace(nodeid="tests/sim/test_x.py::test_new")]
    hook = SimpleNamespace(pytest_deselected=lambda items: dropped.extend(items))
    points.pytest_collection_modifyitems(SimpleNamespace(hook=hook), items)
    assert (len(items), len(dropped)) == (1 + runs, 1 - runs)
    assert len(points.records()) == 1 - runs


@pytest.mark.parametrize(("when", "passed", "is_kept"), [("call", True, True), ("call", False, False), ("setup", True, False)])
def test_what_a_test_that_passes_reached_is_kept(checkout, when, passed, is_kept):
    points.pytest_runtest_logstart()
    points._runs += [("build", {"oxnor_unit": {"line": {"a <= b;": n}, "toggle": {}}}) for n in (1, 2)]
    hook = points.pytest_runtest_makereport(SimpleNamespace(nodeid="tests/sim/test_x.py::test_it"))
    next(hook)
    with pytest.raises(StopIteration):
        hook.send(SimpleNamespace(when=when, passed=passed))
    wanted = [(2, {"build": {"oxnor_unit": {"line": {"a <= b;": 3}, "toggle": {}}}})] * is_kept
    assert [(r["runs"], r["builds"]) for r in points.records()] == wanted
    points._runs.clear()


def test_branches_of_python_are_short():
    def file(branches, taken, missing, lines=5):
        counts = {"covered_lines": lines, "num_statements": 9, "covered_branches": taken, "num_branches": branches, "excluded_lines": 1}
        return {"summary": counts, "missing_branches": missing}

    files = {"models/golden/a.py": file(4, 1, [[12, 15], [12, 17], [33, -1]]), "models/golden/b.py": file(2, 2, []), "api/c.py": file(2, 0, [[1, 2], [1, 3]], 0)}
    found = python.summary({"files": files})
    assert found["files"] == {"models/golden/a.py": "1/4 12>15,17 33>exit", "api/c.py": "0/2 all"}
    assert (found["branch"], found["left out"]) == ([3, 8], 3)
    assert found["packages"]["models/golden"] == {"line": [10, 18], "branch": [3, 6], "left out": 2}

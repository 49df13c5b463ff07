"""``--programming``, ``--fault-injector``, ``--read-ber`` and ``oxnor selftest`` on the command line."""

import json
from importlib.resources import files

import pytest
from helpers.cli import run

from oxnor.hw.interface.registers import INDEX

SMALL = ("--macro", "16x40", "--fold", "1,1", "--fold", "1,1", "--stream-width", 40)


@pytest.fixture
def toy(tmp_path, random_network):
    path = tmp_path / "toy.npz"
    random_network((37, 13, 5), name="toy").save(path)
    return path


def test_generated_extras_are_in_the_sidecar(toy, tmp_path):
    result = run("generate", toy, "-o", tmp_path / "engine", "--programming", "--fault-injector", "--margin", "--json")
    assert result.exit_code == 0, result.stderr
    sidecar = json.loads(result.stdout)
    assert sidecar["extras"] == ["fault_injector", "programming", "margin"]
    assert {r["name"]: r["offset"] // 4 for r in sidecar["registers"]} == INDEX
    assert "oxnor_programming.sv" in sidecar["sources"]
    plain = json.loads(run("generate", toy, "-o", tmp_path / "plain", "--json").stdout)
    assert plain["extras"] == []
    assert "oxnor_programming.sv" not in plain["sources"]


@pytest.mark.cosim
def test_errors_of_reads_are_the_golden_models(toy):
    result = run("simulate", toy, "--images", 50, "--read-ber", 0.05, "--ber", 0.02, "--seed", 3, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["mismatches"], found["read_ber"], found["read_seed"]) == (0, 3277 / 65536, 3)
    assert found["cycles"] == found["predicted_cycles"]


@pytest.mark.cosim
def test_self_test_says_what_is_broken(toy, tmp_path):
    result = run("selftest", toy, *SMALL, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {
        "network": "toy", "macros": 2, "pairs": 2 * 16 * 40, "found": [], "ok": True,
        "counts": {"rows": 0, "columns": 0, "amplifiers": 0, "pairs": 0},
    }  # fmt: skip


@pytest.mark.cosim
def test_a_macro_that_never_answers_does_not_hang_the_self_test(toy, tmp_path):
    macro = (files("oxnor.hw") / "rtl" / "rram_macro.sv").read_text()
    assert "prog_done <= prog_valid" in macro
    (tmp_path / "mine.sv").write_text(macro.replace("prog_done <= prog_valid", "prog_done <= 1'b0"))
    result = run("selftest", toy, *SMALL, "--macro-file", tmp_path / "mine.sv")
    assert (result.exit_code, result.stdout) == (1, "")
    what, place = "prog_done, or never prog_ready again", "row 0 of the macro at layer 0, v 0, h 0"
    assert f"oxnor: rram_macro never answered {what}: waited 131,072 cycles in {place}\n" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("simulate", "--read-ber", 2), "--read-ber must be a share in [0, 0.999985], not 2"),
        (("simulate", "--read-ber", 1e-9), "--read-ber must be 0 or at least 7.6e-06, not 1e-09"),
        (
            ("simulate", "--read-ber", 0.1, "--seed", 1 << 32),
            "read errors: seed must be an integer in [0, 4294967295], not 4294967296",
        ),
        (("selftest", "--macro-file", "none.sv"), "none.sv: must be there, and is not"),
    ],
)
def test_bad_input(toy, arguments, sentence):
    command, *rest = arguments
    result = run(command, toy, *rest)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"oxnor: {sentence}\n" in result.stderr

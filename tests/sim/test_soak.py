"""Hostile traffic on small engines: it passes, it finds what is broken, and a record keeps what has run."""

import json

import pytest
from helpers.breaks import break_verilog
from helpers.cli import run, sentence

from oxnor.hw.params.options import EngineOptions, LayerOptions
from oxnor.sim.verify import binarized
from oxnor.sim.verify import soak as module
from oxnor.sim.verify.soak import Record, soak

FRAMES = 2000
SMALL = EngineOptions(stream_width=8, margin=True, layers=LayerOptions(macro_size=(8, 16)))


@pytest.fixture
def network(random_network):
    return random_network((37, 13, 5), name="toy")


@pytest.mark.cosim
def test_an_engine_stands_it(network):
    told = []
    result = soak(network, FRAMES, seed=3, engine=SMALL, progress=lambda *n: told.append(n))
    counts = result.counts
    assert result.difference == ""
    assert told == [(FRAMES, FRAMES)]
    assert counts.frames == FRAMES == counts.right + counts.too_short + counts.too_long
    assert 0.75 * FRAMES < counts.right < 0.95 * FRAMES
    assert min(counts.too_short, counts.too_long) > 0.05 * FRAMES
    assert 0 < counts.right - counts.results < 0.2 * FRAMES  # what resets took away
    assert min(counts.resets, counts.settled) > 15
    assert min(counts.reads, counts.refused, counts.writes - counts.refused) > 50


#: Changes of the Verilog: (file, pattern, what it becomes).
BREAKS = {
    "a reset keeps a beat": ("assembler", r"beat <= ([^;]*);", r"beat <= rst ? beat : \1;"),
    "two writes are answered once": ("axi_lite", r"bvalid & bready", "bready"),
    "long frames are forgotten": ("assembler", r"too_long <= [^;]*;", "too_long <= 1'b0;"),
    "a reset keeps a result": ("register_slice", r"full <= ([^;]*);", r"full <= rst ? full : \1;"),
    "an offer changes while it waits": ("register_slice", r"full \? kept", "full ? ~kept"),
    "results are not counted": ("oxnor_engine.sv", r" results <= [^;]*;", " results <= 0;"),
    "unmapped reads succeed": ("axi_lite", r"rresp <= [^;]*;", "rresp <= 2'h0;"),
    "refused writes succeed": ("axi_lite", r"bresp <= [^;]*;", "bresp <= 2'h0;"),
    "another engine": ("coefficient_rom", r"q <= mem\[row\];", "q <= mem[row] ^ 1;"),
    "no tlast on results": ("oxnor_engine.sv", r"assign m_axis_tlast = 1'b1;", "assign m_axis_tlast = 0;"),
    "it stands still": ("assembler", r"o__valid <= [^;]*;", "o__valid <= 0;"),
}


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_found(name, network, monkeypatch, tmp_path):
    plain = module.streamed

    def then_break(case, run):
        """Run the engine as it is, so that the traffic must find what is broken."""
        try:
            return plain(case, module.RunOptions(jobs=1))
        finally:
            break_verilog(monkeypatch, *BREAKS[name], module=binarized)

    monkeypatch.setattr(module, "streamed", then_break)
    result = soak(network, FRAMES, seed=3, engine=SMALL, build_dir=tmp_path)
    assert result.difference.startswith("run 0, key ")
    assert "FAIL cycle" in result.difference


def test_record(network, tmp_path, monkeypatch):
    path = tmp_path / "soaks.json"
    row = module.Soaked(module.Counts(frames=7, cycles=70), "", 1.0)
    record = Record(path, 7, 0)
    assert not record.has("toy", network, SMALL)
    record.add("toy", network, SMALL, row)
    again = Record(path, 7, 0)
    assert again.rows == record.rows
    assert again.has("toy", network, SMALL)
    assert not again.has("toy", network, None)  # another engine
    assert not Record(path, 8, 0).has("toy", network, SMALL)
    assert not Record(path, 7, 1).has("toy", network, SMALL)
    monkeypatch.setattr(module, "generator_hash", lambda: "other gateware")
    assert not again.has("toy", network, SMALL)
    again.add("toy", network, SMALL, module.Soaked(module.Counts(), "run 0", 1.0))
    assert len(again.rows) == 1
    assert not again.has("toy", network, SMALL)  # with a difference it is not done


def test_command(network, tmp_path, monkeypatch):
    calls = []

    def soaked(network, frames, **options):
        calls.append(network.name)
        options["progress"](frames, frames)
        return module.Soaked(module.Counts(frames=frames), "" if len(calls) < 2 else "run 0, key 1: FAIL", 0.5)

    monkeypatch.setattr(module, "soak", soaked)
    network.save(tmp_path / "toy.npz")
    arguments = ["tools", "soak", tmp_path / "toy.npz", "--frames", 9, "-o", tmp_path / "soaks.json"]
    first, second = run(*arguments, "--json"), run(*arguments)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert json.loads(first.stdout)["engines"][0]["counts"]["frames"] == 9
    assert calls == ["toy"]  # the second found it in the record
    other = run(*arguments, "--seed", 5)
    assert (other.exit_code, calls) == (1, ["toy", "toy"])
    assert "run 0, key 1: FAIL" in other.stderr


def test_refusals(network, tmp_path):
    assert sentence("tools", "soak", "mnist-tfc", "--frames", 0) == "--frames must be at least 1, not 0"
    (tmp_path / "s.json").write_text("[]")
    assert "must be a record of soaks" in sentence("tools", "soak", "mnist-tfc", "-o", tmp_path / "s.json")

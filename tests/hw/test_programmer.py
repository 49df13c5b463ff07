"""Register map, the host's programmer on a model of an engine, and the classification of a self-test's answers."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from oxnor.hw.emit.verilog import emit_engine
from oxnor.hw.host.programmer import EngineError, Programmer, Synapse, at_once, run_now
from oxnor.hw.interface.registers import INDEX, REGISTERS, as_dicts, as_markdown
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.placement.arrange import coefficient_rows, placed
from oxnor.hw.placement.memory_files import image_texts
from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.march import PairFault, SelfTestReport, as_states, classify, march
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.base import ternary_synapses
from oxnor.models.networks.layers.scores import ScoreLayer

FOLDED = {"macro_size": (8, 16), "folding": [(2, 4), (1, 2)], "stream_width": 8}


class EngineModel:
    """The programming registers and what lies behind them, without time."""

    def __init__(self, config, stuck=()):
        self.config = config
        self.names = {r["offset"]: r["name"] for r in as_dicts(config)}
        self.values = dict.fromkeys(self.names.values(), 0)
        self.memory, self.stuck = {}, stuck
        self.data, self.result = {}, {}

    def read(self, address):
        name = self.names[address]
        if name == "PROG_DATA":
            self.values["PROG_WORD"] += 1
            return self.result.get(self.values["PROG_WORD"] - 1, 0)
        return self.values[name]

    def write(self, address, value):
        name = self.names[address]
        if name == "PROG_DATA":
            self.data[self.values["PROG_WORD"]] = value
            self.values["PROG_WORD"] += 1
        elif name == "PROG_COMMAND":
            self.command(value)
        elif name != "CONTROL":
            self.values[name] = value

    def command(self, bits):
        at = tuple(self.values[n] for n in ("PROG_LAYER", "PROG_MACRO", "PROG_ROW"))
        c = self.config.layers[at[0]]
        words = -(-c.cols // 32) if at[1] < c.macros else len(self.data)
        if bits & 4:
            self.memory[at] = [self.data[k] for k in range(words)]
            for place, word, bit in self.stuck:
                if place == at:
                    self.memory[at][word] ^= bit
        self.result = {k: self.memory.get(at, [0] * words)[k] ^ self.data[k] for k in range(words)} if bits & 24 else {}
        self.values["PROG_STATUS"] = 2 | 8 * any(self.result.values())


def host(config, model):
    return Programmer(config, at_once(model.read), at_once(model.write))


def test_the_map_is_in_the_documents_and_has_no_register_twice():
    assert as_markdown() in (Path(__file__).parents[2] / "docs/programming.md").read_text()
    assert sorted(INDEX.values()) == list(range(len(INDEX)))
    assert len(INDEX) <= 64


def test_registers_keep_their_addresses_whatever_is_generated(random_network):
    network = random_network((37, 13, 5))
    maps = {
        extras: {r["name"]: r["offset"] for r in as_dicts(EngineConfig.for_network(network, **dict.fromkeys(extras, True)))}
        for extras in ((), ("fault_injector",), ("programming",), ("fault_injector", "programming"))
    }  # fmt: skip
    assert list(maps[()]) == [r.name for r in REGISTERS]
    assert all(offset == 4 * INDEX[name] for found in maps.values() for name, offset in found.items())
    assert "ERROR_SEED" not in maps["programming",]
    assert "PROG_DATA" not in maps["fault_injector",]


def test_extras_are_free_when_they_are_not_generated(random_network, tmp_path):
    network = random_network((37, 13, 5))
    plain = EngineConfig.for_network(network, **FOLDED)
    assert plain.digest == "4195a0a9407b0d21220b65c4396345e046d86d54ca22d03b8967e4980177d736"
    texts = {p.name: p.read_text() for p in emit_engine(plain, tmp_path).sources}
    assert not any(word in text for text in texts.values() for word in ("oxnor_programming", "program__", "error_", "coefficient_ram"))


@pytest.mark.parametrize("affine", [False, True])
def test_a_network_is_programmed_whole(random_network, affine):
    network = random_network((37, 13, 5), affine=affine)
    config = EngineConfig.for_network(network, **FOLDED, programming=True)
    model = EngineModel(config)
    faults = FaultMap.draw(network, ber=0.1)
    assert run_now(host(config, model).program_network(network, faults)) == []
    # What is programmed is what the memory images hold.
    texts = image_texts(faults.apply(network), config)
    for k, c in enumerate(config.layers):
        for macro in range(c.macros):
            lines = texts[f"layer{k}_v{macro // c.across}_h{macro % c.across}.mem"].split()
            assert [int(line, 16) for line in lines[: c.reads]] == [model.memory[k, macro, r][0] for r in range(c.reads)]
        lines = texts.get(f"layer{k}_coefficients.mem", "").split()
        stored = [sum(w << 32 * n for n, w in enumerate(model.memory[k, c.macros, r])) for r in range(len(lines))]
        assert stored == [int(line, 16) for line in lines]
    assert model.values["NETWORK"] == int(texts["network.mem"], 16)
    assert model.values["PROG_HOLD"] == 0
    wrong = [Synapse(k, *divmod(f, network.layers[k].n_in)) for k, flips in faults.flips.items() for f in flips.tolist()]
    assert run_now(host(config, model).verify_network(network)) == sorted(wrong)


def test_failing_synapses_have_their_logical_place(random_network):
    network = random_network((37, 13, 5))
    config = EngineConfig.for_network(network, **FOLDED, programming=True)
    # Row 3 of macro v = 2, h = 1: pass 1, slice 1: neuron 1 * 4 + 2, inputs from (1 * 2 + 1) * 16; only 37 of them exist.
    stuck = [((0, 5, 3), 0, 1), ((0, 5, 2), 0, 1 << 4), ((0, 8, 2), 0, 1 << 7)]
    model = EngineModel(config, stuck)
    failing = run_now(host(config, model).program_network(network))
    assert failing == [Synapse(0, 6, 20), Synapse(0, 9, -1)]


def test_what_does_not_fit_is_refused_before_anything_is_written(random_network):
    plain, affine = random_network((37, 13, 5)), random_network((37, 13, 5), affine=True)
    config = EngineConfig.for_network(plain, **FOLDED, programming=True)
    model = EngineModel(config)
    cases = {
        "network 'random': scores must be popcounts in this engine, not scaled ones": (config, affine),
        "network 'random': shape must be (37, 13, 5) for this engine, not (37, 12, 5)": (config, random_network((37, 12, 5))),
    }
    for sentence, (c, network) in cases.items():
        with pytest.raises(InputError) as e:
            run_now(host(c, model).program_network(network))
        assert str(e.value) == sentence
    assert not model.memory
    with pytest.raises(InputError, match="engine must be generated with its programming controller"):
        host(EngineConfig.for_network(plain, **FOLDED), model)
    small = EngineConfig.for_network(affine, **FOLDED, programming=True).layers[1]
    big = affine.layers[1].scales.copy()
    big[3] = 1000
    network = type(affine)("big", (affine.layers[0], type(affine.layers[1])(affine.layers[1].weights, big)))
    with pytest.raises(InputError) as e:
        coefficient_rows(network, 1, small)
    assert str(e.value) == "network 'big': coefficients of layer 1 must be in [-16, 15] in this engine, not 1000 (neuron 3)"


def test_an_engine_that_hangs_is_an_error(random_network, monkeypatch):
    network = random_network((37, 13, 5))
    config = EngineConfig.for_network(network, **FOLDED, programming=True)
    monkeypatch.setattr("oxnor.hw.host.programmer.POLLS", 5)
    model = EngineModel(config)
    model.values["STATUS"] = 1
    with pytest.raises(EngineError, match="an image stays in the engine"):
        run_now(host(config, model).program_network(network))
    assert model.values["PROG_HOLD"] == 0
    model = EngineModel(config)
    monkeypatch.setattr(model, "command", lambda bits: model.values.update(PROG_STATUS=1))
    with pytest.raises(EngineError, match="stays busy"):
        run_now(host(config, model).program_network(network))


def answers(rows, cols, states=2):
    expected = np.stack([s.expected for s in march(rows, cols, states) if s.expected is not None])
    return expected, expected.copy(), ~expected


def test_march_of_three_states():
    """Each pair holds each state, and what it does not hold is named."""
    expected, plain, inverted = answers(4, 7, 3)
    held = expected.reshape(len(expected), 4, 7, 2)
    assert not (~held[..., 0] & held[..., 1]).any()
    assert all((held.sum(axis=-1) == k).any(axis=0).all() for k in range(3))
    assert np.array_equal(as_states(expected), expected)
    assert classify(0, 0, 0, expected, plain, inverted, 3).count == 0
    plain[:, :, 6:8], inverted[:, :, 6:8] = (True, False), (False, True)  # column 3 reads 0
    plain[:, :, 10:12] = inverted[:, :, 10:12] = True  # amplifier of column 5
    levels = expected.reshape(held.shape).sum(axis=-1)
    for row, column, lost in ((1, 0, (1,)), (2, 1, (0, 2)), (3, 2, (0, 1, 2))):
        wrong = np.isin(levels[:, row, column], lost)
        plain[wrong, row, 2 * column] ^= True
    found = classify(0, 0, 0, expected, plain, inverted, 3)
    assert (found.rows, found.columns, found.amplifiers) == ((), (3,), (5,))
    assert found.pairs == (PairFault(1, 0, "-1 and +1"), PairFault(2, 1, "0 only"), PairFault(3, 2, "none"))
    assert len(SelfTestReport(1, 28, (found,)).table()) == 5


def test_a_zero_of_three_states_is_held_in_one_order(tmp_path):
    """Two synapses have it in two ways, one of them after a fault: memory files, programming and golden model agree."""
    g = np.random.default_rng(8)
    values = g.integers(-1, 2, (5, 20))
    network = Network("zeros", (ScoreLayer(ternary_synapses(values), weight_bits=2),))
    zero = int(np.flatnonzero(values == 0)[0])
    faulty = FaultMap(((5, 40),), {0: [2 * zero, 2 * zero + 1]}).apply(network)
    assert np.array_equal(faulty.layers[0].weight_values, network.layers[0].weight_values)
    config = EngineConfig.for_network(network, pair_states=3, programming=True)
    c, model = config.layers[0], EngineModel(config)
    run_now(host(config, model).program_network(faulty))
    rows = {row: words for (_, macro, row), words in model.memory.items() if macro == 0}
    text = image_texts(faulty, config)["layer0_v0_h0.mem"].split()
    held = np.array([[int(text[r], 16) >> k & 1 for k in range(c.cols)] for r in range(c.word_lines)], bool)
    assert all(sum(w << 32 * k for k, w in enumerate(words)) == int(text[r], 16) for r, words in rows.items())
    assert np.array_equal(held, network.layers[0].weights)
    # Errors of reads invert what is there.
    x, errors = g.random((300, 20)) < 0.5, ReadErrors(9000, 3)
    wrong = errors.layer(0).masks(300, 5, 40)
    counts = (held == np.repeat(x, 2, axis=1)[:, None]) ^ wrong
    assert np.array_equal(golden.scores(placed(faulty, config), x, read_errors=errors), counts.sum(axis=2))
    assert not np.array_equal(golden.scores(faulty, x, read_errors=errors), counts.sum(axis=2))
    assert placed(network, config).digest == network.digest


def test_march_writes_both_bits_everywhere_and_reads_them():
    steps = list(march(5, 7))
    expected = answers(5, 7)[0]
    assert expected.any(axis=0).all()
    assert (~expected).any(axis=0).all()
    assert [s.upwards for s in steps].count(False) == 1
    for before, after in itertools.pairwise(steps):
        assert np.array_equal(before.written, after.expected)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (8, 16)])
def test_nothing_is_found_where_nothing_is_broken(shape):
    assert classify(0, 0, 0, *answers(*shape)).count == 0


def test_lines_and_pairs_are_told_apart():
    expected, plain, inverted = answers(8, 16)
    plain[:, :, 3] = inverted[:, :, 3] = True  # amplifier
    plain[:, :, 9], inverted[:, :, 9] = False, True  # column
    plain[:, 2, :3], inverted[:, 2, :3] = True, False  # row
    plain[:, 2, 4:9] = inverted[:, 2, 4:9] = False
    plain[:, 2, 10:], inverted[:, 2, 10:] = True, False
    plain[:, 5, 5], inverted[:, 5, 5] = True, False
    plain[:, 6, 6] = inverted[:, 6, 6] = True
    inverted[:, 7, 7] = np.where(expected[:, 7, 7], True, inverted[:, 7, 7])
    found = classify(1, 2, 3, expected, plain, inverted)
    assert (found.rows, found.columns, found.amplifiers) == ((2,), (9,), (3,))
    assert found.pairs == (PairFault(5, 5, "1 only"), PairFault(6, 6, "neither"), PairFault(7, 7, "0 only"))
    assert found.count == 6


def test_too_few_pairs_are_no_line():
    expected, plain, inverted = answers(2, 3)
    plain[:], inverted[:] = True, False
    found = classify(0, 0, 0, expected, plain, inverted)
    assert (found.rows, found.columns, len(found.pairs)) == ((), (), 6)

"""Mutated source files: each is imported and equal to its source, or refused in a sentence. See import_fuzz.py."""

import collections
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx", reason='importing ONNX needs the package onnx: pip install -e ".[import]"')
pytest.importorskip("h5py", reason='importing Keras files needs the package h5py: pip install -e ".[import]"')

import numpy as np
from helpers import import_fuzz

pytestmark = pytest.mark.filterwarnings("ignore")  # of numpy, while files are spoilt


@pytest.mark.parametrize(("kind", "examples"), [("onnx", 80), ("onnx of convolutions", 40), ("arrays", 40), ("keras", 6)])
def test_mutated_file(kind, examples, tmp_path):
    counts = collections.Counter()

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(seed=st.integers(0, 1 << 30))
    def run(seed):
        found, seconds = import_fuzz.outcome(kind, seed, tmp_path)
        assert found in ("imported", "refused")
        assert seconds < import_fuzz.SECONDS
        counts[found] += 1

    run()
    assert sum(counts.values()) >= examples
    assert counts["imported"] > 0
    assert counts["refused"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("onnx", 5000), ("onnx of convolutions", 2000), ("arrays", 2000), ("keras", 200)])
def test_many_mutated_files(kind, count, tmp_path):
    counts = collections.Counter(import_fuzz.outcome(kind, seed, tmp_path)[0] for seed in range(count))
    assert set(counts) == {"imported", "refused"}
    print(kind, dict(counts))


def test_the_fuzzer_can_fail(tmp_path, monkeypatch):
    """A defect in the fold is seen: thresholds off by one."""
    from oxnor.models.exchange.folding import build

    right = build._hidden

    def off_by_one(stage, levels):
        layer = right(stage, levels)
        return replace(layer, thresholds=np.maximum(layer.thresholds - 1, 0))

    monkeypatch.setattr(build, "_hidden", off_by_one)
    found = collections.Counter(import_fuzz.outcome("onnx", seed, tmp_path)[0] for seed in range(60))
    assert found["differs"] > 5

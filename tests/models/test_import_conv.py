"""Import of convolutional networks: every way in which exporters write them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers import onnx_convolutions as made

pytest.importorskip("onnx")

from oxnor.models.exchange.import_network import from_graph
from oxnor.models.exchange.readers.onnx_file import from_model
from oxnor.models.exchange.readers.reference import evaluator

F = np.float32


def imported(model, **options):
    """Import a model and compare it with the reference evaluator too."""
    graph = from_model(model)
    return from_graph(graph, "ONNX", "n", reference=lambda built: evaluator(model, built.output.name, graph.input), **options)


CASES = {
    **{f"input {k}": {"input": k} for k in made.INPUTS}, **{f"act {k}": {"act": k} for k in made.ACTS},
    **{f"pool {k}": {"pool_at": k, "size": (11, 10)} for k in made.POOLS[1:]},
    **{f"pad {k}": {"pad": k} for k in made.PADS[1:]}, **{f"flatten {k}": {"flatten": k} for k in made.FLATTENS},
    "pool before a batch norm, 2 bits": {"pool_at": "before", "act": "2 bits", "size": (9, 9)},
    "pad zeros, 0 and 1": {"pad": "zeros", "act": "Quant 0/1"}, "pad zeros, 2 bits": {"pad": "zeros", "act": "2 bits"},
    "stride": {"strides": [2, 1]}, "dilation": {"dilations": [1, 2], "size": (9, 12)}, "wide": {"kernel": (1, 3)},
    "groups": {"group": 2, "channels": (3, 4, 6)}, "stride and same": {"strides": [2, 2], "pad": "same"},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_cases(case):
    """Every popcount is proven, and whole images equal the source's, here and by the reference evaluator."""
    result = imported(made.conv_network(seed=sum(case.encode()), **CASES[case]))
    assert result.ok
    assert [c["by"] for c in result.report["outputs"]] == ["float32", "reference evaluator"]
    assert all(c["rounding"] == 0 for c in result.report["outputs"])


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_random_cases(data):
    """Any mixture of them; other layouts of the same network give the same integers."""
    case = {name: data.draw(st.sampled_from(values), name) for name, values in (
        ("input", made.INPUTS), ("act", made.ACTS), ("pool_at", made.POOLS), ("flatten", made.FLATTENS),
        ("pad", made.PADS), ("kernel", [(1, 1), (2, 3), (3, 3)]), ("strides", [[1, 1], [2, 1]]),
    )}  # fmt: skip
    if case["kernel"] == (2, 3) and case["pad"] not in ("", "same"):
        case["kernel"] = (3, 3)
    if case["pad"].startswith("Pad") and case["act"] in ("Quant 0/1", "2 bits", "3 thresholds"):
        case["pad"] = "Pad 0"
    model = made.conv_network(seed=data.draw(st.integers(0, 99)), size=(9, 8), **case)
    result = imported(model)
    assert result.ok
    layout = data.draw(st.sampled_from(made.LAYOUTS[1:]))
    if layout == "Im2Col" and case["pad"] == "same":
        return
    other = made.conv_network(seed=data.draw(st.integers(0, 99)), size=(9, 8), layout=layout, **case)
    assert from_graph(from_model(other), "ONNX", "n").ok


@pytest.mark.parametrize("flatten", made.FLATTENS)
def test_layouts_give_one_network(flatten):
    """The digest of a network does not depend on where its file has the channels."""
    case = {"flatten": flatten, "pad": "zeros", "pool_at": "before", "size": (9, 8)}
    digests = {imported(made.conv_network(layout=layout, **case)).network.digest for layout in made.LAYOUTS}
    assert len(digests) == 1

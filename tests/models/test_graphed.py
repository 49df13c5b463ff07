"""Recorded training steps, with stand-ins for CUDA: what is replayed, and with which inputs."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from oxnor.models.training.graphed import GraphedStep

torch = pytest.importorskip("torch", reason='training needs PyTorch: pip install -e ".[train]"')


class _Graph:
    """Replays by running the step again on what the recording kept, as a GPU runs the same kernels on it."""

    step = None
    replays = 0

    def replay(self):
        _Graph.replays += 1
        _Graph.step._output.copy_(_Graph.step._step(*_Graph.step._inputs))


def test_inputs_come_into_the_recording(monkeypatch):
    stream = SimpleNamespace(wait_stream=lambda other: None)
    cuda = SimpleNamespace(
        Stream=lambda: stream, current_stream=lambda: stream, stream=lambda s: nullcontext(), CUDAGraph=_Graph,
        graph=lambda g: nullcontext(),
    )  # fmt: skip
    monkeypatch.setattr(torch, "cuda", cuda)
    step = GraphedStep(lambda x, taught: (x + taught).sum())
    _Graph.step = step
    for k in range(8):
        assert float(step(torch.full((3,), float(k)), torch.ones(3))) == 3 * k + 3
    assert _Graph.replays == 5  # the first three steps come before the recording
    assert float(step(torch.ones(2), torch.ones(2))) == 4  # the last batch of an epoch is smaller
    assert _Graph.replays == 5
    assert float(step(torch.ones(3), torch.zeros(3))) == 3
    assert _Graph.replays == 6

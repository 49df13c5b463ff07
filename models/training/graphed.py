"""A training step on a GPU, recorded once and replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oxnor.models.base.torch_loading import import_torch

#: Steps before the recording, in which libraries choose their algorithms and optimizers make their state.
_FIRST_STEPS = 3


class GraphedStep:
    """A step whose kernels are recorded as a CUDA graph.

    A step of a network with convolutions has some 500 kernels. Launched one by one they take 8 ms, of which a GPU
    works 1.5.

    Parameters
    ----------
    step : callable
        Takes tensors and returns one; besides them it reads and writes only tensors that stay where they are.
    """

    def __init__(self, step: Callable[..., Any]):
        self._step, self._done = step, 0
        self._stream = import_torch().cuda.Stream()
        self._graph: Any = None
        self._inputs: list[Any] = []
        self._output: Any = None

    def __call__(self, *inputs: Any) -> Any:
        """Return what the step returns of `inputs`, tensors or None; others of their shapes may come each time.

        The tensor is overwritten by the next call. Batches of another shape, as the last of an epoch, are not replayed.
        """
        torch = import_torch()
        if self._graph is None and self._done < _FIRST_STEPS:
            self._done += 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                output = self._step(*inputs)
            torch.cuda.current_stream().wait_stream(self._stream)
            return output
        if self._graph is None:
            self._inputs = [t if t is None else t.clone() for t in inputs]
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._output = self._step(*self._inputs)
        if any(t is not None and t.shape != kept.shape for t, kept in zip(inputs, self._inputs, strict=True)):
            return self._step(*inputs)
        for kept, t in zip(self._inputs, inputs, strict=True):
            if t is not None:
                kept.copy_(t)
        self._graph.replay()
        return self._output

"""The network in training: float weights whose signs compute."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.torch_loading import BATCH_NORM_EPS, import_torch
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.weight_code import WeightCode

from .deform import generator
from .fold import BatchNorm, cuts
from .stages import ConvStage, flat

_START_KEY, _FLIP_KEY, _RATE_KEY = 2, 5, 6
#: Images whose sums before a pooling are kept at once when statistics are taken.
_PART_IMAGES = 250
#: A ternary weight is 0 below this share of the mean size of its layer's weights.
_ZERO_SHARE = 0.7


class Student:
    """The network in training: float weights, batch norm without running statistics, one scale for the scores.

    Parameters
    ----------
    stages : sequence of DenseStage, ConvStage and ConvOutputStage
        The layers; the last gives the scores.
    seed : int
        Keys the first weights.
    steepness : float
        Of the stand-in gradient of the sign.
    device : str
        Where torch keeps the weights.
    weight_bits : int
        Bits of a weight, and its synapses: 1, or above that integers without the lowest one, so that 2 is ternary.
    ber, errors_key : float and int
        Bit error rate of each synapse in training, at most, and the key of what is drawn.
    """

    def __init__(
        self, stages: Sequence[Any], seed: int, steepness: float, device: str = "cpu",
        weight_bits: int = 1, ber: float = 0.0, errors_key: int = 1,
    ):  # fmt: skip
        torch = import_torch()
        self.stages, self.steepness, self.device, self.weight_bits = stages, steepness, device, weight_bits
        self.code = WeightCode.narrow(weight_bits)
        self.weights = []
        for i, stage in enumerate(stages):
            w = torch.rand(stage.n_out, stage.n_in, generator=generator(seed, _START_KEY, i)) * 2 - 1
            w = w * math.sqrt(6 / (stage.n_in + stage.n_out))
            self.weights.append(w.to(device).requires_grad_())
        sizes = [stage.n_out for stage in stages[:-1]]
        self.gammas = [torch.ones(n, requires_grad=True, device=device) for n in sizes]
        self.betas = [torch.zeros(n, requires_grad=True, device=device) for n in sizes]
        typical = max(1, self._largest // 2)
        scale = -0.5 * math.log(stages[-1].n_in) - math.log(typical)
        self.log_scale = torch.tensor(scale, requires_grad=True, device=device)
        self.steps = 0
        self.ber, self._errors_key = ber, errors_key
        shapes = [w.shape if weight_bits == 1 else (weight_bits, *w.shape) for w in self.weights]
        self._drawn = [torch.empty(shape if ber else 0, device=device) for shape in shapes]
        self._rate = torch.zeros((), device=device)
        if ber and weight_bits > 1:
            held = self.code.encode(2 * np.arange(-self._largest, self._largest + 1))
            self._held = torch.from_numpy(held.T.copy()).to(device)
            self._counts = torch.tensor(self.code.counts, device=device).reshape(-1, 1, 1)
        self._share: Any = 0.0 if device == "cpu" else torch.zeros((), device=device)
        self.averages = [self._discrete(w.detach()) for w in self.weights]
        self.averages += [t.detach().clone() for t in (*self.gammas, *self.betas)]

    @property
    def _largest(self) -> int:
        """The largest of the integers that weights compute as."""
        return max(1, self.code.top // 2)

    @property
    def has_windows(self) -> bool:
        """Whether any layer is a convolution."""
        return isinstance(self.stages[0], ConvStage)

    @property
    def inputs(self) -> int:
        """Elements of an image."""
        first = self.stages[0]
        if isinstance(first, ConvStage):
            return first.window.height * first.window.width * first.window.channels
        return first.n_in

    @property
    def parameters(self) -> list[Any]:
        """Every trained tensor, in a fixed order."""
        return [*self.weights, *self.gammas, *self.betas, self.log_scale]

    def binary_weights(self, dtype: Any) -> list[Any]:
        """Return what weights compute as: new leaves of `dtype`, whose gradients are to be given to the weights."""
        return [self._discrete(w.detach()).to(dtype).requires_grad_() for w in self.weights]

    def _discrete(self, w: Any) -> Any:
        """Return the signs of weights; of ternary ones 0 where they are small against the others of their layer.

        Integers of more bits are steps of a size that reaches twice the mean of a layer's weights.
        """
        if self.weight_bits == 1:
            return _hard_sign(w)
        if self.weight_bits > 2:
            largest = self._largest
            return (w * (largest / 2 / w.abs().mean())).round().clamp(-largest, largest)
        return w.sign() * (w.abs() > _ZERO_SHARE * w.abs().mean())

    def _settled(self, averages: Any) -> Any:
        """Return the discrete weights that averages of them are closest to."""
        return _hard_sign(averages) if self.weight_bits == 1 else averages.round()

    def _synapses(self, discrete: Any) -> NDArray[np.bool_]:
        """Return the bits of discrete weights."""
        held = discrete.cpu().numpy()
        if self.weight_bits == 1:
            return np.asarray(held >= 0)
        return self.code.encode(2 * held.astype(np.int64)).reshape(len(held), -1)

    def with_errors(self, binary: list[Any]) -> list[Any]:
        """Return `binary` as new leaves, each synapse inverted with a probability drawn from [0, `ber`] for this step.

        The gradient of a leaf goes to its weight as it is, straight through the inversion. A network that is trained at
        one rate alone needs the errors: it lost two points without them (Buschjäger et al., arXiv 2002.00909, saw
        the same).
        """
        torch = import_torch()
        leaves = []
        for signs, drawn in zip(binary, self._drawn, strict=True):
            if self.weight_bits == 1:
                leaves.append(torch.where(drawn < self._rate, -signs.detach(), signs.detach()).requires_grad_())
                continue
            held = self._held[:, signs.detach().long() + self._largest] ^ (drawn < self._rate)
            leaves.append(((held * self._counts).sum(0) - self._largest).to(signs.dtype).requires_grad_())
        return leaves

    def scores(self, x: Any, binary: list[Any], clean: list[Any] | None = None) -> Any:
        """Return the scores 2p - n, shape (n, classes), of inputs (n, n_in), with batch statistics.

        If `binary` has errors, `clean` is what it was drawn from, and the statistics are those of the clean weights:
        thresholds are folded once, before anything fails, so that training must not adapt them to the errors of a
        step. The gradient is that of the batch norm without this.
        """
        torch = import_torch()
        value = _value_function(_triangle_slope if self.has_windows else _tanh_slope)
        sound = x
        for k, (gamma, beta) in enumerate(zip(self.gammas, self.betas, strict=True)):
            z = self.stages[k].sums(x, binary[k])
            y = torch.nn.functional.batch_norm(z, None, None, gamma, beta, training=True, eps=BATCH_NORM_EPS)
            if clean is not None:
                with torch.no_grad():
                    reference = self.stages[k].sums(sound, clean[k]).float()
                    over = tuple(d for d in range(z.ndim) if d != 1)
                    variance, mean = torch.var_mean(reference, dim=over, correction=0, keepdim=True)
                    scale = gamma.view(mean.shape) / torch.sqrt(variance + BATCH_NORM_EPS)
                    sound = flat(_value((reference - mean) * scale + beta.view(mean.shape), self.stages[k].bits))
                    moved = (z - mean) * scale + beta.view(mean.shape) - y
                y = y + moved
            x = flat(value(y, self.steepness, self.stages[k].bits))
        return self.stages[-1].sums(x, binary[-1])

    def begin_step(self, decay: float) -> None:
        """Decide the share that the weights of the next step have of the running averages, and draw its errors.

        The first steps count more, so that the start is forgotten.
        """
        if self.ber:
            torch, key = import_torch(), self._errors_key
            self._rate.fill_(self.ber * float(torch.rand(1, generator=generator(key, _RATE_KEY, self.steps))))
            for i, drawn in enumerate(self._drawn):
                drawn.uniform_(generator=generator(key, _FLIP_KEY, i, self.steps, device=self.device))
        share = 1 - min(decay, (self.steps + 1) / (self.steps + 11))
        self._share = share if self.device == "cpu" else self._share.fill_(share)

    def average(self, binary: list[Any]) -> None:
        """Take the binary weights of a step, and the batch norm's parameters, into the running averages.

        Weights in doubt flip at any rate of learning, and each step's network is a noisy draw; the sign of the
        average is the network in their middle.
        """
        now = [*(b.detach().float() for b in binary), *(t.detach() for t in (*self.gammas, *self.betas))]
        for average, value in zip(self.averages, now, strict=True):
            average.lerp_(value, self._share)

    def clip(self) -> None:
        """Bring the float weights back into [-1, 1], and the factors of sums with a shortcut to at least 0."""
        torch = import_torch()
        torch._foreach_clamp_min_([w.data for w in self.weights], -1.0)
        torch._foreach_clamp_max_([w.data for w in self.weights], 1.0)
        for stage, gamma in zip(self.stages, self.gammas, strict=False):
            if isinstance(stage, ConvStage) and stage.shortcut:  # which no threshold can negate
                gamma.data.clamp_min_(0.0)

    def fold(self, x: Any, name: str, input_rule: InputRule | int = 128) -> Network:
        """Return the averages as an integer network, the batch norm's statistics taken over inputs x (n, n_in)."""
        torch = import_torch()
        x = x.to(self.device)
        n = len(self.weights)
        signs, gammas, betas = self.averages[:n], self.averages[n : 2 * n - 1], self.averages[2 * n - 1 :]
        layers: list[Any] = []
        with torch.no_grad():
            for stage, w, gamma, beta in zip(self.stages, signs, gammas, betas, strict=False):
                # A part of the images at a time: sums before a pooling are many.
                parts = x.split(_PART_IMAGES) if isinstance(stage, ConvStage) else [x]
                w = self._settled(w)
                z = torch.cat([stage.sums(part, w) for part in parts])
                shape, z = z.shape, z.permute(0, 2, 3, 1).reshape(-1, stage.n_out) if z.ndim == 4 else z
                variance, mean = torch.var_mean(z, dim=0, correction=0)
                factor, offset, centre, spread = (t.cpu().numpy() for t in (gamma, beta, mean, variance))
                norm = BatchNorm(factor, offset, centre, spread, BATCH_NORM_EPS)
                layers.append(stage.layer(self._synapses(w), norm))
                scale = torch.from_numpy(norm.scale).to(self.device)
                x = _value((z - mean) * scale + beta, stage.bits)  # as norm(z), rounded at each step
                x = x.reshape(shape[0], -1)
            layers.append(self.stages[-1].output(self._synapses(self._settled(signs[-1]))))
        return Network(name, tuple(layers), InputRule.of(input_rule))


def _hard_sign(x: Any) -> Any:
    """Return +1.0 where x >= 0, else -1.0."""
    return (x >= 0).to(x.dtype).mul_(2).sub_(1)


def _value(x: Any, bits: int) -> Any:
    """Return the odd integers of so many bits that stand for x: one step of two at each of the cuts."""
    if bits == 1:
        return _hard_sign(x)
    value = sum((x >= cut).to(x.dtype) for cut in cuts(bits))
    return value.mul_(2).sub_((1 << bits) - 1)


def _tanh_slope(x: Any, steepness: float) -> Any:
    t = import_torch().tanh(x * steepness)
    return 1 - t * t


def _triangle_slope(x: Any, steepness: float) -> Any:
    """Return a triangle in place of the slope of the tanh, whose cost would be most of that of a convolution."""
    return x.abs().mul_(-0.5 * steepness).add_(1).clamp_min_(0)


@functools.cache
def _value_function(slope: Callable[[Any, float], Any]) -> Any:
    """Return :func:`_value` with a stand-in gradient; made when first used, so that torch is imported late."""
    torch = import_torch()

    class Value(torch.autograd.Function):  # type: ignore[name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, steepness: float, bits: int) -> Any:
            ctx.save_for_backward(x)
            ctx.steepness, ctx.bits = steepness, bits
            return _value(x, bits)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            (x,) = ctx.saved_tensors
            slopes = [slope(x - cut if cut else x, ctx.steepness) for cut in cuts(ctx.bits)]
            return functools.reduce(lambda a, b: a.add_(b), slopes).mul_(gradient), None, None

    return Value.apply

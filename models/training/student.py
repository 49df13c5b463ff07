"""The network in training: float weights whose signs compute."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from oxnor.models.base.torch_loading import BATCH_NORM_EPS, import_torch
from oxnor.models.networks.binarized import Network

from .deform import generator
from .fold import BatchNorm, fold

_START_KEY, _FLIP_KEY, _RATE_KEY = 2, 5, 6


class Student:
    """The network in training: float weights, batch norm without running statistics, one scale for the scores."""

    def __init__(self, sizes: tuple[int, ...], seed: int, steepness: float):
        torch = import_torch()
        self.steepness = steepness
        self.weights = []
        for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            w = torch.rand(n_out, n_in, generator=generator(seed, _START_KEY, i)) * 2 - 1
            self.weights.append((w * math.sqrt(6 / (n_in + n_out))).requires_grad_())
        self.gammas = [torch.ones(n, requires_grad=True) for n in sizes[1:-1]]
        self.betas = [torch.zeros(n, requires_grad=True) for n in sizes[1:-1]]
        self.log_scale = torch.tensor(-0.5 * math.log(sizes[-2]), requires_grad=True)
        self.steps = 0
        self.averages = [_hard_sign(w.detach()) for w in self.weights]
        self.averages += [t.detach().clone() for t in (*self.gammas, *self.betas)]

    @property
    def parameters(self) -> list[Any]:
        """Every trained tensor, in a fixed order."""
        return [*self.weights, *self.gammas, *self.betas, self.log_scale]

    def binary_weights(self, dtype: Any) -> list[Any]:
        """Return the signs of the weights as new leaves of `dtype`, whose gradients are to be given to the weights."""
        return [_hard_sign(w.detach()).to(dtype).requires_grad_() for w in self.weights]

    def with_errors(self, binary: list[Any], ber: float, seed: int) -> list[Any]:
        """Return `binary` as new leaves, each sign inverted with a probability drawn from [0, `ber`] for this step.

        The gradient of a leaf goes to its weight as it is, straight through the inversion. A network that is trained at
        one rate alone needs the errors: it lost two points without them (Buschjäger et al., arXiv 2002.00909, saw
        the same).
        """
        torch = import_torch()
        ber = ber * float(torch.rand(1, generator=generator(seed, _RATE_KEY, self.steps)))
        leaves = []
        for i, signs in enumerate(binary):
            drawn = torch.rand(signs.shape, generator=generator(seed, _FLIP_KEY, i, self.steps))
            leaves.append(torch.where(drawn < ber, -signs.detach(), signs.detach()).requires_grad_())
        return leaves

    def scores(self, x: Any, binary: list[Any], clean: list[Any] | None = None) -> Any:
        """Return the scores 2p - n, shape (n, 10), of inputs of -1 and +1, with batch statistics.

        If `binary` has errors, `clean` is what it was drawn from, and the statistics are those of the clean weights:
        thresholds are folded once, before anything fails, so that training must not adapt them to the errors of a
        step. The gradient is that of the batch norm without this.
        """
        torch = import_torch()
        functional, sign = torch.nn.functional, _sign_function()
        sound = x
        for k, (gamma, beta) in enumerate(zip(self.gammas, self.betas, strict=True)):
            z = functional.linear(x.to(binary[k].dtype), binary[k]).float()
            y = functional.batch_norm(z, None, None, gamma, beta, training=True, eps=BATCH_NORM_EPS)
            if clean is not None:
                with torch.no_grad():
                    reference = functional.linear(sound.to(clean[k].dtype), clean[k]).float()
                    variance, mean = torch.var_mean(reference, dim=0, correction=0)
                    scale = gamma / torch.sqrt(variance + BATCH_NORM_EPS)
                    sound = _hard_sign((reference - mean) * scale + beta)
                    moved = (z - mean) * scale + beta - y
                y = y + moved
            x = sign(y, self.steepness)
        return functional.linear(x.to(binary[-1].dtype), binary[-1]).float()

    def average(self, binary: list[Any], decay: float) -> None:
        """Take the binary weights of a step, and the batch norm's parameters, into the running averages.

        Weights in doubt flip at any rate of learning, and each step's network is a noisy draw; the sign of the
        average is the network in their middle. The first steps count more, so that the start is forgotten.
        """
        self.steps += 1
        decay = min(decay, self.steps / (self.steps + 10))
        now = [*(b.detach().float() for b in binary), *(t.detach() for t in (*self.gammas, *self.betas))]
        for average, value in zip(self.averages, now, strict=True):
            average.lerp_(value, 1 - decay)

    def clip(self) -> None:
        """Bring the float weights back into [-1, 1]."""
        torch = import_torch()
        torch._foreach_clamp_min_([w.data for w in self.weights], -1.0)
        torch._foreach_clamp_max_([w.data for w in self.weights], 1.0)

    def fold(self, x: Any, name: str) -> Network:
        """Return the averages as an integer network, the batch norm's statistics taken over x (n, n_in), -1 and +1."""
        torch = import_torch()
        n = len(self.weights)
        signs, gammas, betas = self.averages[:n], self.averages[n : 2 * n - 1], self.averages[2 * n - 1 :]
        weights, thresholds = [], []
        with torch.no_grad():
            for w, gamma, beta in zip(signs, gammas, betas, strict=False):
                z = torch.nn.functional.linear(x, _hard_sign(w))
                variance, mean = torch.var_mean(z, dim=0, correction=0)
                norm = BatchNorm(gamma.numpy(), beta.numpy(), mean.numpy(), variance.numpy(), BATCH_NORM_EPS)
                bits, threshold = fold((w >= 0).numpy(), norm)
                weights.append(bits)
                thresholds.append(threshold)
                x = torch.from_numpy(np.where(norm(z.numpy()) >= 0, np.float32(1), np.float32(-1)))
            weights.append((signs[-1] >= 0).numpy())
        return Network.from_arrays(weights, [*thresholds, None], name=name)


def _hard_sign(x: Any) -> Any:
    """Return +1.0 where x >= 0, else -1.0."""
    return (x >= 0).to(x.dtype).mul_(2).sub_(1)


@functools.cache
def _sign_function() -> Any:
    """Return the sign, sign(0) = +1, with a stand-in gradient; made when first used, so that torch is imported late."""
    torch = import_torch()

    class Sign(torch.autograd.Function):  # type: ignore[name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, steepness: float) -> Any:
            ctx.save_for_backward(x)
            ctx.steepness = steepness
            return _hard_sign(x)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            (x,) = ctx.saved_tensors
            t = torch.tanh(x * ctx.steepness)
            return gradient * (1 - t * t), None

    return Sign.apply

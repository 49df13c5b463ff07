"""The parameters of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.base import SYNAPSES_MAX
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.fields import SHORTCUT
from oxnor.models.networks.layers.weight_code import WeightCode

from .deform import Deformation
from .stages import ConvStage, dense_stages, parse, stages
from .teacher import TeacherParams

#: Kinds of weights, and how many bits each has, as many as synapses.
WEIGHTS = {"binary": 1, "ternary": 2} | {str(bits): bits for bits in range(3, 9)}


@dataclass(frozen=True)
class TrainParams:
    """Everything besides the images that determines the weights.

    Parameters
    ----------
    hidden : tuple of int
        Neurons of each hidden layer; none if `layers` says more.
    layers : str
        A network with convolutions, as :func:`oxnor.models.training.stages.parse` takes it.
    seed : int
        Keys the first weights and the order of the images. Range [0, 2**31).
    epochs : int
        Passes over the training images. Range [1, 100000].
    clean_epochs : int
        How many of them, at the end, use the undeformed images. Range [0, epochs].
    batch : int
        Images in a step. Range [2, 60000].
    lr : float
        First rate of Adam.
    lr_fall : float
        Last rate over first; the rate falls along a cosine, because flips stop only where the rate falls fast
        (an exponential fall left as many weights in doubt at the end as in the middle). Range (0, 1].
    steepness : float
        The sign of an activation x gets the gradient 1 - tanh(steepness * x)**2. Range (0, 100].
    average : float
        Share of the running average of the binary weights that stays after a step; the average is what is
        validated and returned. Range [0, 1); 0: the last step's weights alone.
    views : int
        Deformed copies of the training images; epoch e uses copy e mod views. Range [0, 1000]; 0: none.
    deformation : Deformation
        Of the copies.
    distill : float
        Weight of the teacher's answers in the loss; the labels have the rest. Range [0, 1].
    temperature : float
        Softens the teacher's and the network's answers in the loss (Hinton et al., arXiv 1503.02531). Range (0, 100].
    ber : float
        Bit error rate to train for: at each step weights are inverted with a probability drawn from [0, ber], the
        gradient going straight through (after Hirtzlin et al., arXiv 1904.03652). Range [0, 0.5).
    margin : float
        Above 0: instead of cross entropy, hinge loss of the scores 2p - n, which asks the right class to lead every
        other by this margin, so that errors have further to go. Range [0, 65536].
    validation : int
        Training images kept out of training, for choosing the epoch; the split depends on nothing else.
    patience : int
        Stop after so many epochs without a better validation accuracy; 0: never.
    teacher : TeacherParams
        The float network that teaches.
    bfloat16 : bool
        Multiply matrices in bfloat16: faster on CPUs that have it. Sums of up to 256 signs stay exact, larger ones are
        rounded to 8 bits while training, and never in the fold.
    input_threshold : int
        A pixel becomes 1 iff pixel >= input_threshold. Range [1, 255].
    input_bits : int
        0: as `input_threshold` says. Above: a thermometer code of so many bits a feature, with thresholds between equal
        shares of the values that the feature has in the training images; 1: a threshold a feature, at its median.
        Range [0, 255].
    input_planes : int
        Above 0: the first layer takes so many bit planes of a value, the highest ones. Range [0, 8].
    presentations : int
        Above 0: the first layer, a dense one, takes values of 8 bits as so many random bits, one after the other
        (:mod:`oxnor.models.networks.layers.presentations`), and is trained with them. Range [0, 256].
    weights : str
        "binary", or "ternary": a weight is -1, 0 or +1, and 0 where its size is below 0.7 of the mean of its layer's
        (Li et al., "Ternary weight networks", arXiv 1605.04711). "3" to "8": integers of so many bits, without the
        lowest one, in steps that reach twice that mean.
    activations : int
        Bits of what a hidden neuron gives: above 1 as many bit planes, from 2**activations - 1 thresholds. Range
        [1, 4].
    threads : int
        Of torch. The order of float sums, and so the weights, depend on it. Range [1, 1024].
    """

    hidden: tuple[int, ...] = (256, 256, 256)
    layers: str = ""
    seed: int = 1
    epochs: int = 100
    clean_epochs: int = 0
    batch: int = 256
    lr: float = 1e-2
    lr_fall: float = 1e-3
    steepness: float = 2.0
    average: float = 0.995
    views: int = 16
    deformation: Deformation = field(default_factory=Deformation)
    distill: float = 0.9
    temperature: float = 2.0
    ber: float = 0.0
    margin: float = 0.0
    validation: int = 5000
    patience: int = 0
    teacher: TeacherParams = field(default_factory=TeacherParams)
    bfloat16: bool = False
    threads: int = 1
    input_threshold: int = 128
    input_bits: int = 0
    input_planes: int = 0
    weights: str = "binary"
    presentations: int = 0
    activations: int = 1

    def __post_init__(self) -> None:
        if self.layers:
            object.__setattr__(self, "hidden", ())
            parse(self.layers)
        elif not self.hidden or not all(1 <= n <= 1 << 16 for n in self.hidden):
            sizes = ", ".join(map(str, self.hidden)) or "none"
            raise InputError(f"must be one or more sizes in [1, 65536], not {sizes}", parameter="hidden")
        ranges = {
            "seed": (0, 2**31 - 1), "epochs": (1, 100_000), "clean_epochs": (0, self.epochs), "batch": (2, 60_000),
            "lr": (1e-7, 1.0), "lr_fall": (1e-9, 1.0), "steepness": (1e-3, 100), "average": (0, 0.999999),
            "views": (0, 1000), "distill": (0, 1), "temperature": (1e-3, 100), "ber": (0, 0.499), "margin": (0, 65536),
            "validation": (1, 30_000), "input_threshold": (1, 255), "input_bits": (0, 255),
            "input_planes": (0, 8), "patience": (0, 100_000), "threads": (1, 1024),
            "presentations": (0, 256), "activations": (1, 4),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"must be in [{low}, {high}], not {getattr(self, name)}", parameter=name)
        if self.weights not in WEIGHTS:
            raise InputError(f"must be one of {', '.join(WEIGHTS)}, not {self.weights!r}", parameter="weights")
        if self.presentations:
            if self.input_bits or self.input_planes:
                raise InputError("must not be given together with `input_bits` or `input_planes`",
                                 parameter="presentations")  # fmt: skip
            if self.layers and not self.layers.startswith("F"):
                raise InputError("must come with a dense first layer", parameter="presentations")
        if self.input_planes and self.input_bits:
            raise InputError("must not be given together with `input_bits`", parameter="input_planes")

    def rule(self, images: NDArray[np.uint8]) -> InputRule:
        """Return how values become bits, of images (n, features) for training."""
        if self.presentations:
            return InputRule.planes()
        if self.input_planes:
            return InputRule.planes((np.arange(256) >> (8 - self.input_planes)).astype(np.uint8))
        if self.input_bits:
            return InputRule.thermometer(images, self.input_bits)
        return InputRule.of(self.input_threshold)

    def stages(self, shape: Sequence[int], rule: InputRule, classes: int) -> list[Any]:
        """Return the layers to train, for images of `shape`: features, or height, width and channels."""
        planes = 8 if self.presentations else max(1, self.input_planes)
        if not self.layers:
            n_in = math.prod(shape) * rule.bits // planes
            made = dense_stages((n_in, *self.hidden, classes), planes, self.activations)
        elif len(shape) not in (2, 3):
            raise InputError("must not be given for features that are no pictures", parameter="layers")
        else:
            height, width, channels = (*shape, 1)[:3]
            shape = height, width, channels * rule.bits // planes
            made = stages(parse(self.layers), shape, classes, planes, self.activations)
            code, largest = WeightCode.narrow(WEIGHTS[self.weights]), SHORTCUT["shortcut"][1]
            for stage in made:
                if isinstance(stage, ConvStage) and stage.folded_shortcut(code) > largest:
                    limit = f"must have shortcuts of at most {largest // 2} with weights of several bits"
                    raise InputError(f"{limit}, not {stage.shortcut}", parameter="layers")
        if self.presentations:
            made[0] = replace(made[0], presentations=self.presentations)
        synapses = sum(stage.n_in * stage.n_out for stage in made) * WEIGHTS[self.weights]
        if synapses > SYNAPSES_MAX:
            limit = f"must have at most {SYNAPSES_MAX:,} synapses in all, not {synapses:,}"
            raise InputError(limit, parameter="layers" if self.layers else "hidden")
        return made


def with_defaults(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an older TrainParams as a dict; those that are newer have their defaults."""

    def filled(defaults: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        nested = {k: filled(v, given.get(k) or {}) for k, v in defaults.items() if isinstance(v, dict)}
        return defaults | dict(given) | nested

    return filled(asdict(TrainParams()), params)

"""Accuracy of a design, and which trials its sweep has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from oxnor.models.base.errors import InputError, near_names
from oxnor.sections import Tolerance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oxnor.design import Design
    from oxnor.models.devices.options import DeviceOptions


@dataclass(frozen=True, eq=False)
class Accuracy:
    """What the golden model makes of the images.

    Parameters
    ----------
    network : str
        Name.
    images : int
        How many.
    accuracy, clean_accuracy : float or None
        Part of the images whose class is their label, with the design's errors and without; None without labels.
    agreement : float
        Part of the images whose class is that of the network without errors.
    bit_errors : int
        Wrong weights.
    inputs : str
        Where the images come from.
    classes : ndarray of int64, shape (images,)
        The classes.
    """

    network: str
    images: int
    accuracy: float | None
    clean_accuracy: float | None
    agreement: float
    bit_errors: int
    inputs: str
    classes: NDArray[np.int64]

    def __repr__(self) -> str:
        if self.accuracy is None:
            return f"{self.network}: {100 * self.agreement:.2f} % agree with the network without errors (no labels)"
        return f"{self.network}: {100 * self.accuracy:.2f} % of {self.images:,} images ({self.bit_errors:,} bit errors)"

    def to_json(self) -> dict[str, Any]:
        """Return everything but the classes as a JSON-able dict."""
        names = ("network", "images", "accuracy", "clean_accuracy", "agreement", "bit_errors", "inputs")
        return {name: getattr(self, name) for name in names}


def measure(design: Design) -> Accuracy:
    """Return the accuracy of a design's golden model; see :meth:`oxnor.Design.accuracy`."""
    from oxnor.models.devices.draws import draw_faults
    from oxnor.models.golden import binarized
    from oxnor.models.golden.registry import only, type_of
    from oxnor.models.networks.binarized import Network

    network: Any = design.loaded
    inputs = design.inputs()
    errors, devices = design.error_options, design.device_options
    predict = type_of(network).predict
    clean = predict(network, inputs.images)
    if devices:
        if errors.are_static:
            raise InputError("wrong weights must come from a device, or from ber or a fault map, not from both")
        held = only(network, Network, "for a device")
        faults = draw_faults(
            held, devices.model, seed=errors.seed, trial=errors.trial, cycles=devices.cycles, seconds=devices.seconds,
            pair_states=3 if any(y.pair_states == 3 for y in design.engine.for_layers(len(held.layers))) else 2,
        )
    else:
        faults = errors.fault_map(network)
    faulty = faults.apply(network)
    if errors.reads:
        faulty = only(faulty, Network, "for errors of reads")
        classes = binarized.argmax(binarized.scores(faulty, inputs.images, read_errors=errors.reads))
    else:
        classes = predict(faulty, inputs.images) if faults.count else clean
    labels = inputs.labels
    return Accuracy(
        network.name, len(inputs.images),
        None if labels is None else float(np.mean(classes == labels)),
        None if labels is None else float(np.mean(clean == labels)),
        float(np.mean(classes == clean)), faults.count, inputs.source, classes,
    )  # fmt: skip


#: Options of a tolerance sweep that belong to some kinds of error: (kinds, name of the kind's argument).
_OF_KIND = {
    "ratio": (("asymmetric",), "ratio"),
    "ones": (("stuck",), "ones"),
    "cluster": (("cluster",), "shape"),
    "macro_size": (("cluster", "device"), "macro"),
    "moves": (("step",), "moves"),
    "pair_states": (("device",), "pair_states"),
}


def kind_options(kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a kind of error, after a check that they are of this kind."""
    options = {}
    for name, value in arguments.items():
        if value is None:
            continue
        kinds, argument = _OF_KIND[name]
        if kind not in kinds:
            raise InputError(f"goes with `kind` {' or '.join(kinds)}, not with {kind}", parameter=name)
        options[argument] = list(value) if isinstance(value, tuple) else value
    return options


def sweep_params(design: Design) -> Any:
    """Return which trials a design's sweep has."""
    from oxnor.models.trials.sequential import Stop
    from oxnor.sim.sweeps.params import SweepParams, parse_rates

    t = design.tolerance or Tolerance()
    held = design.device_options
    turned = t.against != "ber"
    kind = "device" if t.use_device or (turned and t.kind is None) else t.kind or "static"
    options = kind_options(kind, {name: getattr(t, name) for name in _OF_KIND})
    if turned:
        rates, age = _values(t, held)
    else:
        if t.values is not None:
            raise InputError("goes with `against` cycles, seconds, sigma, ratio or vdd", parameter="values")
        rates, age = (parse_rates(t.rates) if isinstance(t.rates, str) else t.rates), {}
    more: dict[str, Any] = {
        "trials": t.trials, "precision": t.adaptive / 100 if t.adaptive else None, "trials_max": t.max_trials,
        "device": held.model if kind == "device" and held else None,
        "stop": Stop(t.half_width / 100, t.confidence / 100) if t.half_width else None,
    }  # fmt: skip
    return SweepParams(
        rates, kind=kind, options=options, layers=_layers(t.layer, len(design.loaded.layers)), seed=design.errors.seed,
        against=t.against, age=age, also=_also(t.also),
        **{name: value for name, value in more.items() if value is not None},
    )  # fmt: skip


def _values(t: Tolerance, held: DeviceOptions | None) -> tuple[tuple[float, ...], dict[str, float]]:
    """Return the values of a sweep that is not against an error rate, and the age of its device."""
    from oxnor.models.trials.axes import AXES
    from oxnor.sim.sweeps.params import default_values, parse_rates

    if t.against not in AXES:
        raise InputError(f"must be one of {', '.join(AXES)}, not {t.against!r}{near_names(t.against, AXES)}",
                         parameter="against")  # fmt: skip
    if held is None or t.kind is not None:
        raise InputError(f"{t.against} must have a `device`, which says what is wrong", parameter="against")
    given = {"cycles": held.cycles, "seconds": held.seconds}
    if given.pop(t.against, 0):
        raise InputError(f"must not be given with `against` {t.against}: say `values`", parameter=t.against)
    # An age that is not given is the first at which the device holds.
    age = {axis: float(value or getattr(held.model, f"valid_{axis}")[0]) for axis, value in given.items()}
    if isinstance(t.values, str):
        return parse_rates(t.values, t.against), age
    return t.values or default_values(held.model, t.against, age), age


def _also(texts: tuple[str, ...]) -> dict[str, float]:
    """Return errors beside the kind of a sweep, from texts such as ``read=0.001``."""
    found: dict[str, float] = {}
    for text in texts:
        kind, equals, rate = (part.strip() for part in text.partition("="))
        try:
            value = float(rate)
        except ValueError:
            equals = ""
        if not equals or kind in found:
            rule = "must name each kind once" if equals else "must be KIND=RATE, for example read=1e-3"
            raise InputError(f"{rule}, not {text!r}", parameter="also")
        found[kind] = value
    return found


def _layers(layer: int | str, count: int) -> tuple[int, ...]:
    from oxnor.sim.sweeps.trial import ALL_LAYERS

    if layer in ("all", "each"):
        return (ALL_LAYERS,) if layer == "all" else (ALL_LAYERS, *range(count))
    try:
        return (int(layer),)
    except ValueError:
        raise InputError(f"must be a layer's number, 'each' or 'all', not {layer!r}", parameter="layer") from None

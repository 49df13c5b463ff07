"""The page of one or more results files, and what the terminal says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.words import counted
from oxnor.models.technology.supply import SupplyCurve
from oxnor.models.trials.axes import BER
from oxnor.models.trials.curves import LIMIT, Curve, Point
from oxnor.sim.drawing.feature_maps import feature_maps_plot
from oxnor.sim.drawing.html import facts, figure, page, table, tiles
from oxnor.sim.drawing.plots import Limits, Plot, accuracy_plot, confusion_plot, layers_plot
from oxnor.sim.drawing.raster import Raster
from oxnor.sim.runner.machine import machine

from .example import Example
from .store import Results
from .supply import HEAD, cells, in_words, with_energy
from .trial import ALL_LAYERS, Key

#: What the rates of a kind are the share of.
_LABELS = {
    "static": "bit error rate of the weights",
    "read": "bit error rate of single reads",
    "asymmetric": "bit error rate of the weights, mean of both directions",
    "stuck": "share of stuck pairs",
    "cluster": "share of failed lines",
    "sign": "share of weights with the other sign",
    "step": "share of weights that are one value off",
    "device": "bit error rate of pairs, closed form",
}
_CONFUSIONS = 3
_HEAD = (
    "trials", "mean", "95 % interval of mean", "95 % band of trials", "sd", "test set ±1 se", "wrong weights",
    "images broken", "corrected",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Story:
    """What a results file says.

    Parameters
    ----------
    path : Path
    header : dict
        Of the file.
    curves : dict
        By layer.
    confusions : dict
        Matrices summed over the trials of each rate.
    checks : dict
        Mismatches of the trials that went through the RTL.
    seconds : float
        Sum over the trials.
    limit : float
        Accuracy lost at the knee.
    limits : pair of Limits
        Ends of the axes of the pictures of accuracy; in percent on the vertical one.
    """

    path: Path
    header: dict[str, Any]
    curves: dict[int, Curve]
    confusions: dict[float, NDArray[np.int64]]
    checks: dict[Key, int]
    seconds: float
    limit: float = LIMIT
    limits: tuple[Limits, Limits] = (None, None)

    def __repr__(self) -> str:
        trials = sum(p.trials for c in self.curves.values() for p in c.points)
        return f"Story({self.curve.verdict(self.limit)}; {counted(trials, 'trial')})"

    @classmethod
    def read(cls, path: str | Path, limit: float = LIMIT) -> Story:
        """Read a results file; raises InputError if it holds no trial with errors."""
        if not 0 < limit < 1:
            raise InputError(f"must be above 0 and below 1, not {limit}", parameter="limit")
        with Results(path) as results:
            curves = results.curves()
            if not curves:
                raise InputError(f"{path}: holds no trial with errors yet")
            seconds = sum(trial.seconds for trial in results.trials())
            return cls(Path(path), results.header, curves, results.confusions(), results.checks(), seconds, limit)

    @property
    def curve(self) -> Curve:
        """The curve with errors in all layers, or else in the first that has one."""
        return self.curves.get(ALL_LAYERS) or next(iter(self.curves.values()))

    @property
    def layers(self) -> dict[str, Curve]:
        """The curves with errors in one layer alone, by its name, and that of all layers beside them."""
        named = {f"layer {k}": c for k, c in self.curves.items() if k != ALL_LAYERS}
        if named and ALL_LAYERS in self.curves:
            named["all layers"] = self.curves[ALL_LAYERS]
        return named

    @cached_property
    def supply(self) -> SupplyCurve | None:
        """What a read is like at each supply, of a sweep against it."""
        found = self.header.get("supply")
        return SupplyCurve.from_json(found, f"{self.path}: header") if found else None

    @property
    def equal_supply(self) -> float | None:
        """The lowest supply that was tried from which on the mean accuracy is that of the highest, within the limit."""
        points = self.curve.points
        if self.supply is None:
            return None
        worse = [p.rate for p in points if p.mean < points[-1].mean - self.limit]
        return min(p.rate for p in points if p.rate > max(worse, default=0.0))

    def verdict(self) -> str:
        """Return what the curve says, and what the reads of an image cost at the supply of equal accuracy."""
        text, supply, low = self.curve.verdict(self.limit), self.supply, self.equal_supply
        if supply is None or low is None:
            return text
        high = self.curve.points[-1].rate
        few, many = supply.image_nj(low), supply.image_nj(high)
        return (
            f"{text}. Equal to {high:.3g} V within {100 * self.limit:g} points from {low:.3g} V on: reads of an image"
            f" take {few:.3g} nJ there, {many:.3g} nJ at {high:.3g} V ({few / many:.0%})"
        )

    @property
    def axis(self) -> str:
        """What the rates are."""
        if self.curve.axis is not BER:
            return self.curve.axis.label
        return _LABELS.get(self.header["kind"], "error rate")

    @cached_property
    def plots(self) -> dict[str, Plot]:
        """The pictures by name."""
        name = self.header["network"]
        head = self.curve.axis.label
        title = f"{self.curve.measure.capitalize()} of {name} against {head}"
        accuracy = accuracy_plot([self.curve], title, limit=self.limit, axis=self.axis)
        drawn = {"accuracy": accuracy.with_limits(*self.limits)}
        if self.supply is not None:
            drawn["accuracy"] = with_energy(drawn["accuracy"], self.supply)
        if self.layers and self.curve.is_accuracy:
            drawn["layers"] = layers_plot(self.layers, f"Sensitivity of the layers of {name}", limit=self.limit)
        chosen = chosen_rates(self)
        if self.header["classes"] <= 64:
            shown = {rate: self.confusions[rate] for rate in chosen}
            names = self.header.get("class_names", ())
            drawn["confusion"] = confusion_plot(shown, f"Confusion matrices of {name}", names, self.curve.axis.head)
        if example := self.example:
            title = f"Feature maps of {name}"
            drawn["feature-maps"] = feature_maps_plot(example.maps, example.rates, title, example.pixels)
        if found := self.header.get("raster"):
            drawn["raster"] = Raster.from_json(found, str(self.path)).plot()
        return drawn

    @cached_property
    def example(self) -> Example | None:
        """The image whose feature maps are shown, of a network with convolutions."""
        found = self.header.get("example")
        return Example.from_json(found, str(self.path)) if found else None

    def _energies(self, supply: SupplyCurve) -> dict[str, Any]:
        energies = {f"{p.rate:g}": supply.image_nj(p.rate) for p in self.curve.points}
        return {"image_nj": energies, "equal_accuracy_from": self.equal_supply}

    def to_json(self) -> dict[str, Any]:
        """Return everything but the trials as a JSON-able dict."""
        names = {k: "all" if k == ALL_LAYERS else str(k) for k in self.curves}
        return {
            "file": str(self.path),
            "network": self.header["network"],
            "measure": self.curve.measure,
            "kind": self.header["kind"],
            "against": self.header["options"].get("against", "ber"),
            "options": self.header["options"],
            "seed": self.header["seed"],
            "images": self.header["images"],
            "trials": sum(p.trials for c in self.curves.values() for p in c.points),
            "trial_seconds": round(self.seconds, 3),
            **({"supply": self.supply.to_json() | self._energies(self.supply)} if self.supply else {}),
            "curves": {names[k]: c.to_json(self.limit) for k, c in self.curves.items()},
            "verified": len(self.checks),
            "mismatches": sum(self.checks.values()),
        }


def chosen_rates(story: Story, wanted: Sequence[float] = ()) -> list[float]:
    """Return the rates whose confusion matrices are shown: those wanted, else none, the one at the knee, the largest.

    Raises
    ------
    InputError
        If the file has no trial at a rate that is wanted.
    """
    there = list(story.confusions)
    for rate in wanted:
        if rate not in there:
            raise InputError(f"{story.path}: holds no trial at rate {rate:g}")
    if wanted:
        return list(wanted)
    rates = np.array([r for r in there if r])
    if not len(rates):
        return there
    knee = story.curve.knee(story.limit).rate if story.curve.is_accuracy else None
    near = float(rates[np.argmin(np.abs(np.log(rates / (knee or rates[len(rates) // 2]))))])
    return sorted({*(r for r in there if not r), near, float(rates[-1])})[:_CONFUSIONS]


def point_table(
    curve: Curve, supply: SupplyCurve | None = None
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:  # fmt: skip
    """Return what the tables say of a curve: their head, and a row for each point; columns of which nothing is known
    are left out. Against the supply there are the offset, the delay and the energy of reads too.
    """
    rows: list[tuple[str, ...]] = [_row(p) for p in curve.points]
    kept = [k for k in range(len(rows[0])) if k < 7 or any(row[k] for row in rows)]
    head: tuple[str, ...] = (curve.axis.head, *_HEAD)
    if supply is not None:
        kept += range(len(head), len(head) + len(HEAD))
        head += HEAD
        rows = [row + cells(supply, p.rate) for row, p in zip(rows, curve.points, strict=True)]
    return tuple(head[k] for k in kept), [tuple(row[k] for k in kept) for row in rows]


def _row(p: Point) -> tuple[str, ...]:

    def percent(value: float | None) -> str:
        return "none" if value is None else f"{100 * value:.2f} %"

    def span(low: float | None, high: float | None) -> str:
        return "none" if low is None or high is None else f"{100 * low:.2f} to {100 * high:.2f} %"

    mean, band = span(p.mean_low, p.mean_high), span(p.band_low, p.band_high)
    sd = "none" if p.sd is None else f"{100 * p.sd:.3f}"
    wrong = "" if p.wrong is None else f"{p.wrong:.2e}"
    changes = ("" if value is None else f"{100 * value:.2f} %" for value in (p.broken, p.corrected))
    return f"{p.rate:.3g}", str(p.trials), percent(p.mean), mean, band, sd, f"{100 * p.test_se:.2f}", wrong, *changes


def _large(curve: Curve, limit: float) -> dict[str, str]:
    if not curve.is_accuracy:
        return {"no labels: agreement with the network without errors, not": "accuracy"}
    knee = curve.knee(limit)
    interval = f" ({str(knee).split(' (')[1]}" if knee.rate else ""
    return {
        "without errors": f"{100 * curve.clean:.2f} %",
        f"costs {100 * limit:g} points{interval}": curve.axis.text(knee.rate) if knee.rate else str(knee),
    }


def _section(story: Story) -> list[str]:
    header, curve = story.header, story.curve
    kind = header["kind"] + "".join(f", {k} {v}" for k, v in header["options"].items())
    parts = [
        f"<h2>{escape(curve.label)}</h2>",
        tiles(
            {
                **_large(curve, story.limit),
                "trials with errors": f"{sum(p.trials for c in story.curves.values() for p in c.points):,}",
                "images each": f"{curve.images:,}",
            }
        ),
        f"<p>Errors: {escape(kind)}; seed {header['seed']}; {escape(str(header.get('inputs', '')))}.</p>",
        figure(
            story.plots["accuracy"],
            "Line: mean over the trials. Band: where 95 % of trials fall."
            + (" Dotted: the knee, with the 95 % interval of its rate from resampled trials." * curve.is_accuracy),
        ),
        table(*point_table(curve, story.supply)),
        *([f"<p>{escape(in_words(story.supply))}</p>"] if story.supply else []),
    ]
    if "layers" in story.plots:
        parts += [
            "<h3>Sensitivity of the layers</h3>",
            figure(story.plots["layers"], "Errors in one layer alone: the rate that costs the same accuracy."),
        ]
    if "confusion" in story.plots:
        parts += [
            "<h3>Confusion matrices</h3>",
            figure(
                story.plots["confusion"],
                f"Percent of the images of each {'class' if curve.is_accuracy else 'class without errors'}, mean over"
                " the trials.",
            ),
        ]
    if "feature-maps" in story.plots:
        parts += [
            "<h3>Feature maps</h3>",
            figure(
                story.plots["feature-maps"],
                "The first image, layer by layer, after thresholds and pooling: without errors, and with the errors of"
                " the first draw at some rates.",
            ),
        ]
    if "raster" in story.plots:
        parts += [
            "<h3>Spikes and membranes</h3>",
            figure(
                story.plots["raster"],
                "The first sample without errors, until its decision: events of the inputs and spikes of each layer,"
                " blue positive, orange negative, and the membranes of the two outputs that are ahead.",
            ),
        ]
    if story.checks:
        rows = [
            (f"{k.rate:.3g}", "all" if k.layer == ALL_LAYERS else str(k.layer), str(k.trial), str(n))
            for k, n in story.checks.items()
        ]
        parts += [
            "<h3>Through the RTL</h3>",
            "<p>These trials ran in Verilator with the same wrong weights, every class and score compared.</p>",
            table((curve.axis.head, "layer", "trial", "results that differ"), rows),
        ]
    parts += [
        "<h3>Repeat this</h3>",
        *([f"<pre><code>{escape(str(header['command']))}</code></pre>"] if header.get("command") else []),
        f'<p class="muted">{story.seconds:.0f} s of computing, made with:</p>',
        table((), facts(header["made"] if isinstance(header.get("made"), dict) else {}), plain=True),
    ]
    return parts


def measure_of(stories: Sequence[Story]) -> str:
    """Return what the curves of several files show, one word for each thing that it is."""
    return " or ".join(sorted({story.curve.measure for story in stories}))


def _against(stories: Sequence[Story]) -> str:
    return "the rate of wrong synapses" if stories[0].curve.axis is BER else stories[0].curve.axis.label


def build_page(stories: Sequence[Story]) -> str:
    """Return the page of one or more results files, all on one axis first if they are several."""
    names = ", ".join(story.header["network"] for story in stories)
    body = [
        "<h1>Error tolerance</h1>",
        f'<p class="muted">{escape(names)}: {measure_of(stories)} against {_against(stories)}.</p>',
    ]
    if len(stories) > 1:
        body.append(figure(together(stories), "All of them; dotted: the knees."))
    for story in stories:
        body += _section(story)
    command = " ".join(["oxnor report", *(story.path.name for story in stories)])
    body += [
        "<h2>This page</h2>",
        f"<pre><code>{escape(command)}</code></pre>",
        table((), list(machine().items()), plain=True),
    ]
    return page(f"oxnor: error tolerance of {names}", body)


def together(stories: Sequence[Story]) -> Plot:
    """Return the curves of several files on one axis.

    Raises
    ------
    InputError
        If they are not against the same.
    """
    first = stories[0]
    for story in stories:
        if story.curve.axis is not first.curve.axis:
            heads = first.curve.axis.head, story.curve.axis.head
            raise InputError(f"{story.path}: must be against {heads[0]} as {first.path}, not {heads[1]}")
    axes = {story.axis for story in stories}
    axis = axes.pop() if len(axes) == 1 else "error rate"
    labels = [story.curve.label for story in stories]
    curves = []
    for story, label in zip(stories, labels, strict=True):
        extra = f", {story.header['kind']}" if labels.count(label) > 1 else ""
        curves.append(replace(story.curve, label=label + extra))
    title = f"{measure_of(stories).capitalize()} against {first.curve.axis.label}"
    return accuracy_plot(curves, title, limit=first.limit, axis=axis).with_limits(*first.limits)

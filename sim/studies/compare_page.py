"""The page of a comparison, and what the terminal says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from oxnor.models.analog import converter_cost
from oxnor.models.analog.integer import Isaac
from oxnor.models.technology.figure import Figure
from oxnor.sim.drawing.html import figure, page, table
from oxnor.sim.drawing.plots import SERIES, Plot, log_ticks

from .compare import IMAGENET, WARNING, Comparison, Row
from .compare_costs import TAGS, shown

HEAD = (
    "", "accuracy", "95 % interval", "bit errors, or bits", "node", "energy", "latency", "area",
)  # fmt: skip
#: Of energies in the page: a ranking needs ranges that do not overlap.
NO_RANKING = "Ranges that overlap rank nothing. Estimates are marked *; all figures are of one inference."


def spread_plot(result: Comparison) -> Plot:
    """Return accuracy against the spread of ln R, by way of reading, above the bit error rate of the pair."""
    title = f"Accuracy of {result.network.name} against the spread of its devices, read in digital and in analog"

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
        for (name, points), (colour, marker) in zip(result.spread.items(), SERIES, strict=False):
            x = list(points)
            means = [100 * p.mean for p in points.values()]
            ends = "band_low", "band_high"
            bands = [[100 * (getattr(p, end) or p.mean) for p in points.values()] for end in ends]
            top.fill_between(x, *bands, color=colours[colour], alpha=0.15, lw=0)
            top.plot(x, means, color=colours[colour], marker=marker, lw=2, ms=5, label=name)
        top.axhline(100 * result.clean, color=colours["line"], ls="--", lw=1, label="without errors")
        top.set(ylabel="accuracy (%)")
        top.legend(loc="lower left")
        rates = result.bit_error_rates
        bottom.plot(list(rates), list(rates.values()), color=colours["blue"], marker="o", lw=2, ms=5)
        bottom.set_yscale("log")
        bottom.set_ylim(1e-15, 1)
        log_ticks(bottom.yaxis)
        device = result.params.with_spread(1.0)
        ratio = device.hrs_median / device.lrs_median
        words = f"standard deviation of ln R of both states; HRS / LRS of the medians {ratio:.3g}"
        bottom.set(xlabel=words, ylabel="bit error\nrate of a pair")
        for axes in (top, bottom):
            axes.grid(True, lw=0.5, alpha=0.4)

    return Plot(title, (10.5, 6.2), draw)


def _cost(figure_: Figure | None) -> str:
    return "not counted" if figure_ is None else f"{shown(figure_)}{'*' if figure_.tag == 'chosen' else ''}"


def cells(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Return the table as texts."""
    found: list[tuple[str, ...]] = []
    for row in rows:
        low, high = row.interval
        c = row.costs
        accuracy = f"{100 * row.accuracy.mean:.2f} %", f"{100 * low:.2f} to {100 * high:.2f} %"
        costs = (_cost(c.energy), _cost(c.latency), _cost(c.area))
        found.append((row.name, *accuracy, row.errors, c.node or "none", *costs))
    return found


def spread_table(result: Comparison) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    """Return head and rows of accuracy against the spread."""
    sigmas = sorted(result.params.spreads)
    head = ("sd of ln R", *(f"{s:g}" for s in sigmas))
    rows = []
    for name, points in result.spread.items():
        texts = []
        for s in sigmas:
            p = points[s]
            half = ((p.mean_high or p.mean) - (p.mean_low or p.mean)) / 2
            texts.append(f"{100 * p.mean:.2f} ± {100 * half:.2f}")
        rows.append((name, *texts))
    rows.append(("bit error rate of a pair", *(f"{result.bit_error_rates[s]:.1g}" for s in sigmas)))
    return head, rows


def _of_nodes(result: Comparison) -> str:
    """Return what the nodes of the figures mean for their comparison."""
    if result.node_nm is None:
        return (
            "Rows of different nodes rank nothing either. Areas are of cells and converters alone. The engine in gates"
            f" of 130 nm is computed by oxnor energy {result.network.name} --json > FILE, and shown with --energy FILE."
        )
    return (
        f"2T2R and SRAM are of the engine's gates at {result.node_nm:g} nm, their areas of logic and macros; converters"
        " are of the same node where their sources have it. Rows of different nodes rank nothing."
    )


def notes(result: Comparison) -> list[str]:
    """Return what belongs beside the table."""
    each = Isaac().conversions_per_mac
    one, two = (converter_cost.isaac_tops_per_watt(each, n) for n in (1, 2))
    sets = f"{result.params.draws} sets of {result.params.device.name} devices, {result.images:,} images"
    isaac = f"For 16-bit weights ISAAC needs {each:.2f} conversions a MAC, and its converter alone gives"
    return [
        f"{sets}; without errors {100 * result.clean:.2f} %. Every row reads the same devices.",
        "The interval is over other devices and other images.",
        NO_RANKING,
        _of_nodes(result),
        f"{isaac} {one:.2f} TOPS/W if a MAC is one operation, {two:.2f} if it is two.",
    ]


def html(result: Comparison, command: str) -> str:
    """Return the page, which loads nothing."""
    name, rows = result.network.name, result.rows
    body = [f"<h1>{escape(name)}: digital or analog?</h1>", *(f"<p>{escape(n)}</p>" for n in notes(result))]
    if result.spread:
        head, spread = spread_table(result)
        caption = (
            "The same devices, read in two ways. Shading: 95 % band between sets of devices. A pair is wrong only where"
            " its two devices change places; a sum of currents has the spread of every device in it."
        )
        picture = figure(spread_plot(result), caption)
        body += ["<h2>Accuracy against the spread of the devices</h2>", picture, table(head, spread)]
    body += ["<h2>One set of devices</h2>", table(HEAD, cells(rows))]
    sources = [
        (row.name, what, value.source, TAGS[value.tag])
        for row in rows
        for what, value in vars(row.costs).items()
        if isinstance(value, Figure)
    ]
    missing = [(row.name, row.leaves_out) for row in rows]
    body += ["<h2>What each row leaves out</h2>", table(("", ""), missing, plain=True)]
    published = "ResNet-50 on 1,000 images of ImageNet, 8-bit weights, activations and converters, in per cent"
    body += ["<h2>Digits are not ImageNet</h2>", f"<p>{WARNING}</p>"]
    body += [f"<p>{published} (M. Marinella, slides, 2022):</p>"]
    body += [table(("devices", "top 1", "top 5"), IMAGENET)]
    body += ["<h2>Sources</h2>", table(("", "of", "source", "tag"), sources, plain=True)]
    body += [f'<p class="muted">{escape(command)}</p>'] if command else []
    return page(f"{name}: digital or analog", body)

"""``oxnor networks`` and ``oxnor info``."""

from __future__ import annotations

from .console import print_json, print_table
from .options import AsJson, Fold, Macro, NetworkName, NoScores, StreamWidth, TargetName, engine_config, load_network


def networks(as_json: AsJson = False) -> None:
    """See what is shipped: trained networks, their sizes and their accuracy.

    Example: [bold]oxnor networks --json[/]
    """
    from oxnor.models import zoo

    entries = zoo.entries()
    if as_json:
        print_json(entries)
        return
    rows = [
        (
            e["name"],
            "-".join(map(str, e["shape"])),
            f"{e['weights']:,}",
            "none" if e["accuracy"] is None else f"{100 * e['accuracy']:.2f} %",
            e["licence"] or "none",
        )
        for e in entries
    ]
    print_table(("name", "shape", "weights", "accuracy", "licence"), rows, left=2)


def info(
    network: NetworkName,
    target: TargetName = "sim",
    macro: Macro = None,
    fold: Fold = None,
    stream_width: StreamWidth = None,
    no_scores: NoScores = False,
    as_json: AsJson = False,
) -> None:
    """Look into a network: its layers, its card, and the engine that it would become.

    Example: [bold]oxnor info mnist-mlp --target ice40 --macro 4096x16[/]
    """
    from oxnor.sim.describe import describe
    from oxnor.sim.report import facts

    loaded = load_network(network)
    found = describe(loaded, engine_config(loaded, target, macro, fold, stream_width, no_scores))
    if as_json:
        print_json(found)
        return
    shape = "-".join(map(str, found["shape"]))
    print_table(
        ("layer", "kind", "inputs", "neurons", "coefficients", "macros", "H x V", "slices", "reads", "latency"),
        [
            (
                str(k),
                y["kind"],
                str(y["n_in"]),
                str(y["n_out"]),
                ", ".join(f"{name} {low} to {high}" for name, (low, high) in y["ranges"].items()),
                f"{e['macros']} of {e['rows']}x{e['cols']}",
                f"{e['across']} x {e['groups']}",
                str(e["slices"]),
                str(e["reads"]),
                str(e["latency"]),
            )
            for k, (y, e) in enumerate(zip(found["layers"], found["engine"]["layers"], strict=True))
        ],
        title=f"{found['name']}: {shape}, {found['weights']:,} weights",
    )
    engine = found["engine"]
    rows = [
        ("stream in", f"{engine['stream']['width']} bits a beat, {engine['stream']['beats']} beats an image"),
        ("result", f"{engine['result']['width']} bits"),
        ("latency", f"{engine['latency']:,} cycles"),
        ("initiation interval", f"{engine['initiation_interval']:,} cycles"),
        ("digest", found["digest"]),
        ("input threshold", str(found["input_threshold"])),
    ]
    print_table(("", ""), rows + facts(found["info"]), left=2)

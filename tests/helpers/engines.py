"""Small engines whose cycles are measured in simulation, and written down."""

from helpers.convolutions import Conv, random_conv_network

from oxnor.hw.params.engine import EngineConfig

SHAPE = (37, 13, 5)
SMALL = {"macro_size": (8, 16), "folding": [(2, 4), (1, 2)], "stream_width": 8}
#: Small engines of every kind: the prediction must hold to the cycle in each.
STRUCTURES = {
    "one beat": (SHAPE, {}),
    "8x16 macros, 8-bit stream": (SHAPE, SMALL),
    "8x16 macros, 16-bit stream": (SHAPE, {**SMALL, "stream_width": 16}),
    "more beats than reads": (SHAPE, {"macro_size": (64, 40), "folding": [(1, 13), (1, 5)], "stream_width": 8}),
    "one read a layer": (SHAPE, {"macro_size": (8, 64), "folding": [(1, 13), (1, 5)]}),
    "slices, not across": (SHAPE, {"macro_size": (64, 8), "folding": [(1, 5), (1, 1)], "stream_width": 24}),
    "single layer at once": ((9, 3), {"folding": [(1, 3)]}),
    "four layers, class alone": ((40, 12, 7, 11, 4), {"target": "ice40"}),
    "alternating dataflows": ((40, 12, 7, 11, 4), {"target": "asic", "dataflow": "alternate"}),
}
#: Networks and their engines for every latency: reads of one slice and of several, of one pass and of several; groups
#: taken as they come and not; admitted at intervals; planes; windows.
ZEROS = {"pad": 0, "top": 1, "left": 1}
SENSED = {
    "parallel": ((9, 5, 3), {"macro_size": (20, 4), "folding": [(2, 2), (1, 1)]}),
    "alternate": ((9, 5, 4, 3), {"macro_size": (20, 4), "folding": [(2, 2), (1, 2), (1, 3)], "dataflow": "alternate"}),
    "serial": ((9, 5, 3), {"macro_size": (20, 4), "folding": [(2, 2), (1, 1)], "dataflow": "serial"}),
    "admitted": ((9, 5, 4, 3), {"target": "ecp5", "macro_size": (20, 4), "dataflow": "parallel,serial,parallel"}),
    "windows": (Conv(4, (2, 2), pool=(2, 2), window=ZEROS), {"macro_size": (32, 4), "folding": [(1, 4), (1, 1), (1, 1)]}),
    "windows, admitted": (
        Conv(3, (2, 2), levels=3, pool=(2, 2), window=ZEROS),
        {"target": "ecp5", "macro_size": (32, 8), "folding": [(1, 3), (1, 2), (1, 1)]},
    ),
}


def sensed(name, latency, random_network, **more):
    shape, options = SENSED[name]
    if isinstance(shape, Conv):  # what leaves is gathered: in a memory, or two planes of it in a register
        network = random_conv_network((4, 4, 1), [shape], dense=(5,), classes=3)
    else:
        network = random_network(shape, 1)
    return network, EngineConfig.for_network(
        network, stream_width=8, sense_latency=latency, with_scores=True, **options, **more
    )

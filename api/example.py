"""The design that ``oxnor new`` writes: every key with what it means, and it runs as it stands."""

EXAMPLE = '''\
# A design for oxnor: which network, with which data, devices, engine, errors and board.
# Keys behind a "#" show their default, or an example. Run everything that is here with:
#
#     oxnor run my.toml
#
# Any command takes it too, and its options override it: oxnor simulate --design my.toml --images 10
# Paths are relative to this file.

# A shipped network (oxnor networks), an .npz file, or a file of another tool, which is imported first:
# .onnx, .h5 or .keras, .pt or .pth, .nir.
network = "mnist-tfc"

# Standard cells and macros for `oxnor energy`: a shipped technology, or a .toml file of your own (docs/energy.md).
# technology = "ihp-sg13g2"

# What `oxnor run` does. Default: all that this file describes, in this order.
# steps = ["accuracy", "generate"]  # of: import, accuracy, devices, generate, simulate, sweep, board

[data]
images = 200                    # how many to run; default 1000, or all if there are fewer
# source = "mnist"              # mnist, fashion-mnist, digits, cifar10, a file (.npz, .npy, .csv, IDX) or a folder with
#                               # a folder of pictures for each class. Default: the set that the network was trained on
# labels = "labels.npy"         # if the source has none
# directory = "data"            # where known sets are looked for first
#                               # or, for a spiking network without an encoder: events = "events.csv"
# random_inputs = false         # draw inputs instead; they have no labels
# at_most = 1000                # instead of images: so many, or all if there are fewer
# seed = 0                      # key of drawn inputs

# The devices that hold the weights.
# [device]
# model = "weak-3.3e-2"         # a preset (oxnor device show --list), a .json file, or a .csv of measured resistances
# cycles = 0                    # SET/RESET cycles that every device has done
# seconds = 0.0                 # between programming and reading

[engine]
target = "sim"                  # sim, ice40, ecp5 or asic: the defaults of all that follows
# stream_width = 64             # bits a beat of the input stream; a multiple of 8
# with_scores = true            # give the scores beside the class
# fault_injector = false        # generate per-read errors with registers for rate and seed
# programming = false           # generate the programming controller
# margin = false                # give the margin of each result, and whether it is below the least in a register
# packed = false                # keep ternary weights five to a byte, in memories that are not programmed

# Options of all layers. For layers that differ: one table [[engine.layers]] for each.
# [engine.layers]
# macro_kind = "bits"           # bits, devices, ...: oxnor generate --help names them all
# macro_size = [64, 64]         # rows and columns
# folding = [1, 16]             # macros side by side (H), and groups of neurons at once (V)
# dataflow = "parallel"         # parallel, serial or alternate
# sense_latency = 1             # cycles that a macro takes to sense a row, 1 to 64
# converter_bits = 0            # bits of a converter between each macro and the adder tree; 0: none
# pair_states = 2               # 3: a ternary weight is one pair, with both devices in HRS where it is 0

# How the Verilog is written: the engine is the same.
# [verilog]
# name = "digits"               # what modules, memory files and the FuseSoC core are called first; default: oxnor
# reset = "sync"                # sync or async
# reset_active = "high"         # high (port rst) or low (port aresetn)
# bus = "axi"                   # axi, or wishbone: a Wishbone slave around the engine too
# flow = "librelane"            # also write the configuration of an open flow for chips

# Errors of the weights and of their reads. The key is that of all draws.
[errors]
ber = 0.01                      # bit error rate of the weights, 0 to 1; default 0
# seed = 0
# trial = 0
# faults = "faults.npz"         # wrong weights of oxnor device faults, instead of ber
# read_ber = 0.0                # probability that a single read is wrong

# A sweep of accuracy against error rate.
[tolerance]
rates = "1e-3:1e-1:5"           # LOW:HIGH:COUNT, log-spaced, or a list of numbers
trials = 4                      # draws at each rate; default 20
# kind = "static"               # static, read, asymmetric, stuck or cluster
# layer = "all"                 # all, each, or a layer's number
# adaptive = 0.1                # go on where the mean is not known within plus or minus this many points
# half_width = 0.1              # draw until the mean is known to plus or minus this many points, by Stein's rule ...
# confidence = 99.0             # ... with this probability in percent
# max_trials = 200              # most trials at a rate, of both
# against = "ber"               # or cycles, seconds, sigma or ratio of the device above, as it is, or vdd
# values = "1:1e6:13"           # of against, as rates. Default: where the device holds
# also = ["read=1e-3"]          # errors of other kinds beside it
# ratio = 0.0                   # asymmetric: 0-to-1 errors for each 1-to-0 error
# ones = 0.5                    # stuck: share of them that is stuck at 1
# cluster = "column"            # cluster: row, column or amplifier
# macro_size = [32, 32]         # cluster, and errors of a device: size of the macros
# moves = "all"                 # step, of ternary weights: all, zero or nonzero ones move
# pair_states = 2               # errors of a device: 3 if a ternary weight is one pair
# use_device = false            # take the errors of pairs of the device above
# limit = 0.5                   # points of accuracy lost at the knee

# An FPGA board, whose bitstream is built.
# [board]
# name = "icebreaker"           # icebreaker, ulx3s-85f or colorlight-i5
# interval = 1000               # clock cycles from image to image that are enough. Default: the fastest that fits.
# freq_mhz = 30.0               # clock of the engine. Default: the board's.
# link = "uart"                 # uart or spi
# baud = 1000000                # bit rate of the UART
# seed = 1                      # key of the placer
'''

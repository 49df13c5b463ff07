"""Which simulator a test takes when either would do."""

from oxnor.sim.runner import toolchain

#: Icarus builds a small engine in a tenth of the time; a long run of many images is Verilator's.
QUICK = "icarus" if toolchain.find_icarus() else "verilator"

"""Learning on devices: crossbars written by pulses, and synapses of magnetic tunnel junctions. Numpy and numba."""

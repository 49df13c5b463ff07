"""What runs tools of circuit design: ngspice on a sense amplifier, Yosys and gates of whole engines."""

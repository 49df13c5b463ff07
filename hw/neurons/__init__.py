"""Integrate-and-fire neurons of both modes, and the spiking one's invariant."""

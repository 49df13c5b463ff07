"""Restricted Boltzmann machines and deep belief networks whose weights are devices written by counted pulses."""

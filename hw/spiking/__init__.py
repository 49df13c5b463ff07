"""The spiking engine and its units."""

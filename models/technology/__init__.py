"""Circuits and processes: parameters, results of simulations as files, and laws derived from them; runs nothing."""

"""Spin-torque nano-oscillators: models with chosen parameters, and networks that they make."""

"""Small units that know nothing of networks."""

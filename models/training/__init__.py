"""Training of the shipped networks, with PyTorch."""

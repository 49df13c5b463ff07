"""What a host does over registers and streams; no gateware."""

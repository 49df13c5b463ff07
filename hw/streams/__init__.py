"""Streams: AXI4-Stream ports, the frame check, registers and queues between units."""

"""Pages in which a reader runs an engine: its Verilog, compiled for browsers."""

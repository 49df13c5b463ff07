"""Emitted Verilog with a mistake in it, for tests of testbenches."""

import re

from oxnor.sim.harness import engine as engine_bench


def break_verilog(monkeypatch, name, pattern, replacement, module=engine_bench):
    """Let engines be emitted by a module with what a pattern matches replaced in the one file whose name holds `name`."""
    emit = module.emit_engine

    def emit_broken(config, directory):
        emitted = emit(config, directory)
        paths = [p for p in emitted.sources if name in p.name]
        assert len(paths) == 1
        text, changes = re.subn(pattern, replacement, paths[0].read_text())
        assert changes >= 1, f"{pattern} is not in {paths[0]}"
        paths[0].write_text(text)
        return emitted

    monkeypatch.setattr(module, "emit_engine", emit_broken)

"""Gateware: the structure, timing, Amaranth units and Verilog of an engine."""

if not __name__.startswith("oxnor."):
    raise ImportError("import this package as 'oxnor.hw', or there will be two module objects of each file")

from oxnor.models.base.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "EngineConfig": "oxnor.hw.params.engine",
        "EngineOptions": "oxnor.hw.params.options",
        "LayerOptions": "oxnor.hw.params.options",
        "SpikingConfig": "oxnor.hw.params.spiking",
        "VerilogOptions": "oxnor.hw.params.verilog",
        "generate": "oxnor.hw.emit.generate",
        "schedule": "oxnor.hw.params.schedule",
    },
)

"""Networks through their RTL in simulation, sweeps over errors, pictures and studies."""

if not __name__.startswith("oxnor."):
    raise ImportError("import this package as 'oxnor.sim', or there will be two module objects of each file")

from oxnor.models.base.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, {
    "EnergyOptions": "oxnor.sim.silicon.energy",
    "RunOptions": "oxnor.sim.verify.options",
    "SweepParams": "oxnor.sim.sweeps.params",
    "WorkerOptions": "oxnor.sim.sweeps.params",
    "energy": "oxnor.sim.silicon.energy",
    "inputs_for": "oxnor.sim.verify.inputs",
    "simulate": "oxnor.sim.verify.simulate",
    "sweep": "oxnor.sim.sweeps.run",
})

"""Networks, what they compute, and how their devices fail."""

if not __name__.startswith("oxnor."):
    raise ImportError("import this package as 'oxnor.models', or there will be two module objects of each file")

from oxnor.models.base.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, {
    "DataOptions": "oxnor.models.datasets.options",
    "DeviceModel": "oxnor.models.devices.model",
    "DeviceOptions": "oxnor.models.devices.options",
    "ErrorOptions": "oxnor.models.faults.options",
    "FaultMap": "oxnor.models.faults.fault_map",
    "LearningParams": "oxnor.models.learning.crossbar",
    "Network": "oxnor.models.networks.binarized",
    "PulseNetwork": "oxnor.models.learning.crossbar",
    "ReadErrors": "oxnor.models.faults.read_errors",
    "SpikingNetwork": "oxnor.models.networks.spiking",
    "TrainParams": "oxnor.models.training.params",
    "TrainingData": "oxnor.models.training.presets",
    "export_network": "oxnor.models.exchange.export_network",
    "golden": "oxnor.models.golden",
    "import_network": "oxnor.models.exchange.import_network",
    "load": "oxnor.models.zoo",
    "pulse_device": "oxnor.models.learning.crossbar",
    "train_network": "oxnor.models.training.presets",
})

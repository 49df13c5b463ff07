"""What an import says of a file."""

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.import_network import import_network


def refused(path, **options):
    """Return why a file is refused, without its name."""
    try:
        import_network(path, **options)
    except InputError as e:
        return str(e).removeprefix(f"{path}: ")
    raise AssertionError(f"{path} must be refused, and is imported")


def save(model, path):
    """Write an ONNX model."""
    path.write_bytes(model.SerializeToString())
    return path

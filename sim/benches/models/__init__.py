"""What small units do, in a few lines of Python each, cycle by cycle."""

from . import arithmetic, errors, interfaces, lines, memories, streams
from .base import Model

#: By the name in a job.
MODELS: dict[str, type[Model]] = {
    name: value
    for module in (arithmetic, errors, interfaces, lines, memories, streams)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Model) and value is not Model
}

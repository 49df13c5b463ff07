"""What small units do, in a few lines of Python each, cycle by cycle."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from .base import Model

#: Modules that hold models, those with golden models behind them last: most units need none.
_MODULES = ("interfaces", "memories", "streams", "lines", "errors", "arithmetic", "learning")


class _Models(Mapping[str, type[Model]]):
    """Loads one module after the other until it has a name: each run of a unit loads them anew."""

    def __getitem__(self, name: str) -> type[Model]:
        for module in map(_models_of, _MODULES):
            if name in module:
                return module[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(name for module in map(_models_of, _MODULES) for name in module)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _models_of(module: str) -> dict[str, type[Model]]:
    members = vars(import_module(f"{__name__}.{module}")).items()
    return {n: v for n, v in members if isinstance(v, type) and issubclass(v, Model) and v is not Model}


#: By the name in a job.
MODELS: Mapping[str, type[Model]] = _Models()

"""``python -m oxnor.cli``: the same as ``oxnor``."""

from . import main

main()
